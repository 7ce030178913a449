"""Breakdown of an estimate by field, and the display of results."""

from __future__ import annotations

import json
import operator
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest

from bitnet_hw.cost.band import Band
from bitnet_hw.cost.breakdown import Field
from bitnet_hw.cost.estimates import Estimate, estimate
from bitnet_hw.errors import InputError
from bitnet_hw.inputs.model import load_model
from bitnet_hw.inputs.scenario import Scenario
from bitnet_hw.inputs.scheme import load_scheme
from bitnet_hw.prices.loading import load_table

from .machines import lpddr4

FIELDS = get_args(Field)
CONVENTIONS = Path(__file__).parents[2] / "docs" / "conventions.md"
SCHEMA = Path(__file__).parents[2] / "docs" / "schema" / "breakdown-1.json"


@pytest.fixture(scope="module", params=["7nm", "asap7-prelayout"])
def found(request: pytest.FixtureRequest) -> Estimate:
    machine = lpddr4(idle=(0.5, 0.1))
    model, scheme = load_model("gemma-3-1b"), load_scheme("bitnet-b1.58")
    scenario = Scenario("request", tokens=9, generate=5)
    return estimate(model, scheme, load_table(request.param), scenario, machine=machine)


@pytest.mark.parametrize("field", FIELDS)
def test_the_costs_by_any_field_add_up(found: Estimate, field: Field) -> None:
    costs = found.by(field)
    assert sum(cost.joules for cost in costs.values()) == pytest.approx(found.energy.value)
    assert sum(cost.energy.low for cost in costs.values()) == pytest.approx(found.energy.low)
    assert sum(cost.energy.high for cost in costs.values()) == pytest.approx(found.energy.high)
    assert sum(cost.operations for cost in costs.values()) == sum(
        row.number for row in found.arithmetic
    )
    assert sum(cost.bytes for cost in costs.values()) == pytest.approx(
        sum(moved.row.bytes for moved in found.memory or [])
    )


def test_two_fields_give_tuples_whose_sums_are_those_of_one(found: Estimate) -> None:
    pairs, levels = found.by("level", "content"), found.by("level")
    for level, cost in levels.items():
        inside = [c.joules for (name, _), c in pairs.items() if name == level]
        assert sum(inside) == pytest.approx(cost.joules)
    assert found.by("role", level="dram").keys() <= found.by("role").keys()


def test_names_are_those_of_the_model(found: Estimate) -> None:
    assert {"layers.*", "lm_head", "embedding", "static"} <= found.by("layer").keys()
    assert "layers.*.mlp.down_proj" in found.by("operator")
    assert {"qkv", "attention-score", "norm", "lm-head", "static"} <= found.by("role").keys()
    assert set(found.by("reach")) == {"projections and FFN", "rest", "static"}


def test_the_conventions_page_lists_every_field_and_its_names(found: Estimate) -> None:
    page = CONVENTIONS.read_text(encoding="utf-8").partition("## Fields of a breakdown")[2]
    rows = dict(re.findall(r"^\| `([a-z]+)` \|(.*)\|$", page.partition("\n## ")[0], re.MULTILINE))
    assert set(rows) == set(FIELDS)
    for field in set(FIELDS) - {"operator", "operation", "format"}:
        for name in found.by(field).keys() - {"static"}:
            assert f"`{name}`" in rows[field], (field, name)


def test_an_unknown_field_names_the_nearest(found: Estimate) -> None:
    with pytest.raises(InputError, match="unknown field 'operater'; did you mean 'operator'"):
        found.by("operater")  # type: ignore[call-overload]  # a user's mistake


def test_bands_add_and_scale() -> None:
    band = Band(2.0, 1.0, 4.0) + Band(1.0, 1.0, 1.0)
    assert band == Band(3.0, 2.0, 5.0)
    assert band * 2 == 2 * band == Band(6.0, 4.0, 10.0)
    assert band / 2 == Band(1.5, 1.0, 2.5)
    assert sum([band, band, band]) == Band(9.0, 6.0, 15.0)
    assert band + 1 == 1 + band == Band(4.0, 3.0, 6.0)  # a number has no range


def test_a_band_takes_only_bands_and_numbers_that_keep_its_ends_in_order() -> None:
    band = Band(2.0, 1.0, 4.0)
    for operation in (operator.add, operator.mul, operator.truediv):
        with pytest.raises(TypeError, match="unsupported operand"):
            operation(band, object())
    for operation in (operator.mul, operator.truediv):
        with pytest.raises(ValueError, match="by a positive number, not -1"):
            operation(band, -1)


def test_an_estimate_is_displayed_in_a_few_lines(found: Estimate) -> None:
    text = repr(found)
    assert len(text.splitlines()) <= 8
    assert len(text) < 800
    assert "gemma-3-1b in bitnet-b1.58" in text
    for part in ("range of prices", "hypothetical", "energy of chip and DRAM", "mean power"):
        assert part in text
    assert "upper bound" in text
    assert "lower bound" in text
    assert "energy per token" in found._repr_html_()


def test_a_frame_holds_every_summand(found: Estimate) -> None:
    pytest.importorskip("pandas")
    frame = found.to_frame()
    assert frame["joules"].sum() == pytest.approx(found.energy.value)
    assert set(FIELDS) <= set(frame.columns)


Run = Callable[..., Any]


def test_the_command_prints_a_breakdown(run: Run) -> None:
    arguments = ("estimate", "gpt2", "--energy-table", "7nm", "--by", "operator")
    shown = run(*arguments)
    assert shown.code == 0
    assert "layers.*.mlp.down_proj" in shown.out
    rows = json.loads(run(*arguments, "--json").out)
    jsonschema.validate(rows, json.loads(SCHEMA.read_text("utf-8")))
    whole = json.loads(run("estimate", "gpt2", "--energy-table", "7nm", "--json").out)
    for of in whole:
        mine = [row["energy_j"] for row in rows if row["scheme"] == of["scheme"]]
        assert sum(mine) == pytest.approx(of["energy_j"])
    assert run("estimate", "gpt2", "--by", "nonsense").code == 2


def test_a_breakdown_marks_what_does_not_fit_and_how_far_to_trust_it(run: Run) -> None:
    # 13 GB of FP16 weights do not fit the 8 GB of `edge`; 1.6 GB of ternary ones do.
    arguments = ("estimate", "llama-2-7b", "--energy-table", "7nm", "--by", "part")
    lines = run(*arguments).out.splitlines()
    assert any(line.startswith("fp16 does not fit edge: ") for line in lines)
    assert not any(line.startswith("bitnet-b1.58 does not fit") for line in lines)
    assert any(line.startswith("energy of fp16: a lower bound") for line in lines)
    rows = json.loads(run(*arguments, "--json").out)
    assert {(row["scheme"], row["fits"], row["hypothetical"]) for row in rows} == {
        ("fp16", False, True), ("bitnet-b1.58", True, True),
    }  # fmt: skip
    paper = run(*arguments, "--convention", "paper", "--json").out
    assert {(row["fits"], row["hypothetical"]) for row in json.loads(paper)} == {(None, None)}
