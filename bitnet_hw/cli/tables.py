"""``bitnet-hw tables``: energy tables and other price files, listed, shown and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import click

from ..cost.counting import count
from ..cost.pricing import price_tally
from ..errors import MissingPriceError
from ..inputs import catalogue
from ..inputs.model import load_model
from ..inputs.scenario import Scenario
from ..inputs.scheme import load_scheme
from ..prices.editions import is_file
from ..prices.entries import ListedPrice, PriceFile, Source
from ..prices.equations import NodeScaling
from ..prices.expansions import Expansions
from ..prices.loading import (
    find_edition,
    load_price_file,
    read_record,
    refuse_shipped_name,
    shipped_files,
)
from ..prices.on_chip import OnChipPrices
from ..prices.tables import EnergyTable, OperationTable
from .output import Column, numbers, print_json, print_table, print_text
from .paths import GivenPath

#: Buffers whose derived prices `tables show` prints as examples.
_OTHER_BUFFERS = {"SRAM 64 KiB": 64 << 10, "SRAM 16 MiB": 16 << 20}


class _ShowsByName(click.Group):
    """A group that shows the table named by an argument that is not a subcommand."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.commands and not args[0].startswith("-"):
            args = ["show", *args]
        return super().resolve_command(ctx, args)


@click.group(cls=_ShowsByName, invoke_without_command=True)
@click.pass_context
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
def command(context: click.Context, as_json: bool) -> None:
    """List, show and check energy tables and the other price files.

    `bitnet-hw tables NAME` is short for `bitnet-hw tables show NAME`.
    """
    if context.invoked_subcommand is not None:
        return
    found = shipped_files()
    if as_json:
        print_json([_as_json(file) for file in found])
        return
    rows = [
        [
            file.name,
            ", ".join(file.aliases),
            file.kind,
            f"{file.node_nm:g} nm" if isinstance(file, EnergyTable) else None,
            _size(file),
            _title(file),
        ]
        for file in found
    ]
    columns: list[str | Column] = [
        "name",
        "alias",
        "kind",
        *numbers("node", "entries"),
        Column("title", long="wrap"),
    ]
    print_table(columns, rows)
    print_text("`bitnet-hw tables NAME` shows one with its citations")


@command.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option("--yaml", "as_yaml", is_flag=True, help="Print the YAML file, to copy and change.")
def show(name: str, as_json: bool, as_yaml: bool) -> None:
    """Show one table with its citations.

    NAME is a name or an alias from the list, a YAML file, or a kind (dram, on-chip, expansions,
    scaling), of which the newest edition is shown.
    """
    file = load_price_file(name)
    if as_yaml:
        path = Path(name) if is_file(name) else find_edition(name).path
        click.echo(path.read_text(encoding="utf-8"), nl=False)
    elif as_json:
        print_json(_as_json(file))
    else:
        _show(file)


@command.command("check")
@click.argument("file", type=GivenPath("a file"))
def check(file: Path) -> None:
    """Check a price file of your own, of any kind."""
    found = read_record(file)
    refuse_shipped_name(found, file)
    cited = len(_sources(found))
    click.echo(
        f"{file}: {found.name} is valid, of kind {found.kind}: {_size(found)} entries, "
        f"{cited} source{'' if cited == 1 else 's'}"
    )
    if found.superseded_by:
        click.echo(f"it is superseded by {found.superseded_by}")
    if isinstance(found, EnergyTable):
        for scheme, lacking in _unpriced(found).items():
            reason = str(lacking).removeprefix(f"energy table {found.name} has ")
            click.echo(f"scheme {scheme} cannot be priced: {reason}")


def _unpriced(table: EnergyTable) -> dict[str, MissingPriceError]:
    """Return the shipped schemes that a table cannot price, with the first operation it lacks."""
    model, scenario = load_model("bitnet-b1.58-2b4t"), Scenario("decode", context=64)
    lacking = {}
    for name in catalogue.names("schemes"):
        try:
            price_tally(count(model, scenario, load_scheme(name)), table)
        except MissingPriceError as error:
            lacking[name] = error
    return lacking


def _size(file: PriceFile) -> int:
    """Return the number of entries, rules or nodes that a file lists."""
    if isinstance(file, OnChipPrices):
        parts = (file.wires, file.areas, file.macros, file.arrays, file.leakage)
        return sum(len(part) for part in parts)
    if isinstance(file, Expansions):
        return len(file.operations)
    if isinstance(file, NodeScaling):
        return len(file.energy_coefficients)
    return len(list(file.entries()))


def _sources(file: PriceFile) -> dict[str, Source]:
    if isinstance(file, NodeScaling):
        return {"source": file.source}
    sources: dict[str, Source] = getattr(file, "sources", {})
    return sources


def _title(file: PriceFile) -> str:
    superseded = f" (superseded by {file.superseded_by})" if file.superseded_by else ""
    return f"{file.title}{superseded}"


def _as_json(file: PriceFile) -> dict[str, Any]:
    """Return the content of a file and, in one form for all kinds, the prices that it lists."""
    prices = [entry.as_dict() for entry in file.entries()]
    return {**file.model_dump(mode="json", by_alias=True), "prices": prices}


def _show(file: PriceFile) -> None:
    print_text(f"{file.name}: {_title(file)}")
    if isinstance(file, EnergyTable) and file.base:
        print_text(f"everything but MACs is priced by {file.base}")
    for unit, entries in groupby(file.entries(), key=lambda entry: entry.unit):
        _show_prices(unit, list(entries), _sources(file))
    if isinstance(file, OperationTable) and file.sram:
        _show_other_buffers(file)
    if isinstance(file, OnChipPrices):
        _show_areas_and_leakage(file)
    if isinstance(file, Expansions):
        _show_expansions(file)
    if isinstance(file, NodeScaling):
        _show_scaling(file)
    for key, source in _sources(file).items():
        read_in = f" (read in: {source.read_in})" if source.read_in else ""
        print_text(f"[{key}] {source.cite()}{read_in}")


def _show_prices(unit: str, entries: Sequence[ListedPrice], sources: Mapping[str, Source]) -> None:
    keys = {source: key for key, source in sources.items()}
    rows = [
        [
            entry.what,
            f"{entry.price.pj:g}",
            f"{low:g} to {high:g}" if low != high else "",
            entry.price.kind,
            entry.price.boundary,
            ", ".join(filter(None, (keys[entry.price.source], entry.price.locator))),
            entry.price.formula,
        ]
        for entry in entries
        for low, high in [(entry.price.low, entry.price.high)]
    ]
    columns = [
        Column("price of", long="wrap"), *numbers(unit), Column("range"), Column("kind"),
        Column("boundary"), Column("source", long="wrap"), Column("formula", long="wrap"),
    ]  # fmt: skip
    # An empty column, such as the ranges of a table without ranges, is left out.
    kept = [i for i in range(len(columns)) if any(row[i] for row in rows)]
    print_table([columns[i] for i in kept], [[row[i] for i in kept] for row in rows])


def _show_other_buffers(table: OperationTable) -> None:
    """Show how the price of a buffer follows from the macros that a table lists."""
    prices = {what: table.sram_price(size) for what, size in _OTHER_BUFFERS.items()}
    _show_prices(
        "pJ per bit of a buffer",
        [ListedPrice(what, "pJ per bit", price) for what, price in prices.items()],
        table.sources,
    )


def _show_areas_and_leakage(of: OnChipPrices) -> None:
    """Show what a list of on-chip memories holds beside its prices."""
    for title, unit, entries in (
        ("area of", "um2 per bit", of.areas),
        ("static power of", "mW per MiB", of.leakage),
    ):
        rows = [
            [
                f"{entry.memory} at {entry.node_nm:g} nm" + (f", {cell}" if cell else ""),
                f"{value:g}", f"{low:g} to {high:g}" if low != high else "", entry.kind,
                f"{entry.source}, {entry.locator}", entry.formula,
            ]
            for entry in entries
            for value, low, high in [entry.spread]
            for cell in [getattr(entry, "cell", "")]
        ]  # fmt: skip
        columns = [
            Column(title, long="wrap"), *numbers(unit), Column("range"), Column("kind"),
            Column("source", long="wrap"), Column("formula", long="wrap"),
        ]  # fmt: skip
        print_table(columns, rows)
    rows = [
        [
            f"{array.memory} at {array.node_nm:g} nm",
            ", ".join(
                f"{size / 1024:g} KiB: {pj:g}"
                for size, pj in zip(array.bytes, array.pj_per_64b, strict=True)
            ),
            array.kind, f"{array.source}, {array.locator}",
        ]
        for array in of.arrays
    ]  # fmt: skip
    columns = [
        Column("simulated as one array", long="wrap"), Column("pJ per 64-bit access", long="wrap"),
        Column("kind"), Column("source", long="wrap"),
    ]  # fmt: skip
    print_table(columns, rows)
    print_text(
        f"mean distance in an array: {of.mean_distance.sides:g} sides; {of.mean_distance.why}"
    )


def _show_expansions(expansions: Expansions) -> None:
    rows = [
        [name, rule.mul or "", rule.add or "", rule.int8_add or "", rule.why]
        for name, rule in expansions.operations.items()
    ]
    print_table(["operation", *numbers("mul", "add", "int8 add"), Column("why", long="wrap")], rows)
    for what, rule in expansions.widths.items():
        print_text(f"{what}: {rule}")
    if expansions.floats:
        listed = [
            [name, one.like, one.significand, one.like_significand, one.why]
            for name, one in expansions.floats.items()
        ]
        columns: list[str | Column] = [
            "float",
            "priced like",
            *numbers("significand", "of that"),
            Column("why", long="wrap"),
        ]
        print_table(columns, listed)
    for what, rule in expansions.float_widths.items():
        print_text(f"{what} of these floats: {rule}")


def _show_scaling(scaling: NodeScaling) -> None:
    print_text(scaling.formula)
    rows = [[node, *(f"{c:g}" for c in abc)] for node, abc in scaling.energy_coefficients.items()]
    print_table(["node", *numbers("a", "b", "c")], rows)
