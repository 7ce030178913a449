"""A tally with its prices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ..prices.entries import Price
from ..prices.tables import EnergyTable
from ..tally import Key, OpTally


class PricedRow(NamedTuple):
    """A row of a tally with its price."""

    key: Key
    number: int
    price: Price
    scale: float = 1.0

    @property
    def joules(self) -> float:
        """Energy of the row, J."""
        return self.number * self.scale * self.price.pj * 1e-12

    @property
    def low_joules(self) -> float:
        """Lower end of the band, J."""
        return self.number * self.scale * self.price.low * 1e-12

    @property
    def high_joules(self) -> float:
        """Upper end of the band, J."""
        return self.number * self.scale * self.price.high * 1e-12


#: What a whole MAC stands in for.
_PRODUCT = frozenset({"mul", "add", "ternary-add"})


def price_tally(
    tally: OpTally,
    table: EnergyTable,
    add_only_scale: Mapping[str, float] | None = None,
    sharing: Mapping[tuple[str, str], tuple[int, int]] | None = None,
) -> list[PricedRow]:
    """Price every row of a tally.

    Where the table prices a whole MAC, it stands in for the multiplications and additions of the
    matrix products of that role, as one row of the operation ``mac``.

    Parameters
    ----------
    tally : OpTally
        Counts.
    table : EnergyTable
        Prices.
    add_only_scale : mapping, optional
        Role -> factor on its add-only additions, for a machine that saves on zero weights.
    sharing : mapping, optional
        (scope, role) -> tokens and rows that share the registers of a whole MAC's operands.

    Raises
    ------
    MissingPriceError
        If the table and the expansions leave an operation without a price.
    """
    scales = add_only_scale or {}
    rows: list[PricedRow] = []
    whole: set[tuple[str, str]] = set()
    for mac, count in tally.mac_counts.items():
        tokens, rows_fed = (sharing or {}).get((mac.scope, mac.role), (1, 1))
        price = table.mac_price(mac, tokens, rows_fed) if table.macs else None
        if price is not None:
            whole.add((mac.scope, mac.role))
            same = mac.activation == mac.weight
            form = mac.activation if same else f"{mac.activation}*{mac.weight}"
            rows.append(
                PricedRow(Key(mac.scope, mac.role, "mac", form, mac.accumulator), count, price)
            )
    for key, count in tally.counts.items():
        if key.operation in _PRODUCT and (key.scope, key.role) in whole:
            continue
        price = table.price(key.operation, key.format, key.accumulator)
        scale = scales.get(key.role, 1.0) if key.operation == "ternary-add" else 1.0
        rows.append(PricedRow(key, count, price, scale))
    return rows
