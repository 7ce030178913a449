"""The exported Verilog in tools that share no code with Amaranth."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bitnet_hw.errors import InputError
from bitnet_hw.rtl.family import FAMILY, make_spec
from bitnet_hw.rtl.ports import Reset
from bitnet_hw.rtl.stimulus import Stalls
from bitnet_hw.rtl.ternary import TernarySpec
from bitnet_hw.rtl.testbench import export_testbench
from bitnet_hw.rtl.verilog import LINT_WAIVERS, export_verilog, module_name

Tool = Callable[[str], str]

#: An element, its parameters, and the arguments of its export.
EXPORTS: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("ternary", {"lanes": 32, "k_max": 4096}, {}),
    ("ternary", {"lanes": 7, "k_max": 100, "pipeline": 0, "counters": True}, {"clear_port": True}),
    ("ternary", {"lanes": 6, "k_max": 90, "zero_gating": True}, {"reset": Reset.ASYNC_LOW}),
    ("ternary", {"lanes": 1, "k_max": 9, "act_bits": 4, "acc_bits": 16}, {"prefix": "a_"}),
    ("binary", {"lanes": 5, "k_max": 64, "pipeline": 2}, {}),
    ("int8", {"lanes": 4, "k_max": 64, "counters": True}, {}),
    ("int4", {"lanes": 5, "k_max": 64, "zero_gating": True, "act_bits": 8}, {}),
    ("fp16", {"lanes": 3, "k_max": 64, "accumulate": "fp16"}, {}),
    ("fp16", {"lanes": 2, "k_max": 64, "zero_gating": True}, {"reset": Reset.ASYNC_LOW}),
]
# A kind of element that is not listed is exported with default parameters.
EXPORTS += [
    (name, {"lanes": 3, "k_max": 64}, {}) for name in FAMILY if name not in {e[0] for e in EXPORTS}
]
IDS = [f"{name}-{parameters['lanes']}-{i}" for i, (name, parameters, _) in enumerate(EXPORTS)]


def run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def icarus(folder: Path, *sources: str) -> tuple[int, str]:
    """Compile with Icarus Verilog, run, and return the exit code and the output."""
    built = run(["iverilog", "-g2005", "-Wall", "-o", "sim", *sources], folder)
    assert built.returncode == 0, built.stderr
    assert "warning" not in built.stderr, built.stderr
    done = run(["vvp", "sim"], folder)
    return done.returncode, done.stdout


@pytest.mark.parametrize(("name", "parameters", "how"), EXPORTS, ids=IDS)
def test_every_register_is_clocked_by_the_port_itself(
    name: str, parameters: dict[str, Any], how: dict[str, Any]
) -> None:
    text = export_verilog(make_spec(name, **parameters), **how)
    edges = set(re.findall(r"always[^@]*@\(([^)]*edge[^)]*)\)", text))
    asynchronous = {"posedge clk, negedge rst_n", "posedge clk or negedge rst_n"}
    assert edges
    assert edges <= {"posedge clk"} | (asynchronous if how.get("reset") else set())
    assert not re.search(r"\b(?:assign|wire)\s+clk\s*=", text)


@pytest.mark.tools
@pytest.mark.parametrize(("name", "parameters", "how"), EXPORTS, ids=IDS)
def test_lint_and_independent_simulation(
    name: str, parameters: dict[str, Any], how: dict[str, Any], require_tool: Tool, tmp_path: Path
) -> None:
    require_tool("verilator")
    require_tool("iverilog")
    spec = make_spec(name, **parameters)
    (tmp_path / "pe.v").write_text(export_verilog(spec, **how))
    lint = run(["verilator", "--lint-only", "-Wall", "pe.v"], tmp_path)
    assert lint.returncode == 0, lint.stderr
    k = min(spec.k_max, 3 * spec.lanes + 1)
    (tmp_path / "tb.v").write_text(
        export_testbench(spec, rows=20, k=k, stalls=Stalls(0.3, 4), **how)
    )
    assert icarus(tmp_path, "pe.v", "tb.v") == (0, "PASS: 20 rows\n")


@pytest.mark.tools
def test_a_full_length_row_in_icarus(require_tool: Tool, tmp_path: Path) -> None:
    require_tool("iverilog")
    spec = TernarySpec(lanes=32, k_max=4096)
    (tmp_path / "pe.v").write_text(export_verilog(spec))
    (tmp_path / "tb.v").write_text(export_testbench(spec, rows=4, k=4096, stalls=Stalls(0.2, 4)))
    assert icarus(tmp_path, "pe.v", "tb.v") == (0, "PASS: 4 rows\n")


@pytest.mark.tools
@pytest.mark.parametrize(
    ("old", "new"),
    [
        (r"(out_sum <= )", r"\1~"),
        (r"if \((\w+)\) out_sum", r"if (!\1) out_sum"),
        (r"out_valid <= _(\d+)_", r"out_valid <= 1'h0 & _\1_"),
        (r"in_ready = .*;", "in_ready = 1'h1;"),
    ],
)
def test_the_test_bench_notices_a_broken_export(
    old: str, new: str, require_tool: Tool, tmp_path: Path
) -> None:
    require_tool("iverilog")
    spec = TernarySpec(lanes=4, k_max=16)
    broken, count = re.subn(old, new, export_verilog(spec), count=1)
    assert count == 1
    (tmp_path / "pe.v").write_text(broken)
    (tmp_path / "tb.v").write_text(export_testbench(spec, rows=10, stalls=Stalls(0.4, 2)))
    code, printed = icarus(tmp_path, "pe.v", "tb.v")
    assert code == 1
    assert "FAIL" in printed
    assert "PASS" not in printed


@pytest.mark.tools
def test_two_exports_in_one_design(require_tool: Tool, tmp_path: Path) -> None:
    require_tool("verilator")
    one, two = TernarySpec(lanes=4, k_max=16), TernarySpec(lanes=8, k_max=32)
    (tmp_path / "one.v").write_text(export_verilog(one, prefix="one_"))
    (tmp_path / "two.v").write_text(export_verilog(two, prefix="two_"))
    (tmp_path / "top.v").write_text(
        "module top(input clk, input rst, output r1, output r2);\n"
        "one_ternary_pe a(.clk(clk), .rst(rst), .in_valid(1'b0), .in_act(32'd0), .in_wgt(8'd0),"
        " .in_first(1'b0), .in_last(1'b0), .out_ready(1'b1), .in_ready(r1));\n"
        "two_ternary_pe b(.clk(clk), .rst(rst), .in_valid(1'b0), .in_act(64'd0), .in_wgt(16'd0),"
        " .in_first(1'b0), .in_last(1'b0), .out_ready(1'b1), .in_ready(r2));\n"
        "endmodule\n"
    )
    built = run(
        [
            "verilator",
            "--lint-only",
            "-Wno-PINMISSING",
            "--top-module",
            "top",
            "top.v",
            "one.v",
            "two.v",
        ],
        tmp_path,
    )
    assert built.returncode == 0, built.stderr


@pytest.mark.parametrize("name", FAMILY)
def test_plain_ports(name: str) -> None:
    spec = make_spec(name, lanes=3, k_max=20)
    text = export_verilog(spec)
    declared = re.findall(r"^  (input|output) (?:\[(\d+):0\] )?(\w+);", text, re.MULTILINE)
    act, wgt, total = spec.act_shape.width, spec.wgt_shape.width, spec.sum_shape.width
    assert {port: (way, int(top or 0) + 1) for way, top, port in declared} == {
        "clk": ("input", 1),
        "rst": ("input", 1),
        "in_valid": ("input", 1),
        "in_ready": ("output", 1),
        "in_act": ("input", 3 * act),
        "in_wgt": ("input", 3 * wgt),
        "in_first": ("input", 1),
        "in_last": ("input", 1),
        "out_valid": ("output", 1),
        "out_ready": ("input", 1),
        "out_sum": ("output", total),
        "out_error": ("output", 1),
    }


def test_ports_on_request() -> None:
    text = export_verilog(
        TernarySpec(lanes=2, k_max=4, counters=True), reset=Reset.ASYNC_LOW, clear_port=True
    )
    for port in ("input rst_n", "input clear", "output [47:0] tally_slots", "tally_nonzero"):
        assert f"{port};" in text
    assert "negedge rst_n" in text or re.search(r"posedge \w+\)", text)


def test_deterministic_with_parameters_and_versions_in_the_header() -> None:
    spec = TernarySpec(lanes=4, k_max=100)
    text = export_verilog(spec)
    assert text == export_verilog(spec)
    header = text[: text.index("module ")]
    for part in ("lanes=4", "k_max=100", "bitnet-hw ", "Amaranth ", "Latency: 3 cycles"):
        assert part in header
    assert "src" not in text
    assert set(re.findall(r"lint_off (\w+)", text)) == set(LINT_WAIVERS)
    assert "\\" not in text  # no escaped identifiers
    assert "*" not in text[text.index("module ") :].replace("/*", "").replace("*/", "")


@pytest.mark.parametrize("prefix", ["1st", "a-b", "a b", "ä"])
def test_a_prefix_that_is_not_an_identifier(prefix: str) -> None:
    with pytest.raises(InputError, match="not usable"):
        module_name(TernarySpec(), prefix)


def test_bench_arguments_out_of_range() -> None:
    with pytest.raises(InputError, match="k must be 1 to 16, found 17"):
        export_testbench(TernarySpec(lanes=4, k_max=16), k=17)
    with pytest.raises(InputError, match="rows must be"):
        export_testbench(TernarySpec(lanes=4, k_max=16), rows=0)
