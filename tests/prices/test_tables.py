"""Energy tables against what their sources print, and prices derived from them, by hand."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bitnet_hw.cost.estimates import estimate
from bitnet_hw.cost.pricing import price_tally
from bitnet_hw.errors import InputError, MissingPriceError
from bitnet_hw.files.reading import Document, validate
from bitnet_hw.inputs import catalogue
from bitnet_hw.inputs.machine import load_machine
from bitnet_hw.inputs.model import ModelSpec
from bitnet_hw.inputs.scenario import Scenario
from bitnet_hw.inputs.scheme import load_scheme
from bitnet_hw.prices.loading import (
    FOLDER,
    builtin_tables,
    load_dram_prices,
    load_expansions,
    load_table,
)
from bitnet_hw.prices.operations import OperationEntry
from bitnet_hw.prices.tables import EnergyTable, MacTable, OperationTable
from bitnet_hw.tally import Key, MacKey, OpTally

PUBLISHED: dict[str, Any] = yaml.safe_load(
    (Path(__file__).parents[1] / "data" / "published_energies.yaml").read_text("utf-8")
)
NODES = ("45nm", "7nm")
SRAM = {"sram8KB.64b": 8 << 10, "sram32KB.64b": 32 << 10, "sram1MB.64b": 1 << 20}
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


def test_no_published_price_is_left_out_and_none_is_made_up() -> None:
    for node in NODES:
        printed = {(o, f) for _, f, o, n, _ in _arithmetic() if n == node}
        listed = {
            tuple(entry.what.split())[:2]
            for entry in load_table(node).entries()
            if entry.unit == "pJ per operation" and entry.price.kind == "published"
        }
        assert listed == printed


@pytest.mark.parametrize("node", NODES)
@pytest.mark.parametrize("macro", SRAM)
def test_sram_macros_are_the_published_ones(node: str, macro: str) -> None:
    price = load_table(node).sram_price(SRAM[macro])
    assert price.pj * 64 == pytest.approx(PUBLISHED["jouppi"]["values"][macro][node])


@pytest.mark.parametrize(
    ("size", "macro"),
    [(1, 8), (8 << 10, 8), ((8 << 10) + 1, 32), (33 << 10, 1024), (16 << 20, 1024)],
)
def test_the_smallest_macro_that_holds_the_buffer_sets_the_price(size: int, macro: int) -> None:
    table = load_table("45nm")
    assert table.sram_price(size).pj * 64 == pytest.approx({8: 10, 32: 20, 1024: 100}[macro])


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
    with pytest.raises(MissingPriceError, match="no price for DRAM 'HBM3'"):
        load_dram_prices().price("HBM3")


# Derived prices.


def test_a_20_bit_addition_at_7_nm() -> None:
    price = load_table("7nm").price("ternary-add", "int8", "int20")
    # Half way from 0.007 (8 bits) to 0.03 (32 bits); the lines 0.007/8 and 0.03/32 per bit.
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


def test_a_listed_fp8_price_is_used() -> None:
    listed = OPERATION | {"operation": "mul", "format": "fp8-e4m3", "pj": 0.03}
    assert _table(listed).price("mul", "fp8-e4m3").kind == "published"
    with pytest.raises(MissingPriceError, match="no price for mul of fp8-e4m3"):
        _table().price("mul", "fp8-e4m3")  # it lists no fp16 multiplication either


def test_edition_2_changes_no_rule_of_edition_1() -> None:
    old, new = load_expansions("expansions-1"), load_expansions("expansions-2")
    assert (old.operations, old.widths) == (new.operations, new.widths)
    assert not old.floats


def test_expansions_say_why() -> None:
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


# Files of the user's own.

OPERATION = {
    "operation": "add", "format": "fp16", "pj": 0.5, "kind": "published", "boundary": "op",
    "source": "me", "locator": "Table 1",
}  # fmt: skip


def _table(*operations: dict[str, Any], **changes: Any) -> OperationTable:
    source = {"authors": "A. Author", "title": "A title", "venue": "A venue", "year": 2020}
    data = {
        "schema": 1, "kind": "operations", "name": "mine", "title": "Mine", "node_nm": 28,
        "sources": {"me": source}, "operations": [OPERATION, *operations],
    }  # fmt: skip
    return validate(OperationTable, Document(data | changes, "mine.yaml"))


def test_a_missing_price_names_table_and_operation() -> None:
    table = _table()
    with pytest.raises(MissingPriceError, match="energy table mine has no price for mul of fp16"):
        table.price("mul", "fp16")
    with pytest.raises(MissingPriceError, match="mine has no integer add"):
        table.price("ternary-add", "int8", "int20")
    with pytest.raises(MissingPriceError, match="energy table mine lists no SRAM"):
        table.sram_price(1024)


def test_one_missing_price_fails_a_whole_tally() -> None:
    tally = OpTally()
    tally.add(Key("all", "norm", "add", "fp16"), 5)
    assert price_tally(tally, _table())[0].joules == pytest.approx(2.5e-12)
    tally.add(Key("all", "norm", "mul", "fp16"), 1)
    with pytest.raises(MissingPriceError, match="mul of fp16"):
        price_tally(tally, _table())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"source": None}, "source"),
        ({"source": ""}, "source"),
        ({"source": "mee"}, "did you mean 'me'"),
        ({"locator": ""}, "locator"),
        ({"kind": "derived"}, "a derived number says how it was computed"),
        ({"kind": "guessed"}, "kind"),
        ({"pj": -0.1}, "pj"),
        ({"pj": float("nan")}, "pj"),
        ({"low_pj": 0.6}, "outside its own range"),
        ({"high_pj": 0.4}, "outside its own range"),
        ({"format": "fp8"}, "unknown number format 'fp8'"),
        ({"operation": "sub"}, "operation"),
        ({"boundary": "chip"}, "boundary"),
        ({"format": "int8"}, "is listed twice"),
    ],
)
def test_an_entry_that_is_not_sound_does_not_load(changes: dict[str, Any], message: str) -> None:
    other = OPERATION | {"format": "int8"}
    with pytest.raises(InputError, match=message):
        _table(other, OPERATION | {"operation": "add", "format": "int16"} | changes)


@pytest.mark.parametrize("key", ["source", "locator", "kind", "boundary", "pj"])
def test_an_entry_without_its_origin_does_not_load(key: str) -> None:
    entry = {k: v for k, v in OPERATION.items() if k != key} | {"format": "int8"}
    with pytest.raises(InputError, match=f"key '{key}' is missing"):
        _table(entry)


@pytest.mark.parametrize("key", ["authors", "title", "venue", "year"])
def test_a_source_without_its_parts_does_not_load(key: str) -> None:
    source = {"authors": "A", "title": "T", "venue": "V", "year": 2020}
    del source[key]
    with pytest.raises(InputError, match=f"key '{key}' is missing"):
        _table(sources={"me": source})


def test_a_published_range_is_the_band() -> None:
    table = _table(OPERATION | {"operation": "mul", "pj": 1.0, "low_pj": 0.8, "high_pj": 1.5})
    price = table.price("mul", "fp16")
    assert (price.low, price.pj, price.high) == (0.8, 1.0, 1.5)


def test_tables_are_found_by_name_alias_and_file() -> None:
    assert load_table("7nm") is load_table("jouppi-2021-7nm")
    published = [table for table in builtin_tables().values() if not table.macs]
    assert [table.short_name for table in published] == ["45nm", "7nm"]
    path = FOLDER / "jouppi-2021-7nm.yaml"
    assert load_table(str(path)) == load_table("7nm")
    with pytest.raises(InputError, match=r"unknown energy table '8nm'; known: .*7nm"):
        load_table("8nm")


def test_a_mistake_in_a_file_is_named_with_its_line(tmp_path: Path) -> None:
    text = (FOLDER / "jouppi-2021-7nm.yaml").read_text("utf-8")
    file = tmp_path / "mine.yaml"
    file.write_text(text.replace("pj: 0.007", "pj: cheap"), encoding="utf-8")
    line = next(i for i, row in enumerate(text.splitlines(), 1) if "pj: 0.007" in row)
    with pytest.raises(InputError, match=rf"mine\.yaml:{line}: operations\.0\.pj"):
        load_table(str(file))


def test_every_shipped_list_cites_each_entry() -> None:
    for file in [*builtin_tables().values(), load_dram_prices()]:
        for entry in file.entries():
            assert entry.price.source.cite()
            assert entry.price.locator


def test_an_expansion_needs_only_what_it_is_made_of() -> None:
    table = _table(OPERATION | {"operation": "mul", "pj": 2.0})
    assert table.price("compare", "fp16").pj == 0.5
    assert table.price("div", "fp16").pj == pytest.approx(5 * 2.0 + 2 * 0.5)
    with pytest.raises(MissingPriceError, match="mine has no integer add"):
        table.price("exp", "fp16")


def test_a_product_as_large_as_a_listed_one_is_still_derived() -> None:
    price = load_table("7nm").price("mul", "int16*int64")  # 1024 partial products, as int32 has
    assert price.pj == 1.48
    assert price.kind == "derived"
    assert "int16*int64" in price.formula


def test_a_listed_add_only_addition_is_used() -> None:
    own = OPERATION | {"operation": "ternary-add", "format": "int20", "pj": 0.02}
    table = _table(OPERATION | {"format": "int8", "pj": 0.01}, own)
    assert table.price("ternary-add", "int8", "int20").pj == 0.02
    assert table.price("ternary-add", "int8", "int8").pj == 0.01
    assert table.price("add", "int8", "int20").pj == pytest.approx(0.025)


# Both kinds of table, by the same questions.


def test_entries_list_every_price_of_either_kind_in_one_form() -> None:
    yaml_lists = {"operations": "pJ per operation", "sram": "pJ per 64-bit access",
                  "macs": "pJ per MAC"}  # fmt: skip
    for name, table in builtin_tables().items():
        data = yaml.safe_load((FOLDER / f"{name}.yaml").read_text("utf-8"))
        entries = list(table.entries())
        for key, unit in yaml_lists.items():
            printed = [e.get("pj", e.get("pj_per_64b")) for e in data.get(key, [])]
            assert [e.price.pj for e in entries if e.unit == unit] == printed, name
        assert len(entries) >= 13
        for entry in entries:
            assert entry.price.table == name
            assert entry.as_dict()["source"] == entry.price.source.cite()


def test_a_listed_price_says_what_it_is() -> None:
    entries = {e.what: e for e in load_table("7nm").entries()}
    assert entries["mul bf16"].price.pj == 0.21
    assert entries["SRAM 32 KiB"].price.pj == 8.5
    macs = [e for e in load_table("asap7-prelayout").entries() if "int8*ternary" in e.what]
    assert [(e.what, e.unit) for e in macs] == [("MAC int8*ternary, int21 sum", "pJ per MAC")]
    assert (macs[0].price.pj, macs[0].price.boundary) == (0.096197, "pe")
    dram = {e.what: e for e in load_dram_prices().entries()}
    assert (dram["LPDDR4"].price.pj, dram["LPDDR4"].unit) == (11, "pJ per bit")


def test_an_operation_table_lists_no_macs_and_has_no_base() -> None:
    table = load_table("7nm")
    assert isinstance(table, OperationTable)
    assert (table.macs, table.base) == ((), "")
    assert table.mac_price(MacKey("x", "qkv", "int8", "int8", "int32")) is None
    simulated = load_table("asap7-prelayout")
    assert isinstance(simulated, MacTable)
    assert simulated.base == "jouppi-2021-7nm"
    assert simulated.price("add", "fp16") == table.price("add", "fp16")
    assert simulated.sram_price(8192) == table.sram_price(8192)


def test_the_interface_itself_is_no_table() -> None:
    with pytest.raises(TypeError, match="abstract"):
        EnergyTable.model_validate(
            {"schema": 1, "kind": "macs", "name": "a", "title": "A", "node_nm": 7, "sources": {}}
        )


def _changed(table: EnergyTable, way: str, **changes: Any) -> EnergyTable:
    if way == "model_copy":
        return table.replace(**changes)
    if way == "replace":
        if not hasattr(table, "replace"):
            pytest.skip("records have no replace yet")
        return table.replace(**changes)  # type: ignore[no-any-return]
    return type(table).model_validate(table.model_dump(by_alias=True) | changes)


@pytest.mark.parametrize("way", ["model_copy", "replace", "model_validate"])
def test_a_changed_copy_has_its_own_prices(way: str) -> None:
    """A copy of a used table once shared its cache, and so the prices of the original."""
    table = _table(OPERATION | {"format": "int8", "pj": 0.01})
    before = table.price("add", "int16"), table.price("compare", "fp16")
    assert (before[0].pj, before[1].pj) == (pytest.approx(0.02), 0.5)
    dear = _changed(table, way, operations=[
        OperationEntry.model_validate(OPERATION | {"pj": 5.0}),
        OperationEntry.model_validate(OPERATION | {"format": "int8", "pj": 0.1}),
    ])  # fmt: skip
    assert dear.price("add", "fp16").pj == 5.0
    assert dear.price("compare", "fp16").pj == 5.0
    assert dear.price("add", "int16").pj == pytest.approx(0.2)
    assert (table.price("add", "int16"), table.price("compare", "fp16")) == before
    renamed = _changed(table, way, name="other")
    assert renamed.price("add", "fp16").table == "other"
    assert table.price("add", "fp16").table == "mine"
    assert renamed != table


def test_a_changed_copy_of_a_mac_table_has_its_own_prices() -> None:
    table, mac = load_table("asap7-prelayout"), MacKey("x", "qkv", "int8", "ternary", "int21")
    assert table.mac_price(mac) is not None
    assert table.price("add", "fp16").pj == 0.16
    only_fp16 = [m for m in table.macs if m.activation == "fp16"]
    other = table.replace(macs=only_fp16, base="45nm")
    assert other.mac_price(mac) is None
    assert other.price("add", "fp16").pj == 0.4
    assert other.sram_price(8192).pj * 64 == pytest.approx(10)


def test_a_copy_is_validated() -> None:
    with pytest.raises(ValueError, match="greater than 0"):
        load_table("7nm").replace(node_nm=-7.0)


def test_a_table_survives_pickling_and_copying() -> None:
    for name in ("7nm", "asap7-prelayout"):
        table = load_table(name)
        for same in (pickle.loads(pickle.dumps(table)), copy.deepcopy(table)):  # noqa: S301  our own bytes
            assert same == table
            assert same.price("add", "int21") == table.price("add", "int21")


def test_records_hold_nothing_but_their_fields_when_written() -> None:
    for table in builtin_tables().values():
        assert set(table.model_dump()) == set(type(table).model_fields)
        assert "_listed" not in repr(table)
