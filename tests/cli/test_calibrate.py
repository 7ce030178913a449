"""`bitnet-hw calibrate`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from bitnet_hw.inputs.machine import load_machine

SCHEMA = Path(__file__).parents[2] / "docs" / "schema" / "calibrate-1.json"
Run = Callable[..., Any]

MACHINE = """\
schema: 2
name: desk
family: {device: gpu, generation: Mine, stack: none}
units:
  - name: gpu
    kind: programmable
    peak_mac_per_s:
      fp16xfp16: {value: 1.0e+13, assumed: a test}
memories:
  - name: dram
    kind: GDDR6
    holds: {weights: 1, kv-cache: 1, activations: 1, embedding: 1}
    bandwidth_bytes_per_s: {value: 5.0e+11, assumed: a test}
    reached_share: {value: 0.5, assumed: a test, free: true}  # a comment
overheads:
  seconds_per_layer: {value: 1.0e-5, assumed: a test, free: true}
overlap: {value: 0, assumed: a test}
boundary: {covers: GPU board}
"""
HEAD = "sources:\n  here: {title: Measured here, where: our desk}\nrows:\n"
ROW = (
    "  - {{id: {id}, source: here, machine: {machine}, model: {model}, weights: fp16, "
    "scenario: {{decode: 64}}, tokens_per_s: {speed}}}\n"
)
#: The second machine of the rows is another one.
ROWS = HEAD + "".join(
    ROW.format(id=name, machine=machine, model=model, speed=speed)
    for name, machine, model, speed in [
        ("seven", "desk", "llama-2-7b", 25.0), ("two", "desk", "qwen3-1.7b", 90.0),
        ("other", "edge", "gpt2", 20.0), ("small", "desk", "bitnet-125m", 500.0),
        ("three", "desk", "bitnet-b1.58-3b", 48.0),
    ]
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "desk.yaml").write_text(MACHINE, "utf-8")
    (tmp_path / "rows.yaml").write_text(ROWS, "utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _refused(result: Any, *parts: str, code: int = 2) -> None:
    assert result.code == code, result.out
    assert result.out == ""
    (line,) = result.err.splitlines()
    assert line.startswith("bitnet-hw: error: ")
    for part in parts:
        assert part in line


ARGS = ("calibrate", "desk.yaml", "--rows", "rows.yaml", "-o", "new.yaml")


def test_the_new_file_has_figures_and_provenance(run: Run, folder: Path) -> None:
    result = run(*ARGS)
    assert (result.code, result.err) == (0, "")
    new = load_machine(folder / "new.yaml")
    assert new.name == "new"
    share = new.main_memory.reached_share
    layer = new.overheads.seconds_per_layer
    assert share is not None
    assert layer is not None
    # 500 tokens per second through 12 layers leave at most 2 ms / 12 for each, next to the traffic.
    assert 5e-5 < layer.value < 2e-3 / 12
    # The 7B model's 13.2 GB in 40 ms are 66 percent of the bandwidth; in 40 ms without 32 times the
    # longest of those, and a little arithmetic, 78 percent.
    assert 0.66 < share.value < 0.79
    assert share.fitted == ("seven", "two", "small", "three")
    assert share.low is not None
    assert share.low < share.value
    assert new.calibration is not None
    assert new.calibration.rows == ("seven", "two", "small", "three")
    assert new.calibration.rows_file == "rows.yaml"
    assert len(new.calibration.left_out) == 4
    text = (folder / "new.yaml").read_text("utf-8")
    assert "free: true}  # a comment\n" in text
    assert "with its row left out, a value is off by x1." in result.out
    assert result.out.endswith("wrote new.yaml\n")


def test_json(run: Run, folder: Path) -> None:
    data = json.loads(run(*ARGS, "--json").out)
    schema = json.loads(SCHEMA.read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(data, schema, jsonschema.Draft202012Validator)
    assert (data["machine"], data["file"]) == ("new", "new.yaml")
    assert [row["id"] for row in data["rows"]] == ["seven", "two", "small", "three"]
    written = load_machine(folder / "new.yaml").calibration
    assert written is not None
    for row in data["rows"]:
        name = f"{row['id']} {row['quantity']}"
        assert row["ratio"] == pytest.approx(written.residuals[name], rel=1e-3)
        assert row["ratio_left_out"] == pytest.approx(written.left_out[name], rel=1e-3)


def test_validate_does_not_count_the_rows_of_a_calibration(run: Run, folder: Path) -> None:
    assert run(*ARGS).code == 0
    rows = ROWS.replace("machine: desk", "machine: new.yaml") + ROW.format(
        id="fresh", machine="new.yaml", model="llama-2-7b", speed=26.0
    )
    (folder / "more.yaml").write_text(rows, "utf-8")
    data = json.loads(run("validate", "more.yaml", "--json").out)
    classes = {row["id"]: row["class"] for row in data["rows"]}
    assert classes == {
        "seven": "calibration", "two": "calibration", "small": "calibration",
        "three": "calibration", "other": "blind", "fresh": "calibrated",
    }  # fmt: skip
    assert {entry["status"]: entry["rows"] for entry in data["summary"]} == {
        "blind": 1, "calibrated": 1,
    }  # fmt: skip


def test_a_second_calibration_replaces_the_first(run: Run, folder: Path) -> None:
    assert run(*ARGS).code == 0
    (folder / "rows.yaml").write_text(ROWS.replace("machine: desk", "machine: new"), "utf-8")
    again = run("calibrate", "new.yaml", "--rows", "rows.yaml", "-o", "new.yaml", "--force")
    assert again.code == 0
    text = (folder / "new.yaml").read_text("utf-8")
    assert text.count("\ncalibration:\n") == 1
    run("calibrate", "new.yaml", "--rows", "rows.yaml", "-o", "third.yaml", "--name", "new")
    assert (folder / "third.yaml").read_text("utf-8") == text


def test_a_shipped_machine_can_be_calibrated_with_its_own_rows(run: Run, folder: Path) -> None:
    rows = HEAD + "".join(
        ROW.format(id=f"r{i}", machine="m3-pro-18-llama-cpp-2023", model=model, speed=speed)
        for i, (model, speed) in enumerate([("llama-2-7b", 10), ("gpt2", 200), ("qwen3-1.7b", 35),
                                            ("bitnet-b1.58-3b", 18)])
    )  # fmt: skip
    (folder / "rows.yaml").write_text(rows, "utf-8")
    name = "m3-pro-18-llama-cpp-2023"
    result = run("calibrate", name, "--rows", "rows.yaml", "-o", "new.yaml", "--name", "my m3: 18")
    assert result.code == 0, result.err
    new = load_machine(folder / "new.yaml")
    assert new.name == "my m3: 18"
    assert new.calibration is not None


def test_output_that_cannot_be_written(run: Run, folder: Path) -> None:
    (folder / "new.yaml").write_text("mine\n")
    _refused(run(*ARGS), "new.yaml: already exists", "--force")
    assert (folder / "new.yaml").read_text() == "mine\n"
    assert run(*ARGS, "--force").code == 0
    before = sorted(folder.iterdir())
    _refused(run(*ARGS[:-1], "rows.yaml/new.yaml"), "rows.yaml is a file")
    _refused(run(*ARGS[:-1], "desk.json"), "--output desk.json: a machine file ends in .yaml")
    _refused(run(*ARGS[:-1], "edge.yaml"), "'edge' is a shipped machine", "--name")
    _refused(run(*ARGS, "--force", "--name", ""), "name: must not be empty", "new.yaml")
    assert sorted(folder.iterdir()) == before
    closed = folder / "closed"
    closed.mkdir()
    closed.chmod(0o500)
    if not os.access(closed, os.W_OK):
        _refused(run(*ARGS[:-1], "closed/new.yaml"), "closed/new.yaml: cannot be written")


@pytest.mark.parametrize(
    ("file", "old", "new", "parts"),
    [
        ("desk.yaml", ", free: true", "", ("machine desk marks no figure as free",)),
        ("desk.yaml", "name: desk", "name: desk2",
         ("rows.yaml:4: rows.0.machine: row seven: unknown machine 'desk'",)),
        ("rows.yaml", "desk", "edge",
         ("rows.yaml: no row is for machine desk; the rows are for edge",)),
        ("rows.yaml", ROWS[ROWS.index("  - {id: two"):], "",
         ("rows.yaml: 1 published value of machine desk cannot determine 2 free figures: ",
          "memories.dram.reached_share, overheads.seconds_per_layer", "mark fewer as free")),
        ("rows.yaml", "qwen3-1.7b", "llama-2-7c", ("rows.yaml:5: rows.1.model: row two: ",)),
        ("rows.yaml", "25.0", "-25.0", ("rows.yaml:4: rows.0.tokens_per_s", "(row seven)")),
        ("rows.yaml", "id: two", "id: seven", ("rows.yaml:5: rows.1.id: 'seven' is used twice",)),
        ("rows.yaml", "tokens_per_s: 25.0", "power_w: 25.0, boundary: 'board, at the wall'",
         ("rows.yaml:4: rows.0: row seven: its boundary is 'board, at the wall'", "'GPU board'")),
        ("desk.yaml", "fp16xfp16", "int8xternary", ("rows.yaml:4: rows.0: row seven: ",)),
        ("desk.yaml", "{value: 0.5, assumed: a test, free: true}", "&a {value: 0.5, assumed: a "
         "test, free: true}", ("desk.yaml:14: memories.0.reached_share: is written elsewhere",)),
    ],
)  # fmt: skip
def test_bad_input_is_one_line_and_leaves_no_file(
    run: Run, folder: Path, file: str, old: str, new: str, parts: tuple[str, ...]
) -> None:
    path = folder / file
    path.write_text(path.read_text("utf-8").replace(old, new), "utf-8")
    _refused(run(*ARGS), *parts)
    assert not (folder / "new.yaml").exists()


def test_figures_that_trade_are_named(run: Run, folder: Path) -> None:
    rows = HEAD + "".join(
        ROW.format(id=f"r{i}", machine="desk", model="llama-2-7b", speed=25 + i) for i in range(3)
    )
    (folder / "rows.yaml").write_text(rows, "utf-8")
    _refused(
        run(*ARGS), "rows.yaml: the rows do not determine ", "memories.dram.reached_share",
        "overheads.seconds_per_layer", "trade against each other",
    )  # fmt: skip


def test_a_missing_library_is_a_missing_tool(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    _refused(run(*ARGS), "fits need scipy: pip install 'bitnet-hw[fit]'", code=3)
    assert not (folder / "new.yaml").exists()


def test_a_pipe_gets_no_progress(folder: Path) -> None:
    code = "import sys; from bitnet_hw.cli import main; sys.exit(main(sys.argv[1:]))"
    done = subprocess.run(
        [sys.executable, "-c", code, *ARGS], capture_output=True, text=True, check=True, cwd=folder
    )
    assert done.stderr == ""
    assert yaml.safe_load((folder / "new.yaml").read_text("utf-8"))["name"] == "new"


@pytest.mark.usefixtures("folder")
def test_a_terminal_gets_the_stages(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []

    class Status:
        def __enter__(self) -> Status:
            return self

        def __exit__(self, *_: object) -> None:
            return None

        def update(self, text: str) -> None:
            said.append(text)

    monkeypatch.setattr("rich.console.Console.status", lambda _console, _title: Status())
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    assert run(*ARGS).code == 0
    assert said == [f"calibrate: leaving out {name}" for name in ("seven", "two", "small", "three")]
