"""Static power: what is drawn however fast a model runs, and the leakage of on-chip memories."""

from __future__ import annotations

from typing import NamedTuple

from ..inputs.machine import Machine
from ..prices.memories import leakage_w
from ..prices.tables import EnergyTable


class StaticPower(NamedTuple):
    """Static power of a machine at the node of an energy table.

    Attributes
    ----------
    watts : float or None
        Power of all chips, W; None where neither the machine nor a list of prices gives any.
    missing_idle : tuple of str
        Parts inside the boundary whose idle power the machine does not give; see
        `Machine.missing_idle_power`.
    unknown_leakage : tuple of str
        Memories on the chip whose leakage is not known, so that it is not included.
    active_known : bool
        False where an existing device gives no power above idle; see `Machine.active_power_known`.
    """

    watts: float | None
    missing_idle: tuple[str, ...] = ()
    unknown_leakage: tuple[str, ...] = ()
    active_known: bool = True


def static_power(machine: Machine, table: EnergyTable) -> StaticPower:
    """Return the static power of a machine.

    A memory on the chip that does not state its own `static_w` has the leakage that is published
    for its kind and capacity at the table's node. Where idle power is subtracted, so is leakage.

    Parameters
    ----------
    machine : Machine
        The machine.
    table : EnergyTable
        Its node is that of the memories on the chip.

    Examples
    --------
    >>> from bitnet_hw.inputs.machine import load_machine
    >>> from bitnet_hw.prices.loading import load_table
    >>> edge = load_machine("edge")
    >>> static_power(edge, load_table("7nm")).unknown_leakage
    ('weight-sram', 'activation-sram')
    >>> leaks = static_power(edge, load_table("45nm")).watts - edge.static_w
    >>> round(1e3 * leaks, 3)  # two memories of 1 MiB, mW
    0.469
    """
    leaking: list[float] = []
    unknown = []
    for memory in machine.memories:
        size = memory.capacity_bytes
        if memory.static_w is not None or size is None or not memory.on_chip:
            continue
        if machine.boundary.idle_subtracted:
            continue
        watts = leakage_w(memory.kind, int(size.value), table.memory_node_nm)
        if watts is None:
            unknown.append(memory.name)
        else:
            leaking.append(watts * machine.chip_count)
    given = [] if machine.static_w is None else [machine.static_w]
    total = sum(given + leaking) if given or leaking else None
    active = machine.active_power_known
    return StaticPower(total, machine.missing_idle_power, tuple(unknown), active)
