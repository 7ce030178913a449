"""Tracing numpy code: unchanged values, and counts that follow from shapes and values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import bitnet_hw

RNG = np.random.default_rng(3)
TOKENS, INPUTS, OUTPUTS = 5, 96, 40


def bitlinear(x: NDArray[Any], codes: NDArray[Any], beta: float) -> NDArray[Any]:
    """Compute the BitLinear of the b1.58 paper in plain numpy."""
    scale = 127 / np.abs(x).max(axis=-1, keepdims=True)
    quantized = np.clip(np.rint(x * scale), -128, 127)
    return np.asanyarray((quantized @ codes.T) / scale * beta)


def attention(q: NDArray[Any], k: NDArray[Any], v: NDArray[Any]) -> NDArray[Any]:
    scores = np.einsum("thd,shd->hts", q, k) / np.sqrt(q.shape[-1])
    shifted = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return np.einsum("hts,shd->thd", shifted / shifted.sum(axis=-1, keepdims=True), v)


@pytest.fixture
def x() -> NDArray[np.float32]:
    return RNG.normal(size=(TOKENS, INPUTS)).astype(np.float32)


@pytest.fixture
def codes() -> NDArray[np.float32]:
    return RNG.integers(-1, 2, (OUTPUTS, INPUTS)).astype(np.float32)


def test_bitlinear_counts_ternary_additions(x: NDArray[Any], codes: NDArray[Any]) -> None:
    plain = bitlinear(x, codes, 0.3)
    with bitnet_hw.trace_numpy(strict=True) as tally, tally.scope("layers.0.q_proj"):
        traced = bitlinear(tally.input(x), codes, 0.3)
    assert np.asarray(traced).tobytes() == plain.tobytes()
    non_zeros = np.count_nonzero(codes, axis=1)
    assert tally.total("ternary-add") == TOKENS * int(np.maximum(non_zeros - 1, 0).sum())
    assert tally.add_only.non_zero_terms == TOKENS * int(non_zeros.sum())
    assert tally.macs == TOKENS * INPUTS * OUTPUTS
    assert tally.macs_by_role() == {"qkv": tally.macs}
    (mac,) = tally.mac_counts
    # 96 x 127 = 12192 takes 14 bits, and one for the sign.
    assert (mac.activation, mac.weight, mac.accumulator) == ("int8", "ternary", "int15")
    assert tally.total("round") == TOKENS * INPUTS
    assert tally.total("compare") == TOKENS * (INPUTS - 1) + 2 * TOKENS * INPUTS
    assert not tally.weight_work.counts


def test_attention_and_its_softmax() -> None:
    heads, width = 4, 16
    q, k, v = (RNG.normal(size=(TOKENS, heads, width)) for _ in range(3))
    plain = attention(q, k, v)
    with bitnet_hw.trace_numpy(strict=True) as tally:
        traced = attention(*map(tally.input, (q, k, v)))
    assert np.array_equal(np.asarray(traced), plain)
    scores = heads * TOKENS * TOKENS
    assert tally.macs == 2 * scores * width
    assert tally.total("exp") == scores
    products = scores * (width - 1) + heads * TOKENS * width * (TOKENS - 1)
    assert tally.total("add") == products + scores + (scores - heads * TOKENS)
    assert {key.format for key in tally.counts} == {"fp64"}


def test_work_on_weights_is_in_a_separate_tally(x: NDArray[Any]) -> None:
    weights = RNG.normal(size=(OUTPUTS, INPUTS)).astype(np.float32)

    def quantize(w: NDArray[Any]) -> NDArray[Any]:
        beta = np.abs(w).mean()
        return np.asanyarray(np.clip(np.rint(w / beta), -1, 1) * beta)

    with bitnet_hw.trace_numpy(strict=True) as tally:
        tally.input(x) @ quantize(tally.weight(weights)).T
    side = {key.side for key in tally.counts}
    assert side == {"token"}
    assert {key.side for key in tally.weight_work.counts} == {"weight"}
    assert tally.weight_work.total("round") == OUTPUTS * INPUTS
    assert tally.total("round") == 0
    assert tally.add_only.non_zero_terms == TOKENS * np.count_nonzero(quantize(weights))


@pytest.mark.parametrize(
    "product",
    [
        lambda x, w: x @ w.T,
        lambda x, w: np.dot(x, w.T),
        lambda x, w: x.dot(w.T),
        np.inner,
        lambda x, w: np.einsum("ti,oi->to", x, w),
        lambda x, w: np.einsum("ti,oi", x, w),
        lambda x, w: np.tensordot(x, w, axes=(1, 1)),
        lambda x, w: (w @ x.T).T,
        lambda x, w: np.matmul(x[None], w.T)[0],
    ],
)
def test_every_way_to_multiply(product: Any, x: NDArray[Any], codes: NDArray[Any]) -> None:
    expected = product(x, codes)
    with bitnet_hw.trace_numpy(strict=True) as tally:
        found = product(tally.input(x), codes)
    assert np.array_equal(np.asarray(found), expected)
    assert tally.macs == TOKENS * INPUTS * OUTPUTS
    assert tally.add_only.non_zero_terms == TOKENS * np.count_nonzero(codes)
    assert tally.total("mul") == 0


def test_an_array_written_from_the_input_depends_on_it(x: NDArray[Any]) -> None:
    with bitnet_hw.trace_numpy() as tally:
        cache = tally.weight(np.zeros((8, INPUTS), dtype=np.float32))
        view = cache[2:7]
        view[:] = tally.input(x)
        np.exp(cache)
        total = tally.weight(np.zeros(INPUTS, dtype=np.float32))
        total += tally.input(x)[0]
        np.exp(total)
    assert tally.total("exp") == 9 * INPUTS
    assert tally.weight_work.total("exp") == 0


def test_functions_without_a_formula_are_listed() -> None:
    with bitnet_hw.trace_numpy() as tally:
        with tally.scope("sampler"):
            np.sort(tally.input(RNG.normal(size=9)))
        np.log(tally.input([1.0, 2.0]))
        np.einsum("ii->i", tally.input(np.eye(2)))
    assert set(tally.unknown) == {
        ("sampler", "numpy.sort"), ("(outside)", "numpy.log"), ("(outside)", "numpy.einsum"),
    }  # fmt: skip
    with (
        pytest.raises(bitnet_hw.InputError, match=r"numpy\.log \(first in \(outside\)\)"),
        bitnet_hw.trace_numpy(strict=True) as tally,
    ):
        np.log(tally.input([1.0, 2.0]))


def test_moving_data_is_free(x: NDArray[Any]) -> None:
    with bitnet_hw.trace_numpy(strict=True) as tally:
        y = tally.input(x)
        np.concatenate([y, y]).reshape(2, -1).T.copy()
        np.where(x > 0, y, 0)
        np.stack([y, y])[..., ::2]
        _ = -np.abs(y)
    assert tally.total() == 0


def test_statistics_through_numpys_own_python_code(x: NDArray[Any]) -> None:
    with bitnet_hw.trace_numpy(strict=True) as tally:
        y = tally.input(x)
        assert float(y.mean()) == float(x.mean())
        assert float(np.std(y)) == float(np.std(x))
    # A sum for the mean; for the deviation a mean, a subtraction, a square, a sum and a root.
    size = x.size
    assert tally.total("add") == 3 * (size - 1) + size
    assert tally.total("rsqrt") == 1


@pytest.mark.parametrize(
    ("power", "counts"),
    [
        (lambda x: x**4, {"mul": 2}),
        (lambda x: x**3, {"mul": 2}),
        (lambda x: x**2, {"mul": 1}),
        (lambda x: x**-0.5, {"rsqrt": 1}),
        (lambda x: x**0.5, {"rsqrt": 1, "mul": 1}),
        (lambda x: x**-1, {"div": 1}),
        (lambda x: np.power(x, np.float32(4)), {"mul": 2}),
        (lambda x: np.power(x, np.array(3)), {"mul": 2}),
        (lambda x: np.float_power(x, -0.5), {"rsqrt": 1}),
        (lambda x: 2.0**x, {"mul": 1, "exp": 1}),
    ],
)
def test_powers(power: Any, counts: dict[str, int], x: NDArray[Any]) -> None:
    with bitnet_hw.trace_numpy(strict=True) as tally:
        power(tally.input(np.abs(x)))
    assert tally.by("operation") == {(name,): x.size * each for name, each in counts.items()}


@pytest.mark.parametrize(
    "power",
    [
        lambda x: x**2.7,
        lambda x: x**-2,
        lambda x: np.power(x, np.full(x.shape, 2.0)),
        lambda x: np.power(x, x[0, 0]),
        lambda x: np.power.reduce(x),
        lambda x: np.power.outer(x[0], x[0]),
    ],
)
def test_a_power_without_a_formula_is_listed(power: Any, x: NDArray[Any]) -> None:
    with bitnet_hw.trace_numpy() as tally:
        power(tally.input(np.abs(x)))
    assert tally.total() == 0
    assert dict(tally.unknown) == {("(outside)", "numpy.power"): 1}


#: Ufuncs that change or read only the sign, or nothing at all.
FREE_UFUNCS = {"absolute", "fabs", "negative", "positive"}
UFUNCS = sorted(
    {found.__name__: found for found in vars(np).values() if isinstance(found, np.ufunc)}.items()
)


@pytest.mark.parametrize(("name", "ufunc"), UFUNCS)
def test_every_ufunc_counts_or_is_listed(name: str, ufunc: Any) -> None:
    if ufunc.signature is not None:
        shapes = {"matmul": ((4, 4), (4, 4)), "vecdot": ((4,), (4,)),
                  "matvec": ((4, 4), (4,)), "vecmat": ((4,), (4, 4))}[name]  # fmt: skip
    else:
        shapes = ((4,),) * ufunc.nin
    for kind in (np.float64, np.int64, np.bool_, "M8[s]", "S4", "U4"):
        arrays = [np.ones(shape, np.int64).astype(kind) for shape in shapes]
        try:
            with np.errstate(all="ignore"):
                ufunc(*arrays)
        except (TypeError, ValueError):
            continue
        with bitnet_hw.trace_numpy() as tally, np.errstate(all="ignore"):
            ufunc(*map(tally.input, arrays))
        assert tally.total() or tally.unknown or name in FREE_UFUNCS
        return
    pytest.skip("accepts none of the types that are tried")


@pytest.mark.parametrize(
    "method", ["sort", "argsort", "partition", "argpartition", "searchsorted", "trace"]
)
def test_methods_that_bypass_numpys_protocols_are_listed(method: str) -> None:
    data = np.arange(9.0).reshape(3, 3) if method == "trace" else np.arange(9.0)
    arguments = {"partition": [2], "argpartition": [2], "searchsorted": [4.0]}.get(method, [])
    expected = getattr(data.copy(), method)(*arguments)
    with bitnet_hw.trace_numpy() as tally:
        found = getattr(tally.input(data), method)(*arguments)
    assert np.array_equal(np.asarray(found), np.asarray(expected))
    assert dict(tally.unknown) == {("(outside)", f"numpy.{method}"): 1}


def test_a_running_sum_adds_nothing_for_the_first_element(x: NDArray[Any]) -> None:
    with bitnet_hw.trace_numpy(strict=True) as tally:
        np.cumsum(tally.input(x), axis=1)
    assert tally.total("add") == TOKENS * (INPUTS - 1)


def test_functions_accept_their_arguments_by_name(x: NDArray[Any], codes: NDArray[Any]) -> None:
    with bitnet_hw.trace_numpy(strict=True) as tally:
        np.dot(a=tally.input(x), b=codes.T)
        np.argmax(a=tally.input(x), axis=1)
    assert tally.macs == TOKENS * INPUTS * OUTPUTS
    assert tally.total("compare") == TOKENS * (INPUTS - 1)
