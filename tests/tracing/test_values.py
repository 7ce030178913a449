"""Formats by value: ternary weights, integers times a scale, and neither."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bitnet_hw.reference.detection import GROUP
from bitnet_hw.tracing.values import integer_operand, stored_operand

RNG = np.random.default_rng(7)
#: Half the distance from 1 to the next bfloat16, as ``torch.finfo(torch.bfloat16).eps / 2``.
BF16_ROUNDOFF = 2.0**-8


def ternary(matrix: NDArray[Any]) -> Any:
    """Return a ternary or binary matrix as an operand, None for any other."""
    found = stored_operand(
        lambda rows, columns: matrix[rows, columns], (len(matrix), matrix.shape[1]), 2.0**-24
    )
    return found if found is not None and found.add_only else None


def integers(matrix: NDArray[Any], roundoff: float = 2.0**-24) -> Any:
    return integer_operand(
        lambda rows, columns: matrix[rows, columns], (len(matrix), matrix.shape[1]), roundoff
    )


def trits(rows: int, k: int, zeros: float = 0.31) -> NDArray[np.float32]:
    signs = RNG.choice([-1, 1], (rows, k))
    return (signs * (RNG.random((rows, k)) >= zeros)).astype(np.float32)


def as_bf16(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """Round to bfloat16's eight significant bits."""
    mantissa, exponent = np.frexp(matrix)
    return np.ldexp(np.rint(mantissa * 256) / 256, exponent).astype(np.float32)


@settings(deadline=None, max_examples=40)
@given(
    rows=st.integers(1, 70), groups=st.integers(1, 3), scale=st.floats(1e-6, 1e4),
    zeros=st.floats(0, 0.9), seed=st.integers(0, 99),
)  # fmt: skip
def test_every_granularity_counts_its_non_zeros(
    rows: int, groups: int, scale: float, zeros: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    codes = rng.choice([-1, 1], (rows, groups * GROUP)) * (
        rng.random((rows, groups * GROUP)) >= zeros
    )
    truth = np.count_nonzero(codes, axis=1)
    spread = rng.uniform(0.2, 5, (rows, groups, 1))
    for scales in (1.0, spread[:, :1], spread):
        matrix = (codes.reshape(rows, groups, GROUP) * scales * scale).reshape(rows, -1)
        found = ternary(matrix.astype(np.float32))
        assert found.add_only
        assert (found.non_zeros, found.used_outputs) == (truth.sum(), np.count_nonzero(truth))


def test_straight_through_rounding_is_tolerated() -> None:
    weights = RNG.normal(0, 0.02, (96, 512)).astype(np.float32)
    scale = np.abs(weights).mean()
    quantized = np.clip(np.rint(weights / scale), -1, 1) * scale
    emulated = as_bf16(as_bf16(weights) + as_bf16(as_bf16(quantized) - as_bf16(weights)))
    assert len(np.unique(np.abs(emulated))) > 2
    found = ternary(emulated)
    assert found.format == "ternary"
    assert found.non_zeros == np.count_nonzero(quantized)


def test_one_odd_weight_late_in_a_large_matrix_is_detected() -> None:
    matrix = trits(3000, 300)
    assert ternary(matrix).format == "ternary"
    matrix[2777, 131] = 0.4
    assert ternary(matrix) is None


def test_binary_has_both_signs_and_no_zeros() -> None:
    signs = RNG.choice([-1.0, 1.0], (32, 64)).astype(np.float32)
    assert ternary(signs * 0.3).format == "binary"
    assert ternary(np.abs(signs)).format == "ternary"
    signs[3, 4] = 0
    assert ternary(signs).format == "ternary"


@pytest.mark.parametrize(
    "matrix",
    [
        RNG.normal(size=(64, 512)),
        RNG.integers(-2, 3, (64, 512)).astype(float),
        np.zeros((16, 16)),
        np.full((4, 4), np.nan),
        np.full((16, 16), np.inf),
        np.ones((2, 2)),
        RNG.normal(size=(500, 1)),
    ],
    ids=["gaussian", "five levels", "zeros", "nan", "inf", "too small", "a column"],
)
def test_other_matrices_are_not_ternary(matrix: NDArray[Any]) -> None:
    assert ternary(matrix.astype(np.float32)) is None


@pytest.mark.parametrize(("bits", "name"), [(8, "int8"), (4, "int4")])
@pytest.mark.parametrize("rounding", ["fp32", "bf16"])
def test_absmax_quantized_activations(bits: int, name: str, rounding: str) -> None:
    x = RNG.normal(size=(20, 640)).astype(np.float32) * RNG.uniform(0.1, 9, (20, 1))
    top = 2 ** (bits - 1) - 1
    steps = np.abs(x).max(axis=1, keepdims=True) / top
    codes = np.rint(x / steps)
    assert integers(codes).format == name
    emulated = (codes * steps).astype(np.float32)
    if rounding == "bf16":
        assert integers(as_bf16(emulated), BF16_ROUNDOFF).format == name
    else:
        assert integers(emulated).format == name
        whole = (np.rint(x / steps.max()) * steps.max()).astype(np.float32)
        assert integers(whole) is None or integers(whole).format == name


@pytest.mark.parametrize("scale", [1e-3, 1.0, 300.0])
def test_gaussian_activations_are_not_integers(scale: float) -> None:
    for _ in range(20):
        x = (RNG.normal(size=(4, 256)) * scale).astype(np.float32)
        assert integers(x) is None
        assert integers(as_bf16(x), BF16_ROUNDOFF) is None


def test_too_few_values_are_not_classified() -> None:
    assert integers(np.array([[0.5, -0.5]], dtype=np.float32)) is None
    assert integers(np.zeros((3, 64), dtype=np.float32)) is None
    assert integers(np.zeros((0, 64), dtype=np.float32)) is None


def test_minus_128_widens_the_accumulator() -> None:
    codes = RNG.integers(-127, 128, (4, 64)).astype(np.float32)
    assert integers(codes).largest == 127
    codes[2, 5] = -128
    assert integers(codes).largest == 128
