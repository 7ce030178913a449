"""The DRAM price list against the figures that its sources print."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bitnet_hw.cost.estimates import estimate
from bitnet_hw.errors import MissingPriceError
from bitnet_hw.prices.loading import load_dram_prices

from ..cost.machines import FILE, lpddr4

# As printed, pJ per bit. Micron's comparison of 2020 gives average device power; GDDR6X is said to
# need 15 % less per bit than GDDR6, and GDDR7 to be 50 % more efficient than GDDR6.
MICRON = {"GDDR6": 7.5, "GDDR6X": 7.25, "HBM2E": 6.0, "GDDR7": 4.5}
MEMEXPLORER_HBM3E_READ = 3.0
SAMSUNG_HBM3E = 3.9
PAWLOWSKI_LPDDR5 = 7.0
JOUPPI_DDR3_4 = 1300 / 64
# A memory system of 1.2 TB/s takes 30 to 40 W (NVIDIA Vera); LPDDR5X takes 20 % less than LPDDR5.
VERA_LPDDR5X = [1e12 * watts / (1.2e12 * 8) for watts in (30, 40)]
# LPDDR5X takes 43 to 58 % less than DDR5 at the same speed, and a third of an RDIMM's power.
LESS_THAN_DDR5, PART_OF_RDIMM = 0.43, 1 / 3
# VDD, IDD4R, pins and data rate of a device of DDR4-3200 in DRAMsim3.
DDR4_READ = 1e12 * 1.2 * 0.168 / (8 * 3.2e9)

RANGES = {
    "DDR4": (DDR4_READ, JOUPPI_DDR3_4),
    "DDR5": (VERA_LPDDR5X[0] / (1 - LESS_THAN_DDR5), 0.8 * PAWLOWSKI_LPDDR5 / PART_OF_RDIMM),
    "LPDDR5": (PAWLOWSKI_LPDDR5, PAWLOWSKI_LPDDR5),
    "LPDDR5X": (VERA_LPDDR5X[0], 0.8 * PAWLOWSKI_LPDDR5),
    "GDDR6X": (0.85 * MICRON["GDDR6"], MICRON["GDDR6X"]),
    "GDDR7": (MICRON["GDDR7"], MICRON["GDDR6"] / 1.5),
    "HBM2E": (MICRON["HBM2E"], MICRON["HBM2E"]),
    "HBM3": (SAMSUNG_HBM3E, MICRON["HBM2E"]),
    "HBM3E": (MEMEXPLORER_HBM3E_READ, SAMSUNG_HBM3E),
}
DERIVED = {"DDR4", "DDR5", "LPDDR5X", "HBM3"}


@pytest.mark.parametrize(("kind", "ends"), RANGES.items())
def test_a_range_is_what_the_sources_give(kind: str, ends: tuple[float, float]) -> None:
    price = load_dram_prices().price(kind)
    # The file rounds to whole picojoules per 64 bits.
    assert (price.low, price.high) == pytest.approx(ends, abs=0.5 / 64)
    assert price.pj == pytest.approx(sum(ends) / 2, abs=0.01)
    assert price.kind == ("derived" if kind in DERIVED else "published")


def test_other_published_figures_lie_inside_the_ranges() -> None:
    prices = load_dram_prices()
    for kind, pj in (("LPDDR5X", VERA_LPDDR5X[1]), ("GDDR6", 6.5),
                     ("GDDR6", MICRON["GDDR6"]), ("HBM2", 3.97)):  # fmt: skip
        assert prices.price(kind).low <= pj <= prices.price(kind).high, kind


def test_every_kind_has_a_readable_source_a_boundary_and_an_ordered_range() -> None:
    listed = list(load_dram_prices().entries())
    assert {entry.what for entry in listed} == {
        "DDR3/4", "DDR4", "DDR5", "LPDDR4", "LPDDR5", "LPDDR5X", "GDDR5", "GDDR6", "GDDR6X",
        "GDDR7", "HBM2", "HBM2E", "HBM3", "HBM3E",
    }  # fmt: skip
    for entry in listed:
        price = entry.price
        assert 0 < price.low <= price.pj <= price.high
        assert price.source.read_in, entry.what  # no figure was read in the work that first has it
        assert price.locator
        assert price.boundary == "device"
        assert entry.as_dict()["boundary"] == "device"


def test_every_source_is_cited() -> None:
    prices = load_dram_prices()
    assert {entry.source for entry in prices.kinds} == set(prices.sources)


def test_the_first_edition_is_superseded_and_its_prices_are_kept() -> None:
    first, newest = load_dram_prices("dram-1"), load_dram_prices()
    assert (first.superseded_by, newest.name) == ("dram-2", "dram-2")
    assert {entry.dram for entry in first.kinds} == {"DDR3/4", "LPDDR4", "GDDR5", "GDDR6", "HBM2"}
    for entry in first.kinds:
        assert newest.price(entry.dram) == first.price(entry.dram)


def test_a_machine_may_have_any_listed_dram() -> None:
    joules = {}
    for entry in load_dram_prices().kinds:
        machine = lpddr4(dram={"kind": entry.dram})
        of = estimate("bitnet-125m", "bitnet-b1.58", "7nm", machine=machine)
        joules[entry.dram] = of.by("level")["dram"].joules
    # The same bytes move: energy is in proportion to the price per bit.
    assert joules["HBM3E"] / joules["LPDDR4"] == pytest.approx(3.45 / 11)


def test_another_dram_is_refused_with_the_list() -> None:
    machine = lpddr4(dram={"kind": "DDR9"})
    with pytest.raises(MissingPriceError, match="no price for DRAM 'DDR9'; it has: DDR3/4, DDR4,"):
        estimate("bitnet-125m", "bitnet-b1.58", "7nm", machine=machine)


def test_another_dram_in_a_machine_file_ends_with_one_line(
    run: Callable[..., Any], tmp_path: Path
) -> None:
    text = FILE.read_text("utf-8").replace("name: lpddr4", "name: mine")
    file = tmp_path / "mine.yaml"
    file.write_text(text.replace("kind: LPDDR4", "kind: lpddr6"), encoding="utf-8")
    done = run("estimate", "bitnet-125m", "--machine", file)
    assert done.code == 2
    assert "machine mine, memory dram: dram-2 has no price for DRAM 'lpddr6'; it has: " in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_an_own_list_may_state_another_boundary() -> None:
    prices = load_dram_prices()
    own = prices.kinds[0].replace(dram="LPDDR5X on an M4 Pro", boundary="system")
    assert prices.replace(kinds=(own,)).price(own.dram).boundary == "system"
