"""The price of an on-chip memory of any capacity, from a few macros of known energy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import log
from typing import NamedTuple

from ..errors import MissingPriceError
from ..inputs.memory import OnChipKind
from .entries import ACCESS_BITS, ListedPrice, Price, PriceKind, Source
from .on_chip import OnChipPrices
from .on_chip_entries import Spread


class Macro(NamedTuple):
    """A memory macro of known energy.

    Attributes
    ----------
    bytes : int
        Capacity.
    pj : Spread
        Energy with its range, pJ per 64-bit access.
    kind : str
        ``published``, ``derived`` or ``simulated``.
    source : Source
        The work that prints the energy.
    locator, formula : str
        Where it is printed; how a derived one was computed.
    """

    bytes: int
    pj: Spread
    kind: PriceKind
    source: Source
    locator: str
    formula: str = ""


@dataclass(frozen=True, eq=False)
class Macros:
    """The macros of one kind of memory, ready for look-ups.

    Attributes
    ----------
    memory : str
        Kind of memory.
    file : str
        Name of the table or list that holds the macros, for messages.
    table : str
        The same if it is an energy table; otherwise empty.
    node_nm : float
        Process node, nm.
    macros : tuple of Macro
        In the order of the file, no two of the same capacity.
    on_chip : OnChipPrices
        The wires between the banks of a memory that is larger than every macro.
    """

    memory: OnChipKind
    file: str
    table: str
    node_nm: float
    macros: tuple[Macro, ...]
    on_chip: OnChipPrices

    def price(self, capacity_bytes: int) -> Price:
        """Return the energy per bit of a memory of some capacity.

        At the capacity of a macro, it is the macro's; between two, it is interpolated (see
        `between`); below the smallest, it is the smallest macro's; above the largest, it is that of
        banks of the largest and of the wires between them.

        Parameters
        ----------
        capacity_bytes : int
            Capacity.

        Raises
        ------
        MissingPriceError
            If there is no macro.
        """
        macros = sorted(self.macros, key=lambda macro: macro.bytes)
        if not macros:
            raise MissingPriceError(f"energy table {self.file} lists no {self.memory}")
        smallest, largest = macros[0], macros[-1]
        for macro in macros:
            if macro.bytes == capacity_bytes:
                return self._per_bit(macro, f"{capacity_bytes} bytes: {_per_word(macro)}")
        if capacity_bytes < smallest.bytes:
            formula = (
                f"{capacity_bytes} bytes, priced as the smallest macro, {smallest.bytes} bytes"
            )
            price = self._per_bit(smallest, f"{formula}: {_per_word(smallest)}")
            return price._replace(kind="derived")
        if capacity_bytes > largest.bytes:
            return self._banks(largest, capacity_bytes)
        larger = next(i for i, macro in enumerate(macros) if macro.bytes > capacity_bytes)
        return self._between(macros[larger - 1], macros[larger], capacity_bytes)

    def entries(self) -> Iterator[ListedPrice]:
        """Yield every macro with its energy per access."""
        for macro in self.macros:
            what = f"{self.memory} {macro.bytes / 1024:g} KiB"
            price = self._price(macro, macro.pj, "")._replace(formula=macro.formula)
            yield ListedPrice(what, f"pJ per {ACCESS_BITS}-bit access", price)

    def _between(self, small: Macro, large: Macro, capacity_bytes: int) -> Price:
        exponent = log(capacity_bytes / small.bytes) / log(large.bytes / small.bytes)
        pj = between(small, large, capacity_bytes).times(1 / ACCESS_BITS)
        ends = small.pj.value, large.pj.value
        formula = (
            f"{capacity_bytes} bytes: {ends[0]:g} pJ x ({ends[1]:g} / {ends[0]:g})^{exponent:.4g} "
            f"/ {ACCESS_BITS} bits, between macros of {small.bytes} and {large.bytes} bytes, with "
            f"{exponent:.4g} = log({capacity_bytes} / {small.bytes}) / "
            f"log({large.bytes} / {small.bytes}); band: lines in the capacity and in its logarithm"
        )
        return self._price(small, pj, formula)._replace(kind="derived")

    def _banks(self, macro: Macro, capacity_bytes: int) -> Price:
        wires = self.on_chip.between_banks(capacity_bytes, macro.bytes, self.node_nm, self.memory)
        formula = (
            f"{capacity_bytes} bytes, as banks of {macro.bytes} bytes: {_per_word(macro)} + "
            f"{wires.formula}"
        )
        pj, low, high = (
            bank / ACCESS_BITS + wire for bank, wire in zip(macro.pj, wires.pj, strict=True)
        )
        growth = self.on_chip.growth(capacity_bytes, macro.bytes, self.node_nm, self.memory)
        if growth is not None:
            high = max(high, macro.pj.high / ACCESS_BITS * growth.factor)
            formula += f"; high end at least {macro.pj.high:g} pJ x {growth.formula}"
        return self._price(macro, Spread(pj, low, high), formula)._replace(kind="derived")

    def _per_bit(self, macro: Macro, formula: str) -> Price:
        return self._price(macro, macro.pj.times(1 / ACCESS_BITS), formula)

    def _price(self, macro: Macro, pj: Spread, formula: str) -> Price:
        if macro.formula:
            formula = f"{formula} [{macro.formula}]"
        return Price(*pj, macro.kind, "op", macro.source, macro.locator, formula, self.table)


def between(small: Macro, large: Macro, capacity_bytes: int) -> Spread:
    """Interpolate the energy of a memory between two macros, pJ per 64-bit access.

    The logarithm of the energy is linear in the logarithm of the capacity, which CACTI's energies
    follow more closely than the two other lines: energy linear in the logarithm of the capacity,
    and energy linear in the capacity. Those two bound the band; all three meet at the macros, so
    that price and band are continuous.

    Parameters
    ----------
    small, large : Macro
        The macros next to the capacity.
    capacity_bytes : int
        Capacity, between those of the two.
    """
    t = log(capacity_bytes / small.bytes) / log(large.bytes / small.bytes)
    share = (capacity_bytes - small.bytes) / (large.bytes - small.bytes)

    def lines(a: float, b: float) -> tuple[float, float, float]:
        return a * (b / a) ** t, a + (b - a) * t, a + (b - a) * share

    value, low, high = (lines(a, b) for a, b in zip(small.pj, large.pj, strict=True))
    return Spread(value[0], min(low), max(high))


def _per_word(macro: Macro) -> str:
    return f"{macro.pj.value:g} pJ / {ACCESS_BITS} bits"
