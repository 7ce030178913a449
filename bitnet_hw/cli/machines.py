"""``bitnet-hw machines``: the list of shipped machines, or all of one machine."""

from __future__ import annotations

from collections.abc import Iterator

import click

from ..cost.forms import boundary_in_words
from ..errors import InputError
from ..files.document import KeyPath
from ..inputs import catalogue
from ..inputs.figures import Figure
from ..inputs.formats import parse_format
from ..inputs.machine import DEFAULT_MACHINE, Machine, load_machine
from ..inputs.track_record import status
from ..inputs.unit import Pair
from ..units import quantity
from .output import Column, numbers, print_json, print_table, print_yaml

#: Columns of rates: heading -> activation and weight.
_PAIRS = {"ternary": ("int8", "ternary"), "INT8": ("int8", "int8"), "FP16": ("fp16", "fp16")}
#: Status -> what the figures rest on, in the words of the list.
_STATUS = {"calibrated": "calibrated", "family": "family", "blind": "data sheet"}
#: End of a key -> the unit, and the factor that takes the value to the unit without a prefix.
_UNITS = {
    "bandwidth_bytes_per_s": ("B/s", 1.0),
    "mac_per_s": ("MAC/s", 1.0),
    "_hz": ("Hz", 1.0),
    "_bytes": ("B", 1.0),
    "_w": ("W", 1.0),
    "seconds_per_step": ("s per step", 1.0),
    "seconds_per_layer": ("s per layer", 1.0),
    "seconds_per_weight": ("s per weight", 1.0),
    "pj_per_mac": ("J per MAC", 1e-12),
    "pj_per_bit": ("J per bit", 1e-12),
    "pj_per_weight": ("J per weight", 1e-12),
}


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option(
    "--yaml", "as_yaml", is_flag=True, help="Print the machine's YAML file, to copy and change."
)
def command(name: str | None, as_json: bool, as_yaml: bool) -> None:
    """List the shipped machines, or show one machine.

    NAME is a shipped machine or a YAML file. A machine is a device with the software or the RTL
    that runs on it: compute units, memories, overheads and power. The list shows the fastest rate
    that products of ternary, INT8 and FP16 weights reach, the bandwidth that the farthest memory
    reaches, and what the speed rests on: measurements of the machine itself (calibrated), of
    related machines (family), or data sheets alone. One machine is shown with the basis and the
    interval of every figure.
    """
    if as_yaml and as_json:
        raise InputError("--yaml and --json exclude each other; give one")
    if as_yaml:
        print_yaml("machines", name or DEFAULT_MACHINE)
        return
    names = [name] if name else catalogue.names("machines")
    machines = [load_machine(entry) for entry in names]
    if as_json:
        found = [m.model_dump(mode="json", by_alias=True, exclude_none=True) for m in machines]
        print_json(found[0] if name else found)
    elif name:
        _show(machines[0])
    else:
        columns: list[str | Column] = ["name", "kind", Column("stack", long="wrap")]
        columns += [*numbers(*_PAIRS), "memory", *numbers("bandwidth")]
        columns += [Column("rests on", long="wrap"), Column("description", long="wrap")]
        print_table(columns, map(_row, machines))


def _row(machine: Machine) -> tuple[object, ...]:
    family, far = machine.family, machine.main_memory
    return (
        machine.name,
        family.device,
        family.stack,
        *(_rate(machine, *pair) for pair in _PAIRS.values()),
        far.kind,
        None if far.rate is None else quantity(far.rate, "B/s"),
        _basis(machine),
        machine.description,
    )


def _rate(machine: Machine, activation: str, weight: str) -> str | None:
    found = machine.unit_for(Pair(parse_format(activation), parse_format(weight)))
    return None if found is None else quantity(found[0].rate(found[1]), "MAC/s")


def _basis(machine: Machine) -> str:
    words = _STATUS[status(machine, "speed")]
    return f"{words}; hypothetical" if machine.hypothetical else words


def _show(machine: Machine) -> None:
    print_table(["key", Column("value", long="wrap")], _facts(machine))
    columns = ["figure", *numbers("value"), "basis", *numbers("interval")]
    print_table([*columns, Column("source", long="wrap")], _figures(machine))


def _facts(machine: Machine) -> Iterator[tuple[str, object]]:
    """Yield everything about a machine that is not a figure."""
    yield "name", machine.name
    yield "description", machine.description
    yield "hypothetical", machine.hypothetical
    family = machine.family
    yield "family", f"{family.device}, {family.generation}, {family.stack}"
    yield "rests on", f"speed: {_basis(machine)}; energy: {_STATUS[status(machine, 'energy')]}"
    yield "boundary", boundary_in_words(machine)
    if machine.chips is not None:
        yield "chips", machine.chips.number
    for unit in machine.units:
        sizes = f"{unit.rows} rows x {unit.lanes} lanes, " if unit.kind == "array" else ""
        tokens = f"{unit.tokens} tokens per weight fetch"
        yield f"units.{unit.name}", f"{unit.kind}, {sizes}{tokens}; {', '.join(unit.pairs)}"
    for i, entry in enumerate(machine.unpacking):
        yield f"unpacking.{i}", f"of {', '.join(entry.codecs)}"
    for memory in machine.memories:
        holds = ", ".join(f"{what} (up to {part:.0%})" for what, part in memory.holds.items())
        yield f"memories.{memory.name}", f"{memory.kind} for {holds}"
    yield "weight_zero_saving", machine.weight_zero_saving
    yield "skips_inactive_weights", machine.skips_inactive_weights


def _figures(machine: Machine) -> Iterator[tuple[object, ...]]:
    for path, figure in machine.figures():
        interval = None
        if figure.low is not None or figure.high is not None:
            ends = (figure.low, figure.high)
            low, high = (figure.value if end is None else end for end in ends)
            interval = f"{_written(path, low)} to {_written(path, high)}"
        cells = (_key(machine, path), _written(path, figure.value), figure.basis)
        yield (*cells, interval, _source(machine, figure))


def _key(machine: Machine, path: KeyPath) -> str:
    """Return the key of a figure with the names of units and memories in place of their numbers."""
    parts = [str(key) for key in path]
    if path[0] in ("units", "memories"):
        parts[1] = getattr(machine, parts[0])[int(path[1])].name
    return ".".join(parts)


def _written(path: KeyPath, value: float) -> str:
    """Return a value with the unit that its key names."""
    for key in map(str, path):
        for ending, (unit, factor) in _UNITS.items():
            if key.endswith(ending):
                return quantity(value * factor, unit)
    return f"{value:g} um2" if "um2" in "".join(map(str, path)) else f"{value:g}"


def _source(machine: Machine, figure: Figure) -> str:
    """Return what a figure rests on, in words."""
    if figure.source:
        work = machine.sources[figure.source]
        words = work.title + ("" if work.read else " (not read first hand)")
    elif figure.fitted:
        words = f"rows {', '.join(figure.fitted)}"
    else:
        words = figure.borrowed_from or figure.assumed or ""
    note = f"; {figure.note}" if figure.note else ""
    return f"{words}{note}"
