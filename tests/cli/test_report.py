"""``bitnet-hw report`` as a command: its arguments, and the reports that it refuses."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
MODEL = "bitnet-b1.58-2b4t"


def test_the_command_that_repeats_it(standard_report: Path) -> None:
    command = json.loads((standard_report / "report.json").read_text())["command"]
    assert command.split()[:3] == ["bitnet-hw", "report", MODEL]


def test_a_report_is_replaced_only_with_force(run: Run, standard_report: Path) -> None:
    before = (standard_report / "report.html").stat().st_mtime_ns
    result = run("report", MODEL, "-o", standard_report)
    assert result.code == 2
    assert len(result.err.splitlines()) == 1
    assert "--force" in result.err
    assert (standard_report / "report.html").stat().st_mtime_ns == before


@pytest.mark.usefixtures("blank_figures")
def test_force_replaces_the_report_and_nothing_else(run: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    (tmp_path / "report.csv").write_text("mine too")
    arguments = (
        "report", MODEL, "--scheme", "fp16,bitnet-b1", "--energy-table", "7nm", "-o", tmp_path,
    )  # fmt: skip
    assert run(*arguments).code == 0
    first = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert len(first) == 2 + 33
    for path in (tmp_path / "report.html", tmp_path / "figures" / "tornado.pdf"):
        path.write_text("an older report")
    assert run(*arguments, "--force").code == 0
    # Every byte of every file is the same again.
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == first
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_a_folder_that_cannot_be_written(run: Run, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    for target in (blocked, blocked / "below"):
        result = run("report", MODEL, "-o", target)
        assert result.code == 2
        assert len(result.err.splitlines()) == 1
        assert "file" in result.err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_wrong_reports(run: Run, tmp_path: Path) -> None:
    for arguments, part in (
        (("--scheme", "fp16"), "at least two schemes"),
        (("--attention", "full"), "--prefill"),
        ((MODEL,), "different names"),
    ):
        result = run("report", MODEL, *arguments, "-o", tmp_path / "out")
        assert result.code == 2
        assert part in result.err
        assert len(result.err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("model", ["gpt2", "gemma-2-2b", "opt-350m"])
def test_other_architectures_and_scenarios(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    monkeypatch.setattr("bitnet_hw.report.documents.FORMATS", ("svg",))
    result = run(
        "report", model, "--prompt", 64, "--generate", 16, "--scheme", "fp16,bitnet-a4.8",
        "--energy-table", "45nm", "--machine", "server", "-o", tmp_path / "out",
    )  # fmt: skip
    assert result.code == 0, result.err
