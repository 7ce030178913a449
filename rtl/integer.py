"""The common part of integer processing elements, add-only and multiplying."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from amaranth import Module, Shape, Signal, Value, signed

from ..errors import InputError
from ..inputs.accumulators import accumulator_bits
from .adder_tree import add_integers, reduce_tree, register_all, sum_with_carry
from .element import ProcessingElement
from .pe import AnyArray, BoolArray, CodeArray, Distribution, PESpec, check_range

#: Absmax quantization maps the largest magnitude of a row to the top of the range. Among 2560
#: Gaussian values, the width of a small model, it is 3.5 standard deviations on average.
SIGMAS_TO_ABSMAX = 3.5


@dataclass(frozen=True, kw_only=True)
class IntegerSpec(PESpec):
    """A processing element whose sums are exact two's-complement integers.

    Attributes
    ----------
    act_bits : int
        Width of an activation in two's complement, whose whole range is allowed: INT8 includes
        -128.
    acc_bits : int or None
        Width of the accumulator. None: the ``bit_length(magnitude * k_bound) + 1`` bits that
        `k_bound` terms of the largest magnitude need. A given width must be at least as large.
    """

    #: Largest magnitude of a weight.
    wgt_magnitude: ClassVar[int] = 1
    #: Values that a weight may take, for messages.
    wgt_values: ClassVar[str]

    act_bits: int = field(default=8, metadata={"help": "Bits of an activation, 2 to 16."})
    acc_bits: int | None = field(
        default=None,
        metadata={"help": "Bits of the accumulator. Default: as many as the longest row needs."},
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("act_bits", self.act_bits, 2, 16)
        if self.acc_bits is None:
            return
        check_range("acc_bits", self.acc_bits, 2, 64)
        if self.acc_bits < self.bits_needed:
            whole = "" if self.k_bound == self.k_max else f" ({self.k_bound} in whole steps)"
            raise InputError(
                f"an accumulator of {self.acc_bits} bits overflows at k_max {self.k_max}{whole}: "
                f"terms reach {self.term_magnitude}, so it takes {self.bits_needed} bits"
            )

    @property
    def term_magnitude(self) -> int:
        """Largest magnitude of one term."""
        return (1 << (self.act_bits - 1)) * self.wgt_magnitude

    @property
    def bits_needed(self) -> int:
        """Narrowest accumulator that cannot overflow within `k_bound` terms."""
        return accumulator_bits(self.term_magnitude, self.k_bound)

    @property
    def sum_bits(self) -> int:
        """Width of the accumulator and of the sum."""
        return self.bits_needed if self.acc_bits is None else self.acc_bits

    @property
    def act_shape(self) -> Shape:
        """Two's complement."""
        return signed(self.act_bits)

    @property
    def sum_shape(self) -> Shape:
        """Two's complement, wide enough for `k_bound` terms."""
        return signed(self.sum_bits)

    @property
    def activation_format(self) -> str:
        """``int8`` for eight bits."""
        return f"int{self.act_bits}"

    @property
    def accumulator_format(self) -> str:
        """``int21`` for 21 bits."""
        return f"int{self.sum_bits}"

    def check_activations(self, act: AnyArray) -> None:
        """Raise `InputError` for a type or value that `act_bits` bits cannot represent."""
        top = 1 << (self.act_bits - 1)
        bad = (act < -top) | (act >= top) if _is_real(act) else None
        _check_values("activations", act, bad, f"integers, {-top} to {top - 1}")

    def check_weights(self, wgt: AnyArray) -> None:
        """Raise `InputError` for a type or value that is not a weight of this element."""
        bad = self.bad_weights(wgt) if _is_real(wgt) else None
        _check_values("weights", wgt, bad, f"integers, {self.wgt_values}")

    @abstractmethod
    def bad_weights(self, wgt: AnyArray) -> BoolArray:
        """Return a mask of the weights that the hardware does not accept."""

    def encode(self, act: AnyArray, wgt: AnyArray) -> tuple[CodeArray, CodeArray]:
        """Return two's-complement bit patterns."""
        return (
            twos_complement(act, self.act_bits),
            twos_complement(wgt, self.wgt_shape.width),
        )

    def padding(self) -> tuple[int, int]:
        """Return a zero activation and a zero code."""
        return 0, 0

    def compute(self, act: AnyArray, wgt: AnyArray) -> AnyArray:
        """Return the exact integer sums, int64, of rows (R, K)."""
        return np.asarray(
            np.einsum("rk,rk->r", act.astype(np.int64), wgt.astype(np.int64), dtype=np.int64)
        )

    def decode(self, code: int) -> int:
        """Return the value of a two's-complement pattern of `sum_bits`."""
        code &= (1 << self.sum_bits) - 1
        return code - ((code >> (self.sum_bits - 1)) << self.sum_bits)

    def encode_sum(self, value: int) -> int:
        """Return the two's-complement pattern of a sum, `sum_bits` wide."""
        return int(value) & ((1 << self.sum_bits) - 1)

    def draw_activations(
        self,
        rng: np.random.Generator,
        shape: tuple[int, int],
        distribution: Distribution = "uniform",
    ) -> AnyArray:
        """Draw uniformly over the whole range, or absmax-quantized Gaussian values."""
        if distribution == "uniform":
            top = 1 << (self.act_bits - 1)
            return rng.integers(-top, top, shape, dtype=np.int64)
        return quantized(rng.standard_normal(shape) / SIGMAS_TO_ABSMAX, self.act_bits)

    def quantize_activations(self, values: AnyArray) -> AnyArray:
        """Absmax-quantize each row of floats; return integers unchanged."""
        if not np.issubdtype(values.dtype, np.floating):
            return values
        largest = np.abs(values).max(axis=1, keepdims=True)
        return quantized(values / np.where(largest == 0, 1, largest), self.act_bits)


class IntegerPE(ProcessingElement):
    """Lanes, a tree with a carry into each adder, and an accumulator that adds the last carry."""

    spec: IntegerSpec

    @abstractmethod
    def lane(
        self, m: Module, lane: int, act: Value, wgt: Value, live: Value | None
    ) -> tuple[Value, Value | None]:
        """Build one lane; return its term and the carry that completes the term, or None."""

    def sum_lanes(
        self,
        m: Module,
        act: list[Value],
        wgt: list[Value],
        live: list[Value] | None,
        advance: Value,
    ) -> tuple[Value, Value | None, int]:
        """Build lanes and tree; see the base class."""
        spec = self.spec
        terms: list[Value] = []
        carries: list[Value] = []
        for lane in range(spec.lanes):
            term, carry = self.lane(m, lane, act[lane], wgt[lane], live[lane] if live else None)
            terms.append(term)
            if carry is not None:
                carries.append(carry)
        registers = 0
        if spec.multiplies and spec.pipeline:
            terms = register_all(m, terms, advance, "product_r")
            registers = 1
        root, carry, stages = reduce_tree(
            m,
            terms,
            carries,
            add=add_integers,
            advance=advance,
            levels_per_stage=spec.pipeline,
        )
        return root, carry, registers + stages

    def accumulate(self, m: Module, acc: Value, addend: Value, carry: Value | None) -> Value:  # noqa: ARG002  needs no signals
        """Add in one carry chain."""
        return sum_with_carry(acc, addend, carry, self.spec.sum_bits)


def twos_complement(values: AnyArray, bits: int) -> CodeArray:
    """Return the low `bits` bits of integers."""
    mask = np.uint64((1 << bits) - 1)
    return np.asarray(values.astype(np.int64).astype(np.uint64) & mask)


def quantized(values: AnyArray, bits: int) -> AnyArray:
    """Round reals, where 1 is the top of the range, to integers of a symmetric range.

    Parameters
    ----------
    values : numpy.ndarray
        Reals; magnitudes above 1 are clipped.
    bits : int
        Width of the integers, whose range is plus or minus ``2 ** (bits - 1) - 1``.
    """
    top = (1 << (bits - 1)) - 1
    return np.asarray(np.clip(np.rint(values * top), -top, top).astype(np.int64))


def as_term(m: Module, value: Value, bits: int, name: str) -> Signal:
    """Return `value` in a named signed signal."""
    term = Signal(signed(bits), name=name)
    m.d.comb += term.eq(value)
    return term


def _is_real(values: AnyArray) -> bool:
    return bool(np.issubdtype(values.dtype, np.integer) or np.issubdtype(values.dtype, np.floating))


def _check_values(what: str, values: AnyArray, bad: BoolArray | None, right: str) -> None:
    if bad is None:
        raise InputError(f"{what} must be {right}; found dtype {values.dtype}")
    if not np.issubdtype(values.dtype, np.integer):
        bad = bad | (values != np.rint(values))
    if bad.any():
        at = tuple(int(i) for i in np.argwhere(bad)[0])
        raise InputError(f"{what} must be {right}; found {values[at]} at index {list(at)}")
