"""``bitnet-hw estimate --equal``: schemes on the same silicon."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import pytest

Run = Callable[..., Any]
ON_ASAP7 = ("estimate", "bitnet-125m", "--energy-table", "asap7-prelayout", "--decode", 64)
FIELDS = ("equal", "arrays", "lanes", "array_area_um2", "area_um2", "area_known")


def test_json_has_lanes_and_area_of_each_scheme(run: Run) -> None:
    fp16, ternary = json.loads(run(*ON_ASAP7, "--equal", "area", "--json").out)
    assert [fp16[key] for key in FIELDS[:3]] == ["area", "float-array", 64]
    assert [ternary[key] for key in FIELDS[:3]] == ["area", "ternary-array", 832]
    assert fp16["machine"] == ternary["machine"] == "edge, equal area"
    assert fp16["array_area_um2"] == pytest.approx(64 * 261.47)
    assert ternary["array_area_um2"] == pytest.approx(832 * 20.447)
    assert ternary["difference_percent"] == pytest.approx(1.66, abs=0.01)
    assert ternary["array_peak_w"] is None
    # The ternary machine has its FP16 array too; the memories are the same.
    assert ternary["area_um2"] - fp16["area_um2"] == pytest.approx(ternary["array_area_um2"])
    assert fp16["area_known"] is ternary["area_known"] is True


def test_power_gives_watts(run: Run) -> None:
    fp16, ternary = json.loads(run(*ON_ASAP7, "--equal", "power", "--json").out)
    assert fp16["array_peak_w"] == pytest.approx(64 * 0.5e9 * 2.1563e-12)
    assert (ternary["lanes"], ternary["array_area_um2"]) == (1440, None)


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
    assert inner["lanes"][-2:] == ["64", "832"]
    assert inner["area"][-4:] == ["0.01673", "mm2", "0.01701", "mm2"]
    assert inner["remaining"][-4:] == ["+0.00", "%", "+1.66", "%"]
    assert "ternary-array 0.01701 mm2, float-array 0.01673 mm2" in out
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
    ],
)
def test_what_has_no_area_is_refused(run: Run, options: tuple[str, ...], part: str) -> None:
    result = run("estimate", "bitnet-125m", "--equal", "area", *options)
    assert (result.code, result.out) == (2, "")
    assert len(result.err.splitlines()) == 1
    assert part in result.err
