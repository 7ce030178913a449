"""The list of on-chip memories: wires, macros, area and leakage by process node."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from math import exp, log, sqrt
from typing import Annotated, ClassVar, Literal, NamedTuple, Protocol, Self, TypeVar

from pydantic import Field, model_validator

from ..files.records import wrong_value
from ..inputs.memory import OnChipKind
from .editions import load
from .entries import ACCESS_BITS, ListedPrice, Price, PriceFile, Source, check_sources
from .on_chip_entries import (
    AreaEntry,
    ArrayEntry,
    LeakageEntry,
    MacroEntry,
    MeanDistance,
    MemoryEntry,
    Spread,
    WireEntry,
)


class _AtNode(Protocol):
    @property
    def node_nm(self) -> float: ...


NodeT = TypeVar("NodeT", bound=_AtNode)
MemoryT = TypeVar("MemoryT", bound=MemoryEntry)


def _nearest(entries: Sequence[NodeT], node_nm: float) -> NodeT:
    """Return the entry of the node whose ratio to the given one is closest to 1."""
    return min(entries, key=lambda entry: abs(log(entry.node_nm / node_nm)))


def _exactly(entries: Sequence[MemoryT], memory: str, node_nm: float) -> MemoryT | None:
    """Return the entry of a memory at a node, if there is one."""
    found = (one for one in entries if (one.memory, one.node_nm) == (memory, node_nm))
    return next(found, None)


class Wires(NamedTuple):
    """The wires that a memory of many macros adds to the energy of one macro.

    Attributes
    ----------
    pj : Spread
        Energy with its range, pJ per bit.
    formula : str
        How it was computed.
    """

    pj: Spread
    formula: str


class Growth(NamedTuple):
    """How much more a large memory costs than one of its banks, by a simulator.

    Attributes
    ----------
    factor : float
        Energy of the large memory as one array, over that of one bank.
    formula : str
        How it was computed.
    """

    factor: float
    formula: str


class OnChipPrices(PriceFile):
    """Wires, macros, area and leakage of on-chip memories by process node.

    Attributes
    ----------
    sources : mapping
        Key -> the work.
    mean_distance : MeanDistance
        Distance between the port of an array and a bit of it.
    wires : tuple of WireEntry
        Energy of wires, pJ per bit and mm.
    areas : tuple of AreaEntry
        Area, um2 per bit.
    macros : tuple of MacroEntry
        Macros of memories that no energy table lists, pJ per 64-bit access.
    arrays : tuple of ArrayEntry
        Large memories simulated as one array, pJ per 64-bit access.
    leakage : tuple of LeakageEntry
        Static power, mW per MiB.
    """

    label: ClassVar[str] = "list of on-chip memories"

    kind: Literal["on-chip"]
    sources: dict[str, Source]
    mean_distance: MeanDistance
    wires: Annotated[tuple[WireEntry, ...], Field(strict=False, min_length=1)]
    areas: Annotated[tuple[AreaEntry, ...], Field(strict=False, min_length=1)]
    macros: Annotated[tuple[MacroEntry, ...], Field(strict=False)] = ()
    arrays: Annotated[tuple[ArrayEntry, ...], Field(strict=False)] = ()
    leakage: Annotated[tuple[LeakageEntry, ...], Field(strict=False)] = ()

    @model_validator(mode="after")
    def _cited_and_unique(self) -> Self:
        by_memory: dict[str, Sequence[MemoryEntry]] = {
            "areas": self.areas, "macros": self.macros, "arrays": self.arrays,
            "leakage": self.leakage,
        }  # fmt: skip
        _refuse_repeats("wires", [f"{wire.node_nm:g} nm" for wire in self.wires])
        check_sources("wires", self.wires, self.sources)
        for part, entries in by_memory.items():
            check_sources(part, entries, self.sources)
            _refuse_repeats(part, [f"{one.memory} at {one.node_nm:g} nm" for one in entries])
        areas = {(one.memory, one.node_nm) for one in self.areas}
        for i, macro in enumerate(self.macros):
            if (macro.memory, macro.node_nm) not in areas:
                what = f"{macro.memory} at {macro.node_nm:g} nm"
                raise wrong_value(f"macros.{i}", f"areas has no entry for {what}")
        if not any(one.memory == "SRAM" for one in self.areas):
            raise wrong_value("areas", "no entry is for SRAM")
        return self

    def between_banks(
        self, capacity_bytes: int, macro_bytes: int, node_nm: float, memory: OnChipKind = "SRAM"
    ) -> Wires:
        """Return the energy of the wires that an array of banks adds to that of one bank.

        The mean distance grows with the side of the array, the square root of its area. The
        distance inside one bank is part of the bank's own energy, so that a memory of one bank
        adds nothing. A node that is not listed takes the wires and the area of the nearest one.

        Parameters
        ----------
        capacity_bytes : int
            Capacity of the array, at least that of one bank.
        macro_bytes : int
            Capacity of one bank.
        node_nm : float
            Process node, nm.
        memory : str
            Kind of memory.

        Examples
        --------
        >>> wires = load_on_chip_prices().between_banks(4 << 20, 1 << 20, 7)
        >>> round(wires.pj.value, 4)
        0.0427
        """
        wire = _nearest(self.wires, node_nm)
        area = _nearest([one for one in self.areas if one.memory == memory], node_nm)

        def side(capacity: int, um2_per_bit: float) -> float:
            return sqrt(capacity * 8 * um2_per_bit * 1e-6)

        def added(um2_per_bit: float) -> float:
            return side(capacity_bytes, um2_per_bit) - side(macro_bytes, um2_per_bit)

        parts = zip(wire.spread, self.mean_distance.spread, area.spread, strict=True)
        pj = Spread(*(energy * sides * added(um2) for energy, sides, um2 in parts))
        longer, shorter = (side(n, area.um2_per_bit) for n in (capacity_bytes, macro_bytes))
        formula = (
            f"wires, {wire.pj_per_bit_mm:g} pJ per bit and mm x {self.mean_distance.sides:g} x "
            f"({longer:.4g} - {shorter:.4g}) mm, the sides of the array and of one bank at "
            f"{area.um2_per_bit:g} um2 per bit ({self.name}: {_of(wire, node_nm)}, "
            f"{self.sources[wire.source].cite()}; {_of(area, node_nm)}, "
            f"{self.sources[area.source].cite()})"
        )
        return Wires(pj, formula)

    def growth(
        self, capacity_bytes: int, macro_bytes: int, node_nm: float, memory: OnChipKind = "SRAM"
    ) -> Growth | None:
        """Return how the energy grows from one bank to a large memory simulated as one array.

        The logarithm of the energy is interpolated in that of the capacity. Outside the simulated
        capacities, the line through the nearest two is extended.

        Parameters
        ----------
        capacity_bytes : int
            Capacity of the large memory.
        macro_bytes : int
            Capacity of one bank.
        node_nm : float
            Process node, nm.
        memory : str
            Kind of memory.

        Returns
        -------
        Growth or None
            None if arrays of the memory are not listed at exactly this node.

        Examples
        --------
        >>> on_chip = load_on_chip_prices()
        >>> round(on_chip.growth(64 << 20, 1 << 20, 45).factor, 3)
        7.284
        >>> on_chip.growth(64 << 20, 1 << 20, 7) is None
        True
        """
        entry = _exactly(self.arrays, memory, node_nm)
        if entry is None:
            return None
        points = list(zip(entry.bytes, entry.pj_per_64b, strict=True))

        def energy(size: int) -> float:
            pairs = list(pairwise(points))
            (a, low), (b, high) = next((p for p in pairs if size <= p[1][0]), pairs[-1])
            steepness = log(high / low) / log(b / a)
            return low * exp(steepness * log(size / a))

        large, one = energy(capacity_bytes), energy(macro_bytes)
        formula = (
            f"{large:.4g} / {one:.4g}, the energies of both capacities simulated as one array "
            f"({self.name}: {self.sources[entry.source].cite()})"
        )
        return Growth(large / one, formula)

    def area(self, memory: str, capacity_bytes: int, node_nm: float) -> Spread | None:
        """Return the area of a memory with its range, um2, or None where none is known.

        Parameters
        ----------
        memory : str
            Kind of memory.
        capacity_bytes : int
            Capacity.
        node_nm : float
            Process node, nm. Only a listed node has an area: it is not scaled.
        """
        entry = _exactly(self.areas, memory, node_nm)
        return None if entry is None else entry.spread.times(capacity_bytes * 8)

    def static_w(self, memory: str, capacity_bytes: int, node_nm: float) -> Spread | None:
        """Return the static power of a memory with its range, W, or None where none is known.

        Parameters
        ----------
        memory : str
            Kind of memory.
        capacity_bytes : int
            Capacity.
        node_nm : float
            Process node, nm. Only a listed node has a static power: it is not scaled.
        """
        entry = _exactly(self.leakage, memory, node_nm)
        return None if entry is None else entry.spread.times(capacity_bytes / 2**20 * 1e-3)

    def entries(self) -> Iterator[ListedPrice]:
        """Yield the energy of wires and of macros at every node."""
        for wire in self.wires:
            yield ListedPrice(
                f"wires at {wire.node_nm:g} nm", "pJ per bit and mm", self._price(wire, wire.spread)
            )
        for macro in self.macros:
            ranges = zip(macro.bytes, macro.low_pj_per_64b, macro.high_pj_per_64b, strict=True)
            for size, low, high in ranges:
                yield ListedPrice(
                    f"{macro.memory} {size / 1024:g} KiB at {macro.node_nm:g} nm",
                    f"pJ per {ACCESS_BITS}-bit access",
                    self._price(macro, Spread((low + high) / 2, low, high)),
                )

    def _price(self, entry: WireEntry | MacroEntry, pj: Spread) -> Price:
        return Price(
            *pj, entry.kind, "op", self.sources[entry.source], entry.locator, entry.formula
        )  # fmt: skip


def _refuse_repeats(part: str, names: Sequence[str]) -> None:
    for i, name in enumerate(names):
        if name in names[:i]:
            raise wrong_value(f"{part}.{i}", f"{name} is listed twice")


def _of(entry: WireEntry | AreaEntry, node_nm: float) -> str:
    """Return which node an entry is for, and whether it is only the nearest one listed."""
    what = "wires" if isinstance(entry, WireEntry) else "area"
    nearest = "" if entry.node_nm == node_nm else f", the nearest to {node_nm:g} nm"
    return f"{what} at {entry.node_nm:g} nm{nearest}"


def load_on_chip_prices(name: str = "") -> OnChipPrices:
    """Return the wires, macros, area and leakage of on-chip memories.

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
