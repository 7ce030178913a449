"""Area of a machine: the lanes of the units that a model uses, and the memories on the chip.

A lane is a multiplier or an add-only selector with its share of the adder tree, of the accumulator
and of the registers, as the MAC tables measure it, pre-layout. Decoders of stored weights, units
for elementwise steps, control, network and pads have no known area and are not counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ..inputs.machine import Machine, Memory, Unit
from ..prices.loading import as_table
from ..prices.macs import find_mac
from ..prices.memories import sram_area_um2
from ..prices.tables import EnergyTable
from .lowered import Lowered, LoweredProduct


class PerLane(NamedTuple):
    """A figure of one lane; None where it is not known, and then `basis` says why."""

    value: float | None
    basis: str


class AreaPart(NamedTuple):
    """A part of a machine's area.

    Attributes
    ----------
    name : str
        Name of the unit or memory.
    um2 : float or None
        Area, um2; None where it is not known.
    basis : str
        How the area was found, or what is missing.
    lanes : int
        Lanes of a unit, rows x lanes per row; 0 for a memory.
    """

    name: str
    um2: float | None
    basis: str
    lanes: int = 0


@dataclass(frozen=True)
class MachineArea:
    """Area of one chip of a machine, part by part.

    Attributes
    ----------
    machine : str
        Name of the machine.
    parts : tuple of AreaPart
        The units that a model uses, and the memories on the chip.
    """

    machine: str
    parts: tuple[AreaPart, ...]

    @property
    def um2(self) -> float | None:
        """Area of all parts, um2; None if that of any part is not known."""
        return None if self.unknown else self.known_um2

    @property
    def known_um2(self) -> float:
        """Area of the parts whose area is known, um2."""
        return sum(part.um2 for part in self.parts if part.um2 is not None)

    @property
    def unknown(self) -> tuple[AreaPart, ...]:
        """The parts whose area is not known."""
        return tuple(part for part in self.parts if part.um2 is None)


def machine_area(lowered: Lowered, table: EnergyTable | str | Path) -> MachineArea:
    """Return the area of the units that a lowered model uses, and of the memories on the chip.

    A unit counts with all its lanes, each as large as the largest that one of its products needs:
    by the unit's own `area_um2_per_lane`, else by the MAC that the table measured for the same
    formats. A memory counts by its own `area_um2`, else SRAM by its capacity at the table's node.

    Parameters
    ----------
    lowered : Lowered
        The model on its machine.
    table : EnergyTable, str or Path
        Gives the area per lane, if it is a table of measured MACs: the table, its name, or its
        file.

    Examples
    --------
    >>> from bitnet_hw.cost.lowering import lower
    >>> from bitnet_hw.inputs.scenario import Scenario
    >>> on_edge = lower("gpt2", Scenario("decode", context=64), "bitnet-b1.58", "edge")
    >>> array = machine_area(on_edge, "asap7-prelayout").parts[0]
    >>> array.name, array.lanes, round(array.um2, 1)
    ('ternary-array', 1024, 20937.7)
    """
    machine, table = lowered.machine, as_table(table)
    units = [
        _unit_part(unit, lowered, table) for unit in machine.units if products_of(unit, lowered)
    ]
    memories = [
        _memory_part(memory, machine, table) for memory in machine.memories if memory.on_chip
    ]
    return MachineArea(machine.name, (*units, *memories))


def products_of(unit: Unit, lowered: Lowered) -> list[LoweredProduct]:
    """Return the products that a unit computes."""
    return [product for product in lowered.products if product.unit.name == unit.name]


def lanes_of(unit: Unit) -> int:
    """Return the lanes of all rows of a unit."""
    return unit.rows * unit.lanes


def lane_area(unit: Unit, lowered: Lowered, table: EnergyTable) -> PerLane:
    """Return the area of a lane that can execute each of a unit's products, um2.

    That is the largest area that one of them needs: a lane that executes several pairs of formats
    is at least as large as one that executes the widest of them. The tables measure standard cells,
    so they say nothing about an FPGA or a processor.
    """
    device = lowered.machine.family.device

    def of(product: LoweredProduct) -> PerLane:
        own = unit.lane_area(product.pair)
        if own is not None:
            return PerLane(own.value, f"the machine's own figure for {product.pair}")
        if unit.kind == "programmable":
            return PerLane(None, "a programmable unit, whose area no energy table gives")
        if device != "asic":
            return PerLane(
                None, f"an array on a device of kind {device}, whose area no energy table gives"
            )
        found = find_mac(table.macs, *product.mac_key[2:])
        if found is None or not found[0].area_um2:
            return PerLane(None, _not_listed(table, "area per lane", product))
        return PerLane(found[0].area_um2, f"{found[0].what}, {table.name}")

    return _largest(map(of, _distinct(products_of(unit, lowered))))


def lane_energy(unit: Unit, lowered: Lowered, table: EnergyTable) -> PerLane:
    """Return the largest energy per cycle that a lane takes for one of a unit's products, pJ.

    Every register loads in every cycle; sharing among rows and tokens is not subtracted.
    """

    def of(product: LoweredProduct) -> PerLane:
        own = unit.mac_energy(product.pair)
        if own is not None:
            return PerLane(own.value, f"the machine's own figure for {product.pair}")
        price = table.mac_price(product.mac_key)
        if price is None:
            return PerLane(None, _not_listed(table, "energy per MAC", product))
        return PerLane(price.pj, f"{price.locator}, {table.name}")

    return _largest(map(of, _distinct(products_of(unit, lowered))))


def _distinct(products: Iterable[LoweredProduct]) -> Sequence[LoweredProduct]:
    """Return one product for each pair and accumulator."""
    return list({(p.pair, *p.mac_key[2:]): p for p in products}.values())


def _largest(found: Iterable[PerLane]) -> PerLane:
    figures = list(found)
    missing = next((figure for figure in figures if figure.value is None), None)
    return missing or max(figures, key=lambda figure: figure.value or 0.0)


def _not_listed(table: EnergyTable, what: str, product: LoweredProduct) -> str:
    return (
        f"energy table {table.name} gives no {what} of {product.pair} with "
        f"{product.accumulator.name} sums"
    )


def _unit_part(unit: Unit, lowered: Lowered, table: EnergyTable) -> AreaPart:
    lanes = lanes_of(unit)
    lane = lane_area(unit, lowered, table)
    if lane.value is None:
        return AreaPart(unit.name, None, lane.basis, lanes)
    basis = f"{lanes} lanes x {lane.value:g} um2 ({lane.basis})"
    return AreaPart(unit.name, lanes * lane.value, basis, lanes)


def _memory_part(memory: Memory, machine: Machine, table: EnergyTable) -> AreaPart:
    if memory.area_um2 is not None:
        return AreaPart(memory.name, memory.area_um2.value, "the machine's own figure")
    device = machine.family.device
    if device != "asic":
        return AreaPart(
            memory.name,
            None,
            f"the area of {memory.kind} on a device of kind {device} is not known",
        )
    node = f"{memory.kind} at {table.node_nm:g} nm"
    area = None
    if memory.kind == "SRAM" and memory.capacity_bytes is not None:
        area = sram_area_um2(int(memory.capacity_bytes.value), table.node_nm)
    if area is None:
        return AreaPart(memory.name, None, f"the area of {node} is not known")
    return AreaPart(memory.name, area, node)
