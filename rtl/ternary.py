"""Add-only processing elements: ternary weights (b1.58) and binary ones (b1).

A weight only selects the sign of its activation, so a lane needs an inverter and no multiplier:
the term ``(x AND nz) XOR neg`` and a carry of ``neg`` make x, -x or 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from amaranth import Const, Module, Shape, Value, unsigned
from amaranth.lib import data

from .integer import IntegerPE, IntegerSpec, as_term
from .pe import AnyArray, BoolArray, CodeArray

#: A ternary weight in two's complement: 00 is 0, 01 is +1, 11 is -1. The fourth pattern, 10, also
#: gives 0: its term is all ones, and its carry turns that into zero.
TERNARY_CODE = data.StructLayout({"nz": 1, "neg": 1})


@dataclass(frozen=True, kw_only=True)
class TernarySpec(IntegerSpec):
    """A processing element for weights -1, 0 and +1."""

    name: ClassVar[str] = "ternary"
    wgt_values: ClassVar[str] = "-1, 0 or 1"

    @property
    def wgt_shape(self) -> Shape:
        """Two bits; the layout is `TERNARY_CODE`."""
        return unsigned(2)

    def bad_weights(self, wgt: AnyArray) -> BoolArray:
        """Return a mask of the weights above 1 in magnitude."""
        return np.asarray(np.abs(wgt) > 1)

    def draw_operands(
        self, rng: np.random.Generator, shape: tuple[int, int], zeros: float
    ) -> tuple[AnyArray, AnyArray]:
        """Draw activations over their whole range, and signs, of which a share is set to zero."""
        signs = random_signs(rng, shape)
        return self.draw_activations(rng, shape), signs * (rng.random(shape) >= zeros)

    def draw_weights(
        self, rng: np.random.Generator, shape: tuple[int, int], zeros: float
    ) -> AnyArray:
        """Draw signs, of which a share is set to zero."""
        signs = random_signs(rng, shape)
        return np.asarray(signs * (rng.random(shape) >= zeros))

    def create(self) -> TernaryPE:
        """Return the hardware."""
        return TernaryPE(self)


class TernaryPE(IntegerPE):
    """One masked inverter and one adder per lane."""

    def nonzero(self, weight: Value) -> Value:
        """Return bit 0 of the code."""
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

    The code of a weight is its sign bit: 0 for +1, 1 for -1. No code represents zero, so the lanes
    beyond K get zero activations, and the counter of non-zero terms includes these lanes.
    """

    name: ClassVar[str] = "binary"
    zero_weights: ClassVar[bool] = False
    wgt_values: ClassVar[str] = "-1 or 1"

    @property
    def wgt_shape(self) -> Shape:
        """One sign bit."""
        return unsigned(1)

    def bad_weights(self, wgt: AnyArray) -> BoolArray:
        """Return a mask of the weights whose magnitude is not 1."""
        return np.asarray(np.abs(wgt) != 1)

    def encode(self, act: AnyArray, wgt: AnyArray) -> tuple[CodeArray, CodeArray]:
        """Return two's-complement activations and sign bits."""
        return super().encode(act, wgt)[0], (wgt < 0).astype(np.uint64)

    def draw_operands(
        self,
        rng: np.random.Generator,
        shape: tuple[int, int],
        zeros: float,  # noqa: ARG002  no weight is zero
    ) -> tuple[AnyArray, AnyArray]:
        """Draw activations over their whole range, and signs."""
        signs = random_signs(rng, shape)
        return self.draw_activations(rng, shape), signs

    def create(self) -> BinaryPE:
        """Return the hardware."""
        return BinaryPE(self)


class BinaryPE(IntegerPE):
    """One inverter and one adder per lane."""

    def nonzero(self, weight: Value) -> Value:  # noqa: ARG002  no weight is zero
        """Return 1: every lane counts."""
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


def random_signs(rng: np.random.Generator, shape: tuple[int, int]) -> AnyArray:
    """Draw -1 and +1 with equal probability."""
    return rng.choice(np.array([-1, 1], dtype=np.int64), shape)
