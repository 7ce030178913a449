"""Limits of the savings, with and without static energy."""

from __future__ import annotations

import pytest

from bitnet_hw.cost.estimates import estimate
from bitnet_hw.inputs.machine import load_machine
from bitnet_hw.report.content import Report
from bitnet_hw.report.sensitivity import assumptions


def test_no_scheme_saves_more_than_the_limit_of_the_baseline(
    report: Report, warm_report: Report
) -> None:
    for one in (report, warm_report):
        limits = {row.table: row.limit for row in one.unsaved if row.scheme == one.baseline.name}
        for table in one.tables:
            for scheme in one.schemes:
                found, limit = one.saving(scheme, table).value, limits[table.short_name]
                assert found is not None
                assert limit is not None
                assert found <= limit


def test_shares_are_those_of_the_golden_case(report: Report) -> None:
    at = {(row.table, row.scheme): row for row in report.unsaved}
    # DRAM is more than 90 % of the energy, and every byte of it also passes the weight buffer, so
    # bytes give the shares: LM head 657 MB, KV cache 157 MB, ternary projections and FFN 521 MB.
    parts = at["7nm", "bitnet-b1.58"].parts
    total = 657 + 157 + 521
    assert parts["LM head and embedding"] == pytest.approx(657 / total, abs=0.015)
    assert parts["KV cache"] == pytest.approx(157 / total, abs=0.015)
    assert parts["projections and FFN"] == pytest.approx(521 / total, abs=0.015)
    assert at["7nm", "bitnet-b1.58"].share == pytest.approx((657 + 157) / total, abs=0.015)
    assert "static" not in parts


def test_static_energy_is_a_part_of_its_own(report: Report, warm_report: Report) -> None:
    for cold, warm in zip(report.unsaved, warm_report.unsaved, strict=True):
        assert sum(warm.parts.values()) == pytest.approx(1)
        scheme = next(one for one in report.schemes if one.name == warm.scheme)
        table = next(one for one in report.tables if one.short_name == warm.table)
        of = report.system_of(scheme, table)
        assert of.tokens_per_second is not None
        # 5 W for the duration of one token, on top of everything else.
        static = 5.0 / of.tokens_per_second
        total = of.energy.value + static
        assert warm.parts["static"] == pytest.approx(static / total)
        # What is left with free projections and FFN does not depend on static power.
        assert warm.share * total == pytest.approx(cold.share * of.energy.value)
        assert cold.limit is not None
        assert warm.limit == pytest.approx(total / (cold.share * of.energy.value))


def test_a_model_that_does_not_fit_has_no_saving(large_report: Report) -> None:
    # 70 billion parameters on a machine with 8 GB.
    assert not any(of.fits for of in large_report.system_estimates.values())
    for scheme in large_report.schemes:
        found = large_report.saving(scheme, large_report.tables[0])
        assert found.value is None
        assert "does not fit edge" in found.reason
    assert large_report.chains == {}
    assert large_report.tornado == []
    assert len(large_report.misfits()) == len(large_report.schemes)
    assert all(one.limit is None for one in large_report.unsaved)
    # On the curve, sizes of 6.6 billion parameters and more do not fit in FP16.
    assert {point.model for point in large_report.sizes if point.fits} == {
        "bitnet-b1.58-700m", "bitnet-b1.58-1.3b", "bitnet-b1.58-3b",
    }  # fmt: skip
    for point in large_report.sizes:
        assert (point.system_ratio is not None) is point.fits


def test_paper_estimates_are_of_bare_operations(report: Report) -> None:
    for scheme in report.schemes:
        at_gates, bare = (report.paper_of(scheme, table) for table in report.tables[::-1])
        assert at_gates.energy == bare.energy
        assert at_gates.table.short_name == "7nm"


def test_assumptions_that_a_machine_cannot_execute_are_left_out(report: Report) -> None:
    machine = load_machine()
    arrays = [unit for unit in machine.units if unit.name != "integer-array"]
    narrow = machine.replace(name="narrow", units=arrays)
    pair = [estimate(report.model, s, "7nm", machine=narrow) for s in ("fp16", "bitnet-b1.58")]
    found, left_out = assumptions(pair[0], pair[1])
    # Nothing executes an INT8 LM head.
    (reason,) = left_out
    assert reason.startswith("LM head weights (fp16; baseline unchanged): machine narrow: no unit")
    assert len(found) == len(report.tornado) - 1


def test_the_assumption_about_the_batch_fits(report: Report) -> None:
    # 4.83 GB of FP16 weights and 157 MB of KV cache per sequence: 16 fit 8 GB, 32 do not.
    batch = next(one for one in report.tornado if one.title.startswith("batch"))
    assert (batch.low_text, batch.high_text) == ("1", "16")


def test_the_fp16_baseline_runs_on_the_float_array(report: Report) -> None:
    at = {one.title.split(" (")[0]: one for one in report.tornado}
    # At bare prices of operations, adder trees of 1 lane cost the ternary array more, not FP16.
    assert at["adder lanes"].low < at["adder lanes"].high
    for name, unit in (("fp16", "float-array"), ("bitnet-b1.58", "ternary-array")):
        scheme = next(one for one in report.schemes if one.name == name)
        products = report.system_of(scheme, report.tables[0]).lowered.products
        assert {p.unit.name for p in products if p.role == "ffn-up"} == {unit}
