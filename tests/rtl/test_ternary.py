"""Add-only processing elements against the reference: all products, corner cases, properties."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from amaranth.back import rtlil
from hypothesis import given, settings
from hypothesis import strategies as st

from bitnet_hw.reference.bitlinear import BitLinear, integer_gemm
from bitnet_hw.rtl.backends.pysim import run
from bitnet_hw.rtl.ports import PlainPorts
from bitnet_hw.rtl.simulate import simulate
from bitnet_hw.rtl.stimulus import Stalls, Stimulus, pack_lanes
from bitnet_hw.rtl.ternary import BinarySpec, TernarySpec

ALL_INT8 = np.arange(-128, 128)


@pytest.mark.parametrize("lane", [0, 1, 2])
def test_every_weight_times_every_activation_in_every_lane(lane: int) -> None:
    spec = TernarySpec(lanes=3, k_max=3, counters=True)
    weights, activations = np.meshgrid([-1, 0, 1], ALL_INT8, indexing="ij")
    rng = np.random.default_rng(lane)
    act, wgt = spec.random_operands(rng, weights.size, 3, 0.3)
    act[:, lane], wgt[:, lane] = activations.ravel(), weights.ravel()
    report = simulate(spec, act, wgt)
    assert report.passed, report.mismatch
    # In plain Python, one dot product at a time: the reference has no part in this.
    expected = [
        sum(int(a) * int(w) for a, w in zip(*row, strict=True))
        for row in zip(act, wgt, strict=True)
    ]
    assert [spec.decode(code) for code in report.run.sums] == expected


@pytest.mark.parametrize("zero_gating", [False, True])
def test_the_fourth_code_is_zero(zero_gating: bool) -> None:
    spec = TernarySpec(lanes=2, k_max=2, zero_gating=zero_gating)
    rows = len(ALL_INT8)
    codes = np.tile(np.array([[0b10, 0b01]], dtype=np.uint64), (rows, 1))
    act = np.stack([ALL_INT8, np.full(rows, 5)], axis=1)
    stimulus = Stimulus(
        act=pack_lanes((act & 0xFF).astype(np.uint64), 8),
        wgt=pack_lanes(codes, 2),
        first=np.ones(rows, dtype=bool),
        last=np.ones(rows, dtype=bool),
        rows=rows,
        stalls=Stalls(),
    )
    assert [spec.decode(code) for code in run(spec, stimulus).sums] == [5] * rows


@settings(max_examples=25)
@given(st.data())
def test_any_shape_any_stalls(data: st.DataObject) -> None:
    lanes = data.draw(st.integers(1, 9), "lanes")
    bits = data.draw(st.integers(2, 10), "act_bits")
    k = data.draw(st.integers(1, 40), "k")
    binary = data.draw(st.booleans(), "binary")
    kind: Any = BinarySpec if binary else TernarySpec
    spec = kind(
        lanes=lanes,
        act_bits=bits,
        k_max=data.draw(st.integers(k, 64), "k_max"),
        pipeline=data.draw(st.integers(0, 3), "pipeline"),
        zero_gating=not binary and data.draw(st.booleans(), "zero_gating"),
        counters=True,
    )
    seed = data.draw(st.integers(0, 1000), "seed")
    stalls = Stalls(data.draw(st.sampled_from([0.0, 0.3, 0.7]), "stalls"), seed)
    act, wgt = spec.random_operands(
        np.random.default_rng(seed), 6, k, None if not kind.zero_weights else 0.4
    )
    report = simulate(spec, act, wgt, stalls=stalls)
    assert report.passed, report.mismatch


def corner(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return rows for an element with 4 lanes and K_max 16."""
    full = np.full((3, 16), -128)
    return {
        "all +1 with -128": (full, np.ones_like(full)),
        "all -1 with -128": (full, -np.ones_like(full)),
        "all +1 with 127": (full + 255, np.ones_like(full)),
        "all -1 with 127": (full + 255, -np.ones_like(full)),
        "all 0": (full, np.zeros_like(full)),
        "k not a multiple of the lanes": (full[:, :13], -np.ones((3, 13), dtype=int)),
        "k below the lanes": (full[:, :3], -np.ones((3, 3), dtype=int)),
        "k of 1": (full[:, :1], -np.ones((3, 1), dtype=int)),
    }[name]


@pytest.mark.parametrize("pipeline", [0, 1, 2])
@pytest.mark.parametrize("stalls", [0.0, 0.5])
@pytest.mark.parametrize(
    "name",
    [
        "all +1 with -128",
        "all -1 with -128",
        "all +1 with 127",
        "all -1 with 127",
        "all 0",
        "k not a multiple of the lanes",
        "k below the lanes",
        "k of 1",
    ],
)
def test_corners(name: str, stalls: float, pipeline: int) -> None:
    act, wgt = corner(name)
    spec = TernarySpec(lanes=4, k_max=16, pipeline=pipeline, counters=True)
    report = simulate(spec, act, wgt, stalls=Stalls(stalls, 7))
    assert report.passed, report.mismatch
    assert [spec.decode(code) for code in report.run.sums] == (act * wgt).sum(axis=1).tolist()


def test_a_real_bitlinear_layer_agrees_bit_for_bit() -> None:
    rng = np.random.default_rng(11)
    layer = BitLinear.b158(rng.standard_normal((6, 2560)))
    tokens = layer.quantize(rng.standard_normal((2, 2560))).codes
    expected = integer_gemm(tokens, layer.weights)
    spec = TernarySpec(lanes=32, k_max=2560, counters=True)
    act = np.repeat(tokens, 6, axis=0)
    wgt = np.tile(layer.weights.codes, (2, 1))
    report = simulate(spec, act, wgt, stalls=Stalls(0.3, 1))
    assert report.passed, report.mismatch
    assert [spec.decode(code) for code in report.run.sums] == expected.ravel().tolist()
    assert report.nonzero_terms.counted == 2 * np.count_nonzero(layer.weights.codes)


def test_a_binary_layer_agrees_bit_for_bit() -> None:
    rng = np.random.default_rng(12)
    layer = BitLinear.b1(rng.standard_normal((4, 96)))
    token = layer.quantize(rng.standard_normal((1, 96))).codes
    spec = BinarySpec(lanes=8, k_max=96, counters=True)
    report = simulate(spec, np.repeat(token, 4, axis=0), layer.weights.codes)
    assert report.passed, report.mismatch
    sums = [spec.decode(code) for code in report.run.sums]
    assert sums == integer_gemm(token, layer.weights).ravel().tolist()


@pytest.mark.parametrize("make", [TernarySpec, BinarySpec])
def test_no_multiplier_and_one_adder_per_lane(make: Callable[..., Any]) -> None:
    top = PlainPorts(make(lanes=32))
    text = rtlil.convert(top, ports=[*top.inputs.values(), *top.outputs.values()], emit_src=False)
    cells = [line.split()[1] for line in text.splitlines() if line.split()[:1] == ["cell"]]
    assert not [cell for cell in cells if cell in ("$mul", "$macc", "$div", "$mod")]
    # L - 1 in the tree and the accumulator; the additional one counts steps for the guard on K.
    assert cells.count("$add") == 32 + 1
    assert not [cell for cell in cells if cell in ("$sub", "$neg")]
