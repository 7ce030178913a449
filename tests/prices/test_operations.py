"""Listed prices against what their sources print, and prices derived from them, by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bitnet_hw.cost.estimates import estimate
from bitnet_hw.errors import MissingPriceError
from bitnet_hw.inputs import catalogue
from bitnet_hw.inputs.machine import load_machine
from bitnet_hw.inputs.model import ModelSpec
from bitnet_hw.inputs.scenario import Scenario
from bitnet_hw.inputs.scheme import load_scheme
from bitnet_hw.prices.loading import (
    load_dram_prices,
    load_expansions,
    load_table,
)

PUBLISHED: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[1] / "data" / "published_energies.yaml").read_text("utf-8")
)
NODES = ("45nm", "7nm")
SMALL = ModelSpec(
    name="small", hidden_size=96, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
    head_dim=24, intermediate_size=160, gated=True, activation="gelu", vocab_size=300,
    tie_word_embeddings=False, norm="layernorm", positions="learned", max_position_embeddings=64,
    qk_norm=True, sub_norms=True, qkv_bias=True, attention_out_bias=True, ffn_bias=True,
    lm_head_bias=True, sliding_window=8, sliding_window_layers=1, attention_softcap=True,
    embedding_size=48,
)  # fmt: skip


def _arithmetic() -> list[tuple[str, str, str, str, float]]:
    return [
        (work, *what.split("."), node, pj)
        for work in ("horowitz", "jouppi", "bitnet")
        for what, by_node in PUBLISHED[work]["values"].items()
        for node, pj in by_node.items()
        if what.endswith((".add", ".mul")) and pj is not None
    ]  # type: ignore[misc]  # the split gives two parts


@pytest.mark.parametrize(("work", "form", "operation", "node", "pj"), _arithmetic())
def test_listed_prices_are_the_published_ones(
    work: str, form: str, operation: Any, node: str, pj: float
) -> None:
    price = load_table(node).price(operation, form)
    assert (price.pj, price.kind, price.boundary) == (pj, "published", "op")
    assert price.low == price.high == pj
    authors = {
        "horowitz": "Horowitz",
        "jouppi": "Jouppi",
        "bitnet": "Horowitz" if node == "45nm" else "Jouppi",
    }
    # Both works print the 45 nm column; ours cites the older one.
    assert authors[work] in price.source.authors or (work, node) == ("jouppi", "45nm")
    if work == "bitnet":
        assert "2310.11453" in price.source.read_in
    assert price.source.read_in


def test_published_prices_are_all_listed_and_no_others() -> None:
    for node in NODES:
        printed = {(o, f) for _, f, o, n, _ in _arithmetic() if n == node}
        listed = {
            tuple(entry.what.split())[:2]
            for entry in load_table(node).entries()
            if entry.unit == "pJ per operation" and entry.price.kind == "published"
        }
        assert listed == printed


@pytest.mark.parametrize(
    ("kind", "low", "high"),
    [
        ("DDR3/4", 20.3, 40.6),
        ("LPDDR4", 8, 14),
        ("GDDR6", 5.5, 7.5),
        ("GDDR5", 14, 14),
        ("HBM2", 3.9, 7.0),
    ],
)
def test_dram_prices_per_bit(kind: str, low: float, high: float) -> None:
    price = load_dram_prices().price(kind)
    assert price.low == pytest.approx(low, abs=0.05)
    assert price.high == pytest.approx(high, abs=0.05)
    assert price.pj == pytest.approx((price.low + price.high) / 2)


def test_dram_prices_are_the_published_ones() -> None:
    prices, jouppi = load_dram_prices(), PUBLISHED["jouppi"]["values"]
    ends = {e.dram: [e.low_pj_per_64b, e.high_pj_per_64b] for e in prices.kinds}
    assert ends["DDR3/4"] == PUBLISHED["horowitz"]["values"]["dram.64b"]["45nm"]
    assert ends["DDR3/4"][0] == jouppi["ddr3/4.64b"]["7nm"]
    assert ends["HBM2"] == jouppi["hbm2.64b"]["7nm"]
    assert ends["GDDR6"] == jouppi["gddr6.64b"]["7nm"]
    others = PUBLISHED["dram"]["values"]
    assert [e / 64 for e in ends["LPDDR4"]] == others["lpddr4"]
    assert ends["GDDR5"] == [64 * others["gddr5"]] * 2
    assert ends["HBM2"][0] < 64 * others["hbm2"] < ends["HBM2"][1]


def test_an_unknown_dram_is_an_error() -> None:
    with pytest.raises(MissingPriceError, match="no price for DRAM 'HBM4'"):
        load_dram_prices().price("HBM4")


# Derived prices.


def test_a_20_bit_addition_at_7_nm() -> None:
    price = load_table("7nm").price("ternary-add", "int8", "int20")
    # Halfway from 0.007 (8 bits) to 0.03 (32 bits); the lines 0.007/8 and 0.03/32 per bit.
    assert price.pj == pytest.approx(0.0185)
    assert price.low == pytest.approx(0.0175)
    assert price.high == pytest.approx(0.01875)
    assert price.kind == "derived"
    assert "int8" in price.formula
    assert "int32" in price.formula


def test_a_20_bit_addition_at_45_nm_lies_between_16_and_32_bits() -> None:
    price = load_table("45nm").price("add", "int8", "int20")
    assert price.pj == pytest.approx(0.0625)  # a quarter of the way from 0.05 to 0.1
    assert (price.low, price.high) == pytest.approx((0.0625, 0.0625))  # both lines agree here


@pytest.mark.parametrize(
    ("operation", "form", "accumulator", "pj"),
    [
        ("add", "int4", "", 0.0035),
        ("add", "int64", "", 0.06),
        ("mul", "int4", "", 0.0175),  # 16/64 of 0.07
        ("mul", "int8*int4", "", 0.035),
        ("mul", "int3", "", 0.07 * 9 / 64),
        ("mul", "int16", "", 0.07 + 1.41 / 5),  # (256 - 64) / (1024 - 64) = 1/5
        ("add", "fp16", "fp32", 0.38),
        ("compare", "fp16", "", 0.16),
        ("round", "bf16", "", 0.11),
        ("bit", "int8", "", 0.007),
        ("exp", "fp16", "", 4 * 0.34 + 4 * 0.16 + 0.007),
        ("div", "fp32", "", 2 * (2 * 1.31 + 0.38) + 1.31),
        ("rsqrt", "bf16", "", 2 * (3 * 0.21 + 0.11)),
    ],
)
def test_derived_prices_at_7_nm_by_hand(
    operation: Any, form: str, accumulator: str, pj: float
) -> None:
    price = load_table("7nm").price(operation, form, accumulator)
    assert price.pj == pytest.approx(pj)
    if accumulator != "fp32":
        assert price.kind == "derived"
        assert price.formula


def test_bf16_at_45_nm_is_fp16_and_says_that_it_is_derived() -> None:
    table = load_table("45nm")
    for operation in ("add", "mul"):
        price = table.price(operation, "bf16")  # type: ignore[arg-type]  # the loop's strings
        assert price.pj == table.price(operation, "fp16").pj  # type: ignore[arg-type]
        assert price.kind == "derived"


@given(st.sampled_from(NODES), st.integers(2, 63))
@settings(deadline=None, max_examples=60)
def test_a_wider_addition_never_costs_less(node: str, bits: int) -> None:
    table = load_table(node)
    narrow, wide = (table.price("add", f"int{b}") for b in (bits, bits + 1))
    assert narrow.pj <= wide.pj
    assert narrow.low <= narrow.pj <= narrow.high


def test_fp8_is_priced_between_two_rules() -> None:
    # 7 nm: fp16 mul 0.34, fp16 add 0.16, int8 add 0.007. E4M3 has 4 bits of significand, fp16 11.
    table = load_table("7nm")
    mul, add = table.price("mul", "fp8-e4m3"), table.price("add", "fp8-e4m3")
    assert (mul.low, mul.high) == pytest.approx((0.34 * 16 / 121, 0.34 / 2))
    assert (add.low, add.high) == pytest.approx((0.007, 0.16 / 2))
    for price in (mul, add):
        assert price.pj == pytest.approx((price.low + price.high) / 2)
        assert price.kind == "derived"
        assert "fp16" in price.formula
    assert table.price("mul", "fp8-e5m2").low == pytest.approx(0.34 * 9 / 121)
    assert table.price("mul", "fp8-e5m2").pj < mul.pj < table.price("mul", "bf16").pj


def test_edition_2_changes_no_rule_of_edition_1() -> None:
    old, new = load_expansions("expansions-1"), load_expansions("expansions-2")
    assert (old.operations, old.widths) == (new.operations, new.widths)
    assert not old.floats


def test_expansions_state_their_reasons() -> None:
    rules = load_expansions().operations
    assert set(rules) == {"compare", "round", "bit", "exp", "div", "rsqrt"}
    assert all(rule.why for rule in rules.values())


@pytest.mark.parametrize("node", NODES)
@pytest.mark.parametrize("name", catalogue.names("schemes"))
def test_every_built_in_scheme_prices_completely(node: str, name: str) -> None:
    table, scheme = load_table(node), load_scheme(name)
    scenarios = [
        Scenario("prefill", tokens=9, lm_head="all"),
        Scenario("decode", context=9, batch=2),
        Scenario("request", tokens=5, generate=3, attention="full"),
    ]
    for scenario in scenarios:
        for machine in ("edge", "server"):
            found = estimate(SMALL, scheme, table, scenario, machine=load_machine(machine))
            assert all(row.price.pj > 0 for row in found.arithmetic)
            assert all(row.price.source.authors for row in found.arithmetic)
            assert found.memory is not None
            assert all(row.price.pj > 0 for row in found.memory)
    on_paper = Scenario("prefill", tokens=9, attention="full", lm_head="none")
    assert estimate(SMALL, scheme, table, on_paper, "paper").energy.value > 0
