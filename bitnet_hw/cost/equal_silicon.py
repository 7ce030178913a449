"""Variants of a machine on which schemes are compared at equal area or equal power.

One FP16 lane takes the silicon of many ternary lanes, so that a comparison of arrays with the same
number of lanes compares chips of different sizes. Every scheme gets as much silicon as the scheme
that needs the most.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from ..errors import InputError, named, unknown_name
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
        The variant, which differs from the machine in the rows of `arrays` and in its name, and is
        hypothetical: nothing calibrates it.
    by : str
        ``area`` or ``power``.
    arrays : tuple of str
        Names of the array units that execute the projections and the FFN.
    lanes : int
        Their lanes.
    array_size : float
        Their area, um2, or peak power, W.
    size, target : float
        The same of all units that the scheme uses; and that of the scheme that needs the most,
        which was the target.
    area : MachineArea
        Area of the variant, memories on the chip included.
    """

    scheme: Scheme
    machine: Machine
    by: By
    arrays: tuple[str, ...]
    lanes: int
    array_size: float
    size: float
    target: float
    area: MachineArea

    @property
    def difference_percent(self) -> float:
        """Difference that remains because rows are whole: positive if the units are larger."""
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
    """Return for each scheme a variant of a machine, all of them with the same silicon.

    The silicon of a scheme is the area, or the peak power (lanes x clock x energy per MAC), of all
    units that it uses: those of the projections and FFN, and those of attention and the LM head.
    Every scheme gets as much as the scheme that needs the most: the rows of the array units that
    execute its projections and FFN are scaled up until the total is nearest to that one's. Its
    other units, and all memories, keep their size.

    Parameters
    ----------
    model, schemes, scenario
        What is compared.
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
        If there is no scheme, a scheme uses a programmable unit, the size of a lane is not known,
        or the scaled machine would compute a product on another unit.

    Examples
    --------
    >>> from bitnet_hw.inputs.scenario import Scenario
    >>> found = equalised("gpt2", ["fp16", "bitnet-b1.58"], Scenario("decode", context=64),
    ...                   "edge", "asap7-prelayout")
    >>> [(each.arrays, each.lanes, round(each.size)) for each in found]
    [(('float-array',), 144, 37652), (('ternary-array',), 1024, 37672)]
    """
    if by not in choices(By):
        raise unknown_name("quantity to equalise", str(by), choices(By))
    model, machine, table = as_model(model), as_machine(machine), as_table(table)
    scenario = as_scenario(scenario)
    rules = find_convention("system")
    if isinstance(schemes, (str, Path, Scheme)):
        raise InputError(f"schemes to equalise must be a list, found {named(schemes)}")
    prepared = [rules.prepared(as_scheme(scheme), float_accumulator) for scheme in schemes]
    if not prepared:
        raise InputError(f"equal {by} needs at least one scheme")
    described = [lower(model, scenario, scheme, machine) for scheme in prepared]
    sizes = [_sizes(each, table, by) for each in described]
    target = max(before.total for before in sizes)
    found: list[Equalised] = []
    for scheme, before, original in zip(prepared, sizes, described, strict=True):
        variant = _scaled(machine, before, target, by)
        lowered = lower(model, scenario, scheme, variant)
        _refuse_moved(original, lowered, by)
        after = _sizes(lowered, table, by)
        lanes = sum(lanes_of(unit) for unit in variant.units if unit.name in after.main)
        found.append(
            Equalised(
                scheme, variant, by, tuple(after.main), lanes, sum(after.main.values()),
                after.total, target, machine_area(lowered, table),
            )
        )  # fmt: skip
    return tuple(found)


class _Sizes(NamedTuple):
    """Sizes, um2 or W, of the units that a scheme uses, by name.

    `main` are the units that execute projections and FFN, and `rest` all others.
    """

    main: dict[str, float]
    rest: dict[str, float]

    @property
    def total(self) -> float:
        return sum(self.main.values()) + sum(self.rest.values())


def _sizes(lowered: Lowered, table: EnergyTable, by: By) -> _Sizes:
    """Return the um2 or W of each unit that a lowered model uses."""
    sizes = _Sizes({}, {})
    where = f"machine {lowered.machine.name}: equal {by} in scheme {lowered.scheme.name}"
    for unit in lowered.machine.units:
        roles = {product.role for product in products_of(unit, lowered)}
        if not roles:
            continue
        if unit.kind == "programmable":
            raise InputError(
                f"{where} needs array units; unit {unit.name} is programmable and has no rows to "
                "scale"
            )
        main = not roles.isdisjoint(LINEAR_ROLES)
        (sizes.main if main else sizes.rest)[unit.name] = _size(unit, lowered, table, by, where)
    return sizes


def _size(unit: Unit, lowered: Lowered, table: EnergyTable, by: By, where: str) -> float:
    """Return the area, um2, or the peak power, W, of a unit."""
    lane = (lane_area if by == "area" else lane_energy)(unit, lowered, table)
    key = "area_um2_per_lane" if by == "area" else "energy_pj_per_mac"
    if lane.value is None:
        tables = "" if table.macs else "choose a table of measured MACs (asap7-prelayout), or "
        raise InputError(
            f"{where}, unit {unit.name}: {lane.basis}; {tables}write {key} in the machine's file"
        )
    if lane.value == 0:
        raise InputError(
            f"{where}, unit {unit.name}: {key} is 0, {lane.basis}; a power to compare needs one "
            "above 0"
        )
    return lanes_of(unit) * lane.value * _per_lane_scale(unit, by)


def _per_lane_scale(unit: Unit, by: By) -> float:
    """Return 1 for an area, and the W per pJ and cycle for a power."""
    if by == "area" or unit.clock_hz is None:
        return 1.0
    return unit.clock_hz.value * 1e-12


def _scaled(machine: Machine, sizes: _Sizes, target: float, by: By) -> Machine:
    """Return the variant in which all units of a scheme together come nearest to the target."""
    factor = (target - sum(sizes.rest.values())) / sum(sizes.main.values())
    units = tuple(
        unit.replace(rows=max(1, round(unit.rows * factor))) if unit.name in sizes.main else unit
        for unit in machine.units
    )
    ending = f", equal {by}"
    name = machine.name[: _LONGEST_NAME - len(ending)] + ending
    return machine.replace(name=name, units=units, hypothetical=True, calibration=None)


def _refuse_moved(before: Lowered, after: Lowered, by: By) -> None:
    """Refuse a variant that computes a product on another unit than the machine."""
    for one, other in zip(before.products, after.products, strict=True):
        if one.unit.name != other.unit.name:
            raise InputError(
                f"machine {before.machine.name} scaled to equal {by}: scheme {before.scheme.name} "
                f"would move {one.role} from {one.unit.name} to {other.unit.name}, which is then "
                "faster; give the pair of formats to one unit alone"
            )
