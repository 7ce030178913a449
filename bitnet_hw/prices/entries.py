"""Prices, the sources that they cite, and the header that every price file has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, Protocol, Self

from pydantic import Field, model_validator

from ..errors import unknown_name
from ..files.records import Record, wrong_value

#: The kinds of file, as its key ``kind`` names them.
FileKind = Literal["operations", "macs", "dram", "on-chip", "expansions", "scaling"]
PriceKind = Literal["published", "derived", "simulated"]
Boundary = Literal["op", "pe"]
DramBoundary = Literal["device", "system"]
#: Nothing is free: a price of zero would hide an omission.
Picojoules = Annotated[float, Field(gt=0, le=1e9)]
Text = Annotated[str, Field(min_length=1)]

#: Bits of an access to SRAM or DRAM, for which sources give the energy.
ACCESS_BITS = 64


class Source(Record):
    """A work that prints a number.

    Attributes
    ----------
    authors, title, venue, year : str and int
        The work.
    read_in : str
        Where the number was read, if not in the work itself.
    """

    authors: Text
    title: Text
    venue: Text
    year: Annotated[int, Field(ge=1900, le=2200)]
    read_in: str = ""

    def cite(self) -> str:
        """Return a one-line citation."""
        return f"{self.authors}, {self.title}, {self.venue}, {self.year}"


class OwnSource(Source):
    """The source that a user states for a figure of their own.

    Attributes
    ----------
    authors : str
        What the user wrote; `cite` returns it as it is.
    title, venue, year : str and int
        Fixed: there is no work to cite. The year is 0.
    """

    title: str = "a figure of the user's own"
    venue: str = "machine description"
    year: int = 0

    def cite(self) -> str:
        """Return what the user wrote."""
        return self.authors


class Price(NamedTuple):
    """The energy of one operation, MAC, access or bit.

    Attributes
    ----------
    pj, low, high : float
        Energy and its band, pJ.
    kind : str
        ``published``, ``derived`` or ``simulated``.
    boundary : str
        ``op``: the bare operation. ``pe``: a whole processing element around it. Of DRAM,
        ``device``: the DRAM with its side of the interface. ``system``: with the PHY and the
        controller of the chip that reads it.
    source : Source
        The work that prints the number, or the number that it is derived from.
    locator : str
        Figure, table or page of that work.
    formula : str
        How a derived price was computed.
    table : str
        Name of the table that lists it; empty for DRAM.
    """

    pj: float
    low: float
    high: float
    kind: PriceKind
    boundary: Boundary | DramBoundary
    source: Source
    locator: str
    formula: str = ""
    table: str = ""

    def times(self, factor: float, formula: str) -> Price:
        """Return this price times a factor, marked as derived."""
        return self._replace(
            pj=self.pj * factor,
            low=self.low * factor,
            high=self.high * factor,
            kind="derived",
            formula=f"{formula} [{self.formula}]" if self.formula else formula,
        )


class ListedPrice(NamedTuple):
    """One price as its file lists it, in the same form for every kind of file.

    Attributes
    ----------
    what : str
        The operation, MAC or memory: ``add int8``, ``MAC int8*ternary, int21 sum``, ``SRAM 8 KiB``,
        ``HBM2``.
    unit : str
        ``pJ per operation``, ``pJ per MAC``, ``pJ per 64-bit access``, ``pJ per bit`` or
        ``pJ per bit and mm``.
    price : Price
        The energy in that unit, with its boundary, kind, source, locator and formula.
    """

    what: str
    unit: str
    price: Price

    def as_dict(self) -> dict[str, Any]:
        """Return one flat mapping, for JSON."""
        price = self.price
        return {
            "what": self.what,
            "unit": self.unit,
            "pj": price.pj,
            "low_pj": price.low,
            "high_pj": price.high,
            "kind": price.kind,
            "boundary": price.boundary,
            "source": price.source.cite(),
            "read_in": price.source.read_in,
            "locator": price.locator,
            "formula": price.formula,
        }


class Sourced(Record):
    """An entry with the source of its number."""

    kind: PriceKind
    source: Text
    locator: Text
    formula: str = ""

    @model_validator(mode="after")
    def _derived_has_formula(self) -> Self:
        check_formula(self.kind, self.formula)
        return self


class PriceFile(Record):
    """The header of a price file, and the base class of the record of each kind.

    Attributes
    ----------
    kind : str
        Kind of the entries: ``operations``, ``macs``, ``dram``, ``on-chip``, ``expansions`` or
        ``scaling``.
    name, title : str
        Its name, unique among all kinds, and its subject in one line.
    aliases : tuple of str
        Short names.
    edition : int
        Number of the edition, counted from 1. Of the shipped DRAM, on-chip, expansions and
        scaling files, the one with the highest number is the default of its kind.
    superseded_by : str
        Name of the file that corrects this one. A superseded file can still be loaded by its
        name; its aliases belong to its successor, and it is never the default.
    """

    label: ClassVar[str] = "energy table"

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    kind: FileKind
    name: Annotated[str, Field(min_length=1, max_length=80)]
    title: Text
    aliases: Annotated[tuple[str, ...], Field(strict=False)] = ()
    edition: Annotated[int, Field(ge=1)] = 1
    superseded_by: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Name of the file, and its aliases unless it is superseded."""
        return (self.name,) if self.superseded_by else (self.name, *self.aliases)

    def entries(self) -> Iterator[ListedPrice]:
        """Yield every price that the file lists; expansions and scaling list none."""
        yield from ()


def check_formula(kind: PriceKind, formula: str) -> None:
    """Refuse a derived entry without a formula.

    Raises
    ------
    PydanticCustomError
        Naming the missing formula.
    """
    if kind == "derived" and not formula:
        raise wrong_value("formula", "a derived number must say how it was computed")


class _HasSource(Protocol):
    @property
    def source(self) -> str: ...


def check_sources(part: str, entries: Sequence[_HasSource], sources: Mapping[str, Source]) -> None:
    """Refuse an entry that cites a source missing from the file.

    Raises
    ------
    PydanticCustomError
        Naming the entry and the nearest known source.
    """
    for i, entry in enumerate(entries):
        if entry.source not in sources:
            problem = unknown_name("source", entry.source, sources)
            raise wrong_value(f"{part}.{i}.source", str(problem))
