"""The price of an access to a buffer in SRAM."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from ..errors import MissingPriceError
from .entries import ACCESS_BITS, ListedPrice, Picojoules, Price, Source, Sourced


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
    """The SRAM macros of a table, ready for look-ups."""

    table: str
    macros: tuple[SramEntry, ...]
    sources: Mapping[str, Source]

    def price(self, buffer_bytes: int) -> Price:
        """Return the energy per bit of a buffer; see `EnergyTable.sram_price`."""
        macros = sorted(self.macros, key=lambda entry: entry.bytes)
        if not macros:
            raise MissingPriceError(f"energy table {self.table} lists no SRAM")
        macro = next((m for m in macros if m.bytes >= buffer_bytes), macros[-1])
        pj = macro.pj_per_64b / ACCESS_BITS
        banked = f", as banks of {macro.bytes} bytes" if buffer_bytes > macro.bytes else ""
        formula = f"{buffer_bytes} bytes{banked}: {macro.pj_per_64b:g} pJ / {ACCESS_BITS} bits"
        return self._price(macro, pj, formula)

    def entries(self) -> Iterator[ListedPrice]:
        """Yield every macro with its energy per access."""
        for macro in self.macros:
            price = self._price(macro, macro.pj_per_64b, macro.formula)
            size = macro.bytes / 1024
            yield ListedPrice(f"SRAM {size:g} KiB", f"pJ per {ACCESS_BITS}-bit access", price)

    def _price(self, macro: SramEntry, pj: float, formula: str) -> Price:
        source = self.sources[macro.source]
        return Price(pj, pj, pj, macro.kind, "op", source, macro.locator, formula, self.table)
