"""Variants of a machine on which schemes are compared at equal area or equal power.

One FP16 lane takes the silicon of many ternary lanes, so that a comparison of arrays with the same
number of lanes compares chips of different size.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ..errors import InputError, unknown_name
from ..files.records import choices
from ..inputs.machine import Machine, Unit, as_machine
from ..inputs.model import ModelSpec, as_model
from ..inputs.roles import LINEAR_ROLES
from ..inputs.scenario import Scenario, as_scenario
from ..inputs.scheme import Scheme, as_scheme
from ..prices.loading import as_table
from ..prices.tables import EnergyTable
from .area import MachineArea, lane_area, lane_energy, lanes_of, machine_area, products_of
from .counting import find_convention
from .lowered import Lowered
from .lowering import lower

#: What schemes can be compared at: area in um2, or peak power in W.
By = Literal["area", "power"]
#: Longest name of a machine.
_LONGEST_NAME = 80


@dataclass(frozen=True)
class Equalised:
    """A scheme with the variant of the machine on which it is compared.

    Attributes
    ----------
    scheme : Scheme
        The scheme.
    machine : Machine
        The variant, which differs from the machine in the rows of `arrays` and in its name.
    by : str
        ``area`` or ``power``.
    arrays : tuple of str
        Names of the array units that execute the projections and the FFN.
    lanes : int
        Their lanes.
    size, target : float
        Their area, um2, or peak power, W; and that of the first scheme's, which was aimed at.
    area : MachineArea
        Area of the variant, other units and memories on the chip included.
    """

    scheme: Scheme
    machine: Machine
    by: By
    arrays: tuple[str, ...]
    lanes: int
    size: float
    target: float
    area: MachineArea

    @property
    def difference_percent(self) -> float:
        """Difference that remains because rows are whole: positive if the array is larger."""
        return 100 * (self.size / self.target - 1)


def equalised(
    model: ModelSpec | str | Path,
    schemes: Iterable[Scheme | str | Path],
    scenario: Scenario,
    machine: Machine | str | Path,
    table: EnergyTable | str | Path,
    by: By = "area",
    float_accumulator: str | None = None,
) -> tuple[Equalised, ...]:
    """Return for each scheme a variant of a machine with as much silicon as the first scheme uses.

    The rows of the array units that execute a scheme's projections and FFN are scaled until their
    area, or their peak power (lanes x clock x energy per MAC), is nearest to that of the first
    scheme's units, which keep their size. Other units, such as one for attention and the LM head,
    and all memories keep theirs.

    Parameters
    ----------
    model, schemes, scenario
        What is compared; the first scheme sets the size.
    machine : Machine, str or Path
        The machine that is scaled.
    table : EnergyTable, str or Path
        A table of measured MACs, which gives area and energy of a lane where the machine's file
        does not.
    by : str
        ``area`` or ``power``.
    float_accumulator : str, optional
        As for `estimate`.

    Returns
    -------
    tuple of Equalised
        One per scheme, in order.

    Raises
    ------
    InputError
        If there is no scheme, a scheme's projections run on a programmable unit, the size of a lane
        is not known, or the scaled machine would compute them on another unit.

    Examples
    --------
    >>> from bitnet_hw.inputs.scenario import Scenario
    >>> found = equalised("gpt2", ["fp16", "bitnet-b1.58"], Scenario("decode", context=64),
    ...                   "edge", "asap7-prelayout")
    >>> [(each.lanes, round(each.size)) for each in found]
    [(64, 16734), (832, 17012)]
    """
    if by not in choices(By):
        raise unknown_name("quantity to equalise", str(by), choices(By))
    model, machine, table = as_model(model), as_machine(machine), as_table(table)
    scenario = as_scenario(scenario)
    rules = find_convention("system")
    prepared = [rules.prepared(as_scheme(scheme), float_accumulator) for scheme in schemes]
    if not prepared:
        raise InputError(f"equal {by} needs at least one scheme")
    found: list[Equalised] = []
    target: float | None = None
    for scheme in prepared:
        before = lower(model, scenario, scheme, machine)
        sizes = _sizes(before, table, by)
        if target is None:
            target = sum(sizes.values())
        variant = _scaled(machine, sizes, target, by)
        after = lower(model, scenario, scheme, variant)
        size = _sizes(after, table, by)
        if size.keys() != sizes.keys():
            raise InputError(
                f"machine {machine.name} scaled to equal {by}: scheme {scheme.name} would move its "
                f"projections and FFN from {_named(sizes)} to {_named(size)}, which is then faster;"
                " give the pair of formats to one unit alone"
            )
        lanes = sum(lanes_of(unit) for unit in variant.units if unit.name in size)
        found.append(
            Equalised(
                scheme, variant, by, tuple(size), lanes, sum(size.values()), target,
                machine_area(after, table),
            )
        )  # fmt: skip
    return tuple(found)


def _sizes(lowered: Lowered, table: EnergyTable, by: By) -> dict[str, float]:
    """Return the um2 or W of each unit that executes projections and FFN."""
    sizes = {}
    for unit in lowered.machine.units:
        if not any(product.role in LINEAR_ROLES for product in products_of(unit, lowered)):
            continue
        where = f"machine {lowered.machine.name}: equal {by} in scheme {lowered.scheme.name}"
        if unit.kind == "programmable":
            raise InputError(
                f"{where} needs array units for projections and FFN; unit {unit.name} is "
                "programmable and has no rows to scale"
            )
        lane = (lane_area if by == "area" else lane_energy)(unit, lowered, table)
        key = "area_um2_per_lane" if by == "area" else "energy_pj_per_mac"
        if lane.value is None:
            tables = "" if table.macs else "choose a table of measured MACs (asap7-prelayout), or "
            raise InputError(
                f"{where}, unit {unit.name}: {lane.basis}; {tables}write {key} in the machine's "
                "file"
            )
        if lane.value == 0:
            raise InputError(
                f"{where}, unit {unit.name}: {key} is 0, {lane.basis}; a power to compare needs "
                "one above 0"
            )
        sizes[unit.name] = lanes_of(unit) * lane.value * _per_lane_scale(unit, by)
    return sizes


def _per_lane_scale(unit: Unit, by: By) -> float:
    """Return 1 for an area, and the W per pJ and cycle for a power."""
    if by == "area" or unit.clock_hz is None:
        return 1.0
    return unit.clock_hz.value * 1e-12


def _scaled(machine: Machine, sizes: dict[str, float], target: float, by: By) -> Machine:
    """Return the variant in which the named units together come nearest to the target."""
    factor = target / sum(sizes.values())
    units = tuple(
        unit.replace(rows=max(1, round(unit.rows * factor))) if unit.name in sizes else unit
        for unit in machine.units
    )
    ending = f", equal {by}"
    name = machine.name[: _LONGEST_NAME - len(ending)] + ending
    return machine.replace(name=name, units=units, hypothetical=True)


def _named(sizes: dict[str, float]) -> str:
    return " and ".join(sizes)
