"""Analyses, each run as a command: they pass, and they fail if a published figure changes."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

FOLDER = Path(__file__).parents[2] / "analyses"
#: Analysis -> a figure that it uses, and a value that must make it fail.
FIGURES = {
    "a48_activated_parameters": ("a4.8.table2.llama.3b.activated", "3.3"),
    "b158_fig3_left": ("b1.58.fig3.left", "71.5"),
    "b158_fig3_right": ("b1.58.fig3.right.70b", "42.2"),
    "b158_table1_memory": ("b1.58.table1.llama.3b.memory", "7.99"),
    "b158_table3_batch": ("b1.58.table3.bitnet.throughput", "3077"),
    "bitnet_fig1": ("bitnet.fig1.125m", "8.9"),
    "bitnet_table1": ("bitnet.table1.13b.fp16.7nm.mul", "2.24"),
    "peers_llama2_7b": ("peers.llm-viewer.prefill.weights", "13214160000"),
}


def _load(name: str) -> ModuleType:
    """Load a module of the folder, which is not a package."""
    spec = importlib.util.spec_from_file_location(name, FOLDER / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look up their module in sys.modules.
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


DIGITS = _load("comparison").DIGITS
HAS_ZIGZAG = importlib.util.find_spec("zigzag") is not None


def _script(name: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(FOLDER / f"{name}.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=900)


def _one_line(error: str) -> str:
    lines = error.splitlines()
    assert len(lines) == 1, error
    return lines[0]


def _published(tmp_path: Path, figure: str, **changes: Any) -> Path:
    """Copy the published figures, with one of them changed."""
    folder = tmp_path / "published"
    shutil.copytree(FOLDER / "published", folder)
    for path in folder.glob("*.yaml"):
        data = yaml.safe_load(path.read_text(encoding="utf-8"))
        for entry in data["figures"]:
            if entry["id"] == figure:
                entry.update(changes)
                path.write_text(yaml.safe_dump(data), encoding="utf-8")
                return folder
    raise AssertionError(f"no figure {figure}")


def test_every_analysis_is_tested() -> None:
    modules = {"analysis", "comparison", "fit_machines", "peer_rules", "reproduce"}
    scripts = {path.stem for path in FOLDER.glob("*.py")} - modules
    # The last two have tests of their own.
    assert scripts == {*FIGURES, "measured_systems", "zigzag_gemm"}


@pytest.mark.parametrize("name", FIGURES)
def test_analysis_passes(name: str) -> None:
    done = _script(name, "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["verdict"] == "ok"
    assert found["comparisons"]
    assert found["sources"]
    for row in found["comparisons"]:
        assert row["ratio"] == pytest.approx(row["ours"] / row["published"])
        assert row["verdict"] != "FAIL"


@pytest.mark.parametrize("name", [*FIGURES, "zigzag_gemm"])
def test_docstring_states_shapes_tolerance_and_known_misses(name: str) -> None:
    text = (FOLDER / f"{name}.py").read_text(encoding="utf-8").split('"""')[1]
    for word in ("Tolerance", "Known miss", "convention"):
        assert word.lower() in text.lower()
    assert re.search(r"Shape|No model is involved", text)


@pytest.mark.parametrize("name", FIGURES)
def test_a_changed_figure_fails(name: str, tmp_path: Path) -> None:
    figure, value = FIGURES[name]
    done = _script(name, "--published", str(_published(tmp_path, figure, value=value)))
    assert done.returncode == 4, done.stdout
    assert "fail" in _one_line(done.stderr)
    assert "FAIL" in done.stdout


def test_published_counts() -> None:
    """Expect 34 of 36 entries of Table 1, 5 of 6 of Fig. 1 and 19 of 20 activated parameters.

    Of the comparisons with other tools, expect nine known misses.
    """
    counts = {}
    for name in ("bitnet_table1", "bitnet_fig1", "a48_activated_parameters", "peers_llama2_7b"):
        rows = json.loads(_script(name, "--json").stdout)["comparisons"]
        verdicts = [row["verdict"] for row in rows]
        counts[name] = (verdicts.count("ok"), verdicts.count("known miss"))
    assert counts == {
        "bitnet_table1": (34, 2),
        "bitnet_fig1": (5, 1),
        "a48_activated_parameters": (19, 1),
        "peers_llama2_7b": (42, 9),
    }


def test_a_known_miss_that_disappears_fails(tmp_path: Path) -> None:
    figure = "bitnet.table1.6.7b.bitnet-b1.7nm.add"
    done = _script("bitnet_table1", "--published", str(_published(tmp_path, figure, value="0.03")))
    assert done.returncode == 4
    assert "disappeared" in _one_line(done.stderr)


def test_a_known_miss_that_changes_fails(tmp_path: Path) -> None:
    miss = {"ours": 0.038, "why": "an earlier value"}
    folder = _published(tmp_path, "bitnet.table1.6.7b.bitnet-b1.7nm.add", known_miss=miss)
    done = _script("bitnet_table1", "--published", str(folder))
    assert done.returncode == 4
    assert "has changed" in _one_line(done.stderr)


def test_an_impossible_batch_has_no_fit(tmp_path: Path) -> None:
    folder = _published(tmp_path, "b1.58.table3.llama.batch", value="170")
    done = _script("b158_table3_batch", "--published", str(folder))
    assert done.returncode == 4
    assert "no non-negative memory" in _one_line(done.stderr)


@pytest.mark.parametrize(
    ("change", "part"),
    [({"vlaue": "1"}, "did you mean 'value'"), ({"source": "bitnte"}, "did you mean 'bitnet'")],
)
def test_bad_figures_are_refused(change: dict[str, str], part: str, tmp_path: Path) -> None:
    folder = _published(tmp_path, "bitnet.fig1.125m", **change)
    done = _script("bitnet_fig1", "--published", str(folder))
    assert done.returncode == 2
    assert part in _one_line(done.stderr)


@pytest.mark.parametrize(
    ("script", "arguments", "part"),
    [
        ("bitnet_fig1", ("--jsn",), "bitnet_fig1: error: unknown option '--jsn'; did you mean"),
        ("bitnet_fig1", ("--published", "nowhere"), "--published nowhere: no such folder"),
        ("reproduce", ("--output",), "reproduce: error: --output needs a value"),
        ("energy/sweep", (), "sweep: error: --liberty is missing; see `sweep --help`"),
        ("energy/sweep", ("--only", "lane", "--liberty", "x.lib"), "did you mean 'lanes'?"),
        ("../benchmarks/counting", ("--runs", "0"), "--runs 0: must be an integer at least 1"),
    ],
)
def test_wrong_arguments_get_one_line(script: str, arguments: tuple[str, ...], part: str) -> None:
    done = _script(script, *arguments)
    assert done.returncode == 2
    assert part in _one_line(done.stderr)
    assert done.stdout == ""


@pytest.mark.parametrize(
    ("printed", "ours", "within"),
    [
        ("4.41", 4.4149, True),
        ("4.41", 4.4151, False),
        ("0.02", 0.0151, True),
        ("0.02", 0.0149, False),
        ("679", 679.48, True),
        ("679", 679.52, False),
        ("3.70", 3.704, True),
    ],
)
def test_digits(printed: str, ours: float, within: bool) -> None:
    assert DIGITS.holds(printed, ours) is within


@given(value=st.floats(0.001, 1000), places=st.integers(0, 4))
def test_a_value_that_rounds_to_the_digits_is_within(value: float, places: int) -> None:
    assert DIGITS.holds(f"{value:.{places}f}", value)


def test_zigzag_agrees_or_is_reported_as_missing() -> None:
    done = _script("zigzag_gemm", "--json")
    if not HAS_ZIGZAG:
        assert done.returncode == 3
        assert "not installed" in _one_line(done.stderr)
        return
    assert done.returncode == 0, done.stderr
    rows = {row["name"]: row for row in json.loads(done.stdout)["comparisons"]}
    # m x 6912 x 2560, and 2 bits per weight, as ZigZag counts them.
    assert rows["m = 16, MACs"]["published"] == 16 * 6912 * 2560
    assert rows["m = 1, weight buffer: read"]["published"] == 6912 * 2560 * 2 / 8
    assert rows["m = 16, MAC energy"]["ratio"] == pytest.approx(1, rel=1e-9)


@pytest.fixture
def reproduce(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(FOLDER))
    return _load("reproduce")


def test_every_series_of_a_chart_has_a_shape_and_colour_of_its_own(reproduce: ModuleType) -> None:
    names = ["a", "b", "c", "d", "e", "f"]
    points = [{"published": 2.0, "predicted": 3.0, "series": name, "name": ""} for name in names]
    frame = reproduce.ChartFrame({"points": points})
    assert len({frame.shape(name) for name in names}) == len(names)
    assert len({frame.colour(name) for name in names}) == len(names)


def test_columns_of_text_are_not_set_as_numbers(reproduce: ModuleType) -> None:
    why = "eager PyTorch spends about a millisecond per layer on the host, as no other does"
    rows = [["a", "decode", 1.5, None, why], ["b", "prefill", "-", 2, "nothing"]]
    table = {"columns": ["row", "work", "ratio", "rows", "known"], "rows": rows}
    assert reproduce.column_classes(table) == ["", "", "n", "n", "long"]


@pytest.mark.slow  # measured_systems fits the machines once per published row
def test_reproduce_writes_one_page(tmp_path: Path) -> None:
    folder = tmp_path / "out"
    done = _script("reproduce", "-o", str(folder))
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in folder.iterdir()) == ["index.html", "results.json"]
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))["analyses"]
    verdicts = {result["analysis"]: result["verdict"] for result in results}
    assert verdicts == dict.fromkeys([*FIGURES, "measured_systems"], "ok") | {
        "zigzag_gemm": "ok" if HAS_ZIGZAG else "not run",
    }
    page = (folder / "index.html").read_text(encoding="utf-8")
    assert not re.search(r"""(src|href)=["']?(https?:)?//""", page)
    for name in verdicts:
        assert f'id="{name}"' in page
    assert page.count("published, tokens per second</text>") == 1
    assert page.count("<title>4090-qwen3-8b-q1_0: published 368") == 1

    again = _script("reproduce", "-o", str(folder))
    assert again.returncode == 2
    assert "--force" in _one_line(again.stderr)
    assert (folder / "index.html").read_text(encoding="utf-8") == page
