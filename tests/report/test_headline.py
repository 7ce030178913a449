"""The headline states every condition of its numbers, and the ratios behind it are right."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bitnet_hw.inputs.track_record import load_track_record
from bitnet_hw.report.content import Report
from bitnet_hw.report.headline import headline

Run = Callable[..., Any]
MODEL = "bitnet-b1.58-2b4t"


def test_the_headline_names_its_conditions(standard_report: Path) -> None:
    (sentence,) = json.loads((standard_report / "report.json").read_text())["headline"]
    for condition in (
        "56.7 mJ per token", "range of prices: ", "energy of this class is", "3.71×",
        "decode of one token at context 2048", "batch 1", "L = 32 lanes",
        "T = 8 tokens per weight fetch", "LPDDR5X at", "pJ per bit", "edge (hypothetical)",
        "MACs as measured gates of asap7-prelayout", "as bare operations of 7nm: 55.7 mJ and 3.72×",
        "fp16 KV cache", "energy of chip and DRAM", "mean power", "static energy included",
        "2bit weights",
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
    # By hand: projections and FFN 1.042 mJ against 0.039 mJ, bytes 4.98 GB against 1.34 GB, of
    # which 17 MB stay in the weight buffer of the server machine in both schemes.
    assert "save 26.7×" in page
    assert "shrink 3.77×" in page


@pytest.mark.usefixtures("blank_figures")
def test_the_headline_says_that_a_model_does_not_fit(run: Run, tmp_path: Path) -> None:
    arguments = ("--scheme", "fp16,bitnet-b1.58", "--energy-table", "7nm", "-o", tmp_path / "out")
    assert run("report", "llama-2-70b", *arguments).code == 0
    found = json.loads((tmp_path / "out" / "report.json").read_text())
    (sentence,) = found["headline"]
    assert "WHICH DOES NOT FIT the machine's 8.00 GB" in sentence
    assert "×" not in sentence
    assert len(found["misfits"]) == 2
    for name in ("report.md", "report.html"):
        text = (tmp_path / "out" / name).read_text()
        assert "No saving is printed: fp16 does not fit edge: 131 GB too large" in text
        # The table of estimates, the captions and the list of conditions.
        assert text.count("does not fit") > 10
    given = tmp_path / "given"
    assert run("report", "llama-2-70b", *arguments[:-1], given, "--oversized").code == 0
    (sentence,) = json.loads((given / "report.json").read_text())["headline"]
    assert "WHICH DOES NOT FIT" in sentence
    assert "× less than in fp16" in sentence


@pytest.mark.usefixtures("blank_figures")
@pytest.mark.parametrize(("name", "known"), [("rtx-3090-llama-cpp-2023", False), ("edge", True)])
def test_a_report_says_that_the_power_above_idle_is_not_known(
    run: Run, tmp_path: Path, name: str, known: bool
) -> None:
    schemes = ("--scheme", "fp16,ternary-2bit", "--energy-table", "7nm", "--machine", name)
    assert run("report", "bitnet-125m", *schemes, "-o", tmp_path / "out").code == 0
    found = json.loads((tmp_path / "out" / "report.json").read_text())
    words = "above idle is not known: the energy is far below what the device draws (a lower bound)"
    (sentence,) = found["headline"]
    assert (words in sentence) is not known
    assert any(words in each for each in found["conditions"][0]) is not known


def test_conditions_are_in_every_document(standard_report: Path) -> None:
    conditions = json.loads((standard_report / "report.json").read_text())["conditions"][0]
    wide, narrow = (
        load_track_record().find("speed", work, "blind")
        for work in ("decode, wide weights", "decode, narrow weights")
    )
    assert wide is not None
    assert narrow is not None
    bound = "an upper bound, without measurements of the machine or its relatives"
    wanted = (
        "edge is hypothetical: a design that was never built.",
        "The energy is that of chip and DRAM.",
        f"Speed of fp16, w8a8, w4a16: {bound}: {wide.in_words}.",
        f"Speed of bitnet-b1.58: {bound}: {narrow.in_words}.",
    )
    for sentence in wanted:
        assert sentence in conditions
        for name in ("report.md", "report.html"):
            assert sentence in (standard_report / name).read_text()
    with (standard_report / "estimates.csv").open() as text:
        rows = [row for row in csv.DictReader(text) if row["convention"] == "system"]
    assert {row["hypothetical"] for row in rows} == {"True"}
    assert {row["boundary"] for row in rows} == {"chip and DRAM"}
    assert all(float(row["mean_power_w"]) > 0 for row in rows)


def test_an_empty_range_is_left_out(report: Report) -> None:
    sentence = headline(report, report.model, report.tables[0])
    found = re.search(r"([\d.]+×) less than in fp16( \(([\d.]+×) to ([\d.]+×))?", sentence)
    assert found is not None
    # Both schemes have the same prices, which move their ratio by less than 1 percent.
    assert found[2] is None
