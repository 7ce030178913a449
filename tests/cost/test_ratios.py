"""Ratios of two estimates: their bands, and pairs that are refused."""

from __future__ import annotations

import pytest

from bitnet_hw.cost.band import Band
from bitnet_hw.cost.estimates import estimate
from bitnet_hw.cost.ratios import ratio
from bitnet_hw.errors import InputError
from bitnet_hw.inputs.machine import load_machine
from bitnet_hw.inputs.scenario import Scenario
from bitnet_hw.inputs.scheme import load_scheme
from bitnet_hw.prices.loading import load_table

from .machines import figure, lpddr4
from .small import ON_PAPER, SMALL, estimate_small


def test_a_ratio_of_an_estimate_to_itself_is_one_without_a_band() -> None:
    found = estimate_small()
    assert ratio(found, found) == Band(1.0, 1.0, 1.0)


@pytest.mark.parametrize("node", ["7nm", "45nm"])
def test_a_ratio_and_the_ratios_of_both_ends_lie_in_its_band(node: str) -> None:
    dense, ternary = estimate_small("fp16", node=node), estimate_small(node=node)
    band = ratio(dense, ternary)
    assert band.value == pytest.approx(dense.energy.value / ternary.energy.value)
    assert band.low <= band.value <= band.high
    lows = dense.energy.low / ternary.energy.low, dense.energy.high / ternary.energy.high
    assert band.low <= min(lows)
    assert max(lows) <= band.high


def test_a_ratio_across_tables_or_conventions_is_refused() -> None:
    with pytest.raises(InputError, match="one energy table and one convention"):
        ratio(estimate_small("fp16", node="45nm"), estimate_small())
    paper = estimate(SMALL, load_scheme("fp16"), load_table("7nm"), ON_PAPER, "paper")
    with pytest.raises(InputError, match="one energy table and one convention"):
        ratio(paper, estimate_small())


def test_a_ratio_compares_only_schemes() -> None:
    short, long = (Scenario("decode", context=n) for n in (8, 16))
    fp16, ternary, table = load_scheme("fp16"), load_scheme("bitnet-b1.58"), load_table("7nm")
    base = estimate(SMALL, fp16, table, short)
    with pytest.raises(InputError, match="one model and one scenario"):
        ratio(base, estimate(SMALL, ternary, table, long))
    with pytest.raises(InputError, match="one machine"):
        ratio(base, estimate(SMALL, ternary, table, short, machine=load_machine("server")))


def test_a_ratio_across_boundaries_is_refused() -> None:
    table = load_table("7nm")
    data = table.model_dump(by_alias=True, exclude_none=True)
    for entry in data["operations"]:
        if entry["format"].startswith("int"):
            entry["boundary"] = "pe"
    mixed = type(table).model_validate(data)
    dense, ternary = (estimate(SMALL, load_scheme(n), mixed, ON_PAPER, "paper")
                      for n in ("fp16", "bitnet-b1.58"))  # fmt: skip
    with pytest.raises(InputError, match="across price boundaries"):
        ratio(dense, ternary)


def test_no_ratio_of_a_model_that_does_not_fit_unless_asked_for() -> None:
    model = SMALL.replace(vocab_size=3000)
    scenario, table = Scenario("decode", context=8), load_table("7nm")
    # The LM head and the embedding take 768 KB in FP16, the ternary layers another 38 KB.
    small = lpddr4(dram={"capacity_bytes": figure(1e6)}, weights=1)
    large = lpddr4(dram={"capacity_bytes": figure(8e9)}, weights=1)
    schemes = [load_scheme(name) for name in ("fp32", "bitnet-b1.58")]
    fp32, ternary = (estimate(model, each, table, scenario, machine=small) for each in schemes)
    assert (fp32.fits, ternary.fits) == (False, True)
    for pair in ((fp32, ternary), (ternary, fp32)):
        with pytest.raises(InputError, match="small in fp32 does not fit lpddr4") as caught:
            ratio(*pair)
        assert "\n" not in str(caught.value)
    fitting = [estimate(model, each, table, scenario, machine=large) for each in schemes]
    assert ratio(fp32, ternary, oversized=True) == ratio(*fitting)
