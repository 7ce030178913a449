"""Wires, area and leakage of on-chip memories, which price a buffer of many macros."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import log, sqrt
from typing import Annotated, ClassVar, Literal, NamedTuple, Protocol, Self, TypeVar

from pydantic import Field, model_validator

from ..files.records import Record, wrong_value
from .editions import load
from .entries import ListedPrice, Picojoules, Price, PriceFile, Source, Sourced, Text, check_sources

Positive = Annotated[float, Field(gt=0, le=1e9)]
NodeNm = Annotated[float, Field(gt=0, le=1000)]


class Spread(NamedTuple):
    """A value and the ends of its range.

    Attributes
    ----------
    value, low, high : float
        In one unit; equal where there is no range.
    """

    value: float
    low: float
    high: float


def _spread(value: float, low: float | None, high: float | None) -> Spread:
    return Spread(value, value if low is None else low, value if high is None else high)


def _check(key: str, spread: Spread) -> None:
    if not spread.low <= spread.value <= spread.high:
        low, high = spread.low, spread.high
        raise wrong_value(key, f"{spread.value} lies outside its own range, {low} to {high}")


class MeanDistance(Record):
    """Mean distance between the port of a square array and a bit of it.

    Attributes
    ----------
    sides, low_sides, high_sides : float
        Distance and its range, as a multiple of the side of the square.
    why : str
        The geometry.
    """

    sides: Positive
    low_sides: Positive | None = None
    high_sides: Positive | None = None
    why: Text

    @property
    def spread(self) -> Spread:
        """The distance with its range, in sides of the square."""
        return _spread(self.sides, self.low_sides, self.high_sides)

    @model_validator(mode="after")
    def _in_range(self) -> Self:
        _check("sides", self.spread)
        return self


class WireEntry(Sourced):
    """The energy of wires at a node.

    Attributes
    ----------
    node_nm : float
        Process node, nm.
    pj_per_bit_mm, low_pj_per_bit_mm, high_pj_per_bit_mm : float
        Energy and its range, pJ per bit and mm.
    """

    node_nm: NodeNm
    pj_per_bit_mm: Picojoules
    low_pj_per_bit_mm: Picojoules | None = None
    high_pj_per_bit_mm: Picojoules | None = None

    @property
    def spread(self) -> Spread:
        """The energy with its range, pJ per bit and mm."""
        return _spread(self.pj_per_bit_mm, self.low_pj_per_bit_mm, self.high_pj_per_bit_mm)

    @model_validator(mode="after")
    def _in_range(self) -> Self:
        _check("pj_per_bit_mm", self.spread)
        return self


class AreaEntry(Sourced):
    """The area of SRAM at a node, with the periphery of its macros.

    Attributes
    ----------
    node_nm : float
        Process node, nm.
    um2_per_bit, low_um2_per_bit, high_um2_per_bit : float
        Area and its range, um2 per bit.
    """

    node_nm: NodeNm
    um2_per_bit: Positive
    low_um2_per_bit: Positive | None = None
    high_um2_per_bit: Positive | None = None

    @property
    def spread(self) -> Spread:
        """The area with its range, um2 per bit."""
        return _spread(self.um2_per_bit, self.low_um2_per_bit, self.high_um2_per_bit)

    @model_validator(mode="after")
    def _in_range(self) -> Self:
        _check("um2_per_bit", self.spread)
        return self


class LeakageEntry(Sourced):
    """The static power of SRAM at a node; listed, but no estimate charges it yet.

    Attributes
    ----------
    node_nm : float
        Process node, nm.
    cell : str
        Kind of transistor.
    kelvin : float
        Temperature, K.
    mw_per_mib : float
        Static power, mW per MiB.
    """

    node_nm: NodeNm
    cell: Text
    kelvin: Annotated[float, Field(gt=0, le=1000)]
    mw_per_mib: Positive


class _AtNode(Protocol):
    @property
    def node_nm(self) -> float: ...


EntryT = TypeVar("EntryT", bound=_AtNode)


def _nearest(entries: Sequence[EntryT], node_nm: float) -> EntryT:
    """Return the entry of the node whose ratio to the given one is closest to 1."""
    return min(entries, key=lambda entry: abs(log(entry.node_nm / node_nm)))


class Wires(NamedTuple):
    """The wires that a buffer of many macros adds to the energy of one macro.

    Attributes
    ----------
    pj : Spread
        Energy with its range, pJ per bit.
    formula : str
        How it was computed.
    """

    pj: Spread
    formula: str


class OnChipPrices(PriceFile):
    """Wires, area and leakage of on-chip memories by process node.

    Attributes
    ----------
    sources : mapping
        Key -> the work.
    mean_distance : MeanDistance
        Distance between the port of an array and a bit of it.
    wires : tuple of WireEntry
        Energy of wires, pJ per bit and mm.
    areas : tuple of AreaEntry
        Area of SRAM, um2 per bit.
    leakage : tuple of LeakageEntry
        Static power of SRAM, mW per MiB.
    """

    label: ClassVar[str] = "list of wires and areas"

    kind: Literal["on-chip"]
    sources: dict[str, Source]
    mean_distance: MeanDistance
    wires: Annotated[tuple[WireEntry, ...], Field(strict=False, min_length=1)]
    areas: Annotated[tuple[AreaEntry, ...], Field(strict=False, min_length=1)]
    leakage: Annotated[tuple[LeakageEntry, ...], Field(strict=False)] = ()

    @model_validator(mode="after")
    def _cited_and_unique(self) -> Self:
        for part, entries in (
            ("wires", self.wires),
            ("areas", self.areas),
            ("leakage", self.leakage),
        ):
            check_sources(part, entries, self.sources)
        for part, nodes in (
            ("wires", [entry.node_nm for entry in self.wires]),
            ("areas", [entry.node_nm for entry in self.areas]),
        ):
            for i, node in enumerate(nodes):
                if node in nodes[:i]:
                    raise wrong_value(f"{part}.{i}", f"the node {node:g} nm is listed twice")
        return self

    def between_banks(self, buffer_bytes: int, macro_bytes: int, node_nm: float) -> Wires:
        """Return the energy of the wires that an array of banks adds to that of one bank.

        The mean distance grows with the side of the array, the square root of its area. The
        distance inside one bank is part of the bank's own energy, so that a buffer of one bank
        adds nothing. A node that is not listed takes the wires and the area of the nearest one.

        Parameters
        ----------
        buffer_bytes : int
            Capacity of the array, at least that of one bank.
        macro_bytes : int
            Capacity of one bank.
        node_nm : float
            Process node, nm.

        Examples
        --------
        >>> wires = load_on_chip_prices().between_banks(4 << 20, 1 << 20, 7)
        >>> round(wires.pj.value, 4)
        0.0427
        """
        wire, area = _nearest(self.wires, node_nm), _nearest(self.areas, node_nm)

        def side(capacity: int, um2_per_bit: float) -> float:
            return sqrt(capacity * 8 * um2_per_bit * 1e-6)

        def added(um2_per_bit: float) -> float:
            return side(buffer_bytes, um2_per_bit) - side(macro_bytes, um2_per_bit)

        parts = zip(wire.spread, self.mean_distance.spread, area.spread, strict=True)
        pj = Spread(*(energy * sides * added(um2) for energy, sides, um2 in parts))
        longer, shorter = (side(n, area.um2_per_bit) for n in (buffer_bytes, macro_bytes))
        formula = (
            f"wires, {wire.pj_per_bit_mm:g} pJ per bit and mm x {self.mean_distance.sides:g} x "
            f"({longer:.4g} - {shorter:.4g}) mm, the sides of the array and of one bank at "
            f"{area.um2_per_bit:g} um2 per bit ({self.name}: {_of(wire, node_nm)}, "
            f"{self.sources[wire.source].cite()}; {_of(area, node_nm)}, "
            f"{self.sources[area.source].cite()})"
        )
        return Wires(pj, formula)

    def entries(self) -> Iterator[ListedPrice]:
        """Yield the energy of wires at every node, pJ per bit and mm."""
        for entry in self.wires:
            price = Price(
                *entry.spread, entry.kind, "op", self.sources[entry.source], entry.locator,
                entry.formula,
            )  # fmt: skip
            yield ListedPrice(f"wires at {entry.node_nm:g} nm", "pJ per bit and mm", price)


def _of(entry: WireEntry | AreaEntry, node_nm: float) -> str:
    """Return which node an entry is for, and whether it is only the nearest one listed."""
    what = "wires" if isinstance(entry, WireEntry) else "area"
    nearest = "" if entry.node_nm == node_nm else f", the nearest to {node_nm:g} nm"
    return f"{what} at {entry.node_nm:g} nm{nearest}"


def load_on_chip_prices(name: str = "") -> OnChipPrices:
    """Return the wires, area and leakage of on-chip memories.

    Parameters
    ----------
    name : str
        An edition by name, or a file. Default: the newest edition.

    Raises
    ------
    InputError
        If there is none of that name, or the file is not valid.

    Examples
    --------
    >>> load_on_chip_prices().areas[0].um2_per_bit
    0.494
    """
    return load(OnChipPrices, name)
