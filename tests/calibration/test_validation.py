"""Validation: predicted over published values by class, and rows that do not count."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from bitnet_hw.calibration import validation
from bitnet_hw.calibration.rows import load_values
from bitnet_hw.calibration.validation import Checked, ResultFile, summary, validate
from bitnet_hw.cost.estimates import estimate
from bitnet_hw.errors import InputError
from bitnet_hw.inputs.scenario import Scenario
from bitnet_hw.validation import ROWS

from .synthetic import MACHINE

SOURCES = {"here": {"title": "Measured here", "where": "our desk"}}


def _rows(folder: Path, *rows: dict[str, Any]) -> Path:
    path = folder / "rows.yaml"
    data = {"sources": SOURCES, "rows": [{"id": f"row-{i}", "source": "here"} | row
                                         for i, row in enumerate(rows)]}  # fmt: skip
    path.write_text(yaml.safe_dump(data), "utf-8")
    return path


def _row(**changes: Any) -> dict[str, Any]:
    return {
        "machine": "edge", "model": "gpt2", "weights": "fp16", "scenario": {"decode": 64},
    } | changes  # fmt: skip


def test_predictions_are_those_of_estimates(tmp_path: Path) -> None:
    """Speeds, and powers with the energies that they imply, as `estimate` has them."""
    request = {"prompt": 100, "generate": 20, "batch": 3}
    path = _rows(
        tmp_path,
        _row(tokens_per_s=1.0),
        _row(machine="server", model="llama-2-7b", weights="q4_0", scenario=request,
             tokens_per_s=1.0, tokens_per_s_of_request=1.0, prefill_tokens_per_s=1.0,
             time_to_first_token_s=1.0),
    )  # fmt: skip
    found = {(each.value.row.id, each.value.quantity): each.predicted for each in validate(path)}
    one = estimate("gpt2", "fp16", "7nm", Scenario("decode", context=64), machine="edge")
    assert found["row-0", "tokens_per_s"] == pytest.approx(one.tokens_per_second)
    scenario = Scenario("request", tokens=100, generate=20, batch=3)
    many = estimate("llama-2-7b", "q4_0", "7nm", scenario, machine="server").as_dict()
    first = many["time_to_first_token_s"]
    assert found["row-1", "time_to_first_token_s"] == pytest.approx(first)
    assert found["row-1", "prefill_tokens_per_s"] == pytest.approx(300 / first)
    assert found["row-1", "tokens_per_s_of_request"] == pytest.approx(60 / many["latency_s"])
    decode = many["latency_s"] - first
    assert found["row-1", "tokens_per_s"] == pytest.approx(20 / decode)


def test_a_power_is_the_energy_times_the_speed(tmp_path: Path) -> None:
    path = _rows(tmp_path, _row(
        machine="rtx-4090-llama-cpp-2026", model="qwen3-8b", tokens_per_s=1.0,
        energy_per_token_j=1.0, power_w=1.0, boundary="GPU board, sustained run",
    ))  # fmt: skip
    speed, energy, power = (each.predicted for each in validate(path))
    assert power == pytest.approx(speed * energy)


def _class(folder: Path, text: str, row: str = "row-0") -> str:
    (folder / "mine.yaml").write_text(text, "utf-8")
    path = _rows(folder, _row(id=row, machine="mine.yaml", tokens_per_s=100.0))
    (found,) = validate(path)
    return found.kind


def test_classes_follow_from_the_bases_of_figures(tmp_path: Path) -> None:
    old = "seconds_per_layer: {value: 4.0e-5, assumed: a test"
    fitted = MACHINE.replace(old, "seconds_per_layer: {value: 4.0e-5, fitted: [other, row-7]")
    borrowed = MACHINE.replace(old, "seconds_per_layer: {value: 4.0e-5, borrowed_from: a relative")
    assert _class(tmp_path, MACHINE) == "blind"
    assert _class(tmp_path, borrowed) == "family"
    assert _class(tmp_path, fitted) == "calibrated"
    assert _class(tmp_path, fitted, "row-7") == "calibration"
    calibration = "calibration: {rows_file: a, date: b, rows: [row-9], residuals: {row-9: 1}}\n"
    assert _class(tmp_path, fitted + calibration, "row-9") == "calibration"


def test_other_boundaries_and_rows_of_the_calibration_do_not_count(tmp_path: Path) -> None:
    text = MACHINE.replace("value: 4.0e-5, assumed: a test", "value: 4.0e-5, fitted: [row-0]")
    (tmp_path / "mine.yaml").write_text(text, "utf-8")
    path = _rows(
        tmp_path,
        _row(machine="mine.yaml", tokens_per_s=100.0),
        _row(machine="mine.yaml", tokens_per_s=110.0),
        _row(machine="mine.yaml", energy_per_token_j=1.0, boundary="GPU board"),
    )
    checked = validate(path)
    assert [each.kind for each in checked] == ["calibration", "calibrated", "other boundary"]
    (entry,) = summary(checked)
    assert (entry.rows, entry.status, entry.quantity) == (1, "calibrated", "speed")
    assert entry.median == pytest.approx(checked[1].predicted / 110)


def test_the_summary_counts_a_time_as_a_speed() -> None:
    """Ratios 2, 1/2 (a time, so also twice too fast), 0.8 and 1.25: computed by hand."""
    value = next(v for v in load_values(ROWS) if v.quantity == "time_to_first_token_s")
    speed = value._replace(quantity="prefill_tokens_per_s")
    machines = [value.machine, value.machine.replace(name="other")]
    checked = [
        Checked(of._replace(published=1.0, machine=machines[i % 2]), predicted, "blind", False)
        for i, (of, predicted) in enumerate(
            [(speed, 2.0), (value, 0.5), (speed, 0.8), (value, 0.8)]
        )
    ]
    (entry,) = summary(checked)
    assert (entry.work, entry.rows, entry.machines) == ("prefill", 4, 2)
    assert entry.median == pytest.approx((1.25 + 2) / 2)
    # Linear between the sorted values 0.8, 1.25, 2, 2 at 0.3 and 2.7.
    assert entry.low == pytest.approx(0.8 + 0.3 * 0.45)
    assert entry.high == pytest.approx(2)
    assert entry.typical_factor == pytest.approx((1.25 + 2) / 2)
    assert entry.worst_factor == 2


def test_shipped_rows_have_their_recorded_predictions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Under any name, in any file: what was run and what came out make it the same row."""
    ids = [row["id"] for row in yaml.safe_load(ROWS.read_text("utf-8"))["rows"][:2]]
    recorded = {
        "schema": 1,
        "rows": [
            {"id": name, "quantity": "tokens_per_s", "status": status, "predicted": predicted}
            for name, status, predicted in [(ids[0], "calibrated", 99.0), (ids[1], "family", 88.0)]
        ],
        "machines": [],
    }  # fmt: skip
    monkeypatch.setattr(validation, "load_results", lambda: ResultFile.model_validate(recorded))
    shipped = validate()
    assert [(e.kind, e.predicted, e.left_out) for e in shipped[:2]] == [
        ("calibrated", 99.0, True), ("family", 88.0, True),
    ]  # fmt: skip
    assert not shipped[2].left_out
    first = shipped[0].value
    row = first.row.model_dump(exclude_unset=True) | {"id": "mine", "source": "here"}
    path = _rows(tmp_path, row, row | {"id": "changed", "tokens_per_s": first.published + 1},
                 row | {"id": "longer", "scenario": {"decode": 106}})  # fmt: skip
    assert [each.left_out for each in validate(path)] == [True, False, False]
    # A copy of the machine under another name is another machine.
    text = yaml.safe_dump(
        first.machine.replace(name="copy").model_dump(mode="json", by_alias=True, exclude_none=True)
    )
    (tmp_path / "copy.yaml").write_text(text, "utf-8")
    (copied,) = validate(_rows(tmp_path, row | {"machine": "copy.yaml"}))
    assert not copied.left_out


def test_a_scheme_that_a_machine_cannot_execute_names_the_row(tmp_path: Path) -> None:
    text = MACHINE.replace("fp16xfp16", "int8xternary")
    (tmp_path / "mine.yaml").write_text(text, "utf-8")
    path = _rows(tmp_path, _row(tokens_per_s=1.0), _row(machine="mine.yaml", tokens_per_s=1.0))
    with pytest.raises(InputError, match=r"rows\.yaml:\d+: rows\.1: row row-1: .*mine"):
        validate(path)


def test_recorded_results_are_of_shipped_rows() -> None:
    known = {(value.row.id, value.quantity) for value in load_values(ROWS)}
    results = validation.load_results()
    for results_of in (results.rows, results.machines):
        found = [(each.id, each.quantity) for each in results_of]
        assert len(found) == len(set(found))
        assert set(found) <= known
