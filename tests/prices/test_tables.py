"""Energy tables: users' own files, both kinds behind one interface, and changed copies."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest
import yaml

from bitnet_hw.cost.pricing import price_tally
from bitnet_hw.errors import InputError, MissingPriceError
from bitnet_hw.files.reading import Document, validate
from bitnet_hw.prices.loading import (
    FOLDER,
    builtin_tables,
    load_dram_prices,
    load_table,
)
from bitnet_hw.prices.operations import OperationEntry
from bitnet_hw.prices.tables import EnergyTable, MacTable, OperationTable
from bitnet_hw.tally import Key, MacKey, OpTally

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


def test_a_listed_fp8_price_is_used() -> None:
    listed = OPERATION | {"operation": "mul", "format": "fp8-e4m3", "pj": 0.03}
    assert _table(listed).price("mul", "fp8-e4m3").kind == "published"
    with pytest.raises(MissingPriceError, match="no price for mul of fp8-e4m3"):
        _table().price("mul", "fp8-e4m3")  # it lists no fp16 multiplication either


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
        ({"kind": "derived"}, "a derived number must say how it was computed"),
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
def test_an_entry_without_its_source_or_a_price_does_not_load(key: str) -> None:
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


def test_an_expansion_needs_only_the_prices_of_its_parts() -> None:
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


# Both kinds of table, behind one interface.


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


def test_the_interface_cannot_be_instantiated() -> None:
    with pytest.raises(TypeError, match="abstract"):
        EnergyTable.model_validate(
            {"schema": 1, "kind": "macs", "name": "a", "title": "A", "node_nm": 7, "sources": {}}
        )


def _changed(table: EnergyTable, way: str, **changes: Any) -> EnergyTable:
    if way == "model_copy":
        return table.model_copy(update=changes)
    if way == "replace":
        return table.replace(**changes)
    return type(table).model_validate(table.model_dump(by_alias=True) | changes)


@pytest.mark.parametrize("way", ["model_copy", "replace", "model_validate"])
def test_a_changed_copy_has_its_own_prices(way: str) -> None:
    """A copy of a table in use once shared its cache, and so returned the original's prices."""
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


def test_only_the_fields_of_a_record_are_written() -> None:
    for table in builtin_tables().values():
        assert set(table.model_dump()) == set(type(table).model_fields)
        assert "_listed" not in repr(table)


def _file(folder: Path, *entries: str) -> Path:
    head = (
        "schema: 1\nkind: operations\nname: mine\ntitle: Mine\nnode_nm: 28\n"
        "sources: {me: {authors: A, title: B, venue: C, year: 2020}}\noperations:\n"
    )
    path = folder / "mine.yaml"
    rest = "pj: 0.1, kind: published, boundary: op, locator: T1"
    path.write_text(head + "".join(f"  - {{{entry}, {rest}}}\n" for entry in entries))
    return path


def test_an_error_in_an_entry_names_its_line(tmp_path: Path) -> None:
    add, other = ("operation: add, format: int8, source: me", "operation: mul, format: int8")
    with pytest.raises(InputError) as caught:
        load_table(_file(tmp_path, add, f"{other}, source: you"))
    assert str(caught.value).endswith(
        "mine.yaml:9: operations.1.source: unknown source 'you'; known: me"
    )
    with pytest.raises(InputError) as caught:
        load_table(_file(tmp_path, add, f"{other}, source: me", add))
    assert str(caught.value).endswith(
        "mine.yaml:10: operations.2: add of int8 is listed twice, first on line 8"
    )


def test_an_sram_macro_is_listed_once() -> None:
    data = load_table("7nm").model_dump(by_alias=True)
    data["sram"] = [*data["sram"], data["sram"][0]]
    data["name"], data["aliases"] = "mine", []
    with pytest.raises(InputError, match=r"sram\.3: an SRAM macro of 8192 bytes is listed twice"):
        OperationTable.model_validate(data)
