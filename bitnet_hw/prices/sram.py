"""The price of an access to a buffer in SRAM."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import log
from typing import Annotated

from pydantic import Field

from ..errors import MissingPriceError
from .entries import ACCESS_BITS, ListedPrice, Picojoules, Price, Source, Sourced
from .on_chip import OnChipPrices


class SramEntry(Sourced):
    """One row of `OperationTable.sram`: an SRAM macro.

    Attributes
    ----------
    bytes : int
        Capacity.
    pj_per_64b : float
        Energy per 64-bit access, pJ.
    """

    bytes: Annotated[int, Field(gt=0)]
    pj_per_64b: Picojoules


@dataclass(frozen=True, eq=False)
class SramMacros:
    """The SRAM macros of a table, ready for look-ups.

    Attributes
    ----------
    table : str
        Name of the table.
    node_nm : float
        Its process node, nm.
    macros : tuple of SramEntry
        In the order of the table.
    sources : mapping
        Key -> the work.
    on_chip : OnChipPrices
        The wires between the banks of a buffer that is larger than every macro.
    """

    table: str
    node_nm: float
    macros: tuple[SramEntry, ...]
    sources: Mapping[str, Source]
    on_chip: OnChipPrices

    def price(self, buffer_bytes: int) -> Price:
        """Return the energy per bit of a buffer; see `EnergyTable.sram_price`."""
        macros = sorted(self.macros, key=lambda entry: entry.bytes)
        if not macros:
            raise MissingPriceError(f"energy table {self.table} lists no SRAM")
        smallest, largest = macros[0], macros[-1]
        for macro in macros:
            if macro.bytes == buffer_bytes:
                return self._per_bit(macro, f"{buffer_bytes} bytes: {_per_word(macro)}")
        if buffer_bytes < smallest.bytes:
            formula = f"{buffer_bytes} bytes, priced as the smallest macro, {smallest.bytes} bytes"
            price = self._per_bit(smallest, f"{formula}: {_per_word(smallest)}")
            return price._replace(kind="derived")
        if buffer_bytes > largest.bytes:
            return self._banks(largest, buffer_bytes)
        larger = next(i for i, macro in enumerate(macros) if macro.bytes > buffer_bytes)
        return self._between(macros[larger - 1], macros[larger], buffer_bytes)

    def _between(self, small: SramEntry, large: SramEntry, buffer_bytes: int) -> Price:
        """Interpolate: the logarithm of the energy is linear in that of the capacity.

        CACTI's energies follow this line more closely than one that is linear in the energy; see
        docs/energy-tables.md.
        """
        ends = small.pj_per_64b, large.pj_per_64b
        exponent = log(buffer_bytes / small.bytes) / log(large.bytes / small.bytes)
        pj = ends[0] * (ends[1] / ends[0]) ** exponent
        formula = (
            f"{buffer_bytes} bytes: {ends[0]:g} pJ x ({ends[1]:g} / {ends[0]:g})^{exponent:.4g} / "
            f"{ACCESS_BITS} bits, between macros of {small.bytes} and {large.bytes} bytes, with "
            f"{exponent:.4g} = log({buffer_bytes} / {small.bytes}) / "
            f"log({large.bytes} / {small.bytes})"
        )
        return self._per_bit(small, formula)._replace(
            pj=pj / ACCESS_BITS,
            low=min(ends) / ACCESS_BITS,
            high=max(ends) / ACCESS_BITS,
            kind="derived",
        )

    def _banks(self, macro: SramEntry, buffer_bytes: int) -> Price:
        wires = self.on_chip.between_banks(buffer_bytes, macro.bytes, self.node_nm)
        formula = (
            f"{buffer_bytes} bytes, as banks of {macro.bytes} bytes: {_per_word(macro)} + "
            f"{wires.formula}"
        )
        price = self._per_bit(macro, formula)
        pj, low, high = (price.pj + added for added in wires.pj)
        return price._replace(pj=pj, low=low, high=high, kind="derived")

    def entries(self) -> Iterator[ListedPrice]:
        """Yield every macro with its energy per access."""
        for macro in self.macros:
            price = self._price(macro, macro.pj_per_64b, macro.formula)
            size = macro.bytes / 1024
            yield ListedPrice(f"SRAM {size:g} KiB", f"pJ per {ACCESS_BITS}-bit access", price)

    def _per_bit(self, macro: SramEntry, formula: str) -> Price:
        return self._price(macro, macro.pj_per_64b / ACCESS_BITS, formula)

    def _price(self, macro: SramEntry, pj: float, formula: str) -> Price:
        source = self.sources[macro.source]
        return Price(pj, pj, pj, macro.kind, "op", source, macro.locator, formula, self.table)


def _per_word(macro: SramEntry) -> str:
    return f"{macro.pj_per_64b:g} pJ / {ACCESS_BITS} bits"
