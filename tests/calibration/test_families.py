"""Fits of related machines together: partial pooling, borrowed figures, rows left out."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from bitnet_hw.calibration.families import FamilyFit
from bitnet_hw.calibration.pools import PoolFile, load_pools, pooled, saturated
from bitnet_hw.calibration.prediction import predict
from bitnet_hw.calibration.response import free_parameters, with_values
from bitnet_hw.calibration.rows import Value, load_values
from bitnet_hw.calibration.single import calibrate
from bitnet_hw.errors import InputError
from bitnet_hw.inputs import catalogue
from bitnet_hw.inputs.machine import Machine, load_machine
from bitnet_hw.validation import POOLS, ROWS

from .synthetic import (
    BANDWIDTH,
    PER_LAYER,
    SHARE,
    SPEEDS,
    UNPACKING,
    WORK,
    generator,
    machine,
    only_free,
    published,
    random_truth,
)

KINDS = (
    ("memories", "reached_share", 0.7), ("overheads", "seconds_per_layer", 5e-5),
    ("unpacking", "seconds_per_weight", 1e-12), ("units", "reached_share", 0.4),
    ("memories", "energy_pj_per_bit", 10.0), ("unpacking", "energy_pj_per_weight", 20.0),
    ("power", "active_w", 20.0),
)  # fmt: skip


def _pools(alone: float, together: float = 1e-6) -> PoolFile:
    """Return pools in which each figure has a spread for each machine and one for its software."""
    shares = [{"group": "machine", "spread": alone}, {"group": "stack", "spread": together}]
    pools = [
        {"under": under, "figure": figure, "centre": centre, "shares": shares, "why": "a test"}
        for under, figure, centre in KINDS
    ]
    return PoolFile.model_validate({"schema": 1, "spread_of_values": 0.05, "pools": pools})


def test_alone_and_free_a_machine_is_fitted_as_by_itself(tmp_path: Path) -> None:
    described = machine(tmp_path)
    draw = generator(1)
    noise = [draw.gauss(0, 0.03) for _ in WORK]
    values = published(described, random_truth(4), noise=noise)
    own = calibrate(described, values)
    fit = FamilyFit(values, _pools(alone=1000.0))
    figures = fit.figures(described)
    for each in own.fitted:
        assert each.figure is not None
        found = figures[each.parameter.path]
        assert found.value == pytest.approx(each.figure.value, rel=0.01)
        assert found.fitted == each.figure.fitted
        assert (found.low, found.high) == (
            pytest.approx(each.figure.low, rel=0.05), pytest.approx(each.figure.high, rel=0.05),
        )  # fmt: skip


def _relatives(folder: Path) -> tuple[Machine, Machine]:
    described = only_free(machine(folder), BANDWIDTH, PER_LAYER, UNPACKING, SHARE)
    return described, described.replace(name="relative")


def test_a_machine_without_rows_borrows_and_says_so(tmp_path: Path) -> None:
    described, relative = _relatives(tmp_path)
    truth = {BANDWIDTH: 0.6, PER_LAYER: 2e-5, UNPACKING: 3e-12, SHARE: 0.3}
    values = published(described, truth, SPEEDS)
    figures = FamilyFit(values, _pools(alone=1e-6, together=10.0)).figures(relative)
    for parameter in free_parameters(relative):
        found = figures[parameter.path]
        assert found.value == pytest.approx(truth[parameter.label], rel=0.02)
        assert (found.basis, found.borrowed_from) == ("borrowed", described.name)


def test_a_figure_is_borrowed_from_the_closest_relatives(tmp_path: Path) -> None:
    described, relative = (only_free(m, BANDWIDTH) for m in _relatives(tmp_path))
    family = described.family.replace(generation="Another")
    distant = described.replace(name="distant", family=family)
    groups = [{"group": "all", "spread": 0.3}, {"group": "generation", "spread": 0.3}]
    pools = _pools(alone=0.1)
    pools = pools.replace(pools=[pool.replace(shares=groups) for pool in pools.pools])
    values = [
        *published(described, {BANDWIDTH: 0.5}, SPEEDS[:1]),
        *published(distant, {BANDWIDTH: 0.8}, SPEEDS[:1]),
    ]
    fit = FamilyFit(values, pools)
    at = next(p.path for p in free_parameters(described))
    near, far = (
        fit.figures(relative.replace(name="new", family=f))[at]
        for f in (described.family, family.replace(generation="A third"))
    )
    assert near.borrowed_from == "mine"
    assert near.value == pytest.approx(fit.figures(described)[at].value)
    # Nothing is borrowed from machines of other generations and other software.
    assert far.basis == "assumed"
    assert near.value < far.value < fit.figures(distant)[at].value
    assert near.low is not None
    assert far.low is not None
    assert near.value / near.low < far.value / far.low


def test_pooling_lies_between_the_own_rows_and_the_relatives(tmp_path: Path) -> None:
    """Two machines whose layers take 20 and 80 us, with one and with four rows.

    A figure that both share and one of each machine's own, with equal spreads: what a machine's
    only row says is believed in part, and the many rows of the other more.
    """
    described, relative = (only_free(m, PER_LAYER) for m in _relatives(tmp_path))
    small = [SPEEDS[1]]  # 12 layers take most of the time of a model this small
    values = [
        *published(described, {PER_LAYER: 2e-5}, small),
        *published(relative, {PER_LAYER: 8e-5}, small * 4),
    ]
    fit = FamilyFit(values, _pools(alone=0.05, together=0.05))
    at = next(p.path for p in free_parameters(described))
    low, high = (fit.figures(m)[at].value for m in (described, relative))
    assert 2e-5 < low < high < 8e-5
    assert 8e-5 / high < low / 2e-5
    # Where each machine is free, both are what their rows say.
    fit = FamilyFit(values, _pools(alone=10.0))
    assert fit.figures(described)[at].value == pytest.approx(2e-5, rel=0.01)
    assert fit.figures(relative)[at].value == pytest.approx(8e-5, rel=0.01)


def test_without_any_relative_a_figure_is_assumed(tmp_path: Path) -> None:
    described, _ = _relatives(tmp_path)
    fp16 = [work for work in SPEEDS if work[1] == "fp16"]
    figures = FamilyFit(published(described, {}, fp16), _pools(alone=0.5)).figures(described)
    unpacking = next(p.path for p in free_parameters(described) if p.label == UNPACKING)
    assert figures[unpacking].basis == "assumed"
    assert figures[unpacking].value == pytest.approx(1e-12)


def test_leaving_out_is_a_fit_without_the_row_or_the_machine(tmp_path: Path) -> None:
    described, relative = _relatives(tmp_path)
    draw = generator(2)
    noise = [draw.gauss(0, 0.05) for _ in SPEEDS]
    pools = _pools(alone=0.3, together=0.5)
    values = published(described, {BANDWIDTH: 0.7, SHARE: 0.3}, SPEEDS, noise=noise)
    values += published(relative, {BANDWIDTH: 0.5, SHARE: 0.4}, SPEEDS[:2])
    values = [v._replace(row=v.row.replace(id=f"{v.machine.name} {v.row.id}")) for v in values]
    fit = FamilyFit(values, pools)

    def by_hand(value: Value, kept: list[Value]) -> float:
        figures = FamilyFit(kept, pools).figures(value.machine)
        found = {p.label: figures[p.path].value for p in free_parameters(value.machine)}
        return predict(value, with_values(value.machine, free_parameters(value.machine), found))

    for left in fit.left_out():
        kept = [v for v in values if v.row.id != left.value.row.id]
        assert left.predicted == pytest.approx(by_hand(left.value, kept), rel=1e-3)
        assert left.status == "calibrated"
    for left in fit.machines_left_out():
        kept = [v for v in values if v.machine.name != left.value.machine.name]
        assert left.predicted == pytest.approx(by_hand(left.value, kept), rel=1e-3)
        assert left.status == "family"


def test_shares_stay_below_one(tmp_path: Path) -> None:
    """Values that are 40 percent faster than the memory allows."""
    described = only_free(machine(tmp_path), BANDWIDTH)
    values = published(described, {BANDWIDTH: 1.0}, SPEEDS[:2], noise=[0.34, 0.34])
    figures = FamilyFit(values, _pools(alone=10.0)).figures(described)
    (share,) = figures.values()
    assert 0.95 < share.value < 1
    assert share.high is not None
    assert share.high <= 1
    assert [saturated(x) < 1 for x in (0.5, 1, 3)] == [True] * 3
    assert math.isclose(saturated(0.5), 0.5, rel_tol=1e-3)


def test_a_figure_without_a_pool_is_refused(tmp_path: Path) -> None:
    described = machine(tmp_path)
    pools = _pools(alone=1.0)
    few = pools.replace(pools=[p for p in pools.pools if p.under != "overheads"])
    with pytest.raises(InputError, match=r"machine mine: no pool has overheads\.seconds_per_layer"):
        FamilyFit(published(described, {}, SPEEDS[:1]), few)


def test_every_free_figure_of_a_shipped_machine_has_a_pool() -> None:
    pools = load_pools(POOLS)
    for name in catalogue.names("machines"):
        described = load_machine(name)
        for parameter in free_parameters(described):
            found = pooled(described, parameter, pools)
            assert found.centre > 0
            assert found.contributions


def test_the_shipped_rows_can_be_fitted_together() -> None:
    """Nearly every value is within a factor of two, which data sheets alone do not reach."""
    fit = FamilyFit(load_values(ROWS), load_pools(POOLS))
    factors = sorted(math.exp(abs(residual)) for residual in fit.solution.residuals)
    assert factors[len(factors) // 2] < 1.1
    assert factors[int(len(factors) * 0.95)] < 2
    for value in fit.values:
        for figure in fit.figures(value.machine).values():
            assert figure.low is not None
            assert figure.high is not None
            assert figure.low <= figure.value <= figure.high
