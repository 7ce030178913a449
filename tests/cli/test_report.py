"""``bitnet-hw report``: what is written, and what is not."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
MODEL = "bitnet-b1.58-2b4t"
FIGURES = {
    "energy-savings", "memory-savings", "energy-by-part", "factor-chain", "weight-sharing",
    "operations", "conventions", "unsaved-share", "tornado",
}  # fmt: skip


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from bitnet_hw.cli import main

    folder = tmp_path_factory.mktemp("out") / "report"
    assert main(["report", MODEL, "-o", str(folder)]) == 0
    return folder


def test_every_file_is_there(report: Path) -> None:
    names = {path.name for path in report.iterdir()}
    assert names == {
        "report.html", "report.md", "report.json", "estimates.csv", "sizes.csv", "prices.csv",
        "figures",
    }  # fmt: skip
    for form in ("svg", "png", "pdf"):
        found = {path.stem for path in (report / "figures").glob(f"*.{form}")}
        assert found == FIGURES
    assert [path for path in report.parent.iterdir() if path != report] == []


def test_the_page_asks_the_network_for_nothing(report: Path) -> None:
    page = (report / "report.html").read_text()
    wanted = re.findall(r"""(?:src|href)=["']([^"'#][^"']*)""", page)
    assert [address for address in wanted if not address.startswith("data:")] == []
    assert "@import" not in page
    assert "<script" not in page


def test_the_sections_come_in_their_order(report: Path) -> None:
    page = (report / "report.html").read_text()
    places = [page.index(f'id="{name}"') for name in (
        "sizes", "parts", "chain", "sharing", "operations", "conventions", "unsaved", "excluded",
        "tornado", "prices", "repeat",
    )]  # fmt: skip
    assert places == sorted(places)


def test_the_headline_names_its_conditions(report: Path) -> None:
    (sentence,) = json.loads((report / "report.json").read_text())["headline"]
    for condition in (
        "120 mJ a token", "3.73×", "decode of one token at context 2048", "batch 1", "L = 32",
        "T = 8", "LPDDR4", "7nm", "fp16 KV cache", "static energy excluded", "2bit weights",
    ):  # fmt: skip
        assert condition in sentence
    assert sentence.count(". ") == 0


def test_what_lies_behind_the_headline_on_the_golden_case(run: Run, tmp_path: Path) -> None:
    arguments = ("--lanes", 1, "--float-accumulator", "fp16", "--energy-table", "7nm")
    folder = tmp_path / "golden"
    result = run(
        "report", MODEL, "--scheme", "fp16,bitnet-b1.58", *arguments, "--machine", "server",
        "-o", folder,
    )  # fmt: skip
    assert result.code == 0, result.err
    page = (folder / "report.md").read_text()
    # By hand from the prices: linears 1.042 mJ against 0.039, bytes 4.98 GB against 1.34.
    assert "save 26.7×" in page
    assert "shrink 3.73×" in page


def test_the_chain_starts_at_the_published_ratio_and_multiplies_out(report: Path) -> None:
    content = json.loads((report / "report.json").read_text())
    links = content["chain"]["jouppi-2021-7nm"]
    # b1.58, section 3: "BitNet b1.58 saves 71.4 times arithmetic operations energy consumption".
    assert round(links[0]["factor"], 1) == 71.4
    product = 1.0
    for link in links:
        product *= link["factor"]
    found = {
        one["scheme"]: one["energy_j"]
        for one in content["estimates"]
        if one["energy_table"] == "7nm" and one["convention"] == "system"
    }
    assert product == pytest.approx(found["fp16"] / found["bitnet-b1.58"], rel=1e-9)


def test_every_price_has_a_source(report: Path) -> None:
    prices = json.loads((report / "report.json").read_text())["prices"]
    assert {"published", "derived"} == {price["kind"] for price in prices}
    for price in prices:
        assert price["source"]
        assert price["locator"]
        assert price["formula"] or price["kind"] == "published"
        assert price["low"] <= price["value"] <= price["high"]


def test_figures_have_words(report: Path) -> None:
    page = (report / "report.html").read_text()
    labels = re.findall(r'<svg role="img" aria-label="([^"]+)"', page)
    assert len(labels) == len(FIGURES)
    assert all(len(label) > 60 for label in labels)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_the_command_that_repeats_it(report: Path) -> None:
    command = json.loads((report / "report.json").read_text())["command"]
    assert command.split()[:3] == ["bitnet-hw", "report", MODEL]


def test_the_same_report_twice_is_the_same_bytes(run: Run, report: Path, tmp_path: Path) -> None:
    assert run("report", MODEL, "-o", tmp_path / "again").code == 0
    for name in ("report.md", "sizes.csv", "prices.csv", "figures/tornado.svg"):
        first, second = (folder / name for folder in (report, tmp_path / "again"))
        text = second.read_text().replace(str(tmp_path / "again"), str(report))
        assert text == first.read_text()


def test_a_report_is_not_replaced_unasked(run: Run, report: Path) -> None:
    before = (report / "report.html").stat().st_mtime_ns
    result = run("report", MODEL, "-o", report)
    assert result.code == 2
    assert len(result.err.splitlines()) == 1
    assert "--force" in result.err
    assert (report / "report.html").stat().st_mtime_ns == before


def test_force_replaces_the_report_and_nothing_else(run: Run, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    arguments = (
        "report",
        MODEL,
        "-o",
        tmp_path,
        "--scheme",
        "fp16,bitnet-b1",
        "--energy-table",
        "7nm",
    )
    assert run(*arguments).code == 0
    assert run(*arguments, "--force").code == 0
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


def test_a_name_with_html_or_a_path_stays_text_and_inside(run: Run, tmp_path: Path) -> None:
    name = "../../<script>alert(1)</script>$x^2$|*"
    config = tmp_path / "in" / "model.yaml"
    config.parent.mkdir()
    config.write_text(
        f"name: '{name}'\nhidden_size: 64\nnum_hidden_layers: 2\nnum_attention_heads: 4\n"
        "intermediate_size: 128\ngated: true\nactivation: silu\nvocab_size: 100\n"
        "tie_word_embeddings: true\n"
    )
    assert run("report", config, "-o", tmp_path / "out", "--energy-table", "7nm").code == 0
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in (tmp_path / "out" / "report.md").read_text()
    assert "<script" not in (tmp_path / "out" / "figures" / "conventions.svg").read_text()
    assert {path.name for path in tmp_path.iterdir()} == {"in", "out"}


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
def test_other_architectures_and_scenarios(run: Run, tmp_path: Path, model: str) -> None:
    result = run(
        "report", model, "--prompt", 64, "--generate", 16, "--scheme", "fp16,bitnet-a4.8",
        "--energy-table", "45nm", "--machine", "server", "-o", tmp_path / "out",
    )  # fmt: skip
    assert result.code == 0, result.err


@pytest.mark.parametrize("present", ["report.md", "prices.csv", "figures/tornado.svg"])
def test_no_file_is_replaced_unasked(run: Run, tmp_path: Path, present: str) -> None:
    mine = tmp_path / "out" / present
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    result = run("report", MODEL, "--energy-table", "7nm", "-o", tmp_path / "out")
    assert result.code == 2
    assert present in result.err
    assert mine.read_text() == "mine"
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == [mine]


def test_a_folder_in_a_files_place_leaves_nothing_behind(run: Run, tmp_path: Path) -> None:
    (tmp_path / "out" / "report.html").mkdir(parents=True)
    result = run("report", MODEL, "--energy-table", "7nm", "-o", tmp_path / "out", "--force")
    assert result.code == 2
    assert "report.html: is a folder" in result.err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["report.html"]


def test_a_model_that_does_not_fit_is_said_not_to(run: Run, tmp_path: Path) -> None:
    arguments = ("--scheme", "fp16,bitnet-b1.58", "--energy-table", "7nm", "-o", tmp_path / "out")
    assert run("report", "llama-2-70b", *arguments).code == 0
    (sentence,) = json.loads((tmp_path / "out" / "report.json").read_text())["headline"]
    assert "WHICH DOES NOT FIT the machine's 8.00 GB" in sentence
