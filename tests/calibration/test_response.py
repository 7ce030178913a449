"""Responses: the prediction as a function of free figures equals the cost model at each of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bitnet_hw.calibration.prediction import predict
from bitnet_hw.calibration.response import free_parameters, respond, with_values
from bitnet_hw.calibration.rows import Value, load_values
from bitnet_hw.validation import ROWS

from .synthetic import LABELS, generator, machine, published, random_truth

VALUES = load_values(ROWS)


@pytest.mark.parametrize("overlap", [0, 0.4, 1])
@pytest.mark.parametrize("value", VALUES, ids=lambda v: f"{v.row.id} {v.quantity}")
def test_a_response_equals_the_cost_model(value: Value, overlap: float) -> None:
    of = value.machine.replace(overlap={"value": overlap, "assumed": "a test"})
    free = free_parameters(of)
    draw = generator(f"{value.row.id} {value.quantity} {overlap}")
    values = {
        p.label: draw.uniform(0.1, 1) if p.is_share else p.figure.value * 3 ** draw.uniform(-2, 2)
        for p in free
    }
    response = respond(value, of)
    assert response.of({}) == pytest.approx(predict(value, of), rel=1e-12)
    changed = with_values(of, free, values)
    assert response.of(values) == pytest.approx(predict(value, changed), rel=1e-12)


def test_a_response_depends_on_what_changes_the_cost_model(tmp_path: Path) -> None:
    described = machine(tmp_path)
    free = free_parameters(described)
    assert {p.label for p in free} == LABELS
    for value in published(described, random_truth(1)):
        base = predict(value, described)
        changing = {
            p.label
            for p in free
            if predict(value, with_values(described, free, {p.label: p.figure.value / 2})) != base
        }
        assert {p.label for p in respond(value, described).parameters} == changing
