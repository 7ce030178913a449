"""Prices and what they are read from: a number, its unit, its boundary, its source."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from ..errors import MissingPriceError
from ..files.records import Record, wrong_value
from ..inputs.formats import parse_format
from ..tally import Operation

PriceKind = Literal["published", "derived", "simulated"]
Boundary = Literal["op", "pe"]
#: Nothing is free: a price of zero would hide what was left out.
Picojoules = Annotated[float, Field(gt=0, le=1e9)]

SRAM_WORD_BITS = 64


class Source(Record):
    """A work that prints a number.

    Attributes
    ----------
    authors, title, venue, year : str and int
        The work.
    read_in : str
        Where the number was read, when not in the work itself.
    """

    authors: Annotated[str, Field(min_length=1)]
    title: Annotated[str, Field(min_length=1)]
    venue: Annotated[str, Field(min_length=1)]
    year: Annotated[int, Field(ge=1900, le=2200)]
    read_in: str = ""

    def cite(self) -> str:
        """Return a one-line citation."""
        return f"{self.authors}, {self.title}, {self.venue}, {self.year}"


class Price(NamedTuple):
    """The energy of one operation.

    Attributes
    ----------
    pj, low, high : float
        Energy and its band, pJ.
    kind : str
        ``published``, ``derived`` or ``simulated``.
    boundary : str
        ``op``: the bare operation. ``pe``: a whole processing element around it.
    source : Source
        The work that the number, or the number it is derived from, stands in.
    locator : str
        Where in that work.
    formula : str
        How a derived price was computed.
    table : str
        Name of the table that lists it.
    """

    pj: float
    low: float
    high: float
    kind: PriceKind
    boundary: Boundary
    source: Source
    locator: str
    formula: str = ""
    table: str = ""

    def times(self, factor: float, formula: str) -> Price:
        """Return a derived price, this one times a factor."""
        return self._replace(
            pj=self.pj * factor,
            low=self.low * factor,
            high=self.high * factor,
            kind="derived",
            formula=f"{formula} [{self.formula}]" if self.formula else formula,
        )


class _Sourced(Record):
    kind: PriceKind
    source: Annotated[str, Field(min_length=1)]
    locator: Annotated[str, Field(min_length=1)]
    formula: str = ""

    @model_validator(mode="after")
    def _derived_has_formula(self) -> Self:
        if self.kind == "derived" and not self.formula:
            raise wrong_value("formula", "a derived number says how it was computed")
        return self


class OperationEntry(_Sourced):
    """One row of `EnergyTable.operations`."""

    operation: Operation
    format: str
    pj: Picojoules
    low_pj: Picojoules | None = None
    high_pj: Picojoules | None = None
    boundary: Boundary

    @model_validator(mode="after")
    def _check(self) -> Self:
        parse_format(self.format)
        low, high = self.low_pj, self.high_pj
        if (low is not None and low > self.pj) or (high is not None and high < self.pj):
            raise wrong_value("pj", f"{self.pj} lies outside its own range, {low} to {high}")
        return self


class SramEntry(_Sourced):
    """One row of `EnergyTable.sram`: a macro of some size."""

    bytes: Annotated[int, Field(gt=0)]
    pj_per_64b: Picojoules


class DramEntry(_Sourced):
    """One row of the DRAM price list."""

    dram: Annotated[str, Field(min_length=1)]
    low_pj_per_64b: Picojoules
    high_pj_per_64b: Picojoules


class ExpansionRule(Record):
    """An operation as additions and multiplications of the same format."""

    why: str
    mul: Annotated[int, Field(ge=0)] = 0
    add: Annotated[int, Field(ge=0)] = 0
    int8_add: Annotated[int, Field(ge=0)] = 0


class Expansions(Record):
    """The file of operations that no table lists."""

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    name: str
    title: str
    operations: dict[Operation, ExpansionRule]
    widths: dict[str, str]


class DramPrices(Record):
    """The price list of DRAM by kind, independent of the logic's process node."""

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    name: str
    title: str
    sources: dict[str, Source]
    kinds: list[DramEntry]

    def price(self, dram: str) -> Price:
        """Return the energy of one bit: the middle of the published range, its ends as band."""
        entries = {entry.dram: entry for entry in self.kinds}
        if dram not in entries:
            raise MissingPriceError(
                f"{self.name} has no price for DRAM {dram!r}; it has: {', '.join(entries)}"
            )
        entry = entries[dram]
        low, high = (x / SRAM_WORD_BITS for x in (entry.low_pj_per_64b, entry.high_pj_per_64b))
        source = self.sources[entry.source]
        middle = (low + high) / 2
        return Price(middle, low, high, entry.kind, "op", source, entry.locator, entry.formula)
