"""The headline states every condition of its numbers, and the ratios behind it are right."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
MODEL = "bitnet-b1.58-2b4t"


def test_the_headline_names_its_conditions(standard_report: Path) -> None:
    (sentence,) = json.loads((standard_report / "report.json").read_text())["headline"]
    for condition in (
        "120 mJ per token", "3.73×", "decode of one token at context 2048", "batch 1", "L = 32",
        "T = 8 tokens per weight fetch", "LPDDR4 at 11 pJ per bit", "7nm", "fp16 KV cache",
        "static energy excluded", "2bit weights",
    ):  # fmt: skip
        assert condition in sentence
    assert sentence.count(". ") == 0
    assert f"**{sentence}**" in (standard_report / "report.md").read_text()


@pytest.mark.usefixtures("blank_figures")
def test_the_ratios_behind_the_headline_in_the_golden_case(run: Run, tmp_path: Path) -> None:
    arguments = ("--lanes", 1, "--float-accumulator", "fp16", "--energy-table", "7nm")
    folder = tmp_path / "golden"
    result = run(
        "report", MODEL, "--scheme", "fp16,bitnet-b1.58", *arguments, "--machine", "server",
        "-o", folder,
    )  # fmt: skip
    assert result.code == 0, result.err
    page = (folder / "report.md").read_text()
    # By hand: projections and FFN 1.042 mJ against 0.039 mJ, bytes 4.98 GB against 1.34 GB.
    assert "save 26.7×" in page
    assert "shrink 3.73×" in page


@pytest.mark.usefixtures("blank_figures")
def test_the_headline_says_that_a_model_does_not_fit(run: Run, tmp_path: Path) -> None:
    arguments = ("--scheme", "fp16,bitnet-b1.58", "--energy-table", "7nm", "-o", tmp_path / "out")
    assert run("report", "llama-2-70b", *arguments).code == 0
    (sentence,) = json.loads((tmp_path / "out" / "report.json").read_text())["headline"]
    assert "WHICH DOES NOT FIT the machine's 8.00 GB" in sentence
