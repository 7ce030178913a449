"""Pricing of operations and of memory traffic."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from ..errors import MissingPriceError
from ..inputs.figures import Figure
from ..inputs.formats import Kind, parse_format
from ..inputs.machine import Machine, Memory
from ..prices.dram import DramPrices
from ..prices.entries import Price, PriceKind, Source
from ..prices.loading import as_table, load_dram_prices
from ..prices.memories import memory_price as memory_price_of_kind
from ..prices.tables import EnergyTable
from ..tally import Key, MacKey, OpTally
from .band import Band
from .lowered import Lowered
from .traffic import LINKS, Traffic

#: Energy of traffic outside the boundary.
NOTHING = Band(0.0, 0.0, 0.0)


class PricedRow(NamedTuple):
    """A row of a tally with its price."""

    key: Key
    number: int
    price: Price
    scale: float = 1.0

    @property
    def energy(self) -> Band:
        """Energy of the row with the range that its price gives it, J."""
        return _energy(self.number * self.scale, self.price)

    @property
    def joules(self) -> float:
        """Energy of the row without its range, J."""
        return self.energy.value


class PricedTraffic(NamedTuple):
    """A row of traffic with the price per bit at its level; None outside the boundary."""

    row: Traffic
    price: Price | None

    @property
    def energy(self) -> Band:
        """Energy with the range that its price gives it, J; 0 outside the boundary."""
        return NOTHING if self.price is None else _energy(self.row.bytes * 8, self.price)

    @property
    def joules(self) -> float:
        """Energy without its range, J."""
        return self.energy.value


class PricedUnpacking(NamedTuple):
    """Stored weights of one product that are turned into operands, with the price per weight."""

    scope: str
    role: str
    codec: str
    number: float
    price: Price

    @property
    def energy(self) -> Band:
        """Energy, J."""
        return _energy(self.number, self.price)

    @property
    def joules(self) -> float:
        """Energy without its range, J."""
        return self.energy.value


#: Operations of a matrix product, which the price of a whole MAC includes.
PRODUCT_OPERATIONS = frozenset({"mul", "add", "ternary-add"})


def price_tally(
    tally: OpTally,
    table: EnergyTable | str | Path,
    zero_factors: Mapping[str, float] | None = None,
    sharing: Mapping[tuple[str, str], tuple[int, int]] | None = None,
    executed: Mapping[MacKey, int] | None = None,
    own: Mapping[MacKey, Price] | None = None,
) -> list[PricedRow]:
    """Price every row of a tally.

    If the table prices the MAC of a matrix product as a whole, one row of the operation ``mac``
    replaces the multiplications and additions of that product.

    Parameters
    ----------
    tally : OpTally
        Counts.
    table : EnergyTable, str or Path
        Prices: the table, its name, or its file.
    zero_factors : mapping, optional
        Role -> average energy of an add-only MAC, relative to one whose weight is not zero, on a
        machine that saves energy on zero weights.
    sharing : mapping, optional
        (scope, role) -> tokens and rows that share the registers of a whole MAC's operands; see
        :func:`register_sharing`.
    executed : mapping, optional
        MACs that the machine executes. The operations of a tally are those that are executed, but
        its MACs are all, which is the default.
    own : mapping, optional
        Prices of MACs that the machine states itself, in place of the table's.

    Raises
    ------
    MissingPriceError
        If neither the table nor the expansions price an operation.

    Examples
    --------
    >>> from bitnet_hw.cost.counting import count
    >>> from bitnet_hw.inputs.scenario import Scenario
    >>> tally = count("gpt2", Scenario("decode", context=64), "bitnet-b1.58")
    >>> round(1e6 * sum(row.joules for row in price_tally(tally, "7nm")), 1)
    29.8
    """
    table = as_table(table)
    factors = zero_factors or {}
    rows: list[PricedRow] = []
    whole: set[tuple[str, str]] = set()
    for mac, count in (executed or tally.mac_counts).items():
        price = (own or {}).get(mac)
        if price is None:
            price = table.mac_price(mac, *(sharing or {}).get((mac.scope, mac.role), (1, 1)))
        if price is not None:
            whole.add((mac.scope, mac.role))
            same = mac.activation == mac.weight
            form = mac.activation if same else f"{mac.activation}*{mac.weight}"
            factor = factors.get(mac.role, 1.0) if parse_format(mac.weight).add_only else 1.0
            key = Key(mac.scope, mac.role, "mac", form, mac.accumulator)
            rows.append(PricedRow(key, count, price, factor))
    for key, count in tally.counts.items():
        if key.operation in PRODUCT_OPERATIONS and (key.scope, key.role) in whole:
            continue
        price = table.price(key.operation, key.format, key.accumulator)
        factor = factors.get(key.role, 1.0) if key.operation == "ternary-add" else 1.0
        rows.append(PricedRow(key, count, price, factor))
    return rows


def register_sharing(lowered: Lowered) -> dict[tuple[str, str], tuple[int, int]]:
    """Return by how many tokens and rows the registers of a MAC's operands are shared.

    A weight stays in its register for T tokens, or for all tokens of the product if these are
    fewer; an activation feeds R rows, or all outputs of the product if these are fewer. Keys and
    values take the place of weights in attention and are shared by the queries of their heads. If
    passes of one product differ, the smaller number applies.

    Returns
    -------
    dict
        (scope, role) -> (tokens, rows).
    """
    shared: dict[tuple[str, str], tuple[int, int]] = {}
    for product in lowered.products:
        tokens = min(product.shape.sharers, product.unit.tokens)
        rows = min(product.shape.fewest_outputs, product.unit.rows)
        before = shared.get((product.scope, product.role), (tokens, rows))
        shared[product.scope, product.role] = (min(tokens, before[0]), min(rows, before[1]))
    return shared


def price_operations(tally: OpTally, table: EnergyTable, lowered: Lowered) -> list[PricedRow]:
    """Price a tally on the machine for which the operators were lowered.

    Lanes that a dot product leaves idle are priced too: a tally has the multiplications, and the
    additions of dense float products, of the dot products alone.
    """
    factors = {product.role: product.zero_factor for product in lowered.products}
    executed = Counter[MacKey]()
    own: dict[MacKey, Price] = {}
    for product in lowered.products:
        executed[product.mac_key] += round(product.executed_macs)
        stated = product.unit.mac_energy(product.pair)
        if stated is not None:
            own[product.mac_key] = stated_price(stated, lowered.machine, "energy per MAC")
    return price_tally(
        _with_idle_lanes(tally, lowered), table, factors, register_sharing(lowered), executed, own
    )


def _with_idle_lanes(tally: OpTally, lowered: Lowered) -> OpTally:
    """Return a tally with the multiplications and float additions of idle lanes."""
    whole = OpTally()
    whole.counts.update(tally.counts)
    whole.mac_counts.update(tally.mac_counts)
    for product in lowered.products:
        if product.product_format is None or not product.idle_macs:
            continue
        key = Key(product.scope, product.role, "mul", product.product_format)
        whole.add(key, product.idle_macs)
        if product.activation.kind is Kind.FLOAT:
            sums = product.accumulator.name
            key = Key(product.scope, product.role, "add", product.activation.name, sums)
            whole.add(key, product.idle_macs)
    return whole


def price_traffic(
    rows: Iterable[Traffic],
    table: EnergyTable,
    machine: Machine,
    dram_prices: DramPrices | None = None,
) -> list[PricedTraffic]:
    """Price traffic: each memory by its own figure, or by its kind and size.

    Traffic of DRAM that lies outside the machine's boundary has no price.
    """
    drams = dram_prices or load_dram_prices()
    prices: dict[str, Price | None] = {
        memory.name: memory_price(memory, table, machine, drams)
        if memory.on_chip or machine.boundary.has_dram
        else None
        for memory in machine.memories
    }
    if machine.chips is not None:
        energy = machine.chips.link_energy_pj_per_bit
        prices[LINKS] = stated_price(energy, machine, "energy per bit sent between chips")
    return [PricedTraffic(row, prices[row.level]) for row in rows]


def price_unpacking(lowered: Lowered) -> list[PricedUnpacking]:
    """Price the unpacking of stored weights; nothing where the machine gives no energy for it."""
    found = []
    for product in lowered.products:
        entry = lowered.machine.unpacking_of(product.codec)
        if product.unpacked and entry is not None and entry.energy_pj_per_weight is not None:
            price = stated_price(
                entry.energy_pj_per_weight, lowered.machine, "energy per weight unpacked"
            )
            found.append(
                PricedUnpacking(product.scope, product.role, product.codec, product.unpacked, price)
            )
    return found


def memory_price(
    memory: Memory, table: EnergyTable, machine: Machine, dram_prices: DramPrices
) -> Price:
    """Return the energy per bit of a memory: its own figure, or that of its kind and size."""
    if memory.energy_pj_per_bit is not None:
        return stated_price(memory.energy_pj_per_bit, machine, f"energy per bit of {memory.name}")
    try:
        if memory.capacity_bytes is None or not memory.on_chip:
            return dram_prices.price(memory.kind)
        capacity = int(memory.capacity_bytes.value)
        return memory_price_of_kind(memory.kind, capacity, table, dram_prices)
    except MissingPriceError as error:
        raise MissingPriceError(
            f"machine {machine.name}, memory {memory.name}: {error}; or give energy_pj_per_bit"
        ) from None


def stated_price(figure: Figure, machine: Machine, what: str) -> Price:
    """Return a price that a machine's description states itself."""
    cites = f", which cites {machine.sources[figure.source].title}" if figure.source else ""
    source = Source(
        authors="bitnet-hw",
        title=f"Machine {machine.name}",
        venue=f"its description{cites}",
        year=2026,
    )
    kind: PriceKind = "published" if figure.source else "derived"
    low = figure.value if figure.low is None else figure.low
    high = figure.value if figure.high is None else figure.high
    formula = f"{what}, {figure.basis}" + (f": {figure.assumed}" if figure.assumed else "")
    return Price(
        figure.value, low, high, kind, "system", source, machine.name, formula, machine.name
    )


def _energy(number: float, price: Price) -> Band:
    """Return the energy of a number of operations or bits, J."""
    return Band(number * price.pj * 1e-12, number * price.low * 1e-12, number * price.high * 1e-12)
