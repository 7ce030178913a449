"""A standard-cell library: cells with functions, capacitances, delays, energies and leakage."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from ..errors import InputError
from .expression import Expression, parse_expression
from .liberty import Group, load
from .tables import Table, Templates, Units, read_table

_PREFIX = {"": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15, "a": 1e-18}


class Arc(NamedTuple):
    """Delay and output transition from one input to one output.

    Attributes
    ----------
    source : str
        Input pin.
    kind : str
        ``timing_type``; ``combinational`` where the library does not say.
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
        ``related_pin`` of an output's group, empty in an input's own.
    when : Expression or None
        Condition.
    supply : str
        ``related_pg_pin``: groups of different supplies add up.
    rise, fall : Table or None
        Energy of a transition of the pin that holds the group, J. A one-sided group has one.
    """

    source: str
    when: Expression | None
    supply: str
    rise: Table | None
    fall: Table | None


class Setup(NamedTuple):
    """Set-up time of a data pin against the clock's active edge, s, rising and falling data."""

    rise: Table | None
    fall: Table | None


@dataclass(frozen=True)
class Pin:
    """One pin of a cell. Capacitances in F, for a rising and a falling signal."""

    name: str
    direction: str
    capacitance: tuple[float, float]
    clock: bool
    function: Expression | None
    arcs: tuple[Arc, ...]
    powers: tuple[InternalPower, ...]
    setup: tuple[Setup, ...]


class FlipFlop(NamedTuple):
    """The ``ff`` group: names of its two states, and its four functions."""

    state: str
    inverse: str
    clock: Expression
    data: Expression
    clear: Expression | None
    preset: Expression | None


@dataclass(frozen=True)
class Cell:
    """One cell. Area in the library's unit, um2 by custom; leakage in W.

    Attributes
    ----------
    leakages : tuple of (Expression or None, float)
        ``leakage_power`` groups, summed over the supplies of one condition.
    cell_leakage : float or None
        ``cell_leakage_power``.
    """

    name: str
    place: str
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
        """Whether an input clocks the cell's flip-flop."""
        return self.flip_flop is not None and pin.name in self.flip_flop.clock.inputs


@dataclass(frozen=True)
class Library:
    """A standard-cell library at one corner.

    Attributes
    ----------
    name, path, sha256 : str
        What it calls itself, where it was read, and the hash of its uncompressed text.
    corner : str
        Name of its operating conditions.
    voltage, temperature : float
        V, degrees Celsius.
    groups : dict of str to Group
        Cells as they stand in the file; `cell` reads one.
    """

    name: str
    path: Path
    sha256: str
    corner: str
    voltage: float
    temperature: float
    units: Units
    groups: dict[str, Group]
    templates: Templates
    power_templates: Templates
    default_input_capacitance: float
    _read: dict[str, Cell] = field(default_factory=dict, repr=False)

    @property
    def dont_use(self) -> list[str]:
        """Cells that the library asks synthesis to leave alone."""
        return [name for name, cell in self.groups.items() if cell.get("dont_use") == "true"]

    def cell(self, name: str) -> Cell:
        """Return a cell.

        Raises
        ------
        InputError
            If the library has none of that name, or what simulation and power need is missing:
            a function, the energy of an output or of a clock pin.
        """
        if name not in self._read:
            group = self.groups.get(name)
            if group is None:
                raise InputError(f"{self.path}: library {self.name} has no cell {name!r}")
            self._read[name] = _read_cell(group, self)
        return self._read[name]


def read_library(path: str | Path) -> Library:
    """Read a Liberty file, compressed or not.

    Cells are looked into when they are asked for, so that a cell that no netlist uses may be
    of any kind.

    Raises
    ------
    InputError
        If it cannot be read, has unknown units, no flip-flop, or no internal power.
    """
    path = Path(path)
    root, sha256 = load(path)
    units = _units(root)
    cells = {group.name: group for group in root.of("cell")}
    if not cells:
        raise root.error(f"library {root.name} has no cells")
    if not any(group.of("ff") for group in cells.values()):
        raise root.error(
            f"library {root.name} has no flip-flop (a cell with an ff group); "
            "a processing element cannot be mapped to it"
        )
    pins = (pin for cell in cells.values() for pin in cell.of("pin"))
    if not any(pin.of("internal_power") for pin in pins):
        raise root.error(
            f"library {root.name} has no internal power; without it the energy would be "
            "switching only, about half"
        )
    corner = root.get("default_operating_conditions")
    conditions = {group.name: group for group in root.of("operating_conditions")}
    at = conditions.get(corner) or next(iter(conditions.values()), root)
    voltage = at.number("voltage") or root.number("nom_voltage")
    temperature = at.number("temperature")
    if temperature is None:
        temperature = root.number("nom_temperature")
    if voltage is None or temperature is None:
        raise root.error(f"library {root.name} gives no voltage or no temperature")
    return Library(
        name=root.name,
        path=path,
        sha256=sha256,
        corner=at.name if at is not root else "nominal",
        voltage=voltage * units.volt,
        temperature=temperature,
        units=units,
        groups=cells,
        templates={group.name: group for group in root.of("lu_table_template")},
        power_templates={group.name: group for group in root.of("power_lut_template")},
        default_input_capacitance=(root.number("default_input_pin_cap") or 0.0) * units.farad,
    )


def _units(root: Group) -> Units:
    load_unit = root.lists.get("capacitive_load_unit")
    if not load_unit:
        raise root.error("capacitive_load_unit is missing")
    arguments, at = load_unit[0]
    parts = arguments.replace('"', "").replace(" ", "").split(",")
    farad = _quantity("".join(parts), "f")
    if farad is None or len(parts) != 2:
        raise root.text.error(
            at, f"capacitive_load_unit ({arguments.strip()}) is not a capacitance"
        )
    return Units(
        second=_unit(root, "time_unit", "s", "1ns"),
        farad=farad,
        volt=_unit(root, "voltage_unit", "V", "1V"),
        watt=_unit(root, "leakage_power_unit", "W", None),
    )


def _unit(root: Group, key: str, unit: str, default: str | None) -> float:
    text, at = root.values.get(key, (default, root.at))
    if text is None:
        raise root.error(f"{key} is missing")
    value = _quantity(text, unit)
    if value is None:
        raise root.text.error(at, f"{key} {text!r} is not one of 1{unit}, 10m{unit}, 1n{unit} ...")
    return value


def _quantity(text: str, unit: str) -> float | None:
    plain = text.strip().replace(" ", "")
    number = plain.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    suffix = plain[len(number) :]
    if not suffix or suffix[-1].lower() != unit.lower():
        return None
    scale = _PREFIX.get(suffix[:-1].lower())
    try:
        value = float(number or "1")
    except ValueError:
        return None
    good = scale is not None and math.isfinite(value) and value > 0
    return value * scale if good and scale is not None else None


def _function(group: Group, key: str) -> Expression | None:
    found = group.values.get(key)
    if found is None or not found[0]:
        return None
    try:
        return parse_expression(found[0])
    except ValueError as error:
        raise group.text.error(found[1], f"{key}: {error}") from None


def _read_cell(group: Group, library: Library) -> Cell:
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
            pins[pin_name] = _pin(pin_group, pin_name, library)
    watt = library.units.watt
    cell_leakage = group.number("cell_leakage_power")
    cell = Cell(
        name=name,
        place=str(group.error("")).removesuffix(": "),
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


def _pin(group: Group, name: str, library: Library) -> Pin:
    direction = group.get("direction")
    if direction not in ("input", "output", "internal"):
        raise group.error(f"pin {name}: direction {direction!r} is neither input nor output")
    if direction == "output" and "three_state" in group.values:
        raise group.error(f"pin {name} is three-state; such cells are not simulated")
    farad = library.units.farad
    plain = group.number("capacitance")
    default = library.default_input_capacitance if direction == "input" else 0.0
    both = default if plain is None else plain * farad
    sides = [group.number(f"{side}_capacitance") for side in ("rise", "fall")]
    if direction == "input" and plain is None and None in sides and not default:
        raise group.error(f"pin {name} has no capacitance")
    rise, fall = (both if side is None else side * farad for side in sides)
    second, joule = library.units.second, library.units.joule

    def table(part: Group, kind: str, unit: float) -> Table | None:
        found = part.of(kind)
        templates = library.power_templates if kind.endswith("power") else library.templates
        return read_table(found[0], templates, library.units, unit) if found else None

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
        clock=group.get("clock") == "true",
        function=function,
        arcs=tuple(arcs),
        powers=tuple(_paired(powers)),
        setup=tuple(setup),
    )


def _paired(powers: list[InternalPower]) -> list[InternalPower]:
    """Join one-sided groups: a rising and a falling one of the same input, condition and supply.

    Left apart, each would take half of the transitions for half of the mean, a quarter in all.
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
