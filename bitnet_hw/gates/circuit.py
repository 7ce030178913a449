"""Circuits: netlists bound to a library, with drivers, loads and the order of evaluation."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from ..errors import InputError
from .cells import Cell, Pin
from .library import Library
from .netlist import CONSTANTS, Instance, Netlist


class Gate(NamedTuple):
    """An instance with its cell."""

    instance: Instance
    cell: Cell

    def net(self, pin: str) -> str | None:
        """Return the net on a pin, or None if the pin is open."""
        return self.instance.pins.get(pin)


class Terminal(NamedTuple):
    """One pin of one gate."""

    gate: Gate
    pin: Pin


@dataclass(frozen=True)
class Circuit:
    """A netlist bound to a library, with every cell, pin and net checked.

    Attributes
    ----------
    netlist : Netlist
        Instances and connections.
    library : Library
        Cells.
    gates : list of Gate
        Combinational gates in topological order, each after the gates that drive it, followed by
        the flip-flops.
    drivers : dict of str to Terminal
        Net -> output pin that drives it.
    sinks : dict of str to list of Terminal
        Net -> input pins that it drives.
    """

    netlist: Netlist
    library: Library
    gates: list[Gate]
    drivers: dict[str, Terminal]
    sinks: dict[str, list[Terminal]]

    @cached_property
    def clock_nets(self) -> frozenset[str]:
        """Nets on the clock pins of flip-flops."""
        nets = {
            gate.net(pin.name)
            for gate in self.gates
            for pin in gate.cell.inputs
            if gate.cell.is_clock(pin)
        }
        return frozenset(net for net in nets if net is not None)

    @property
    def area(self) -> float:
        """Sum of the cell areas, in the library's unit."""
        return sum(gate.cell.area for gate in self.gates)

    def load(self, net: str, wire: float = 0.0) -> tuple[float, float]:
        """Return the capacitance of a net for a rising and a falling signal, F.

        Parameters
        ----------
        net : str
            Name of the net.
        wire : float
            Wire capacitance per fan-out, F.
        """
        sinks = self.sinks.get(net, ())
        added = wire * len(sinks)
        return (
            added + sum(sink.pin.capacitance[0] for sink in sinks),
            added + sum(sink.pin.capacitance[1] for sink in sinks),
        )


def bind(netlist: Netlist, library: Library) -> Circuit:
    """Bind a netlist to a library.

    Raises
    ------
    InputError
        If a cell or pin is not in the library, a net has two drivers or none, or there is a
        combinational loop. The message lists the instances of the loop.
    """
    gates: list[Gate] = []
    drivers: dict[str, Terminal] = {}
    sinks: dict[str, list[Terminal]] = {}
    given = {net for nets in netlist.inputs.values() for net in nets}
    for instance in netlist.instances:
        gate = Gate(instance, library.cell(instance.cell))
        gates.append(gate)
        for pin_name, net in instance.pins.items():
            pin = gate.cell.pins.get(pin_name)
            if pin is None:
                raise InputError(f"{instance.name}: cell {instance.cell} has no pin {pin_name!r}")
            terminal = Terminal(gate, pin)
            if pin.direction == "input":
                sinks.setdefault(net, []).append(terminal)
                continue
            if net in drivers or net in given:
                raise InputError(f"net {net} is driven twice, by {instance.name} among others")
            drivers[net] = terminal
        for pin in gate.cell.inputs:
            if pin.name not in instance.pins:
                raise InputError(f"{instance.name}: input {pin.name} is open")
    for net, pins in sinks.items():
        if net not in drivers and net not in given and net not in CONSTANTS:
            raise InputError(f"net {net}, read by {pins[0].gate.instance.name}, has no driver")
    return Circuit(netlist, library, _ordered(gates, drivers), drivers, sinks)


def _ordered(gates: list[Gate], drivers: dict[str, Terminal]) -> list[Gate]:
    logic = {gate.instance.name: gate for gate in gates if gate.cell.flip_flop is None}
    waiting: dict[str, int] = {}
    feeds: dict[str, list[str]] = {}
    for name, gate in logic.items():
        sources = set()
        for pin in gate.cell.inputs:
            driver = drivers.get(gate.instance.pins[pin.name])
            if driver is not None and driver.gate.instance.name in logic:
                sources.add(driver.gate.instance.name)
        waiting[name] = len(sources)
        for source in sources:
            feeds.setdefault(source, []).append(name)
    ready = deque(name for name, count in waiting.items() if not count)
    order: list[Gate] = []
    while ready:
        name = ready.popleft()
        order.append(logic[name])
        for fed in feeds.get(name, ()):
            waiting[fed] -= 1
            if not waiting[fed]:
                ready.append(fed)
    if len(order) < len(logic):
        raise InputError(f"combinational loop: {_loop(waiting, feeds)}")
    return order + [gate for gate in gates if gate.cell.flip_flop is not None]


def _loop(waiting: dict[str, int], feeds: dict[str, list[str]]) -> str:
    stuck = {name for name, count in waiting.items() if count}
    into = {fed: name for name in stuck for fed in feeds.get(name, ()) if fed in stuck}
    # Every waiting gate waits for another one, so a walk backwards must reach a loop.
    at = next(iter(into))
    seen: list[str] = []
    while at not in seen:
        seen.append(at)
        at = into[at]
    path = [*seen[seen.index(at) :], at][::-1]
    return " -> ".join(path if len(path) <= 9 else [*path[:8], "...", path[-1]])
