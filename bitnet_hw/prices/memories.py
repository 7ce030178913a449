"""The energy per bit of a memory of any kind, and the area and leakage of those on the chip."""

from __future__ import annotations

from math import isfinite

from ..errors import InputError, MissingPriceError, unknown_name
from ..inputs.memory import ON_CHIP, OnChipKind
from .capacity import Macro, Macros
from .dram import DramPrices, load_dram_prices
from .entries import OwnSource, Price
from .on_chip import OnChipPrices, load_on_chip_prices
from .on_chip_entries import Spread
from .tables import EnergyTable

_OWN = "a machine file may state its own pJ per bit"


def memory_price(
    kind: str,
    capacity_bytes: int,
    table: EnergyTable,
    dram_prices: DramPrices | None = None,
    on_chip: OnChipPrices | None = None,
) -> Price:
    """Return the energy per bit read from or written to a memory.

    Parameters
    ----------
    kind : str
        ``SRAM``, ``ROM``, ``eDRAM``, or a kind of DRAM of the price list, such as ``LPDDR5X``.
    capacity_bytes : int
        Capacity. The price of DRAM does not depend on it.
    table : EnergyTable
        Prices SRAM; its node is that of the other memories on the chip.
    dram_prices : DramPrices
        Default: the newest price list.
    on_chip : OnChipPrices
        List of the macros of eDRAM. Default: the newest.

    Raises
    ------
    MissingPriceError
        If no energy of the kind is known at the table's node.
    InputError
        If the capacity is not positive, or there is no such kind.

    Examples
    --------
    >>> from bitnet_hw.prices.loading import load_table
    >>> memory_price("SRAM", 32 << 10, load_table("7nm")).pj * 64
    8.5
    >>> memory_price("LPDDR4", 8 << 30, load_table("7nm")).pj
    11.0
    """
    if capacity_bytes <= 0:
        raise InputError(f"a memory of {kind} needs a positive capacity, found {capacity_bytes}")
    if kind == "SRAM":
        return table.sram_price(capacity_bytes)
    if kind in ("ROM", "eDRAM"):
        listed = on_chip or load_on_chip_prices()
        node_nm = table.memory_node_nm
        return _listed(listed, "ROM" if kind == "ROM" else "eDRAM", node_nm).price(capacity_bytes)
    prices = dram_prices or load_dram_prices()
    known = [entry.dram for entry in prices.kinds]
    if kind not in known:
        raise unknown_name("kind of memory", kind, [*ON_CHIP, *known])
    return prices.price(kind)


def _listed(listed: OnChipPrices, kind: OnChipKind, node_nm: float) -> Macros:
    """Return the macros of a memory that the list of on-chip memories holds."""
    of_kind = [entry for entry in listed.macros if entry.memory == kind]
    if not of_kind:
        raise MissingPriceError(
            f"no citable energy per bit of {kind} is known, so {listed.name} has no price for it; "
            f"{_OWN}"
        )
    for entry in of_kind:
        if entry.node_nm == node_nm:
            macros = tuple(
                Macro(
                    size, Spread((low + high) / 2, low, high), entry.kind,
                    listed.sources[entry.source], entry.locator, entry.formula,
                )
                for size, low, high in zip(
                    entry.bytes, entry.low_pj_per_64b, entry.high_pj_per_64b, strict=True
                )
            )  # fmt: skip
            return Macros(kind, listed.name, "", node_nm, macros, listed)
    have = ", ".join(f"{entry.node_nm:g} nm" for entry in of_kind)
    raise MissingPriceError(
        f"no citable energy per bit of {kind} at {node_nm:g} nm is known ({listed.name} has "
        f"{have}); {_OWN}"
    )


def own_price(
    pj_per_bit: float, low: float | None = None, high: float | None = None, source_text: str = ""
) -> Price:
    """Return a price that a user states for a memory of their own.

    Its boundary is ``system``: such a figure stands for everything that a bit costs on its way.

    Parameters
    ----------
    pj_per_bit : float
        Energy, pJ per bit.
    low, high : float
        Ends of its range, pJ per bit. Default: no range.
    source_text : str
        Where the figure comes from.

    Raises
    ------
    InputError
        If a figure is not positive and finite, the range does not hold it, or no source is given.

    Examples
    --------
    >>> price = own_price(12, 10, 14, "fitted to an M4 Pro")
    >>> price.pj, price.low, price.high, price.source.cite()
    (12, 10, 14, 'fitted to an M4 Pro')
    """
    low = pj_per_bit if low is None else low
    high = pj_per_bit if high is None else high
    for name, value in (("pj_per_bit", pj_per_bit), ("low", low), ("high", high)):
        if not isfinite(value) or value <= 0:
            raise InputError(f"own price: {name} must be positive and finite, found {value:g}")
    if not low <= pj_per_bit <= high:
        raise InputError(
            f"own price: {pj_per_bit:g} pJ per bit lies outside its own range, {low:g} to {high:g}"
        )
    if not source_text.strip():
        raise InputError(f"own price: {pj_per_bit:g} pJ per bit needs a source")
    source = OwnSource(authors=source_text.strip())
    return Price(pj_per_bit, low, high, "published", "system", source, "machine description")


def _on_chip_kind(kind: str) -> None:
    if kind not in ON_CHIP:
        raise unknown_name("kind of on-chip memory", kind, ON_CHIP)


def leakage_w(kind: str, capacity_bytes: int, node_nm: float) -> float | None:
    """Return the static power of a memory on the chip, W, with its refresh if it needs any.

    Parameters
    ----------
    kind : str
        ``SRAM``, ``ROM`` or ``eDRAM``.
    capacity_bytes : int
        Capacity.
    node_nm : float
        Process node, nm.

    Returns
    -------
    float or None
        None if no figure is known at the node: it is unknown, not zero. `OnChipPrices.static_w`
        also has its range, which is wide: it depends on the transistors.

    Raises
    ------
    InputError
        If there is no such kind.

    Examples
    --------
    >>> round(leakage_w("SRAM", 16 << 20, 45), 6)
    0.003753
    >>> leakage_w("SRAM", 16 << 20, 7) is None
    True
    """
    _on_chip_kind(kind)
    found = load_on_chip_prices().static_w(kind, capacity_bytes, node_nm)
    return None if found is None else found.value


def sram_area_um2(capacity_bytes: int, node_nm: float) -> float | None:
    """Return the area of SRAM with the periphery of its macros, um2.

    Parameters
    ----------
    capacity_bytes : int
        Capacity.
    node_nm : float
        Process node, nm.

    Returns
    -------
    float or None
        None if no figure is known at the node. `OnChipPrices.area` also has its range.

    Examples
    --------
    >>> round(sram_area_um2(1 << 20, 7) / 1e6, 3)  # mm2
    0.324
    """
    found = load_on_chip_prices().area("SRAM", capacity_bytes, node_nm)
    return None if found is None else found.value
