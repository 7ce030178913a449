"""Files of a report: complete, self-contained, reproducible, and safe with any name."""

from __future__ import annotations

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


def test_every_file_is_there(standard_report: Path) -> None:
    names = {path.name for path in standard_report.iterdir()}
    assert names == {
        "report.html", "report.md", "report.json", "estimates.csv", "sizes.csv", "prices.csv",
        "figures",
    }  # fmt: skip
    for form in ("svg", "png", "pdf"):
        found = {path.stem for path in (standard_report / "figures").glob(f"*.{form}")}
        assert found == FIGURES
    assert [path for path in standard_report.parent.iterdir() if path != standard_report] == []


def test_the_page_makes_no_network_requests(standard_report: Path) -> None:
    page = (standard_report / "report.html").read_text()
    wanted = re.findall(r"""(?:src|href)=["']([^"'#][^"']*)""", page)
    assert [address for address in wanted if not address.startswith("data:")] == []
    assert "@import" not in page
    assert "<script" not in page


def test_the_sections_are_in_order(standard_report: Path) -> None:
    page = (standard_report / "report.html").read_text()
    places = [page.index(f'id="{name}"') for name in (
        "sizes", "parts", "chain", "sharing", "operations", "conventions", "unsaved", "excluded",
        "tornado", "prices", "repeat",
    )]  # fmt: skip
    assert places == sorted(places)


def test_figures_have_descriptions(standard_report: Path) -> None:
    page = (standard_report / "report.html").read_text()
    labels = re.findall(r'<svg role="img" aria-label="([^"]+)"', page)
    assert len(labels) == len(FIGURES)
    assert all(len(label) > 60 for label in labels)
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))


def test_the_same_report_twice_is_the_same_bytes(
    run: Run, standard_report: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bitnet_hw.report.documents.FORMATS", ("svg",))
    assert run("report", MODEL, "-o", tmp_path / "again").code == 0
    figures = {f"figures/{name}.svg" for name in FIGURES}
    for name in {"report.md", "report.html", "sizes.csv", "prices.csv", *figures}:
        first, second = (folder / name for folder in (standard_report, tmp_path / "again"))
        text = second.read_text().replace(str(tmp_path / "again"), str(standard_report))
        assert text == first.read_text()


def test_a_name_with_html_or_a_path_is_treated_as_text(run: Run, tmp_path: Path) -> None:
    name = "../../<script>alert(1)</script>$x^2$|*"
    config = tmp_path / "in" / "model.yaml"
    config.parent.mkdir()
    config.write_text(
        f"name: '{name}'\nhidden_size: 64\nnum_hidden_layers: 2\nnum_attention_heads: 4\n"
        "intermediate_size: 128\ngated: true\nactivation: silu\nvocab_size: 100\n"
        "tie_word_embeddings: true\n"
    )
    arguments = ("--scheme", "fp16,bitnet-b1.58", "--energy-table", "7nm")
    assert run("report", config, *arguments, "-o", tmp_path / "out").code == 0
    page = (tmp_path / "out" / "report.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in (tmp_path / "out" / "report.md").read_text()
    assert "<script" not in (tmp_path / "out" / "figures" / "conventions.svg").read_text()
    assert {path.name for path in tmp_path.iterdir()} == {"in", "out"}


@pytest.mark.usefixtures("blank_figures")
@pytest.mark.parametrize("present", ["report.md", "prices.csv", "figures/tornado.svg"])
def test_files_are_replaced_only_with_force(run: Run, tmp_path: Path, present: str) -> None:
    mine = tmp_path / "out" / present
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    result = run("report", MODEL, "--energy-table", "7nm", "-o", tmp_path / "out")
    assert result.code == 2
    assert present in result.err
    assert mine.read_text() == "mine"
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == [mine]


@pytest.mark.usefixtures("blank_figures")
def test_a_folder_in_a_files_place_leaves_nothing_behind(run: Run, tmp_path: Path) -> None:
    (tmp_path / "out" / "report.html").mkdir(parents=True)
    result = run("report", MODEL, "--energy-table", "7nm", "-o", tmp_path / "out", "--force")
    assert result.code == 2
    assert "report.html: is a folder" in result.err
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["report.html"]
