"""Standard cells: functions, capacitances, delays, energies and leakage."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from .expression import Expression, parse_expression
from .liberty import Group
from .tables import Table, Templates, Units, read_table


class Arc(NamedTuple):
    """Delay and output transition from one input to one output.

    Attributes
    ----------
    source : str
        Input pin.
    kind : str
        ``timing_type``; ``combinational`` if the library states none.
    sense : str
        ``positive_unate``, ``negative_unate``, ``non_unate`` or empty.
    delay, transition : tuple of Table or None
        For a rising and a falling output, s.
    """

    source: str
    kind: str
    sense: str
    delay: tuple[Table | None, Table | None]
    transition: tuple[Table | None, Table | None]


class InternalPower(NamedTuple):
    """One ``internal_power`` group.

    Attributes
    ----------
    source : str
        ``related_pin`` of an output's group; empty in a group of an input.
    when : Expression or None
        Condition under which the group applies.
    supply : str
        ``related_pg_pin``. Groups of different supplies add up.
    rise, fall : Table or None
        Energy of one transition of the pin that holds the group, J. A one-sided group has only
        one of them.
    """

    source: str
    when: Expression | None
    supply: str
    rise: Table | None
    fall: Table | None


class Setup(NamedTuple):
    """Setup time of a data pin before the clock's active edge, s, for rising and falling data."""

    rise: Table | None
    fall: Table | None


@dataclass(frozen=True)
class Pin:
    """One pin of a cell; its capacitance, in F, is for a rising and a falling signal."""

    name: str
    direction: str
    capacitance: tuple[float, float]
    function: Expression | None
    arcs: tuple[Arc, ...]
    powers: tuple[InternalPower, ...]
    setup: tuple[Setup, ...]


class FlipFlop(NamedTuple):
    """The ``ff`` group: the names of its two states and its four functions."""

    state: str
    inverse: str
    clock: Expression
    data: Expression
    clear: Expression | None
    preset: Expression | None


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes
    ----------
    name : str
        Name in the library.
    area : float
        Area in the library's unit, um2 by convention.
    pins : dict of str to Pin
        Pins by name.
    flip_flop : FlipFlop or None
        Sequential behaviour; None for combinational cells.
    leakages : tuple of (Expression or None, float)
        ``leakage_power`` groups, each with its condition, summed over supplies, W.
    cell_leakage : float or None
        ``cell_leakage_power``, W.
    """

    name: str
    area: float
    pins: dict[str, Pin]
    flip_flop: FlipFlop | None
    leakages: tuple[tuple[Expression | None, float], ...]
    cell_leakage: float | None

    @cached_property
    def inputs(self) -> tuple[Pin, ...]:
        """Input pins."""
        return tuple(pin for pin in self.pins.values() if pin.direction == "input")

    @cached_property
    def outputs(self) -> tuple[Pin, ...]:
        """Output pins."""
        return tuple(pin for pin in self.pins.values() if pin.direction == "output")

    def is_clock(self, pin: Pin) -> bool:
        """Return whether an input clocks the cell's flip-flop."""
        return self.flip_flop is not None and pin.name in self.flip_flop.clock.inputs


class LibraryContext(NamedTuple):
    """The parts of a library that its cells refer to.

    Attributes
    ----------
    units : Units
        SI values of the library's units.
    timing_templates, power_templates : mapping
        ``lu_table_template`` and ``power_lut_template`` groups by name.
    default_input_capacitance : float
        Capacitance of an input pin that states none, F; 0 if the library has no default.
    """

    units: Units
    timing_templates: Templates
    power_templates: Templates
    default_input_capacitance: float


def _function(group: Group, key: str) -> Expression | None:
    found = group.simple.get(key)
    if found is None or not found[0]:
        return None
    try:
        return parse_expression(found[0])
    except ValueError as error:
        raise group.text.error(found[1], f"{key}: {error}") from None


def read_cell(group: Group, context: LibraryContext) -> Cell:
    """Read a ``cell`` group.

    Raises
    ------
    InputError
        If cells of this kind are not simulated, or if the cell lacks data that simulation or power
        analysis needs: a function, or the energy of an output or a clock pin.
    """
    name = group.name
    for kind in ("latch", "statetable", "ff_bank", "latch_bank", "bus", "bundle"):
        for part in group.of(kind):
            raise part.error(f"cell {name} has a group {kind}; such cells are not simulated")
    area = group.number("area")
    if area is None:
        raise group.error(f"cell {name} has no area")
    flip_flop = _flip_flop(group)
    pins = {}
    for pin_group in group.of("pin"):
        for pin_name in pin_group.names:
            pins[pin_name] = _pin(pin_group, pin_name, context)
    watt = context.units.watt
    cell_leakage = group.number("cell_leakage_power")
    cell = Cell(
        name=name,
        area=area,
        pins=pins,
        flip_flop=flip_flop,
        leakages=_leakages(group, watt),
        cell_leakage=None if cell_leakage is None else cell_leakage * watt,
    )
    _check(cell, group)
    return cell


def _check(cell: Cell, group: Group) -> None:
    if not cell.leakages and cell.cell_leakage is None:
        raise group.error(f"cell {cell.name} has no leakage power")
    states = () if cell.flip_flop is None else (cell.flip_flop.state, cell.flip_flop.inverse)
    for pin in cell.outputs:
        if pin.function is None:
            raise group.error(f"cell {cell.name}: output {pin.name} has no function")
        for source in pin.function.inputs:
            if source not in states and source not in cell.pins:
                raise group.error(
                    f"cell {cell.name}: the function of {pin.name} names {source}, "
                    "which is neither a pin nor a state"
                )
        if not pin.powers and pin.function.inputs:
            raise group.error(f"cell {cell.name}: output {pin.name} has no internal power")
    for pin in cell.inputs:
        if cell.is_clock(pin) and not pin.powers:
            raise group.error(f"cell {cell.name}: clock pin {pin.name} has no internal power")


def _flip_flop(group: Group) -> FlipFlop | None:
    for ff in group.of("ff"):
        names = ff.names
        clock, data = _function(ff, "clocked_on"), _function(ff, "next_state")
        if len(names) != 2 or clock is None or data is None:
            raise ff.error(f"cell {group.name}: ff needs two states, clocked_on and next_state")
        return FlipFlop(
            names[0], names[1], clock, data, _function(ff, "clear"), _function(ff, "preset")
        )
    return None


def _leakages(group: Group, watt: float) -> tuple[tuple[Expression | None, float], ...]:
    sums: dict[str, tuple[Expression | None, float]] = {}
    for part in group.of("leakage_power"):
        value = part.number("value")
        if value is None:
            raise part.error(f"cell {group.name}: leakage_power has no value")
        when = _function(part, "when")
        key = when.verilog if when else ""
        sums[key] = (when, sums.get(key, (when, 0.0))[1] + value * watt)
    return tuple(sums.values())


def _pin(group: Group, name: str, context: LibraryContext) -> Pin:
    direction = group.get("direction")
    if direction not in ("input", "output", "internal"):
        raise group.error(f"pin {name}: direction {direction!r} is neither input nor output")
    if direction == "output" and "three_state" in group.simple:
        raise group.error(f"pin {name} is three-state; such cells are not simulated")
    farad = context.units.farad
    plain = group.number("capacitance")
    default = context.default_input_capacitance if direction == "input" else 0.0
    both = default if plain is None else plain * farad
    sides = [group.number(f"{side}_capacitance") for side in ("rise", "fall")]
    if direction == "input" and plain is None and None in sides and not default:
        raise group.error(f"pin {name} has no capacitance")
    rise, fall = (both if side is None else side * farad for side in sides)
    second, joule = context.units.second, context.units.joule

    def table(part: Group, kind: str, unit: float) -> Table | None:
        found = part.of(kind)
        power = kind.endswith("power")
        templates = context.power_templates if power else context.timing_templates
        return read_table(found[0], templates, context.units, unit) if found else None

    arcs, setup = [], []
    for part in group.of("timing"):
        kind = part.get("timing_type", "combinational")
        if kind.startswith("setup_"):
            setup.append(
                Setup(
                    table(part, "rise_constraint", second), table(part, "fall_constraint", second)
                )
            )
        elif direction == "output":
            delay = (table(part, "cell_rise", second), table(part, "cell_fall", second))
            slew = (table(part, "rise_transition", second), table(part, "fall_transition", second))
            sense = part.get("timing_sense")
            arcs += [Arc(source, kind, sense, delay, slew) for source in _sources(part)]
    powers: list[InternalPower] = []
    for part in group.of("internal_power"):
        both_ways = table(part, "power", joule)
        powers += [
            InternalPower(
                source,
                _function(part, "when"),
                part.get("related_pg_pin"),
                table(part, "rise_power", joule) or both_ways,
                table(part, "fall_power", joule) or both_ways,
            )
            for source in _sources(part) or [""]
        ]
    function = _function(group, "function")
    return Pin(
        name=name,
        direction=direction,
        capacitance=(rise, fall),
        function=function,
        arcs=tuple(arcs),
        powers=tuple(_paired(powers)),
        setup=tuple(setup),
    )


def _paired(powers: list[InternalPower]) -> list[InternalPower]:
    """Join a rising and a falling one-sided group with the same input, condition and supply.

    If they were separate, each would get half of the transitions at half of its energy, so that
    half of the energy would be lost.
    """
    joined: dict[tuple[str, str, str], InternalPower] = {}
    found: list[InternalPower] = []
    for power in powers:
        if (power.rise is None) == (power.fall is None):
            found.append(power)
            continue
        key = (power.source, power.when.verilog if power.when else "", power.supply)
        other = joined.pop(key, None)
        if other is None:
            joined[key] = power
        elif (other.rise is None) == (power.rise is None):
            found.append(other)
            joined[key] = power
        else:
            found.append(
                power._replace(rise=power.rise or other.rise, fall=power.fall or other.fall)
            )
    return found + list(joined.values())


def _sources(group: Group) -> list[str]:
    return group.get("related_pin").replace('"', " ").split()
