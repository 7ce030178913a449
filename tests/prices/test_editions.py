"""Price files are found by their own headers: a correction needs a file and no code."""

from __future__ import annotations

import doctest
import importlib
import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from bitnet_hw.errors import InputError
from bitnet_hw.prices import editions
from bitnet_hw.prices.dram import load_dram_prices
from bitnet_hw.prices.equations import load_scaling
from bitnet_hw.prices.expansions import load_expansions
from bitnet_hw.prices.loading import as_table, load_price_file, load_table, read_table
from bitnet_hw.prices.scaling import scale_table

SHIPPED = editions.FOLDER


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the folder of price files, which the loaders use in its place."""
    copy = tmp_path / "energy_tables"
    shutil.copytree(SHIPPED, copy, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    monkeypatch.setattr(editions, "FOLDER", copy)
    return copy


def _edit(folder: Path, old: str, new: str, /, **changes: Any) -> None:
    data = yaml.safe_load((folder / f"{old}.yaml").read_text("utf-8"))
    data |= changes
    (folder / f"{new}.yaml").write_text(yaml.safe_dump(data, sort_keys=False), encoding="utf-8")


def _dearer_dram(folder: Path, **changes: Any) -> None:
    data = yaml.safe_load((folder / "dram-2.yaml").read_text("utf-8"))
    kinds = [
        entry | {"low_pj_per_64b": 6400, "high_pj_per_64b": 6400}
        for entry in data["kinds"]
    ]  # fmt: skip
    _edit(folder, "dram-2", "any-name", name="dram-3", edition=3, kinds=kinds, **changes)


def test_a_corrected_dram_edition_is_used_without_code(
    folder: Path, run: Callable[..., Any]
) -> None:
    assert load_dram_prices().price("LPDDR4").pj == 11
    before = _edge_memory_energy(run)
    editions._scan.cache_clear()
    _dearer_dram(folder)
    assert load_dram_prices().name == "dram-3"
    assert load_dram_prices().price("LPDDR4").pj == 100
    assert load_dram_prices("dram-1").price("LPDDR4").pj == 11
    assert "100" in run("tables", "show", "dram").out
    assert _edge_memory_energy(run) > 5 * before
    editions._scan.cache_clear()


def _edge_memory_energy(run: Callable[..., Any]) -> float:
    out = run("estimate", "bitnet-125m", "--energy-table", "7nm", "--scheme", "fp16", "--json").out
    (one,) = json.loads(out)
    return float(one["memory_j"])


def test_a_superseded_file_loads_and_says_so_and_is_not_the_default(
    folder: Path, run: Callable[..., Any]
) -> None:
    _dearer_dram(folder)
    _edit(folder, "any-name", "any-name", superseded_by="dram-2")
    assert load_dram_prices().name == "dram-2"
    old = load_dram_prices("dram-3")
    assert old.superseded_by == "dram-2"
    assert "superseded by dram-2" in run("tables", "show", "dram-3").out
    assert run("tables").out.count("superseded by dram-2") == 2  # and the shipped dram-1


def test_the_successor_of_a_table_takes_over_its_alias(folder: Path) -> None:
    _edit(folder, "jouppi-2021-7nm", "corrected", name="jouppi-2021-7nm-2", edition=2)
    _edit(folder, "jouppi-2021-7nm", "jouppi-2021-7nm", superseded_by="jouppi-2021-7nm-2")
    assert load_table("7nm").name == "jouppi-2021-7nm-2"
    old = load_table("jouppi-2021-7nm")
    assert (old.superseded_by, old.short_name) == ("jouppi-2021-7nm-2", "jouppi-2021-7nm")


def test_a_command_warns_of_a_superseded_table(folder: Path, run: Callable[..., Any]) -> None:
    _edit(folder, "jouppi-2021-7nm", "corrected", name="jouppi-2021-7nm-2", edition=2)
    _edit(folder, "jouppi-2021-7nm", "jouppi-2021-7nm", superseded_by="jouppi-2021-7nm-2")
    common = ("estimate", "bitnet-125m", "--scheme", "fp16", "--json", "--energy-table")
    old = run(*common, "jouppi-2021-7nm")
    assert old.code == 0
    assert old.err == (
        "bitnet-hw: warning: energy table jouppi-2021-7nm is superseded by jouppi-2021-7nm-2\n"
    )
    assert json.loads(old.out)[0]["energy_table"] == "jouppi-2021-7nm"
    assert run(*common, "7nm").err == ""


def test_other_kinds_are_found_in_the_same_way(folder: Path) -> None:
    _edit(folder, "expansions-1", "more", name="expansions-9", edition=9, operations={
        "compare": {"add": 2, "why": "twice as dear"}})  # fmt: skip
    assert load_expansions().name == "expansions-9"
    # The tables of the copied folder are read again, with the newest expansions.
    assert load_table("7nm").price("compare", "fp16").pj == pytest.approx(0.32)
    _edit(folder, "stillmaker-2017", "flat", name="flat", edition=3, energy_coefficients={
        "HP45": [0.0, 0.0, 1.0], "HP7": [0.0, 0.0, 0.5]})  # fmt: skip
    editions._scan.cache_clear()
    assert load_scaling().name == "flat"
    table = load_table("45nm")
    assert scale_table(table, "HP45@0.9:HP7@0.7").price("mul", "fp16").pj == pytest.approx(0.55)
    named = scale_table(table, "HP45@0.9:HP7@0.7", "stillmaker-2017")
    assert named.price("mul", "fp16").pj == pytest.approx(1.1 / 14.62, rel=1e-3)
    editions._scan.cache_clear()


@pytest.mark.parametrize(
    ("changes", "name"),
    [({}, "dram-2"), ({"name": "dram-x", "aliases": ["7nm"], "edition": 3}, "7nm")],
)
def test_two_files_of_one_name_or_alias_are_both_named(
    folder: Path, changes: dict[str, Any], name: str
) -> None:
    _edit(folder, "dram-2", "second", **changes)
    with pytest.raises(InputError, match=f"both called '{name}'") as error:
        load_dram_prices()
    assert "second.yaml" in str(error.value)
    assert ("dram-2.yaml" if name == "dram-2" else "jouppi-2021-7nm.yaml") in str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "dram-x"}, "dram-2.yaml and .*second.yaml are both edition 2 of dram"),
        ({"name": "dram"}, "second.yaml: name or alias 'dram' is the name of a kind"),
        ({"name": "x", "superseded_by": "dram-9"}, "second.yaml: superseded_by: unknown file"),
        ({"name": "x", "superseded_by": "x"}, "second.yaml: superseded_by: unknown file"),
        ({"name": "x", "edition": 0}, "second.yaml:.*edition"),
        ({"name": "x", "kind": "ram"}, "second.yaml:.*kind: unknown kind 'ram'; known: operations"),
    ],
)
def test_a_folder_that_is_not_sound_is_refused(
    folder: Path, changes: dict[str, Any], message: str
) -> None:
    _edit(folder, "dram-2", "second", **changes)
    with pytest.raises(InputError, match=message):
        load_dram_prices()


def test_a_kind_without_a_file_is_an_error(folder: Path) -> None:
    for path in folder.glob("dram-*.yaml"):
        path.unlink()
    with pytest.raises(InputError, match="no file of kind 'dram'"):
        load_dram_prices()


def test_a_file_without_a_kind_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    file = tmp_path / "old.yaml"
    text = (SHIPPED / "jouppi-2021-7nm.yaml").read_text("utf-8")
    file.write_text(text.replace("kind: operations\n", "", 1), encoding="utf-8")
    with pytest.raises(InputError, match=r"old\.yaml: key 'kind' is missing") as error:
        load_table(file)
    assert "operations, macs, dram, on-chip, expansions, scaling" in str(error.value)


def test_a_file_of_another_kind_is_not_an_energy_table() -> None:
    with pytest.raises(InputError, match=r"dram-1\.yaml:\d+: kind: found 'dram'; expected"):
        read_table(SHIPPED / "dram-1.yaml")
    with pytest.raises(InputError, match=r"dram-1: kind: .*operations or macs"):
        load_table("dram-1")
    with pytest.raises(InputError, match=r"expected dram \(DRAM price list\)"):
        load_dram_prices("7nm")


def test_a_table_is_named_by_text_path_or_record(tmp_path: Path) -> None:
    path = SHIPPED / "jouppi-2021-7nm.yaml"
    table = load_table("7nm")
    assert load_table(path) == load_table(str(path)) == table
    assert as_table(table) is as_table("7nm") is table
    assert as_table(path) == table
    with pytest.raises(InputError, match="no such file"):
        load_table(tmp_path / "7nm")


def test_no_file_name_of_a_price_list_is_written_in_code() -> None:
    names = [path.name for path in SHIPPED.glob("*.yaml")]
    sources = (Path(editions.__file__).parents[1]).rglob("*.py")
    found = [
        (source.name, name)
        for source in sources
        for name in names
        if name in source.read_text("utf-8")
    ]
    assert found == []


def test_every_kind_loads_by_its_own_name() -> None:
    for kind in ("dram", "expansions", "scaling"):
        assert load_price_file(kind).kind == kind


@pytest.mark.parametrize(
    "module",
    [
        "dram",
        "editions",
        "entries",
        "equations",
        "expansions",
        "loading",
        "macs",
        "scaling",
        "tables",
    ],
)
def test_the_examples_in_the_docstrings(module: str) -> None:
    result = doctest.testmod(importlib.import_module(f"bitnet_hw.prices.{module}"))
    assert result.failed == 0
    public = {"dram": 2, "loading": 5, "tables": 8, "expansions": 2, "equations": 1, "scaling": 3}
    assert result.attempted >= public.get(module, 0)


def test_units_are_per_operation_mac_access_or_bit() -> None:
    for name in ("7nm", "asap7-prelayout", "dram"):
        for entry in load_price_file(name).entries():
            assert re.fullmatch(r"pJ per (operation|MAC|64-bit access|bit)", entry.unit)
