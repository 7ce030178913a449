"""Writing of calibrated machine files: only what was fitted changes."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from pathlib import Path

import pytest
import yaml

from bitnet_hw.calibration.response import free_parameters
from bitnet_hw.calibration.writing import renamed, with_calibration, with_figures
from bitnet_hw.errors import InputError
from bitnet_hw.files.document import KeyPath
from bitnet_hw.files.reading import read
from bitnet_hw.inputs import catalogue
from bitnet_hw.inputs.figures import Figure
from bitnet_hw.inputs.machine import load_machine
from bitnet_hw.inputs.machine_parts import Calibration

from .synthetic import MACHINE, generator, machine

CALIBRATION = Calibration(
    rows_file="rows.yaml", date="2026-11-26", rows=("a", "b: c"),
    residuals={"a tokens_per_s": 1.01234, "b: c power_w": 0.9},
    left_out={"a tokens_per_s": 1.2345678},
)  # fmt: skip
LONG = tuple(f"a-row-with-a-long-name-{i}" for i in range(12))


def _fitted(figure: Figure, value: float, rows: tuple[str, ...] = ("a", "b: c")) -> Figure:
    return type(figure)(
        value=value, fitted=rows, low=value / 2, high=value * 1.00001, free=True, note="it's, new"
    )


def _new_figures(path: Path, rows: tuple[str, ...] = ("a", "b: c")) -> dict[KeyPath, Figure]:
    draw = generator(str(path.name))
    return {
        p.path: _fitted(p.figure, p.figure.value * draw.uniform(0.3, 0.99999), rows)
        for p in free_parameters(load_machine(path))
    }


def _changed_lines(old: str, new: str) -> set[int]:
    """Return the numbers of the lines of a text that are not in another in the same order."""
    lines = old.splitlines()
    matcher = difflib.SequenceMatcher(None, lines, new.splitlines(), autojunk=False)
    kept = {
        n for block in matcher.get_matching_blocks() for n in range(block.a, block.a + block.size)
    }
    return {n + 1 for n in range(len(lines)) if n not in kept}


def _lines_of(path: Path, figures: Iterable[KeyPath]) -> set[int]:
    """Return the numbers of the lines from each figure's key up to the next key that follows it."""
    lines = read(path).lines
    found = set()
    for at in figures:
        following = [n for key, n in lines.items() if n > lines[at] and key[: len(at)] != at]
        found |= set(range(lines[at], min(following)))
    return found


@pytest.mark.parametrize("rows", [("a", "b: c"), LONG])
@pytest.mark.parametrize("name", [*catalogue.names("machines"), "mine"])
def test_every_other_line_stays(tmp_path: Path, name: str, rows: tuple[str, ...]) -> None:
    machine(tmp_path)
    path = tmp_path / "mine.yaml" if name == "mine" else catalogue.path_of("machines", name)
    old = path.read_text("utf-8")
    figures = _new_figures(path, rows)
    new = with_figures(path, figures)
    assert _changed_lines(old, new) <= _lines_of(path, figures)
    comments = [line.partition("#")[2] for line in old.splitlines() if " #" in f" {line}"]
    assert comments == [line.partition("#")[2] for line in new.splitlines() if " #" in f" {line}"]
    assert all(len(line) <= 118 for line in new.splitlines() if "a-row" in line)
    written = tmp_path / "new.yaml"
    written.write_text(renamed(new, "new"), "utf-8")
    before, after = load_machine(path), load_machine(written)
    assert {p: f for p, f in after.figures() if p not in figures} == {
        p: f for p, f in before.figures() if p not in figures
    }
    found = dict(after.figures())
    for at, figure in figures.items():
        assert found[at].value == pytest.approx(figure.value, rel=5.01e-4)
        assert found[at].fitted == rows
        assert (found[at].note, found[at].free) == ("it's, new", True)


def test_forms_of_a_figure(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    machine(tmp_path)
    figures = {p.path: p.figure.replace(value=0.25) for p in free_parameters(load_machine(path))}
    new = with_figures(path, figures)
    assert "      fp16xfp16: {value: 0.25, assumed: a test, free: true}  # by hand\n" in new
    # Two lines become one.
    assert (
        "    energy_pj_per_weight: {value: 0.25, assumed: 'a test, with a comma and a brace }', "
        "free: true}\nmemories:\n"
    ) in new
    # A block becomes braces at its place.
    assert "    reached_share:\n      {value: 0.25, assumed: a test, free: true}\n" in new
    # Within braces; the empty line after it stays.
    assert (
        "overheads: {seconds_per_layer: {value: 0.25, assumed: a test, free: true}}\n\noverlap"
    ) in new
    assert "  # Above idle.\n  active_w: {value: 0.25, assumed: a test, free: true}\n" in new


def test_ends_of_lines_stay(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_bytes(MACHINE.replace("\n", "\r\n").encode())
    new = with_calibration(with_figures(path, _new_figures(path, LONG)), CALIBRATION)
    assert "\n" not in new.replace("\r\n", "")
    assert new.count("\r\n") > 40


def test_zero_is_written(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    machine(tmp_path)
    figures = {
        p.path: type(p.figure)(value=0.0, fitted=("a",), free=True)
        for p in free_parameters(load_machine(path)) if not p.is_share
    }  # fmt: skip
    path.write_text(with_figures(path, figures), "utf-8")
    found = dict(load_machine(path).figures())
    assert all(found[at].value == 0 for at in figures)


@pytest.mark.parametrize(
    "text",
    [
        MACHINE.replace("fp16xfp16: {value: 0.5", "fp16xfp16: &share {value: 0.5"),
        MACHINE.replace("{value: 1.0e-12, assumed: a test, free: true}", "&cost\n      "
                        "{value: 1.0e-12, assumed: a test, free: true}").replace(
            "{value: 20, assumed: 'a test, with a comma and a brace }',\n      free: true}", "*cost"
        ),
        MACHINE.replace(
            "overheads: {", "overheads:\n  <<: {"
        ),
    ],
)  # fmt: skip
def test_a_figure_without_a_text_of_its_own_is_refused(tmp_path: Path, text: str) -> None:
    machine(tmp_path, text)
    path = tmp_path / "mine.yaml"
    with pytest.raises(InputError, match=r"mine\.yaml:\d+: .*written elsewhere in the file"):
        with_figures(path, _new_figures(path))


def test_json_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.json"
    path.write_text(machine(tmp_path).model_dump_json(by_alias=True, exclude_none=True), "utf-8")
    with pytest.raises(InputError, match=r"mine\.json: is JSON; give the machine as YAML"):
        with_figures(path, _new_figures(path))


@pytest.mark.parametrize("name", ["new", "a: b", "12", r"\1 and \g<0>", "it's", "yes", "é"])
def test_any_name_can_be_given(name: str) -> None:
    new = renamed(MACHINE, name)
    assert yaml.safe_load(new)["name"] == name
    assert new.splitlines()[3:] == MACHINE.splitlines()[3:]
    assert new.splitlines()[2].endswith("  # the name of the machine")


@pytest.mark.parametrize(
    "earlier",
    [
        "",
        "calibration: {rows_file: x, date: y, rows: [z], residuals: {z: 1}}\n",
        "calibration:\n  rows_file: x\n\n  date: y\n# a comment inside\n  rows:\n  - z\n"
        "  residuals:\n    z: 1.0\n",
    ],
)
@pytest.mark.parametrize("at_end", [True, False])
def test_provenance_replaces_an_earlier_one(tmp_path: Path, earlier: str, at_end: bool) -> None:
    first, marker = MACHINE.partition("overlap:")[0], "overlap:" + MACHINE.partition("overlap:")[2]
    text = first + marker + earlier if at_end else first + earlier + marker
    new = with_calibration(text, CALIBRATION)
    assert new.startswith(MACHINE)
    assert new.count("calibration:") == 1
    path = tmp_path / "mine.yaml"
    path.write_text(new, "utf-8")
    found = load_machine(path).calibration
    assert found is not None
    assert found.rows == CALIBRATION.rows
    assert dict(found.residuals) == {"a tokens_per_s": 1.012, "b: c power_w": 0.9}
    assert dict(found.left_out) == {"a tokens_per_s": 1.235}
    assert with_calibration(new, CALIBRATION) == new
