"""Files of published measurements: what they may hold, and one line for every mistake in them."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from bitnet_hw.calibration.rows import (
    MEASUREMENTS,
    Row,
    RowFile,
    load_rows,
    load_values,
)
from bitnet_hw.calibration.rows_schema import schema_text
from bitnet_hw.calibration.validation import Class
from bitnet_hw.errors import InputError
from bitnet_hw.files.records import choices
from bitnet_hw.inputs import catalogue
from bitnet_hw.inputs.machine_parts import Boundary, Covers
from bitnet_hw.validation import ROWS

from .synthetic import MACHINE

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "docs" / "schema" / "rows-1.json"

GOOD = """\
sources:
  here: {title: Measured here, where: our desk}
rows:
  - {id: first, source: here, machine: edge, model: gpt2, weights: fp16, SPEED}
  - id: second
    source: here
    machine: rtx-4090-llama-cpp-2026
    model: qwen3-8b
    weights: q1_0
    scenario: {prompt: 64, generate: 8, batch: 2}
    tokens_per_s_of_request: 300
    time_to_first_token_s: 0.2
    energy_per_token_j: 1.5
    power_w: 300
    boundary: GPU board, power limit of 400 W
""".replace("SPEED", "scenario: {decode: 64}, tokens_per_s: 30")


def _file(folder: Path, text: str) -> Path:
    path = folder / "rows.yaml"
    path.write_text(text, "utf-8")
    return path


def test_a_row_may_have_several_quantities(tmp_path: Path) -> None:
    values = load_values(_file(tmp_path, GOOD))
    assert [(v.row.id, v.quantity, v.published, v.kind, v.work) for v in values] == [
        ("first", "tokens_per_s", 30, "speed", "decode, wide weights"),
        ("second", "tokens_per_s_of_request", 300, "speed", "batched requests"),
        ("second", "time_to_first_token_s", 0.2, "speed", "prefill"),
        ("second", "energy_per_token_j", 1.5, "energy", "batched requests"),
        ("second", "power_w", 300, "energy", "batched requests"),
    ]
    assert [value.is_comparable for value in values] == [True] * 5
    assert values[1].scenario.batch == 2
    assert values[0].machine.name == "edge"


def test_shipped_rows_load_and_fit_the_schema() -> None:
    command = f"python -m bitnet_hw.calibration.rows_schema {SCHEMA.relative_to(ROOT)}"
    assert SCHEMA.read_text("utf-8") == schema_text(), f"run {command}"
    schema = json.loads(SCHEMA.read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    validator.validate(yaml.safe_load(ROWS.read_text("utf-8")))
    validator.validate(yaml.safe_load(GOOD))
    for part in (schema, *schema["$defs"].values()):
        assert all(key.get("description") for key in part["properties"].values())
    file = load_rows(ROWS)
    assert {row.machine for row in file.rows} <= set(catalogue.names("machines"))


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("machine: edge", "machine: egde", (":4: rows.0.machine: row first: unknown machine 'egde'",
                                            "did you mean 'edge'")),
        ("machine: edge", "machine: no/such.yaml", (":4: rows.0.machine: row first: ",
                                                    "no such file")),
        ("model: qwen3-8b", "model: qwen3-9b", (":8: rows.1.model: row second: unknown model",)),
        ("weights: q1_0", "weights: q1", (":9: rows.1.weights: row second: unknown scheme 'q1'",)),
        ("source: here, m", "source: hear, m", (":4: rows.0.source: 'hear' (first) is not under",)),
        ("GPU board,", "GPU bord,", (":15: rows.1.boundary: row second: unknown boundary",
                                     "GPU board")),
        ("GPU board,", "', idle subtracted", None),
        ("    boundary: GPU board, power limit of 400 W\n", "",
         (":5: rows.1.boundary: is missing; second gives an energy",)),
        ("tokens_per_s: 30", "tokens_per_s: 0",
         (":4: rows.0.tokens_per_s: must be greater than 0, found 0", "(row first)")),
        ("tokens_per_s: 30", "tokens_per_s: -2", ("rows.0.tokens_per_s", "found -2", "row first")),
        ("tokens_per_s: 30", "tokens_per_s: 1.0e+300", ("must be at most", "row first")),
        ("tokens_per_s: 30", "tokens_per_s: .nan", ("must be a finite number", "row first")),
        ("tokens_per_s: 30", "tokens_per_s: .inf", ("must be a finite number", "row first")),
        ("tokens_per_s: 30", "tokens_per_s: fast", ("must be a number", "'fast'", "row first")),
        ("tokens_per_s: 30", "tokens_per_sec: 30",
         (":4: rows.0: unknown key 'tokens_per_sec'", "tokens_per_s'?", "row first")),
        (", tokens_per_s: 30", "", (":4: rows.0.id: first gives nothing: needs one of tokens_per_s",
                                    "or power_w")),
        ("{decode: 64}", "{prefill: 64}",
         (":4: rows.0.tokens_per_s: does not apply to a prefill", "row first")),
        ("{decode: 64}", "{decode: 64, prefill: 64}",
         (":4: rows.0.scenario: needs decode, or prefill, or prompt", "row first")),
        ("{decode: 64}", "{prompt: 64}", ("rows.0.scenario: needs decode, or", "row first")),
        ("{decode: 64}", "{decode: 0}", ("rows.0.scenario.decode", "greater than 0", "row first")),
        ("{decode: 64}", "{decode: 4096}", (":4: rows.0.scenario: row first: gpt2 has 1024",)),
        ("{decode: 64}", "{decode: 64, lm_head: no}", ("rows.0.scenario.lm_head", "row first")),
        ("id: second", "id: first", (":5: rows.1.id: 'first' is used twice",)),
        ("id: second\n    s", "s", ("rows.1: key 'id' is missing",)),
        ("where: our desk", "were: our desk", (":2: sources.here: unknown key 'were'",)),
        (GOOD[GOOD.index("rows:"):], "rows: []", (":3: rows: must not be empty",)),
        ("rows:\n", "row:\n", (":3: unknown key 'row'",)),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_row(
    tmp_path: Path, old: str, new: str, parts: tuple[str, ...] | None
) -> None:
    if parts is None:
        old, new = "boundary: GPU board, power limit of 400 W", "boundary: ', idle subtracted'"
        parts = (":15: rows.1.boundary: row second: unknown boundary ''",)
    assert old in GOOD
    path = _file(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(InputError) as caught:
        load_values(path)
    message = str(caught.value)
    assert message.startswith(f"{path}:")
    assert "\n" not in message
    for part in parts:
        assert part in message


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("tokens_per_s: 30", "tokens_per_s: 0"),
        (", tokens_per_s: 30", ""),
        ("{decode: 64}", "{decode: 64, prefill: 64}"),
        ("{decode: 64}", "{prompt: 64}"),
        ("id: second\n    s", "s"),
        ("power_w", "power"),
    ],
)
def test_the_schema_refuses_what_the_record_refuses(tmp_path: Path, old: str, new: str) -> None:
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text("utf-8")))
    text = GOOD.replace(old, new, 1)
    assert not validator.is_valid(yaml.safe_load(text))
    with pytest.raises(InputError):
        load_rows(_file(tmp_path, text))


def test_a_machine_may_be_a_file_beside_the_rows_or_where_we_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    beside, here = tmp_path / "beside", tmp_path / "here"
    for folder, name in ((beside, "beside"), (here, "here")):
        folder.mkdir()
        (folder / "mine.yaml").write_text(MACHINE.replace("name: mine", f"name: {name}"), "utf-8")
    monkeypatch.chdir(here)
    path = _file(beside, GOOD.replace("machine: edge", "machine: mine.yaml"))
    assert load_values(path)[0].machine.name == "beside"
    (beside / "mine.yaml").unlink()
    assert load_values(path)[0].machine.name == "here"


def test_a_mistake_in_a_rows_own_machine_names_both_files(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(MACHINE.replace("overlap:", "overlop:"), "utf-8")
    path = _file(tmp_path, GOOD.replace("machine: edge", "machine: mine.yaml"))
    with pytest.raises(InputError, match=r"rows\.yaml:4: .*row first: .*mine\.yaml:\d+: .*overlop"):
        load_values(path)


@pytest.mark.parametrize(
    ("stated", "covers", "subtracted", "same"),
    [
        ("board, power budget", "board", False, True),
        ("boards, several", "boards", False, True),
        ("GPU board, sustained run", "GPU board", False, True),
        ("chip and DRAM, idle subtracted", "chip and DRAM", True, True),
        ("chip and DRAM, by IOReport, idle subtracted", "chip and DRAM", True, True),
        ("chip and DRAM", "chip and DRAM", True, False),
        ("GPU board", "board", False, False),
        ("board", "boards", False, False),
    ],
)
def test_words_after_a_comma_are_no_part_of_a_boundary(
    stated: str, covers: Any, subtracted: bool, same: bool
) -> None:
    boundary = Boundary(covers=covers, idle_subtracted=subtracted)
    assert boundary.is_that_of(stated) is same


def test_every_measurement_has_a_unit_in_its_name() -> None:
    assert all(name.endswith(("_s", "_j", "_w", "_of_request")) for name in MEASUREMENTS)


def test_the_documentation_shows_a_file_of_rows_and_all_keys() -> None:
    page = (ROOT / "docs" / "validation.md").read_text("utf-8")
    (example,) = re.findall(r"```yaml\n(.*?)```", page, re.DOTALL)
    file = RowFile.model_validate(yaml.safe_load(example))
    assert [row.id for row in file.rows] == ["desk-fp16", "paper-ternary"]
    described = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    assert set(Row.model_fields) <= described
    for boundary in choices(Covers):
        assert f"`{boundary}`" in page
    for kind in choices(Class):
        assert f"| `{kind}` |" in page
