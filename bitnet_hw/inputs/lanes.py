"""The lanes of a machine's add-only arrays, the one size that commands can change."""

from __future__ import annotations

from ..errors import InputError
from .formats import Kind
from .machine import Machine
from .unit import Unit

#: Weights whose products are additions.
_ADD_ONLY = (Kind.TERNARY, Kind.BINARY)


def add_only_arrays(machine: Machine) -> tuple[Unit, ...]:
    """Return the arrays that execute ternary or binary weights; empty if there is none.

    Where some take integer activations, arrays that take only float activations are left out: these
    are there for the float baseline.

    Examples
    --------
    >>> from bitnet_hw.inputs.machine import load_machine
    >>> [unit.name for unit in add_only_arrays(load_machine("edge"))]
    ['ternary-array']
    """
    found = [
        (unit, [activation for activation, weight in unit.kinds if weight in _ADD_ONLY])
        for unit in machine.units
        if unit.kind == "array"
    ]
    able = [unit for unit, activations in found if activations]
    integer = [unit for unit, kinds in found if any(kind is not Kind.FLOAT for kind in kinds)]
    return tuple(integer or able)


def with_lanes(machine: Machine, lanes: int) -> Machine:
    """Return a machine whose add-only arrays have another number of lanes.

    A machine with other lanes than were measured is hypothetical, and nothing calibrates it.

    Raises
    ------
    InputError
        If the machine has no such array.

    Examples
    --------
    >>> from bitnet_hw.inputs.machine import load_machine
    >>> [unit.lanes for unit in with_lanes(load_machine("edge"), 64).units]
    [64, 8, 8]
    """
    arrays = add_only_arrays(machine)
    if not arrays:
        have = ", ".join(f"{unit.name} (kind {unit.kind})" for unit in machine.units)
        raise InputError(
            f"machine {machine.name} has no unit of kind array for ternary or binary weights, "
            f"whose lanes could be set; it has: {have}"
        )
    if all(unit.lanes == lanes for unit in arrays):
        return machine
    for unit in arrays:
        machine = machine.with_unit(unit.name, lanes=lanes)
    return machine.replace(hypothetical=True, calibration=None)
