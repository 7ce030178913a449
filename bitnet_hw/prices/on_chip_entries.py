"""Entries of the list of on-chip memories: wires, macros, large arrays, area and leakage."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, NamedTuple, Self

from pydantic import Field, model_validator

from ..files.records import Record, wrong_value
from ..inputs.memory import OnChipKind
from .entries import Picojoules, Sourced, Text

Positive = Annotated[float, Field(gt=0, le=1e9)]
NodeNm = Annotated[float, Field(gt=0, le=1000)]
Capacities = Annotated[tuple[Annotated[int, Field(gt=0)], ...], Field(strict=False, min_length=2)]
Energies = Annotated[tuple[Picojoules, ...], Field(strict=False, min_length=2)]


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

    def times(self, factor: float) -> Spread:
        """Return the value and its ends times a positive factor."""
        return Spread(*(one * factor for one in self))


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


class MemoryEntry(Sourced):
    """A property of one kind of memory at one node.

    Attributes
    ----------
    memory : str
        ``SRAM``, ``ROM`` or ``eDRAM``.
    node_nm : float
        Process node, nm.
    """

    memory: OnChipKind
    node_nm: NodeNm


class _ByCapacity(MemoryEntry):
    """Energies of a memory by its capacity, which never fall as the capacity grows.

    Attributes
    ----------
    bytes : tuple of int
        Capacities in rising order.
    """

    bytes: Capacities

    def _check_energies(self, key: str, energies: tuple[float, ...]) -> None:
        if len(energies) != len(self.bytes):
            raise wrong_value(key, f"{len(energies)} energies for {len(self.bytes)} capacities")
        for small, large in pairwise(energies):
            if large < small:
                raise wrong_value(key, f"{large:g} pJ follows {small:g}: more bytes cost more")

    @model_validator(mode="after")
    def _rising(self) -> Self:
        for small, large in pairwise(self.bytes):
            if large <= small:
                raise wrong_value("bytes", f"{large} follows {small}: list capacities as they rise")
        return self


class MacroEntry(_ByCapacity):
    """Macros of a memory that no energy table lists, by capacity.

    Attributes
    ----------
    low_pj_per_64b, high_pj_per_64b : tuple of float
        Ends of the range of each, pJ per 64-bit access; its middle is the price.
    """

    low_pj_per_64b: Energies
    high_pj_per_64b: Energies

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        self._check_energies("low_pj_per_64b", self.low_pj_per_64b)
        self._check_energies("high_pj_per_64b", self.high_pj_per_64b)
        for low, high in zip(self.low_pj_per_64b, self.high_pj_per_64b, strict=True):
            _check("low_pj_per_64b", Spread((low + high) / 2, low, high))
        return self


class ArrayEntry(_ByCapacity):
    """Memories simulated as one array: their growth bounds the price of banks from above.

    Attributes
    ----------
    pj_per_64b : tuple of float
        Energy of each, pJ per 64-bit access.
    """

    pj_per_64b: Energies

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        self._check_energies("pj_per_64b", self.pj_per_64b)
        return self


class AreaEntry(MemoryEntry):
    """The area of a memory at a node, with the periphery of its macros.

    Attributes
    ----------
    um2_per_bit, low_um2_per_bit, high_um2_per_bit : float
        Area and its range, um2 per bit.
    """

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


class LeakageEntry(MemoryEntry):
    """The static power of a memory at a node, with its refresh if it needs any.

    Attributes
    ----------
    cell : str
        The cell and its conditions.
    mw_per_mib, low_mw_per_mib, high_mw_per_mib : float
        Static power and its range, mW per MiB.
    """

    cell: Text
    mw_per_mib: Positive
    low_mw_per_mib: Positive | None = None
    high_mw_per_mib: Positive | None = None

    @property
    def spread(self) -> Spread:
        """The static power with its range, mW per MiB."""
        return _spread(self.mw_per_mib, self.low_mw_per_mib, self.high_mw_per_mib)

    @model_validator(mode="after")
    def _in_range(self) -> Self:
        _check("mw_per_mib", self.spread)
        return self
