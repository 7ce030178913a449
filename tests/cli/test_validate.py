"""`bitnet-hw validate`."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from bitnet_hw.inputs import catalogue
from bitnet_hw.validation import ROWS

SCHEMA = Path(__file__).parents[2] / "docs" / "schema" / "validate-1.json"
Run = Callable[..., Any]

TWO = """\
sources:
  here: {title: Measured here, where: our desk}
rows:
  - id: a
    source: here
    machine: edge
    model: gpt2
    weights: fp16
    scenario: {decode: 64}
    tokens_per_s: 30
  - id: b
    source: here
    machine: kv260-tellme
    model: bitnet-b1.58-700m
    weights: ternary-base3
    scenario: {decode: 512}
    tokens_per_s: 9
    energy_per_token_j: 0.7
    boundary: board, power budget
"""


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.yaml"
    path.write_text(TWO, "utf-8")
    return path


def test_a_model_that_does_not_fit_is_marked(run: Run, tmp_path: Path) -> None:
    # 13 GB of FP16 weights in 8 GB.
    path = tmp_path / "rows.yaml"
    path.write_text(TWO.replace("gpt2", "llama-2-7b"), "utf-8")
    assert "row a: llama-2-7b does not fit edge" in run("validate", path).out.splitlines()
    rows = json.loads(run("validate", path, "--json").out)["rows"]
    assert [row["fits"] for row in rows] == [False, True, True]


def test_every_shipped_row_fits_its_machine(run: Run) -> None:
    assert all(row["fits"] for row in json.loads(run("validate", "--json").out)["rows"])


def test_a_folder_is_named(run: Run, tmp_path: Path) -> None:
    result = run("validate", tmp_path)
    assert result.code == 2
    assert result.err == f"bitnet-hw: error: {tmp_path}: is a folder; a file was expected\n"


def test_json_has_a_row_per_value_and_a_summary(run: Run, rows: Path) -> None:
    result = run("validate", rows, "--json")
    assert (result.code, result.err) == (0, "")
    data = json.loads(result.out)
    schema = json.loads(SCHEMA.read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(data, schema, jsonschema.Draft202012Validator)
    assert [(row["id"], row["quantity"], row["published"]) for row in data["rows"]] == [
        ("a", "tokens_per_s", 30), ("b", "tokens_per_s", 9), ("b", "energy_per_token_j", 0.7),
    ]  # fmt: skip
    for row in data["rows"]:
        assert row["ratio"] == pytest.approx(row["predicted"] / row["published"])
    assert sum(entry["rows"] for entry in data["summary"]) == 3


def test_the_shipped_rows_are_the_default(run: Run) -> None:
    data = json.loads(run("validate", "--json").out)
    jsonschema.validate(
        data, json.loads(SCHEMA.read_text("utf-8")), jsonschema.Draft202012Validator
    )
    ids = {row["id"] for row in yaml.safe_load(ROWS.read_text("utf-8"))["rows"]}
    assert {row["id"] for row in data["rows"]} == ids
    assert data == json.loads(run("validate", ROWS, "--json").out)


def test_the_schema_describes_every_key_and_allows_no_other() -> None:
    def visit(schema: dict[str, Any]) -> None:
        for key, child in schema.get("properties", {}).items():
            assert schema["additionalProperties"] is False
            assert child["description"], key
            visit(child)
        if "properties" in schema:
            assert schema["required"] == list(schema["properties"])
        visit(schema["items"]) if "items" in schema else None

    for name in ("validate-1.json", "calibrate-1.json"):
        visit(json.loads((SCHEMA.parent / name).read_text("utf-8")))


def test_csv_has_the_same_rows(run: Run, rows: Path) -> None:
    found = list(csv.DictReader(io.StringIO(run("validate", rows, "--csv").out)))
    data = json.loads(run("validate", rows, "--json").out)["rows"]
    assert [row["id"] for row in found] == [row["id"] for row in data]
    assert float(found[0]["predicted"]) == data[0]["predicted"]


def test_the_tables_say_what_the_classes_mean(run: Run, rows: Path) -> None:
    result = run("validate", rows)
    lines = result.out.splitlines()
    assert lines[0].split() == [
        "row", "machine", "model", "weights", "quantity", "published", "predicted", "ratio",
        "class",
    ]  # fmt: skip
    assert [line.split()[0] for line in lines[1:4]] == ["a", "b", "b"]
    classes = {line.rpartition("  ")[2] for line in lines[1:4]}
    for kind in classes:
        assert any(line.startswith(f"{kind}: ") for line in lines)
    assert result.err == ""


@pytest.mark.parametrize(
    ("old", "new", "parts"),
    [
        ("machine: edge", "machine: egde", ":6: rows.0.machine: row a: unknown machine 'egde'"),
        ("weights: fp16", "weights: fp1", ":8: rows.0.weights: row a: unknown scheme"),
        ("tokens_per_s: 30", "tokens_per_s: 0", ":10: rows.0.tokens_per_s: must be greater than"),
        ("board, power", "bord, power", ":19: rows.1.boundary: row b: unknown boundary 'bord'"),
        ("  - id: b", "  - id: a", ":11: rows.1.id: 'a' is used twice"),
    ],
)
def test_a_wrong_row_is_one_line(run: Run, rows: Path, old: str, new: str, parts: str) -> None:
    rows.write_text(TWO.replace(old, new), "utf-8")
    result = run("validate", rows)
    assert (result.code, result.out) == (2, "")
    (line,) = result.err.splitlines()
    assert line.startswith(f"bitnet-hw: error: {rows}:")
    assert parts in line


def test_a_scheme_that_the_machine_cannot_execute_names_the_row(run: Run, rows: Path) -> None:
    machine = catalogue.path_of("machines", "kv260-tellme").read_text("utf-8")
    data = yaml.safe_load(machine) | {"name": "mine"}
    data["units"] = [unit for unit in data["units"] if "ternary" in str(unit)]
    (rows.parent / "mine.yaml").write_text(yaml.safe_dump(data), "utf-8")
    rows.write_text(TWO.replace("kv260-tellme", "mine.yaml"), "utf-8")
    result = run("validate", rows)
    (line,) = result.err.splitlines()
    assert (result.code, result.out) == (2, "")
    assert line.startswith(f"bitnet-hw: error: {rows}:11: rows.1: row b: ")
    assert "mine" in line


def test_a_file_that_is_not_there(run: Run, tmp_path: Path) -> None:
    result = run("validate", tmp_path / "none.yaml")
    assert result.code == 2
    assert result.err.splitlines() == [f"bitnet-hw: error: {tmp_path / 'none.yaml'}: no such file"]
