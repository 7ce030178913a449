"""Node scaling against ratios computed with the paper's coefficients elsewhere."""

from __future__ import annotations

import pytest

from bitnet_hw.errors import InputError
from bitnet_hw.prices.loading import builtin_tables, load_table
from bitnet_hw.prices.scaling import scale_table


@pytest.mark.parametrize(
    ("volts", "ratio"), [(0.9, 8.08), (0.8, 10.69), (0.75, 12.45), (0.7, 14.62), (0.65, 17.31)]
)
def test_energy_ratios_from_45_to_7_nm(volts: float, ratio: float) -> None:
    table = load_table("45nm")
    scaled = scale_table(table, f"HP45@0.9:HP7@{volts}")
    for operation, form in (("add", "int8"), ("mul", "fp16")):
        was, now = (t.price(operation, form).pj for t in (table, scaled))  # type: ignore[arg-type]
        assert was / now == pytest.approx(ratio, abs=0.005)
    assert table.sram_price(8192).pj / scaled.sram_price(8192).pj == pytest.approx(ratio, abs=0.005)


def test_a_scaled_table_says_so_in_every_entry() -> None:
    scaled = scale_table(load_table("45nm"), "HP45@0.9:HP7@0.7")
    assert scaled.node_nm == 7
    assert scaled.name not in builtin_tables()
    assert not scaled.aliases
    for entry in [*scaled.operations, *scaled.sram]:
        assert entry.kind == "derived"
        assert "HP45@0.9:HP7@0.7" in entry.formula
        assert "Stillmaker" in entry.formula


def test_scaling_to_the_same_node_changes_nothing() -> None:
    table = load_table("7nm")
    scaled = scale_table(table, "HP7@0.7:HP7@0.7")
    assert [e.pj for e in scaled.operations] == pytest.approx([e.pj for e in table.operations])


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ("7nm", "write NODE@VOLTS:NODE@VOLTS"),
        ("HP45@0.9:HP5@0.7", "unknown scaling node 'HP5'"),
        ("HP45@0.9:HP7@3.3", "supply must lie"),
        ("HP45@0.9:HP7@-1", "write NODE@VOLTS"),
    ],
)
def test_requests_outside_the_equations_are_refused(request_: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        scale_table(load_table("45nm"), request_)


def test_a_price_that_was_derived_before_keeps_its_first_formula() -> None:
    price = scale_table(load_table("45nm"), "HP45@0.9:HP7@0.7").price("add", "bf16")
    assert "upper bound" in price.formula
    assert "HP45@0.9:HP7@0.7" in price.formula
