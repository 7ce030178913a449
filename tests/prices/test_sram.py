"""The price of a buffer: published macros, the line between them, and wires beyond them."""

from __future__ import annotations

from math import log, sqrt
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bitnet_hw.errors import InputError
from bitnet_hw.files.reading import Document, validate
from bitnet_hw.prices.capacity import Macro, between
from bitnet_hw.prices.editions import FOLDER
from bitnet_hw.prices.entries import Source
from bitnet_hw.prices.loading import load_on_chip_prices, load_table
from bitnet_hw.prices.on_chip import OnChipPrices
from bitnet_hw.prices.on_chip_entries import Spread
from bitnet_hw.prices.scaling import scale_table

PUBLISHED: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[1] / "data" / "published_energies.yaml").read_text("utf-8")
)
NODES = ("45nm", "7nm")
MACROS = {"sram8KB.64b": 8 << 10, "sram32KB.64b": 32 << 10, "sram1MB.64b": 1 << 20}
SOURCE = Source(authors="A. Author", title="a title", venue="a venue", year=2026)
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
CAPACITIES = st.integers(1, 1 << 36) | st.sampled_from(
    [size + step for size in (8 * KIB, 32 * KIB, MIB, 2 * MIB, 4 * GIB) for step in (-1, 0, 1)]
)


@pytest.mark.parametrize("node", NODES)
@pytest.mark.parametrize("macro", MACROS)
def test_a_macro_costs_what_is_published(node: str, macro: str) -> None:
    price = load_table(node).sram_price(MACROS[macro])
    published = PUBLISHED["jouppi"]["values"][macro][node]
    assert price.pj * 64 == published
    assert price.low == price.high == price.pj
    assert price.kind == "published"


@pytest.mark.parametrize(
    ("node", "size", "pj"),
    [
        ("7nm", 16 * KIB, sqrt(7.5 * 8.5)),  # one of two octaves
        ("7nm", 64 * KIB, 8.5 * (14 / 8.5) ** (1 / 5)),  # one of five octaves
        ("45nm", 16 * KIB, sqrt(10 * 20)),
        ("45nm", 512 * KIB, 20 * 5 ** (4 / 5)),
    ],
)
def test_between_two_macros_by_hand(node: str, size: int, pj: float) -> None:
    price = load_table(node).sram_price(size)
    assert price.pj * 64 == pytest.approx(pj)
    assert price.kind == "derived"
    assert "between macros of" in price.formula
    # A line in the capacity, and one in its logarithm, both through the two macros.
    bands = {
        "7nm": {16: (7.5 + 8 / 24, 8), 64: (8.5 + 5.5 * 32 / 992, 8.5 + 5.5 / 5)},
        "45nm": {16: (10 + 10 * 8 / 24, 15), 512: (20 + 80 * 480 / 992, 20 + 80 * 4 / 5)},
    }
    assert (price.low * 64, price.high * 64) == pytest.approx(bands[node][size // KIB])


def test_the_band_between_two_macros_holds_what_cacti_gives() -> None:
    """Take only CACTI's smallest and largest macro, and look for those between them."""
    cacti = PUBLISHED["cacti"]["values"]
    small, large = (
        Macro(size * KIB, Spread(cacti[size], cacti[size], cacti[size]), "simulated", SOURCE, "")
        for size in (8, 1024)
    )
    for size in (32, 64, 256):
        band = between(small, large, size * KIB)
        assert band.low < cacti[size] < band.high


def test_below_the_smallest_macro_its_price_per_bit_is_used() -> None:
    price = load_table("7nm").sram_price(KIB)
    assert (price.pj * 64, price.kind) == (7.5, "derived")
    assert "priced as the smallest macro, 8192 bytes" in price.formula


@pytest.mark.parametrize(
    ("node", "size", "wire", "um2"),
    [
        ("7nm", 16 * MIB, 0.1, 0.027 / 0.7),
        ("7nm", 3 * MIB // 2, 0.1, 0.027 / 0.7),
        ("7nm", 4 * GIB, 0.1, 0.027 / 0.7),
        ("45nm", 16 * MIB, 310 / 256 / 10, 0.346 / 0.7),
    ],
)
def test_beyond_the_largest_macro_by_hand(node: str, size: int, wire: float, um2: float) -> None:
    macro = {"7nm": 14, "45nm": 100}[node] / 64
    mm = sqrt(size * 8 * um2) / 1000 - sqrt(MIB * 8 * um2) / 1000
    price = load_table(node).sram_price(size)
    assert price.pj == pytest.approx(macro + wire * 0.75 * mm, rel=2e-3)
    assert macro < price.low < price.pj < price.high
    assert price.kind == "derived"
    for part in ("as banks of 1048576 bytes", "on-chip-1", "wires at", "area at"):
        assert part in price.formula


def test_the_band_of_wires_spans_the_published_ranges() -> None:
    price, macro = load_table("7nm").sram_price(64 * MIB), 14 / 64
    side = sqrt(MIB * 8) / 1000  # of 1 MiB, in mm, if a bit took 1 um2
    assert price.low == pytest.approx(macro + 0.03 * 0.5 * 7 * side * sqrt(0.0386))
    assert price.high == pytest.approx(macro + 0.1 * 1 * 7 * side * sqrt(0.0764))


def test_256_mb_cost_what_dally_states() -> None:
    """The wires' constants come from other works than this figure, 58 pJ per 64 bits."""
    pj = 64 * load_table("7nm").sram_price(256 * MIB).pj
    assert pj == pytest.approx(PUBLISHED["dally"]["values"]["sram256MB.64b"], rel=0.1)


@pytest.mark.parametrize("size", [4096, 16384, 65536])
def test_at_45_nm_the_band_of_a_large_buffer_holds_what_cacti_gives(size: int) -> None:
    """CACTI's energies are 1.7 to 3.7 times the price, which must say so."""
    price = load_table("45nm").sram_price(size * KIB)
    cacti = PUBLISHED["cacti"]["values"]
    assert price.low < price.pj < cacti[size] / 64 < price.high
    assert "simulated as one array" in price.formula
    assert "CACTI" in price.formula
    # It grows from the published macro as much as CACTI's own energy does.
    assert price.high == pytest.approx(100 / 64 * cacti[size] / cacti[1024])


def test_at_7_nm_no_simulator_bounds_the_price() -> None:
    assert "simulated" not in load_table("7nm").sram_price(64 * MIB).formula


@pytest.mark.parametrize(("node", "ratio"), [("7nm", 13.3), ("45nm", 8.4)])
def test_four_gib_cost_several_times_what_one_mib_costs(node: str, ratio: float) -> None:
    table = load_table(node)
    assert table.sram_price(4 * GIB).pj / table.sram_price(MIB).pj == pytest.approx(ratio, abs=0.05)


@given(st.sampled_from(NODES), CAPACITIES, CAPACITIES)
def test_a_larger_buffer_never_costs_less(node: str, one: int, other: int) -> None:
    table = load_table(node)
    small, large = (table.sram_price(size) for size in sorted((one, other)))
    assert small.pj <= large.pj
    assert small.low <= large.low * (1 + 1e-12)
    assert small.high <= large.high * (1 + 1e-12)
    for price in (small, large):
        assert price.low <= price.pj <= price.high


@given(st.sampled_from(NODES), CAPACITIES)
def test_one_more_byte_raises_the_price_by_less_than_its_share(node: str, size: int) -> None:
    """No step at a macro nor at a multiple of one: the price grows more slowly than capacity."""
    table = load_table(node)
    before, after = table.sram_price(size), table.sram_price(size + 1)
    assert after.pj / before.pj <= 1 + 1 / size + 1e-12
    # The ends of the band, which start at a macro as steep lines, are continuous too.
    for one, other in zip(before[:3], after[:3], strict=True):
        assert other / one <= 1 + 1.2 / size + 1e-12


def test_a_power_of_the_capacity_fits_cacti_better_than_its_logarithm() -> None:
    """Predict each capacity from its neighbours: the ground for the line between two macros."""
    cacti = PUBLISHED["cacti"]["values"]
    series = [(size, cacti[size]) for size in (8, 64, 256, 1024)]
    errors: dict[str, list[float]] = {"power": [], "logarithm": []}
    for (a, low), (size, pj), (b, high) in zip(series, series[1:], series[2:], strict=False):
        t = log(size / a) / log(b / a)
        errors["power"].append(log(low * (high / low) ** t / pj))
        errors["logarithm"].append(log((low + (high - low) * t) / pj))
    rms = {way: sqrt(sum(e * e for e in found) / len(found)) for way, found in errors.items()}
    assert rms == pytest.approx({"power": 0.19, "logarithm": 0.22}, abs=0.01)
    ends = {way: _worst(series, way) for way in rms}
    assert ends == pytest.approx({"power": 0.28, "logarithm": 0.53}, abs=0.01)


def _worst(series: list[tuple[int, float]], way: str) -> float:
    """Return the largest error, as a logarithm, of the line between the first and the last."""
    (a, low), *inner, (b, high) = series
    worst = 0.0
    for size, pj in inner:
        t = log(size / a) / log(b / a)
        line = low * (high / low) ** t if way == "power" else low + (high - low) * t
        worst = max(worst, abs(log(line / pj)))
    return worst


def test_another_node_takes_the_nearest_wires_and_says_so() -> None:
    on_chip = load_on_chip_prices()
    at_8, at_7 = (on_chip.between_banks(4 * MIB, MIB, node) for node in (8, 7))
    assert at_8.pj == at_7.pj
    assert "wires at 7 nm, the nearest to 8 nm" in at_8.formula
    assert "nearest" not in at_7.formula
    assert on_chip.between_banks(4 * MIB, MIB, 28).pj == on_chip.between_banks(4 * MIB, MIB, 45).pj
    assert on_chip.between_banks(MIB, MIB, 7).pj.value == 0


def test_a_scaled_table_takes_the_wires_of_its_node() -> None:
    scaled = scale_table(load_table("45nm"), "HP45@0.9:HP7@0.7")
    wires = load_on_chip_prices().between_banks(16 * MIB, MIB, 7).pj.value
    assert scaled.sram_price(16 * MIB).pj == pytest.approx(100 / 64 / 14.62 + wires, rel=1e-3)


def test_a_table_of_whole_macs_takes_the_buffers_of_its_base() -> None:
    simulated, base = load_table("asap7-prelayout"), load_table("7nm")
    assert simulated.sram_price(16 * MIB) == base.sram_price(16 * MIB)


def test_a_macro_listed_twice_is_refused() -> None:
    table = load_table("7nm")
    with pytest.raises(InputError, match="an SRAM macro of 8192 bytes is listed twice"):
        table.replace(sram=[*table.sram, table.sram[0]])  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("part", "changes", "message"),
    [
        ("wires", {"source": "daly"}, "unknown source 'daly'"),
        ("wires", {"low_pj_per_bit_mm": 0.5}, "outside its own range"),
        ("wires", {"pj_per_bit_mm": 0}, "pj_per_bit_mm"),
        ("wires", {"node_nm": 7}, "7 nm is listed twice"),
        ("areas", {"high_um2_per_bit": 0.01}, "outside its own range"),
        ("areas", {"formula": ""}, "must say how it was computed"),
        ("areas", {"node_nm": 7}, "SRAM at 7 nm is listed twice"),
        ("areas", {"memory": "MRAM"}, "memory"),
        ("macros", {"node_nm": 28}, "areas has no entry for eDRAM at 28 nm"),
        ("macros", {"bytes": [8192, 32768]}, "5 energies for 2 capacities"),
        ("macros", {"low_pj_per_64b": [9, 9, 9, 15, 25]}, "outside its own range"),
        ("arrays", {"bytes": [(1 << 23) - i for i in range(8)]}, "list capacities as they rise"),
        ("arrays", {"pj_per_64b": [6, 17, 26, 45, 44, 189, 351, 681]}, "44 pJ follows 45"),
        ("leakage", {"mw_per_mib": -1}, "mw_per_mib"),
        ("leakage", {"low_mw_per_mib": 1}, "outside its own range"),
    ],
)
def test_an_unsound_list_of_wires_does_not_load(
    part: str, changes: dict[str, Any], message: str
) -> None:
    data = yaml.safe_load((FOLDER / "on-chip-1.yaml").read_text("utf-8"))
    data[part][0] |= changes
    with pytest.raises(InputError, match=message):
        validate(OnChipPrices, Document(data, "mine.yaml"))


def test_a_distance_outside_its_range_does_not_load() -> None:
    data = yaml.safe_load((FOLDER / "on-chip-1.yaml").read_text("utf-8"))
    data["mean_distance"]["low_sides"] = 2
    with pytest.raises(InputError, match="outside its own range"):
        validate(OnChipPrices, Document(data, "mine.yaml"))
