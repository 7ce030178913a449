"""The FP16 processing element: IEEE 754 products accumulated in FP16 or FP32."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from amaranth import Cat, Const, Module, Mux, Shape, Signal, Value, unsigned

from ..errors import InputError
from .adder_tree import reduce_tree, register_all
from .element import ProcessingElement, delayed
from .floating import FP16, FP32, FloatFormat, add, multiply
from .pe import AnyArray, CodeArray, Distribution, PESpec

_ACCUMULATORS: dict[str, tuple[FloatFormat, type[np.floating], type[np.unsignedinteger]]] = {
    "fp16": (FP16, np.float16, np.uint16),
    "fp32": (FP32, np.float32, np.uint32),
}


@dataclass(frozen=True, kw_only=True)
class Fp16Spec(PESpec):
    """A processing element on FP16 operands.

    Every operation rounds once, to nearest even, in this order: the products of a step, a tree
    of additions over its lanes (neighbours in pairs; an odd one waits for the next level), then
    one addition to the accumulator, which the first step of a row loads. The accumulator adds
    in one cycle, which limits the clock frequency.

    Attributes
    ----------
    accumulate : {"fp32", "fp16"}
        Format of products and sums. An FP16 product is exact in FP32 and rounded in FP16.
    """

    name: ClassVar[str] = "fp16"
    multiplies: ClassVar[bool] = True

    accumulate: str = field(
        default="fp32",
        metadata={
            "help": "Format of products and sums: fp32 or fp16.",
            "choices": tuple(_ACCUMULATORS),
        },
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.accumulate not in _ACCUMULATORS:
            raise InputError(f"accumulate must be fp16 or fp32, found {self.accumulate!r}")

    @property
    def sum_format(self) -> FloatFormat:
        """Format of products and sums."""
        return _ACCUMULATORS[self.accumulate][0]

    @property
    def activation_format(self) -> str:
        """``fp16``."""
        return "fp16"

    @property
    def accumulator_format(self) -> str:
        """``fp16`` or ``fp32``."""
        return self.accumulate

    @property
    def act_shape(self) -> Shape:
        """Bit pattern of FP16."""
        return unsigned(FP16.width)

    @property
    def wgt_shape(self) -> Shape:
        """Bit pattern of FP16."""
        return unsigned(FP16.width)

    @property
    def sum_shape(self) -> Shape:
        """Bit pattern of `sum_format`."""
        return unsigned(self.sum_format.width)

    def check_activations(self, act: AnyArray) -> None:
        """Raise `InputError` for a value that FP16 cannot represent exactly."""
        _check_fp16("activations", act)

    def check_weights(self, wgt: AnyArray) -> None:
        """Raise `InputError` for a value that FP16 cannot represent exactly."""
        _check_fp16("weights", wgt)

    def encode(self, act: AnyArray, wgt: AnyArray) -> tuple[CodeArray, CodeArray]:
        """Return the IEEE bit patterns."""
        return (
            act.astype(np.float16).view(np.uint16).astype(np.uint64),
            wgt.astype(np.float16).view(np.uint16).astype(np.uint64),
        )

    def padding(self) -> tuple[int, int]:
        """Return +0 for both."""
        return 0, 0

    def compute(self, act: AnyArray, wgt: AnyArray) -> AnyArray:
        """Return the sums of rows (R, K), each operation rounded as the hardware rounds it.

        Shape (R,), float16 or float32.
        """
        real = _ACCUMULATORS[self.accumulate][1]
        rows, k = act.shape
        steps = self.steps(k)
        x = np.zeros((rows, steps * self.lanes), dtype=np.float16)
        w = np.zeros_like(x)
        x[:, :k], w[:, :k] = act, wgt
        with np.errstate(all="ignore"):
            nodes = (x.astype(real) * w.astype(real)).reshape(rows, steps, self.lanes)
            while nodes.shape[2] > 1:
                pairs = nodes.shape[2] // 2
                summed = nodes[:, :, 0 : 2 * pairs : 2] + nodes[:, :, 1 : 2 * pairs : 2]
                nodes = np.concatenate([summed, nodes[:, :, 2 * pairs :]], axis=2)
            total = nodes[:, 0, 0].copy()
            for step in range(1, steps):
                total += nodes[:, step, 0]
        return np.asarray(total)

    def decode(self, code: int) -> Any:  # noqa: ANN401  float16 or float32
        """Return the number of a bit pattern."""
        _, real, bits = _ACCUMULATORS[self.accumulate]
        return bits(code).view(real)

    def encode_sum(self, value: Any) -> int:  # noqa: ANN401  float16 or float32
        """Return the bit pattern of a number."""
        _, real, bits = _ACCUMULATORS[self.accumulate]
        return int(real(value).view(bits))

    def agrees(self, got: Any, expected: Any) -> bool:  # noqa: ANN401  float16 or float32
        """Return whether the bits are equal; any NaN equals any other."""
        if np.isnan(got) or np.isnan(expected):
            return bool(np.isnan(got) and np.isnan(expected))
        return bool(got.tobytes() == expected.tobytes())

    def draw_operands(
        self, rng: np.random.Generator, shape: tuple[int, int], zeros: float
    ) -> tuple[AnyArray, AnyArray]:
        """Draw Gaussian operands; a share of the weights is set to zero."""
        act = rng.standard_normal(shape).astype(np.float16)
        wgt = rng.standard_normal(shape).astype(np.float16)
        wgt[rng.random(shape) < zeros] = 0
        return act, wgt

    def draw_activations(
        self, rng: np.random.Generator, shape: tuple[int, int], distribution: Distribution
    ) -> AnyArray:
        """Draw Gaussian values of unit variance, or uniform values between -1 and 1."""
        if distribution == "uniform":
            return rng.uniform(-1, 1, shape).astype(np.float16)
        return rng.standard_normal(shape).astype(np.float16)

    def draw_weights(
        self,
        rng: np.random.Generator,
        shape: tuple[int, int],
        zeros: float,  # noqa: ARG002  applies to ternary weights
    ) -> AnyArray:
        """Draw Gaussian weights of unit variance."""
        return rng.standard_normal(shape).astype(np.float16)

    def quantize_activations(self, values: AnyArray) -> AnyArray:
        """Round to FP16."""
        return values.astype(np.float16)

    def create(self) -> Fp16PE:
        """Return the hardware."""
        return Fp16PE(self)


class Fp16PE(ProcessingElement):
    """One floating-point multiplier and one floating-point adder per lane."""

    spec: Fp16Spec

    @property
    def identity(self) -> int:
        """Bit pattern of -0: adding it leaves every number unchanged, including +0."""
        return 1 << (self.spec.sum_format.width - 1)

    def nonzero(self, weight: Value) -> Value:
        """Return whether the weight is neither +0 nor -0."""
        return weight[:-1].any()

    def gate(
        self, m: Module, act: list[Value], wgt: list[Value], advance: Value
    ) -> tuple[list[Value], list[Value], list[Value]]:
        """Hold the magnitudes while the weight is zero and the activation is finite.

        Zero times infinity or NaN is NaN, so a lane with such an activation is not gated. Signs
        are always loaded, because they determine the sign of the zero product.
        """
        held: tuple[list[Value], list[Value], list[Value]] = ([], [], [])
        for lane, (x, w) in enumerate(zip(act, wgt, strict=True)):
            live = self.nonzero(w) | x[FP16.mantissa : -1].all()
            load = advance & live
            for values, operand, name in ((held[0], x, "act"), (held[1], w, "wgt")):
                magnitude = delayed(m, operand[:-1], load, f"{name}_{lane}")
                sign = delayed(m, operand[-1], advance, f"{name}_sign_{lane}")
                values.append(Cat(magnitude, sign))
            held[2].append(delayed(m, live, advance, f"live_{lane}"))
        return held

    def sum_lanes(
        self,
        m: Module,
        act: list[Value],
        wgt: list[Value],
        live: list[Value] | None,
        advance: Value,
    ) -> tuple[Value, Value | None, int]:
        """Build lanes and tree; see the base class."""
        target = self.spec.sum_format
        products: list[Value] = []
        for lane, (x, w) in enumerate(zip(act, wgt, strict=True)):
            product = multiply(m, x, w, FP16, target, f"mul_{lane}")
            if live is not None:
                zero = Cat(Const(0, target.width - 1), x[-1] ^ w[-1])
                gated = Signal(target.width, name=f"gated_{lane}")
                m.d.comb += gated.eq(Mux(live[lane], product, zero))
                product = gated
            products.append(product)
        registers = 0
        if self.spec.pipeline:
            products = register_all(m, products, advance, "product_r")
            registers = 1
        root, _, stages = reduce_tree(
            m,
            products,
            (),
            add=self._add,
            advance=advance,
            levels_per_stage=self.spec.pipeline,
        )
        return root, None, registers + stages

    def accumulate(self, m: Module, acc: Value, addend: Value, carry: Value | None) -> Value:  # noqa: ARG002  no carry in floating point
        """Add with one rounding."""
        return add(m, acc, addend, self.spec.sum_format, "acc_sum")

    def _add(self, m: Module, left: Value, right: Value, carry: Value | None, name: str) -> Value:  # noqa: ARG002  no carry in floating point
        return add(m, left, right, self.spec.sum_format, name)


def _check_fp16(what: str, values: AnyArray) -> None:
    if not np.issubdtype(values.dtype, np.floating):
        raise InputError(f"{what} must be float16; found dtype {values.dtype}")
    with np.errstate(all="ignore"):
        rounded = values.astype(np.float16)
        bad = ~((rounded == values) | np.isnan(values))
    if bad.any():
        at = tuple(int(i) for i in np.argwhere(bad)[0])
        raise InputError(
            f"{what} must be float16 values; {values[at]} at index {list(at)} is not one "
            "(round them with .astype(numpy.float16))"
        )
