"""``bitnet-hw machines``: the list of shipped machines, or all of one machine."""

from __future__ import annotations

import click

from ..errors import InputError
from ..inputs import catalogue
from ..inputs.machine import DEFAULT_MACHINE, Machine, load_machine
from ..units import quantity
from .output import Column, numbers, print_json, print_table, print_yaml

#: End of a key -> the unit, and what it is per.
_UNITS = {
    "_hz": ("Hz", ""),
    "_bytes": ("B", ""),
    "_bytes_per_s": ("B", "/s"),
    "_w": ("W", ""),
}


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option(
    "--yaml", "as_yaml", is_flag=True, help="Print the machine's YAML file, to copy and change."
)
def command(name: str | None, as_json: bool, as_yaml: bool) -> None:
    """List the shipped machines, or show one machine.

    NAME is a shipped machine or a YAML file. A machine is a PE array with its buffers and DRAM. It
    has R rows (outputs computed in parallel) and L lanes (terms of a dot product added per cycle),
    and T tokens share one fetch of a weight.
    """
    if as_yaml and as_json:
        raise InputError("--yaml and --json exclude each other; give one")
    if as_yaml:
        print_yaml("machines", name or DEFAULT_MACHINE)
        return
    names = [name] if name else catalogue.names("machines")
    machines = [load_machine(entry) for entry in names]
    if as_json:
        found = [machine.model_dump() for machine in machines]
        print_json(found[0] if name else found)
    elif name:
        shown = machines[0].model_dump()
        cells = ((key, _in_words(key, value)) for key, value in shown.items())
        print_table(("key", Column("value", long="wrap")), cells)
    else:
        sizes = numbers("R", "L", "T", "clock", "buffers", "bandwidth", "capacity")
        columns: list[str | Column] = ["name", *sizes, "DRAM", Column("description", long="wrap")]
        print_table(columns, (_row(machine) for machine in machines))


def _in_words(key: str, value: object) -> object:
    """Return a value of a machine with an SI prefix where it has one of the units of `_UNITS`."""
    for ending, (unit, per) in _UNITS.items():
        if key.endswith(ending) and isinstance(value, (int, float)):
            return f"{quantity(value, unit)}{per}"
    return value


def _row(machine: Machine) -> tuple[object, ...]:
    buffers = (machine.activation_buffer_bytes, machine.weight_buffer_bytes)
    return (
        machine.name,
        machine.rows,
        machine.lanes,
        machine.tokens,
        quantity(machine.clock_hz, "Hz"),
        " + ".join(quantity(size, "B") for size in buffers),
        f"{quantity(machine.bandwidth_bytes_per_s, 'B')}/s",
        quantity(machine.capacity_bytes, "B"),
        machine.dram,
        machine.description,
    )
