"""``bitnet-hw tables``: list, show and check energy tables."""

from __future__ import annotations

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
from ..prices.entries import DramPrices, Expansions, Source
from ..prices.loading import (
    FOLDER,
    builtin_tables,
    load_dram_prices,
    load_expansions,
    load_table,
    read_table,
    refuse_shipped_name,
)
from ..prices.tables import EnergyTable
from .output import Column, numbers, print_json, print_table

_DRAM, _EXPANSIONS = "dram", "expansions"


class _ShowsByName(click.Group):
    """A group whose argument, where it is no sub-command, is a table to show."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in self.commands and not args[0].startswith("-"):
            args = ["show", *args]
        return super().resolve_command(ctx, args)


@click.group(cls=_ShowsByName, invoke_without_command=True)
@click.pass_context
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def command(context: click.Context, as_json: bool) -> None:
    """List, show and check energy tables; `tables NAME` is short for `tables show NAME`."""
    if context.invoked_subcommand is not None:
        return
    tables = builtin_tables().values()
    dram, expansions = load_dram_prices(), load_expansions()
    if as_json:
        print_json([_table_json(table) for table in tables] + [dram.model_dump(by_alias=True)])
        return
    rows: list[list[Any]] = [
        [
            table.name,
            ", ".join(table.aliases),
            f"{table.node_nm:g} nm",
            len(table.operations) + len(table.sram),
            table.title,
        ]
        for table in tables
    ]
    rows.append([dram.name, _DRAM, "-", len(dram.kinds), dram.title])
    rows.append([expansions.name, _EXPANSIONS, "-", len(expansions.operations), expansions.title])
    print_table(["table", "alias", "node", *numbers("prices"), Column("what", long="wrap")], rows)
    click.echo("`bitnet-hw tables show NAME` prints one with its citations")


@command.command("show")
@click.argument("name")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--yaml", "as_yaml", is_flag=True, help="Print the file, as a start for your own.")
def show(name: str, as_json: bool, as_yaml: bool) -> None:
    """Show one table with its citations: a name, an alias or a file."""
    if as_yaml:
        path = FOLDER / f"{load_table(name).name}.yaml"
        click.echo(path.read_text(encoding="utf-8"), nl=False)
        return
    if name in (_DRAM, load_dram_prices().name):
        _show_dram(load_dram_prices(), as_json)
    elif name in (_EXPANSIONS, load_expansions().name):
        _show_expansions(load_expansions(), as_json)
    else:
        _show_table(load_table(name), as_json)


@command.command("check")
@click.argument("file", type=click.Path(path_type=Path))
def check(file: Path) -> None:
    """Check a table of your own."""
    table = read_table(file)
    refuse_shipped_name(table, file)
    click.echo(
        f"{file}: {table.name} is valid: {len(table.operations)} operations, "
        f"{len(table.sram)} SRAM macros, {len(table.sources)} sources"
    )
    for scheme, lacking in _unpriced(table).items():
        click.echo(f"it does not price {scheme}: {lacking}")


def _unpriced(table: EnergyTable) -> dict[str, MissingPriceError]:
    """Return the built-in schemes that a table cannot price, with the first operation it lacks."""
    model, scenario = load_model("bitnet-b1.58-2b4t"), Scenario("decode", context=64)
    lacking = {}
    for name in catalogue.names("schemes"):
        try:
            price_tally(count(model, scenario, load_scheme(name)), table)
        except MissingPriceError as error:
            lacking[name] = error
    return lacking


def _table_json(table: EnergyTable) -> dict[str, Any]:
    return table.model_dump(mode="json", by_alias=True)


def _show_table(table: EnergyTable, as_json: bool) -> None:
    if as_json:
        print_json(_table_json(table))
        return
    click.echo(f"{table.name}: {table.title}")
    rows: list[list[Any]] = []
    for entry in table.operations:
        price = table.price(entry.operation, entry.format)
        band = f"{price.low:g} to {price.high:g}" if price.low != price.high else ""
        rows.append(
            [
                f"{entry.operation} {entry.format}",
                f"{price.pj:g} pJ",
                band,
                entry.kind,
                entry.boundary,
                f"{entry.source}, {entry.locator}",
                entry.formula,
            ]
        )
    for macro in table.sram:
        what = f"SRAM {macro.bytes // 1024} KiB, 64 bits"
        source = f"{macro.source}, {macro.locator}"
        rows.append([what, f"{macro.pj_per_64b:g} pJ", "", macro.kind, "op", source, macro.formula])
    columns: list[str | Column] = ["operation", *numbers("energy"), "range", "kind", "boundary"]
    columns += [Column("source", long="wrap"), Column("formula", long="wrap")]
    print_table(columns, rows)
    _show_sources(table.sources)


def _show_dram(dram: DramPrices, as_json: bool) -> None:
    if as_json:
        print_json(dram.model_dump(mode="json", by_alias=True))
        return
    click.echo(f"{dram.name}: {dram.title}; a range is priced at its middle")
    rows = []
    for entry in dram.kinds:
        price = dram.price(entry.dram)
        band = f"{price.low:.3g} to {price.high:.3g}"
        where = f"{entry.source}, {entry.locator}"
        rows.append([entry.dram, f"{price.pj:.3g} pJ/bit", band, entry.kind, where])
    print_table(["DRAM", *numbers("energy"), "range", "kind", Column("source", long="wrap")], rows)
    _show_sources(dram.sources)


def _show_expansions(expansions: Expansions, as_json: bool) -> None:
    if as_json:
        print_json(expansions.model_dump(mode="json", by_alias=True))
        return
    click.echo(f"{expansions.name}: {expansions.title}")
    rows = [
        [name, rule.mul or "", rule.add or "", rule.int8_add or "", rule.why]
        for name, rule in expansions.operations.items()
    ]
    print_table(["operation", *numbers("mul", "add", "int8 add"), Column("why", long="wrap")], rows)
    for what, rule in expansions.widths.items():
        click.echo(f"{what}: {rule}")


def _show_sources(sources: dict[str, Source]) -> None:
    for key, source in sources.items():
        read_in = f" (read in: {source.read_in})" if source.read_in else ""
        click.echo(f"[{key}] {source.cite()}{read_in}")
