"""The numeric reference against the papers' formulas, exact arithmetic and Hugging Face."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from bitnet_hw.errors import InputError
from bitnet_hw.reference import bitlinear as bl
from bitnet_hw.reference import quantizers as qz


def test_b1_weights_by_hand() -> None:
    # Mean 0.25, mean magnitude 1.25; the value that equals the mean is not positive: -1.
    quantized = qz.quantize_weights_b1([[0.25, -2.0], [2.5, 0.25]])
    assert quantized.codes.tolist() == [[-1, -1], [1, -1]]
    assert float(quantized.multiplier) == pytest.approx(1 / 1.25)


def test_b158_forms_differ_where_epsilon_matters() -> None:
    # gamma = 0.5: the ratio is exactly 0.5 in the released form, which rounds half to even, and
    # just below it in the paper's; 0.75 / 0.5 = 1.5 is clipped to 1 in both.
    weights = np.array([0.25, -0.75, 0.75, 0.25], dtype=np.float32)
    released = qz.quantize_weights_b158(weights, "released")
    paper = qz.quantize_weights_b158(weights, "paper")
    assert released.codes.tolist() == paper.codes.tolist() == [0, -1, 1, 0]
    assert float(released.multiplier) == 2.0
    # Tiny weights: epsilon swallows them in the paper's form, the clamp scales them in the other.
    tiny = np.full(4, 2e-5, dtype=np.float32)
    assert qz.quantize_weights_b158(tiny, "released").codes.tolist() == [1, 1, 1, 1]
    assert qz.quantize_weights_b158(tiny, "paper").codes.tolist() == [1, 1, 1, 1]
    tiny = np.full(4, 8e-6, dtype=np.float32)
    assert qz.quantize_weights_b158(tiny, "released").codes.tolist() == [1, 1, 1, 1]
    assert qz.quantize_weights_b158(tiny, "paper").codes.tolist() == [0, 0, 0, 0]


def test_activation_forms_at_the_ends_of_the_range() -> None:
    x = np.array([[1.0, -1.0, 0.5]], dtype=np.float32)
    paper = qz.quantize_activations(x, form="paper")
    released = qz.quantize_activations(x, form="released")
    assert paper.codes.tolist() == [[127, -127, 64]]  # 128 lies outside the open interval
    assert released.codes.tolist() == [[127, -127, 64]]  # 63.5 rounds half to even
    assert float(paper.multiplier[0, 0]) == 128.0
    assert float(released.multiplier[0, 0]) == 127.0
    assert qz.quantize_activations(x, bits=4).codes.tolist() == [[7, -7, 4]]


def test_activation_scale_per_token_and_per_tensor() -> None:
    x = np.array([[1.0, 0.5], [4.0, -2.0]], dtype=np.float32)
    token = qz.quantize_activations(x)
    assert token.multiplier.shape == (2, 1)
    assert token.codes.tolist() == [[127, 64], [127, -64]]
    tensor = qz.quantize_activations(x, per="tensor")
    assert tensor.multiplier.shape == ()
    assert tensor.codes.tolist() == [[32, 16], [127, -64]]


@settings(max_examples=60)
@given(
    hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=1, max_dims=3, max_side=9),
        elements=st.floats(-1e4, 1e4, width=32),
    ),
    st.integers(2, 8),
    st.sampled_from(["paper", "released"]),
)
def test_activation_error_is_at_most_half_a_step(x: np.ndarray, bits: int, form: qz.Form) -> None:
    quantized = qz.quantize_activations(x, bits=bits, form=form)
    assert quantized.codes.shape == x.shape
    q = 1 << (bits - 1)
    assert np.abs(quantized.codes.astype(int)).max() <= q - (form == "paper")
    error = np.abs(quantized.codes - x.astype(np.float64) * quantized.multiplier)
    # The paper's clip costs the extreme value up to a whole step.
    assert error.max() <= (1.0 if form == "paper" else 0.5) + 1e-3


def test_gaussian_weights_have_the_known_share_of_zeros() -> None:
    # P(|x| < mean|x| / 2) = erf(1 / (2 sqrt(pi))) = 0.310 for a Gaussian.
    weights = np.random.default_rng(1).standard_normal((1000, 1000))
    codes = qz.quantize_weights_b158(weights).codes
    assert np.mean(codes == 0) == pytest.approx(0.310, abs=0.002)


@settings(max_examples=80)
@given(st.data())
def test_integer_gemm_is_exact(data: st.DataObject) -> None:
    n = data.draw(st.integers(1, 5))
    k = data.draw(st.integers(1, 40))
    leading = data.draw(hnp.array_shapes(min_dims=0, max_dims=2, max_side=4))
    dtype = data.draw(st.sampled_from([np.int8, np.int16]))
    top = 127 if dtype == np.int8 else 4000
    element = st.integers(-top - 1, top)
    x = data.draw(hnp.arrays(dtype, (*leading, k), elements=element))
    w = data.draw(hnp.arrays(np.int16, (n, k), elements=st.integers(-4000, 4000)))
    got = bl.integer_gemm(x, w)
    assert got.shape == (*leading, n)
    assert np.array_equal(got, x.astype(object) @ w.astype(object).T)


@pytest.mark.parametrize(("low", "high"), [(-1, 1), (-8, 7), (-128, 127)])
def test_integer_gemm_is_exact_at_full_size(low: int, high: int) -> None:
    # Sums of 8-bit products pass 2**24 here, where a plain float32 product is wrong.
    rng = np.random.default_rng(2)
    x = rng.integers(100, 128, (3, 6912), dtype=np.int8)
    w = rng.integers(max(low, high - 10), high + 1, (64, 6912), dtype=np.int8)
    expected = x.astype(np.int64) @ w.astype(np.int64).T
    assert np.array_equal(bl.integer_gemm(x, bl.PreparedWeights(w)), expected)


def test_wide_sums_are_int64() -> None:
    x = np.full((1, 200_000), -128, dtype=np.int8)
    w = np.full((1, 200_000), -128, dtype=np.int8)
    got = bl.integer_gemm(x, w)
    assert got.dtype == np.int64
    assert int(got[0, 0]) == 128 * 128 * 200_000


def test_layer_norm_of_each_token() -> None:
    got = qz.layer_norm([[1.0, 3.0], [10.0, 30.0]], epsilon=0.0)
    assert got.tolist() == [[-1.0, 1.0], [-1.0, 1.0]]


@pytest.mark.parametrize("leading", [(), (1,), (3,), (2, 3)])
def test_b1_layer_equals_the_formula_in_exact_rationals(leading: tuple[int, ...]) -> None:
    rng = np.random.default_rng(3)
    weights = rng.standard_normal((4, 6)).astype(np.float32)
    x = rng.standard_normal((*leading, 6)).astype(np.float32)
    got = bl.BitLinear.b1(weights)(x)
    assert got.shape == (*leading, 4)
    normal = qz.layer_norm(x).reshape(-1, 6)
    mean = sum(map(Fraction, weights.ravel().tolist())) / weights.size
    beta = sum(abs(Fraction(v)) for v in weights.ravel().tolist()) / weights.size
    for token, row in zip(normal, got.reshape(-1, 4), strict=True):
        gamma = max(abs(Fraction(float(v))) for v in token)
        codes = [max(-127, min(127, round(Fraction(float(v)) * 128 / gamma))) for v in token]
        for line, value in zip(weights, row, strict=True):
            acc = sum(
                c if Fraction(float(w)) > mean else -c for c, w in zip(codes, line, strict=True)
            )
            assert float(value) == pytest.approx(float(acc * beta * gamma / 128), rel=1e-5)


@pytest.mark.parametrize("form", ["paper", "released"])
def test_b158_layer_approximates_the_real_product(form: qz.Form) -> None:
    rng = np.random.default_rng(4)
    weights = rng.integers(-1, 2, (16, 512)).astype(np.float32) * 0.02
    x = rng.standard_normal((5, 512)).astype(np.float32)
    layer = bl.BitLinear.b158(weights, form=form)
    # Ternary weights stay exact up to their scale, whose mean includes the zeros.
    scale = np.abs(weights).mean() / 0.02
    assert np.allclose(layer(x) / scale, x @ weights.T, atol=0.02)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: qz.quantize_weights_b158([1.0], form="other"), "'paper' or 'released'"),  # type: ignore[arg-type]  # the bad value is the test
        (lambda: qz.quantize_activations([1.0], bits=9), "2 to 8, found 9"),
        (lambda: qz.quantize_activations([np.nan]), "NaN"),
        (lambda: qz.quantize_activations(3.0), "scalar"),
        (lambda: qz.quantize_weights_b1(np.zeros((0, 4))), "empty"),
        (lambda: bl.PreparedWeights(np.zeros((2, 2))), "integer matrix"),
        (
            lambda: bl.integer_gemm(np.zeros((2, 3), np.int8), np.zeros((2, 4), np.int8)),
            "last axes must be equal",
        ),
        (lambda: bl.integer_gemm(np.zeros((2, 3)), np.zeros((2, 3), np.int8)), "float64"),
    ],
)
def test_bad_input_is_one_clear_line(call: Callable[[], Any], says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        call()
    assert "\n" not in str(caught.value)


needs_transformers = pytest.mark.skipif(
    not (importlib.util.find_spec("torch") and importlib.util.find_spec("transformers")),
    reason="torch and transformers (extra `torch`) are not installed",
)


@needs_transformers
@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # torch's own deprecations on import
def test_outputs_equal_hugging_face(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCHDYNAMO_DISABLE", "1")
    import torch
    from transformers.integrations import bitnet

    rng = np.random.default_rng(5)
    real = rng.standard_normal((64, 256)).astype(np.float32) * 0.03
    x = rng.standard_normal((2, 7, 256)).astype(np.float32)
    ours = bl.BitLinear.b158(real)

    # Offline: packed codes, and the scale that divides.
    theirs = bitnet.BitLinear(256, 64, bias=False, dtype=torch.float32)
    codes = torch.from_numpy(ours.weights.codes.astype(np.float32))
    theirs.weight = bitnet.pack_weights(codes)
    theirs.weight_scale = torch.tensor([float(ours.multiplier)])
    with torch.no_grad():
        expected = theirs(torch.from_numpy(x)).numpy()
    assert np.array_equal(ours(x), expected)

    # Online: their weights are rounded in float, so the sums are too.
    online = bitnet.AutoBitLinear(256, 64, bias=False, online_quant=True)
    with torch.no_grad():
        online.weight.copy_(torch.from_numpy(real))
        expected = online(torch.from_numpy(x)).numpy()
    assert np.allclose(ours(x), expected, rtol=1e-4, atol=1e-5)
