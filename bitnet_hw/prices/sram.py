"""SRAM macros of an energy table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field

from .capacity import Macro, Macros
from .entries import Picojoules, Source, Sourced
from .on_chip import OnChipPrices
from .on_chip_entries import Spread


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


def sram_macros(
    table: str,
    node_nm: float,
    entries: Sequence[SramEntry],
    sources: Mapping[str, Source],
    on_chip: OnChipPrices,
) -> Macros:
    """Return the SRAM macros of a table, ready for look-ups.

    Parameters
    ----------
    table : str
        Name of the table.
    node_nm : float
        Its process node, nm.
    entries : sequence of SramEntry
        Its macros.
    sources : mapping
        Key -> the work.
    on_chip : OnChipPrices
        The wires between the banks of a buffer that is larger than every macro.
    """
    macros = tuple(
        Macro(
            bytes=entry.bytes,
            pj=Spread(entry.pj_per_64b, entry.pj_per_64b, entry.pj_per_64b),
            kind=entry.kind,
            source=sources[entry.source],
            locator=entry.locator,
            formula=entry.formula,
        )
        for entry in entries
    )
    return Macros("SRAM", table, table, node_nm, macros, on_chip)
