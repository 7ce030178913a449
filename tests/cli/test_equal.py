"""``bitnet-hw estimate --equal``: schemes on the same silicon."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

Run = Callable[..., Any]
ON_ASAP7 = ("estimate", "bitnet-125m", "--energy-table", "asap7-prelayout", "--decode", 64)
FIELDS = ("equal", "arrays", "lanes", "array_area_um2", "area_um2", "area_known")


def test_json_has_lanes_and_area_of_each_scheme(run: Run) -> None:
    fp16, ternary = json.loads(run(*ON_ASAP7, "--equal", "area", "--json").out)
    assert [fp16[key] for key in FIELDS[:3]] == ["area", "float-array", 144]
    assert [ternary[key] for key in FIELDS[:3]] == ["area", "ternary-array", 1024]
    assert fp16["machine"] == ternary["machine"] == "edge, equal area"
    assert fp16["array_area_um2"] == pytest.approx(144 * 261.47)
    assert ternary["array_area_um2"] == pytest.approx(1024 * 20.447)
    # The ternary scheme uses 64 FP16 lanes too; the memories are the same.
    assert ternary["units_area_um2"] == pytest.approx(1024 * 20.447 + 64 * 261.47)
    assert [one["difference_percent"] for one in (fp16, ternary)] == [
        pytest.approx(-0.0534, abs=1e-3),
        0,
    ]
    assert ternary["array_peak_w"] is ternary["units_peak_w"] is None
    assert ternary["area_um2"] == pytest.approx(fp16["area_um2"], rel=1e-3)
    assert fp16["area_known"] is ternary["area_known"] is True


@pytest.mark.parametrize("by", ["area", "power"])
def test_json_follows_the_schema(run: Run, by: str) -> None:
    text = (Path(__file__).parents[2] / "docs" / "schema" / "estimate-3.json").read_text("utf-8")
    schema = json.loads(text)
    for one in json.loads(run(*ON_ASAP7, "--equal", by, "--json").out):
        jsonschema.validate(one, schema, jsonschema.Draft202012Validator)
        assert set(schema["properties"]) == set(one)
        del one["area_known"]
        with pytest.raises(jsonschema.ValidationError, match="area_known"):
            jsonschema.validate(one, schema, jsonschema.Draft202012Validator)


def test_power_gives_watts(run: Run) -> None:
    fp16, ternary = json.loads(run(*ON_ASAP7, "--equal", "power", "--json").out)
    assert fp16["array_peak_w"] == pytest.approx(112 * 0.5e9 * 2.1563e-12)
    assert fp16["units_peak_w"] == fp16["array_peak_w"]
    found = [ternary[key] for key in ("lanes", "array_area_um2", "units_area_um2")]
    assert found == [1024, None, None]


def test_csv_is_the_json_in_rows(run: Run) -> None:
    rows = list(csv.DictReader(io.StringIO(run(*ON_ASAP7, "--equal", "area", "--csv").out)))
    found = json.loads(run(*ON_ASAP7, "--equal", "area", "--json").out)
    for row, one in zip(rows, found, strict=True):
        assert [row[key] for key in FIELDS] == [str(one[key]) for key in FIELDS]


def test_the_table_shows_lanes_area_and_what_remains(run: Run) -> None:
    out = run(*ON_ASAP7, "--equal", "area").out
    lines = {line.split("  ")[0]: line.split() for line in out.splitlines() if line[:1] != " "}
    inner = {line.split()[0]: line.split() for line in out.splitlines() if line[:2] == "  "}
    assert lines["array of projections and FFN"][-2:] == ["float-array", "ternary-array"]
    assert inner["lanes"][-2:] == ["144", "1,024"]
    assert inner["area"][-4:] == ["0.03765", "mm2", "0.02094", "mm2"]
    assert lines["area of all units used"][-4:] == ["0.03765", "mm2", "0.03767", "mm2"]
    assert inner["remaining"][-4:] == ["-0.05", "%", "+0.00", "%"]
    assert "ternary-array 0.02094 mm2, float-array 0.01673 mm2" in out
    assert "area incomplete" not in out


def test_an_unknown_area_is_said_to_be_so(run: Run) -> None:
    command = ("estimate", "bitnet-125m", "--energy-table", "sky130hd-prelayout", "--decode", 64)
    out = run(*command, "--equal", "area").out
    assert "weight-sram unknown" in out
    assert "area incomplete: the area of SRAM at 130 nm is not known" in out
    for one in json.loads(run(*command, "--equal", "area", "--json").out):
        assert one["area_known"] is False


def test_the_table_is_one_of_measured_macs_unless_another_is_named(run: Run) -> None:
    found = json.loads(run("estimate", "bitnet-125m", "--equal", "area", "--json").out)
    assert [one["energy_table"] for one in found] == ["asap7-prelayout"] * 2


def test_without_the_option_nothing_is_scaled(run: Run) -> None:
    for one in json.loads(run(*ON_ASAP7, "--json").out):
        assert one["machine"] == "edge"
        assert "equal" not in one
    assert "remaining difference" not in run(*ON_ASAP7).out


@pytest.mark.parametrize(
    ("options", "part"),
    [
        (("--energy-table", "7nm"), "choose a table of measured MACs (asap7-prelayout)"),
        (("--convention", "paper"), "--equal area contradicts --convention paper"),
        (("--scheme", "fp16"), "--equal area compares schemes with each other; give two or more"),
    ],
)
def test_what_has_no_area_is_refused(run: Run, options: tuple[str, ...], part: str) -> None:
    result = run("estimate", "bitnet-125m", "--equal", "area", *options)
    assert (result.code, result.out) == (2, "")
    assert len(result.err.splitlines()) == 1
    assert part in result.err
