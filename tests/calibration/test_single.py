"""Calibration of one machine, on values that the cost model made up with known figures."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitnet_hw.calibration.fit import LEAST_SPREAD, own_problem, solve
from bitnet_hw.calibration.prediction import predict
from bitnet_hw.calibration.response import Response, respond
from bitnet_hw.calibration.rows import Value
from bitnet_hw.calibration.single import calibrate
from bitnet_hw.errors import InputError, ToolMissingError
from bitnet_hw.inputs.machine import Machine

from .synthetic import (
    BANDWIDTH,
    LABELS,
    MACHINE,
    PER_LAYER,
    PJ_PER_BIT,
    PJ_PER_WEIGHT,
    SHARE,
    SPEEDS,
    UNPACKING,
    WATTS,
    WORK,
    generator,
    machine,
    only_free,
    published,
    random_truth,
)


@pytest.fixture
def described(tmp_path: Path) -> Machine:
    return machine(tmp_path)


@settings(max_examples=15)
@given(seed=st.integers(0, 10**6))
def test_figures_that_made_the_values_come_back(
    tmp_path_factory: pytest.TempPathFactory, seed: int
) -> None:
    """With exact values, the fit ends at the truth within a thousandth, from one fixed start."""
    described = machine(tmp_path_factory.mktemp("machine"))
    truth = random_truth(seed)
    found = calibrate(described, published(described, truth))
    assert {each.parameter.label for each in found.fitted} == LABELS
    for each in found.fitted:
        assert each.figure is not None
        assert each.figure.value == pytest.approx(truth[each.parameter.label], rel=1e-3)
    assert all(ratio == pytest.approx(1, abs=1e-4) for ratio in found.residuals.values())


def test_a_figure_of_zero_may_grow(tmp_path: Path) -> None:
    text = MACHINE
    for old in ("value: 1.0e-12", "value: 20,", "value: 4.0e-5", "value: 12"):
        text = text.replace(old, "value: 0," if old.endswith(",") else "value: 0")
    described = machine(tmp_path, text)
    truth = random_truth(3)
    found = calibrate(described, published(described, truth))
    for each in found.fitted:
        assert each.figure is not None
        assert each.figure.value == pytest.approx(truth[each.parameter.label], rel=1e-3)


def test_nine_of_ten_intervals_hold_the_truth(described: Machine) -> None:
    """Of 700 intervals, 630 should hold the truth, with a standard deviation of 8 or 1.1 percent.

    Published values have an error of 5 percent here, the least that intervals assume; where the
    residuals are larger by chance, intervals become wider, so that a few more hold the truth.
    """
    draw = generator(11)
    truth = {
        SHARE: 0.5, UNPACKING: 2e-12, PJ_PER_WEIGHT: 200.0, BANDWIDTH: 0.6, PJ_PER_BIT: 40.0,
        PER_LAYER: 8e-5, WATTS: 50.0,
    }  # fmt: skip
    exact = published(described, truth, [*WORK, *WORK])
    responses = [respond(value, described) for value in exact]
    inside = []
    for _ in range(100):
        noisy = [
            Response(
                value._replace(published=value.published * math.exp(draw.gauss(0, LEAST_SPREAD))),
                response.parameters,
                response.of,
            )
            for value, response in zip(exact, responses, strict=True)
        ]
        problem = own_problem(noisy)
        solution = solve(problem, intervals=True)
        for term in {term.label: term for found in problem.terms for term in found}.values():
            low, high = solution.interval(term)
            inside.append(low <= truth[term.label] <= high)
    assert len(inside) == 700
    assert 0.87 <= sum(inside) / len(inside) <= 0.96, sum(inside)


def test_a_figure_without_influence_stays_and_one_with_little_is_not_identified(
    tmp_path: Path,
) -> None:
    described = only_free(machine(tmp_path), SHARE, PJ_PER_WEIGHT, PER_LAYER)
    truth = random_truth(5)
    fp16 = [work for work in SPEEDS if work[1] == "fp16" and "decode" in work[2]]
    values = published(described, truth, fp16, noise=[0.03, -0.02, 0.01])
    found = {each.parameter.label: each for each in calibrate(described, values).fitted}
    assert found[PJ_PER_WEIGHT].figure is None
    assert not found[PJ_PER_WEIGHT].identified
    # Arithmetic takes a few percent of a decode step.
    assert not found[SHARE].identified
    assert found[PER_LAYER].figure is not None


def test_a_figure_at_its_limit_is_zero_and_not_identified(tmp_path: Path) -> None:
    """Values that are faster than the machine without any overhead leave no room for one."""
    described = only_free(machine(tmp_path), PER_LAYER, SHARE)
    truth = {BANDWIDTH: 0.9, PER_LAYER: 1e-9}
    values = published(described, truth, [*SPEEDS[:3], SPEEDS[5]])
    found = {each.parameter.label: each for each in calibrate(described, values).fitted}
    layer = found[PER_LAYER]
    assert layer.figure is not None
    assert (layer.figure.value, layer.figure.low, layer.identified) == (0, None, False)
    assert layer.figure.note == "at its limit; not identified"


def test_a_share_stays_below_one(tmp_path: Path) -> None:
    described = only_free(machine(tmp_path), SHARE)
    values = published(described, {SHARE: 0.97}, [SPEEDS[5]] * 2)
    values = [v._replace(published=v.published * 1.3) for v in values]
    (share,) = calibrate(described, values).fitted
    assert share.figure is not None
    assert 0.99 <= share.figure.value <= 1
    assert (share.figure.high or 1.0) <= 1


def test_leaving_a_row_out_is_a_fit_without_it(described: Machine) -> None:
    draw = generator(2)
    noise = [draw.gauss(0, 0.05) for _ in WORK]
    values = published(described, random_truth(draw), noise=noise)
    found = calibrate(described, values)
    assert len(found.left_out) >= 9
    for i, value in enumerate(values):
        name = f"{value.row.id} {value.quantity}"
        if name in found.left_out:
            rest = calibrate(described, values[:i] + values[i + 1 :]).machine
            by_hand = predict(value, rest) / value.published
            assert found.left_out[name] == pytest.approx(by_hand, rel=2e-3)


def test_values_of_one_row_are_left_out_together(described: Machine) -> None:
    values = published(described, random_truth(4))
    joined = values[8].row.replace(tokens_per_s=values[0].published)
    values[0], values[8] = (values[i]._replace(row=joined) for i in (0, 8))
    values[0] = values[0]._replace(published=values[0].published * 1.2)
    found = calibrate(described, values)
    rest = calibrate(described, values[1:8] + values[9:]).machine
    for i in (0, 8):
        by_hand = predict(values[i], rest) / values[i].published
        name = f"{joined.id} {values[i].quantity}"
        assert found.left_out[name] == pytest.approx(by_hand, rel=2e-3)


def _refused(described: Machine, values: list[Value], *parts: str) -> None:
    with pytest.raises(InputError) as caught:
        calibrate(described, values)
    message = str(caught.value)
    assert "\n" not in message
    for part in parts:
        assert part in message


def test_what_cannot_be_fitted(tmp_path: Path) -> None:
    described = machine(tmp_path)
    truth = random_truth(6)
    values = published(described, truth)
    fixed = only_free(described)
    _refused(fixed, values, "machine mine marks no figure as free", "free: true")
    _refused(
        described, [values[0], values[3]],
        "2 published values of machine mine cannot determine 4 free figures: ",
        SHARE, UNPACKING, BANDWIDTH, PER_LAYER,
    )  # fmt: skip
    odd = machine(tmp_path, MACHINE.replace(
        "{value: 5.0e+11, assumed: a test}", "{value: 5.0e+11, assumed: a test, free: true}"
    ))  # fmt: skip
    _refused(odd, values, "memories.dram.bandwidth_bytes_per_s is marked as free", "reached_share")
    energy = only_free(machine(tmp_path), PJ_PER_WEIGHT)
    _refused(energy, values[:3], "no row of machine mine depends on a free figure", PJ_PER_WEIGHT)


def test_figures_that_trade_are_named(tmp_path: Path) -> None:
    """One model in one form: what its layers take, its weights may take as well."""
    described = only_free(machine(tmp_path), PER_LAYER, UNPACKING)
    work = [SPEEDS[3]] * 3
    values = published(described, {PER_LAYER: 4e-5, UNPACKING: 1e-12}, work)
    _refused(described, values, "do not determine", UNPACKING, PER_LAYER, "trade")


def test_an_energy_and_a_power_trade_in_one_row(tmp_path: Path) -> None:
    described = only_free(machine(tmp_path), PJ_PER_BIT, WATTS)
    values = published(described, {PJ_PER_BIT: 10.0, WATTS: 30.0}, [WORK[8]] * 2)
    _refused(described, values, "do not determine", PJ_PER_BIT, WATTS, "trade")


def test_rows_of_another_boundary_are_refused(described: Machine) -> None:
    values = published(described, random_truth(7))
    other = values[8].row.replace(boundary="board, idle subtracted")
    values[8] = values[8]._replace(row=other)
    _refused(
        described, values, "rows.yaml:9: rows.8: row row-8", "'board, idle subtracted'",
        "'GPU board, idle subtracted'",
    )  # fmt: skip


def test_a_scheme_without_a_rate_names_its_row(tmp_path: Path) -> None:
    described = machine(tmp_path)
    values = published(described, random_truth(8))
    narrow = machine(tmp_path, MACHINE.replace("fp16xfp16", "int8xternary"))
    _refused(narrow, values, "rows.yaml:1: rows.0: row row-0", "mine", "fp16")


def test_a_fit_that_does_not_converge(described: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    import scipy.optimize

    real = scipy.optimize.least_squares

    def stopped(*args: object, **given: object) -> object:
        return real(*args, **{**given, "max_nfev": 1})

    monkeypatch.setattr(scipy.optimize, "least_squares", stopped)
    values = published(described, random_truth(9))
    _refused(described, values, "did not converge")


def test_without_scipy(described: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "scipy.optimize", None)
    with pytest.raises(ToolMissingError, match=r"pip install 'bitnet-hw\[fit\]'"):
        calibrate(described, published(described, random_truth(10)))


def test_the_json_form_says_what_the_records_do(described: Machine) -> None:
    values = published(described, random_truth(12))
    found = calibrate(described, values)
    data = found.as_dict()
    assert [row["published"] for row in data["rows"]] == [value.published for value in values]
    assert {each["figure"] for each in data["figures"]} == LABELS
    worst = max(abs(math.log(ratio)) for ratio in found.left_out.values())
    assert data["left_out_worst_factor"] == pytest.approx(math.exp(worst))
