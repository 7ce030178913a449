"""Prices that a report uses, and the works to cite for them."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..cost.estimates import Estimate
from ..prices.entries import OwnSource, Price, Source


class PriceUse(NamedTuple):
    """A price that a report uses.

    Attributes
    ----------
    table : str
        Energy table; followed by the base table if the price comes from that.
    what : str
        Operation and format, or memory level.
    price : Price
        Value, range and source.
    unit : str
        ``pJ`` per operation, or ``pJ/bit``.
    share : float
        Largest share of an estimate's energy that the price accounts for.
    """

    table: str
    what: str
    price: Price
    unit: str
    share: float


def used_prices(estimates: list[Estimate]) -> list[PriceUse]:
    """Return every price that the estimates use, largest share first within each table."""
    found: dict[tuple[str, str], PriceUse] = {}

    def use(of: Estimate, what: str, price: Price, unit: str, joules: float) -> None:
        key = (of.table.short_name, what)
        share = joules / of.energy.value
        before = found.get(key)
        if before is not None:
            share = max(share, before.share)
        # A simulated table prices whole MACs itself, and everything else by its base table.
        own = price.table in ("", of.table.name)
        name = of.table.short_name if own else f"{of.table.short_name}: {price.table}"
        found[key] = PriceUse(name, what, price, unit, share)

    for of in estimates:
        sums: dict[tuple[str, str], tuple[Price, float]] = {}
        for row in of.arithmetic:
            operation = "add" if row.key.operation == "ternary-add" else row.key.operation
            what = f"{operation} {row.key.accumulator or row.key.format}"
            if operation == "mac":
                what = f"MAC {row.key.format}, {row.key.accumulator} sum"
            _, so_far = sums.get((what, "pJ"), (row.price, 0.0))
            sums[what, "pJ"] = (row.price, so_far + row.joules)
        for moved in of.memory or []:
            level = moved.row.level
            what = f"DRAM, {of.machine.dram}" if level == "dram" else level
            _, so_far = sums.get((what, "pJ/bit"), (moved.price, 0.0))
            sums[what, "pJ/bit"] = (moved.price, so_far + moved.joules)
        for (what, unit), (price, joules) in sums.items():
            use(of, what, price, unit, joules)
    return sorted(found.values(), key=lambda one: (one.table, -one.share))


def cited_sources(prices: list[PriceUse]) -> list[Source]:
    """Return the works that the prices come from, once for each work in which they were read."""
    found = {(s.cite(), s.read_in): s for s in (use.price.source for use in prices)}
    return list(found.values())


def _bibtex_authors(source: Source) -> str:
    return source.authors.replace(" et al.", " and others").replace("; ", " and ")


def bibtex(prices: list[PriceUse], version: str) -> str:
    """Return BibTeX entries for bitnet-hw and for the works that the prices come from."""
    entries = [
        "@software{bitnet_hw,\n"
        "  author = {{The bitnet-hw developers}},\n"
        "  title = {bitnet-hw: hardware simulation and energy-cost modelling for BitNet},\n"
        f"  version = {{{version}}},\n"
        "}"
    ]
    for source in {source.cite(): source for source in cited_sources(prices)}.values():
        if isinstance(source, OwnSource):
            continue  # a user's own figure is no work
        first = source.authors.split(",")[0].split(" et al")[0].split(" and ")[0].split()[-1]
        key = f"{first.lower()}{source.year}"
        lines = [
            f"@misc{{{key},",
            f"  author = {{{_bibtex_authors(source)}}},",
            f"  title = {{{{{source.title}}}}},",
            f"  howpublished = {{{source.venue}}},",
            f"  year = {{{source.year}}},",
            "}",
        ]
        entries.append("\n".join(lines))
    return "\n\n".join(entries)


def price_row(use: PriceUse) -> dict[str, Any]:
    """Return a price as a flat mapping, for JSON and CSV."""
    price = use.price
    return {
        "table": use.table,
        "what": use.what,
        "value": price.pj,
        "low": price.low,
        "high": price.high,
        "unit": use.unit,
        "kind": price.kind,
        "boundary": price.boundary,
        "source": price.source.cite(),
        "locator": price.locator,
        "read_in": price.source.read_in,
        "formula": price.formula,
        "largest_share": use.share,
    }
