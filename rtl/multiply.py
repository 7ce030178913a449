"""Multiplying processing elements, INT8 and INT4: baselines for the add-only ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from amaranth import Module, Mux, Shape, Signal, Value, signed

from .integer import SIGMAS_TO_ABSMAX, IntegerPE, IntegerSpec, quantized
from .pe import AnyArray, BoolArray


@dataclass(frozen=True, kw_only=True)
class MultiplySpec(IntegerSpec):
    """A processing element with a two's-complement multiplier in each lane."""

    multiplies: ClassVar[bool] = True
    integer_multipliers: ClassVar[bool] = True
    #: Width of a weight.
    wgt_bits: ClassVar[int]

    @property
    def wgt_shape(self) -> Shape:
        """Two's complement."""
        return signed(self.wgt_bits)

    def bad_weights(self, wgt: AnyArray) -> BoolArray:
        """Return a mask of the weights out of range."""
        top = 1 << (self.wgt_bits - 1)
        return np.asarray((wgt < -top) | (wgt >= top))

    def draw_operands(
        self, rng: np.random.Generator, shape: tuple[int, int], zeros: float
    ) -> tuple[AnyArray, AnyArray]:
        """Draw both over their whole range; a share of the weights is set to zero."""
        top = 1 << (self.wgt_bits - 1)
        magnitudes = rng.integers(1, top + 1, shape, dtype=np.int64)
        signs = np.where((rng.random(shape) < 0.5) & (magnitudes < top), 1, -1)
        kept = rng.random(shape) >= zeros
        return self.draw_activations(rng, shape), magnitudes * signs * kept

    def draw_weights(
        self,
        rng: np.random.Generator,
        shape: tuple[int, int],
        zeros: float,  # noqa: ARG002  applies to ternary weights
    ) -> AnyArray:
        """Draw absmax-quantized Gaussian weights."""
        return quantized(rng.standard_normal(shape) / SIGMAS_TO_ABSMAX, self.wgt_bits)

    def create(self) -> MultiplyPE:
        """Return the hardware."""
        return MultiplyPE(self)


@dataclass(frozen=True, kw_only=True)
class Int8Spec(MultiplySpec):
    """INT8 weights; INT8 activations unless `act_bits` says otherwise."""

    name: ClassVar[str] = "int8"
    wgt_bits: ClassVar[int] = 8
    wgt_magnitude: ClassVar[int] = 128
    wgt_values: ClassVar[str] = "-128 to 127"


@dataclass(frozen=True, kw_only=True)
class Int4Spec(MultiplySpec):
    """INT4 weights; INT4 activations unless `act_bits` says otherwise (8 for W4A8)."""

    name: ClassVar[str] = "int4"
    wgt_bits: ClassVar[int] = 4
    wgt_magnitude: ClassVar[int] = 8
    wgt_values: ClassVar[str] = "-8 to 7"

    act_bits: int = 4


class MultiplyPE(IntegerPE):
    """One multiplier and one adder per lane."""

    spec: MultiplySpec
    gates_weights: ClassVar[bool] = True

    def nonzero(self, weight: Value) -> Value:
        """Return whether any bit is set."""
        return weight.any()

    def lane(
        self, m: Module, lane: int, act: Value, wgt: Value, live: Value | None
    ) -> tuple[Value, Value | None]:
        """Return the exact product; it needs no carry."""
        product = Signal(signed(len(act) + len(wgt)), name=f"product_{lane}")
        exact = act.as_signed() * wgt.as_signed()
        m.d.comb += product.eq(exact if live is None else Mux(live, exact, 0))
        return product, None
