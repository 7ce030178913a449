"""``bitnet-hw models`` and ``bitnet-hw schemes``, and the printing of tables."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bitnet_hw.cli import main
from bitnet_hw.cli.output import Column, print_json, print_table
from bitnet_hw.inputs import catalogue
from bitnet_hw.inputs.machine import load_machine

Capture = pytest.CaptureFixture[str]


def test_models_lists_the_catalogue_one_line_per_model(capsys: Capture) -> None:
    assert main(["models"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:4] == ["name", "parameters", "hidden", "layers"]
    assert sorted(line.split()[0] for line in lines[1:]) == list(catalogue.names("models"))
    two_billion = next(line for line in lines if line.startswith("bitnet-b1.58-2b4t"))
    assert two_billion.split()[1:7] == ["2,412,820,480", "2560", "30", "20/5", "6912", "128256"]
    assert "2504.12285" in two_billion


def test_models_as_json(capsys: Capture) -> None:
    assert main(["models", "--json"]) == 0
    models = json.loads(capsys.readouterr().out)
    gpt2 = next(model for model in models if model["name"] == "gpt2")
    assert gpt2["total_parameters"] == 124_439_808
    assert len(models) == len(catalogue.names("models"))


def test_one_model_from_a_huggingface_folder(capsys: Capture, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"model_type": "gpt2"}')
    assert main(["models", str(tmp_path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["total_parameters"] == 124_439_808
    assert main(["models", str(tmp_path)]) == 0
    assert "124,439,808" in capsys.readouterr().out


@pytest.mark.parametrize("kind", ["models", "schemes", "machines"])
def test_a_shipped_file_can_be_copied_and_read_back(
    capsys: Capture, tmp_path: Path, kind: str
) -> None:
    for name in catalogue.names(kind):
        assert main([kind, name, "--yaml"]) == 0
        copy = tmp_path / f"{name}.yaml"
        copy.write_text(capsys.readouterr().out)
        assert main([kind, str(copy), "--json"]) == 0
        again = capsys.readouterr().out
        assert main([kind, name, "--json"]) == 0
        assert capsys.readouterr().out == again


def test_schemes(capsys: Capture) -> None:
    assert main(["schemes"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sorted(line.split()[0] for line in lines[1:]) == list(catalogue.names("schemes"))
    assert main(["schemes", "bitnet-a4.8"]) == 0
    shown = capsys.readouterr().out
    assert (
        next(line for line in shown.splitlines() if line.startswith("ffn-up")).split()[-2]
        == "0.714"
    )
    assert main(["schemes", "bitnet-a4.8", "--json"]) == 0
    roles = json.loads(capsys.readouterr().out)["roles"]
    assert roles["ffn-down"]["activation"] == "int8"
    assert roles["qkv"]["activation"] == "int4"
    assert main(["schemes", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) == len(catalogue.names("schemes"))


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["models", "lama-7b"], "did you mean 'llama-7b'?"),
        (["models", "absent.yaml"], "absent.yaml: no such file"),
        (["schemes", "bitnet-b1.59"], "did you mean 'bitnet-b1.58'?"),
        (["schemes", "absent.yaml"], "absent.yaml: no such file"),
        (["models", "a", "b"], "unexpected arguments"),
        (["schemes", "5bit"], "unknown scheme '5bit'; known: bf16, "),
    ],
)
def test_wrong_names_get_one_line(capsys: Capture, arguments: list[str], words: str) -> None:
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert words in captured.err


def test_a_table_in_a_pipe_is_aligned_text(capsys: Capture) -> None:
    print_table(["a", Column("n", "right")], [("x", 1), ("long", None)], title="T", note="N")
    assert capsys.readouterr().out == "T\na     n\nx     1\nlong  -\nN\n"


def test_a_table_on_a_terminal_keeps_brackets_and_cuts_what_may_be_cut(
    capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "40")
    monkeypatch.setenv("TERM", "xterm")  # rich gives a dumb terminal 80 columns
    monkeypatch.setenv("NO_COLOR", "1")
    columns = ["name", Column("cut", long="cut"), Column("number", "right")]
    print_table(columns, [("[bold]x[/bold]", "word " * 40, "1,234,567")])
    lines = capsys.readouterr().out.splitlines()
    row = next(line for line in lines if "[bold]x[/bold]" in line)
    assert "1,234,567" in row
    assert "…" in row
    assert len(row) <= 40


def test_json_refuses_numbers_that_are_not_finite(capsys: Capture) -> None:
    with pytest.raises(ValueError, match="a number that is not finite"):
        print_json({"x": float("nan")})
    print_json({"name": "µ"})
    assert json.loads(capsys.readouterr().out) == {"name": "µ"}


def test_one_machine_is_shown_with_units_basis_and_source(run: Callable[..., Any]) -> None:
    rows = [re.split(r" {2,}", line) for line in run("machines", "server").out.splitlines()]
    shown = {row[0]: row[1:] for row in rows}
    assert shown["units.ternary-array.clock_hz"][:2] == ["1.00 GHz", "source"]
    bandwidth = shown["memories.dram.bandwidth_bytes_per_s"]
    assert bandwidth[:2] == ["3.28 TB/s", "source"]
    assert bandwidth[-1].startswith("JESD238, HBM3")
    assert "not read first hand" in bandwidth[-1]
    assert shown["memories.dram.reached_share"][:2] == ["0.7", "assumed"]
    assert shown["hypothetical"] == ["yes"]
    assert shown["boundary"] == ["chip and DRAM"]
    raw = json.loads(run("machines", "server", "--json").out)
    assert raw["units"][0]["clock_hz"]["value"] == 1e9
    assert raw["memories"][-1]["bandwidth_bytes_per_s"]["value"] == 3.2768e12
    # Every figure of the file has a line.
    figures = sum(1 for _ in load_machine("server").figures())
    heading = next(i for i, row in enumerate(rows) if row[0] == "figure")
    assert len(rows[heading + 1 :]) == figures


def test_an_interval_is_shown(run: Callable[..., Any], tmp_path: Path) -> None:
    text = run("machines", "edge", "--yaml").out.replace("name: edge", "name: mine")
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace("{value: 0.7,", "{value: 0.7, low: 0.6, high: 0.96,"))
    assert re.search(r"dram.reached_share +0.7 +assumed +0.6 to 0.96 ", run("machines", path).out)


def test_machines_are_listed_with_rates_and_what_they_rest_on(run: Callable[..., Any]) -> None:
    rows = [re.split(r" {2,}", line) for line in run("machines").out.splitlines()]
    assert rows[0][:3] == ["name", "kind", "stack"]
    edge = next(row for row in rows if row[0] == "edge")
    # 32 x 32 ternary, 32 x 8 INT8 and 8 x 8 FP16 lanes at 500 MHz; 34.1 GB/s, of which 70 %.
    assert edge[3:8] == ["512 GMAC/s", "128 GMAC/s", "32.0 GMAC/s", "LPDDR5X", "23.9 GB/s"]
    assert edge[8] == "data sheet; hypothetical"
    assert sorted(row[0] for row in rows[1:]) == list(catalogue.names("machines"))
