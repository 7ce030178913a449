"""Add-only processing elements: ternary weights (b1.58) and binary ones (b1).

A weight chooses the sign of its activation, so a lane is an inverter, not a multiplier. The
term ``(x AND nz) XOR neg`` and a carry of ``neg`` make x, -x or 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from amaranth import Const, Module, Shape, Value, unsigned
from amaranth.lib import data

from ..errors import InputError
from .integer import IntegerPE, IntegerSpec, NDArrayBool, as_term
from .pe import AnyArray, CodeArray

#: A ternary weight in two's complement: 00 is 0, 01 is +1, 11 is -1. The fourth pattern, 10, gives
#: 0 as well: its term is all ones and its carry makes that zero.
TERNARY_CODE = data.StructLayout({"nz": 1, "neg": 1})


@dataclass(frozen=True, kw_only=True)
class TernarySpec(IntegerSpec):
    """A processing element for weights -1, 0 and +1, without a multiplier."""

    name: ClassVar[str] = "ternary"
    wgt_values: ClassVar[str] = "-1, 0 or 1"

    @property
    def wgt_shape(self) -> Shape:
        """Two bits; the layout is `TERNARY_CODE`."""
        return unsigned(2)

    def bad_weights(self, wgt: AnyArray) -> NDArrayBool:
        """Return where a weight is beyond 1 in magnitude."""
        return np.asarray(np.abs(wgt) > 1)

    def random_operands(
        self, rng: np.random.Generator, rows: int, k: int, zeros: float
    ) -> tuple[AnyArray, AnyArray]:
        """Draw activations over their whole range and weights with a share of zeros."""
        signs = rng.choice(np.array([-1, 1], dtype=np.int64), (rows, k))
        return self.random_activations(rng, (rows, k)), signs * (rng.random((rows, k)) >= zeros)

    def create(self) -> TernaryPE:
        """Return the hardware."""
        return TernaryPE(self)


class TernaryPE(IntegerPE):
    """One masked inverter and one adder a lane."""

    def nonzero(self, weight: Value) -> Value:
        """Bit 0 of the code."""
        return weight[0]

    def lane(
        self,
        m: Module,
        lane: int,
        act: Value,
        wgt: Value,
        live: Value | None,  # noqa: ARG002  the weight itself silences the lane
    ) -> tuple[Value, Value | None]:
        """Return ``(x AND nz) XOR neg`` and the carry ``neg``."""
        code = TERNARY_CODE(wgt)
        bits = self.spec.act_bits
        masked = act.as_unsigned() & code.nz.replicate(bits)
        return as_term(m, masked ^ code.neg.replicate(bits), bits, f"term_{lane}"), code.neg


@dataclass(frozen=True, kw_only=True)
class BinarySpec(IntegerSpec):
    """A processing element for weights -1 and +1.

    A weight is its sign bit: 0 is +1, 1 is -1. No code means zero, so the lanes beyond K are
    silent by their activations, and the counter of non-zero terms counts them too.
    """

    name: ClassVar[str] = "binary"
    wgt_values: ClassVar[str] = "-1 or 1"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.zero_gating:
            raise InputError("zero_gating does not apply to the binary PE: no weight is zero")

    @property
    def wgt_shape(self) -> Shape:
        """One sign bit."""
        return unsigned(1)

    def bad_weights(self, wgt: AnyArray) -> NDArrayBool:
        """Return where a weight is not of magnitude 1."""
        return np.asarray(np.abs(wgt) != 1)

    def encode(self, act: AnyArray, wgt: AnyArray) -> tuple[CodeArray, CodeArray]:
        """Return two's-complement activations and sign bits."""
        return super().encode(act, wgt)[0], (wgt < 0).astype(np.uint64)

    def nonzero_terms(self, wgt: AnyArray) -> int:
        """Return the lanes of all steps: the hardware knows no zero."""
        return self.adder_slots(wgt.shape[1], wgt.shape[0])

    def random_operands(
        self, rng: np.random.Generator, rows: int, k: int, zeros: float
    ) -> tuple[AnyArray, AnyArray]:
        """Draw activations over their whole range and signs; `zeros` must be 0."""
        if zeros:
            raise InputError(f"binary weights have no zeros, found a share of {zeros}")
        signs = rng.choice(np.array([-1, 1], dtype=np.int64), (rows, k))
        return self.random_activations(rng, (rows, k)), signs

    def create(self) -> BinaryPE:
        """Return the hardware."""
        return BinaryPE(self)


class BinaryPE(IntegerPE):
    """One inverter and one adder a lane."""

    def nonzero(self, weight: Value) -> Value:  # noqa: ARG002  no weight is zero
        """Every lane counts."""
        return Const(1, 1)

    def lane(
        self,
        m: Module,
        lane: int,
        act: Value,
        wgt: Value,
        live: Value | None,  # noqa: ARG002  never gated
    ) -> tuple[Value, Value | None]:
        """Return ``x XOR sign`` and the carry ``sign``."""
        bits = self.spec.act_bits
        sign = wgt[0]
        return as_term(m, act.as_unsigned() ^ sign.replicate(bits), bits, f"term_{lane}"), sign
