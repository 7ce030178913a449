"""The price of a memory of any kind; area and leakage of those on the chip."""

from __future__ import annotations

from math import inf, nan, sqrt
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bitnet_hw.errors import InputError, MissingPriceError
from bitnet_hw.inputs.memory import ON_CHIP
from bitnet_hw.prices.loading import load_dram_prices, load_on_chip_prices, load_table
from bitnet_hw.prices.memories import (
    leakage_w,
    memory_price,
    own_price,
    sram_area_um2,
)
from bitnet_hw.report.provenance import PriceUse, bibtex, price_row

CACTI: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[1] / "data" / "published_energies.yaml").read_text("utf-8")
)["cacti-edram"]["values"]
KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
#: Every kind of DRAM of a machine of 2026 must have a price.
OF_2026 = ("LPDDR5", "LPDDR5X", "DDR5", "GDDR6X", "GDDR7", "HBM2E", "HBM3", "HBM3E")


@pytest.mark.parametrize("size", [16 * KIB, 64 * MIB])
def test_sram_is_priced_by_the_table(size: int) -> None:
    table = load_table("7nm")
    assert memory_price("SRAM", size, table) == table.sram_price(size)


@pytest.mark.parametrize("kind", OF_2026)
def test_dram_is_priced_by_its_list_whatever_its_capacity(kind: str) -> None:
    table, listed = load_table("7nm"), load_dram_prices().price(kind)
    for size in (MIB, 80 * GIB):
        assert memory_price(kind, size, table) == listed


def test_another_list_of_dram_is_used_where_it_is_given() -> None:
    first = load_dram_prices("dram-1")
    assert memory_price("HBM2", GIB, load_table("7nm"), first) == first.price("HBM2")
    with pytest.raises(InputError, match="unknown kind of memory 'HBM3E'"):
        memory_price("HBM3E", GIB, load_table("7nm"), first)


@pytest.mark.parametrize("size", [8, 32, 64, 256, 1024])
def test_a_macro_of_edram_lies_in_the_middle_of_what_cacti_gives(size: int) -> None:
    price = memory_price("eDRAM", size * KIB, load_table("45nm"))
    ends = [CACTI[periphery][size] / 64 for periphery in ("itrs-lop", "itrs-lstp")]
    assert (price.low, price.high) == pytest.approx(ends)
    assert price.pj == pytest.approx(sum(ends) / 2)
    assert price.low < CACTI["itrs-hp"][size] / 64 < price.high
    assert price.kind == "simulated"


@pytest.mark.parametrize("size", [4096, 16384, 65536])
def test_a_large_edram_pays_for_wires_and_its_band_holds_what_cacti_gives(size: int) -> None:
    price = memory_price("eDRAM", size * KIB, load_table("45nm"))
    mm = (sqrt(size / 1024) - 1) * sqrt(MIB * 8 * 0.134) / 1000
    macro = (CACTI["itrs-lop"][1024] + CACTI["itrs-lstp"][1024]) / 2 / 64
    assert price.pj == pytest.approx(macro + 310 / 256 / 10 * 0.75 * mm, rel=2e-3)
    assert price.high == pytest.approx(CACTI["itrs-lstp"][size] / 64)
    for periphery, energies in CACTI.items():
        assert price.low < energies[size] / 64 <= price.high * (1 + 1e-12), periphery


@given(st.integers(1, 1 << 36), st.integers(1, 1 << 36))
def test_a_larger_edram_never_costs_less(one: int, other: int) -> None:
    table = load_table("45nm")
    small, large = (memory_price("eDRAM", size, table) for size in sorted((one, other)))
    for a, b in zip(small[:3], large[:3], strict=True):
        assert a <= b * (1 + 1e-12)
    assert small.low <= small.pj <= small.high


def test_a_table_of_whole_macs_takes_the_memories_of_its_base() -> None:
    simulated, base = load_table("sky130hd-prelayout"), load_table("45nm")
    for kind in ("SRAM", "eDRAM"):
        assert memory_price(kind, 4 * MIB, simulated) == memory_price(kind, 4 * MIB, base)


@pytest.mark.parametrize(
    ("kind", "node", "reason"),
    [
        ("ROM", "7nm", "no citable energy per bit of ROM is known"),
        ("ROM", "45nm", "no citable energy per bit of ROM is known"),
        ("eDRAM", "7nm", r"no citable energy per bit of eDRAM at 7 nm is known \(.* has 45 nm\)"),
    ],
)
def test_what_no_source_prices_is_an_error_of_one_line(kind: str, node: str, reason: str) -> None:
    with pytest.raises(MissingPriceError, match=reason) as error:
        memory_price(kind, MIB, load_table(node))
    assert "may state its own pJ per bit" in str(error.value)
    assert len(str(error.value).splitlines()) == 1


@pytest.mark.parametrize(("kind", "nearest"), [("edram", "eDRAM"), ("LPDDR5x", "LPDDR5X")])
def test_an_unknown_kind_names_the_nearest(kind: str, nearest: str) -> None:
    with pytest.raises(InputError, match=f"unknown kind of memory '{kind}'") as error:
        memory_price(kind, MIB, load_table("7nm"))
    assert f"did you mean '{nearest}'" in str(error.value)


@pytest.mark.parametrize("capacity", [0, -1])
@pytest.mark.parametrize("kind", ["SRAM", "HBM2"])
def test_a_memory_has_a_positive_capacity(kind: str, capacity: int) -> None:
    with pytest.raises(InputError, match=f"{kind} needs a positive capacity, found {capacity}"):
        memory_price(kind, capacity, load_table("7nm"))


def test_a_price_of_ones_own_keeps_what_was_written() -> None:
    price = own_price(12.0, 10.0, 14.0, "fitted to an M4 Pro with LPDDR5X")
    assert price[:3] == (12.0, 10.0, 14.0)
    assert (price.kind, price.boundary) == ("published", "system")
    assert price.source.cite() == "fitted to an M4 Pro with LPDDR5X"
    alone = own_price(0.4, source_text="our compiler")
    assert alone.low == alone.pj == alone.high == 0.4


def test_a_figure_of_ones_own_is_no_work_to_cite() -> None:
    listed = load_dram_prices().price("HBM3")
    uses = [
        PriceUse("7nm", "mine", own_price(12.0, source_text="fitted to an M4 Pro"), "pJ/bit", 0.5),
        PriceUse("7nm", "HBM3", listed, "pJ/bit", 0.5),
    ]
    text = bibtex(uses, "1")
    assert listed.source.title in text
    assert "M4 Pro" not in text
    assert price_row(uses[0])["source"] == "fitted to an M4 Pro"


@pytest.mark.parametrize(
    ("figures", "source", "message"),
    [
        ((0.0,), "ours", "pj_per_bit must be positive and finite, found 0"),
        ((-1.0,), "ours", "pj_per_bit must be positive"),
        ((nan,), "ours", "pj_per_bit must be positive and finite, found nan"),
        ((1.0, 0.5, inf), "ours", "high must be positive and finite"),
        ((1.0, 0.0), "ours", "low must be positive"),
        ((1.0, 2.0, 3.0), "ours", "1 pJ per bit lies outside its own range, 2 to 3"),
        ((1.0,), " ", "1 pJ per bit needs a source"),
    ],
)
def test_an_unsound_price_of_ones_own_is_refused(
    figures: tuple[float, ...], source: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        own_price(*figures, source_text=source)


def test_leakage_is_known_at_few_nodes_and_elsewhere_not_zero() -> None:
    # CACTI 7 at 45 nm, 1 MiB: 0.2272 + 0.0073 mW (itrs-lstp), 1077.45 + 27.42 mW (itrs-hp).
    assert leakage_w("SRAM", MIB, 45) == pytest.approx((0.227229 + 0.00730865) * 1e-3, rel=1e-4)
    found = load_on_chip_prices().static_w("SRAM", 4 * MIB, 45)
    assert found is not None
    assert found.high == pytest.approx(4 * (1077.45 + 27.4239) * 1e-3, rel=1e-4)
    # Giterman et al.: 105 uW and 276 uW of refresh for 1 Mibit.
    assert leakage_w("eDRAM", MIB // 8, 16) == pytest.approx(381e-6, rel=1e-3)
    for kind, node in (("SRAM", 7), ("SRAM", 28), ("eDRAM", 45), ("ROM", 45)):
        assert leakage_w(kind, MIB, node) is None, (kind, node)


def test_leakage_of_an_unknown_kind_is_refused() -> None:
    with pytest.raises(InputError, match="unknown kind of on-chip memory 'HBM2'"):
        leakage_w("HBM2", MIB, 45)


@pytest.mark.parametrize(
    ("node", "mib_per_mm2"),
    [
        (3, 31.8 / 8),  # as printed for N3E
        (5, 31.8 / 8),
        (7, 0.7 / (2**23 * 0.027e-6)),  # the published cell fills 70 % of the array
        (45, 0.7 / (2**23 * 0.346e-6)),
    ],
)
def test_the_area_of_sram(node: float, mib_per_mm2: float) -> None:
    assert sram_area_um2(64 * MIB, node) == pytest.approx(64 / mib_per_mm2 * 1e6, rel=2e-3)


def test_a_whole_die_of_sram_lies_inside_the_range_at_7_nm() -> None:
    """AMD's 3D V-Cache: 64 MiB in 41 mm2, with tags and vias."""
    found = load_on_chip_prices().area("SRAM", 64 * MIB, 7)
    assert found is not None
    assert found.low < 41e6 <= found.high * 1.001


def test_an_area_that_is_not_known_is_none() -> None:
    assert sram_area_um2(MIB, 130) is None
    assert load_on_chip_prices().area("ROM", MIB, 7) is None


def test_the_kinds_on_the_chip() -> None:
    assert ON_CHIP == ("SRAM", "ROM", "eDRAM")
