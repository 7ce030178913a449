"""Static timing: loads, transitions, delays and the critical path, from the library's tables.

Loads are lumped, wires are a capacitance per fan-out, and the clock is ideal. If several arcs drive
a net, the slowest transition is used, as is usual in static timing analysis.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from .cells import Arc
from .circuit import Circuit, Gate
from .tables import Table

#: Which input edges (0 rise, 1 fall) lead to an output edge.
_CAUSES = {"positive_unate": ((0,), (1,)), "negative_unate": ((1,), (0,))}
_CLOCK_TO_OUTPUT = {"rising_edge": 0, "falling_edge": 1}
_RESET = ("clear", "preset")

Pair = tuple[float, float]


class ArcDelay(NamedTuple):
    """Delay from one input pin to an output, s, for a rising and a falling output."""

    source: str
    output: str
    rise: float
    fall: float


@dataclass(frozen=True)
class Conditions:
    """Conditions that the library does not determine.

    Attributes
    ----------
    input_transition : float
        Transition time of all inputs except the clock, s.
    clock_transition : float
        Transition time of the clock, s.
    wire : float
        Wire capacitance per fan-out, F.
    """

    input_transition: float
    clock_transition: float = 0.0
    wire: float = 0.0


@dataclass(frozen=True)
class TimedCircuit:
    """A circuit and its timing.

    Attributes
    ----------
    circuit : Circuit
        The circuit.
    conditions : Conditions
        Transition times and wire load for which the timing is valid.
    loads : dict of str to (float, float)
        Net -> capacitance for a rising and a falling signal, F.
    slews : dict of str to (float, float)
        Net -> transition time of a rising and a falling signal, s.
    delays : dict of str to list of ArcDelay
        Instance -> delays between its inputs and outputs.
    critical_path : float
        Shortest clock period that meets every setup time, s.
    path : list of str
        Instances along the critical path, from first to last.
    """

    circuit: Circuit
    conditions: Conditions
    loads: dict[str, Pair]
    slews: dict[str, Pair]
    delays: dict[str, list[ArcDelay]]
    critical_path: float
    path: list[str]


def analyse(circuit: Circuit, conditions: Conditions) -> TimedCircuit:
    """Find loads, transition times, delays and the critical path.

    Inputs arrive at the clock edge; outputs must settle before the next edge.
    """
    timing = _Timing(circuit, conditions)
    for gate in circuit.gates:
        if gate.cell.flip_flop is not None:
            timing.flip_flop(gate)
    for gate in circuit.gates:
        if gate.cell.flip_flop is None:
            timing.gate(gate)
    worst, end = timing.worst()
    path: list[str] = []
    while end is not None:
        name, edge = end
        driver = circuit.drivers.get(name)
        if driver is None:
            break
        path.append(driver.gate.instance.name)
        end = timing.cause.get((name, edge))
    loads = timing.loads
    return TimedCircuit(circuit, conditions, loads, timing.slews, timing.delays, worst, path[::-1])


class _Timing:
    def __init__(self, circuit: Circuit, conditions: Conditions) -> None:
        self.circuit, self.conditions = circuit, conditions
        nets = {net for bits in circuit.netlist.inputs.values() for net in bits}
        self.loads = {
            net: circuit.load(net, conditions.wire) for net in (nets | set(circuit.drivers))
        }
        slow, clock = conditions.input_transition, conditions.clock_transition
        self.slews: dict[str, Pair] = {
            net: (clock, clock) if net in circuit.clock_nets else (slow, slow) for net in nets
        }
        self.arrivals: dict[str, Pair] = dict.fromkeys(nets, (0.0, 0.0))
        self.cause: dict[tuple[str, int], tuple[str, int]] = {}
        self.delays: dict[str, list[ArcDelay]] = {}

    def flip_flop(self, gate: Gate) -> None:
        for pin in gate.cell.outputs:
            net = gate.net(pin.name)
            if net is None:
                continue
            load = self.loads[net]
            slew, late = [0.0, 0.0], [0.0, 0.0]
            found: list[ArcDelay] = []
            for arc in pin.arcs:
                edge = _CLOCK_TO_OUTPUT.get(arc.kind)
                source = gate.net(arc.source)
                if edge is None or source is None:
                    continue
                input_slew = self.slews.get(source, (0.0, 0.0))[edge]
                times = [0.0, 0.0]
                for out in (0, 1):
                    times[out] = _at(arc.delay[out], input_slew, load[out])
                    late[out] = max(late[out], times[out])
                    slew[out] = max(slew[out], _at(arc.transition[out], input_slew, load[out]))
                found.append(ArcDelay(arc.source, pin.name, *times))
            self.delays.setdefault(gate.instance.name, []).extend(found)
            self.slews[net] = (slew[0], slew[1])
            self.arrivals[net] = (late[0], late[1])

    def gate(self, gate: Gate) -> None:
        for pin in gate.cell.outputs:
            net = gate.net(pin.name)
            if net is None:
                continue
            load = self.loads[net]
            slew, late = [0.0, 0.0], [0.0, 0.0]
            found: dict[str, list[float]] = {}
            for arc in pin.arcs:
                source = gate.net(arc.source)
                if source is None or arc.kind in _RESET:
                    continue
                slews = self.slews.get(source)
                if slews is None:  # a constant never moves
                    continue
                arrival = self.arrivals[source]
                longest = found.setdefault(arc.source, [0.0, 0.0])
                for out, causes in enumerate(_CAUSES.get(arc.sense, ((0, 1), (0, 1)))):
                    for edge in causes:
                        time = _at(arc.delay[out], slews[edge], load[out])
                        longest[out] = max(longest[out], time)
                        turn = _at(arc.transition[out], slews[edge], load[out])
                        slew[out] = max(slew[out], turn)
                        if arrival[edge] + time > late[out]:
                            late[out] = arrival[edge] + time
                            self.cause[net, out] = (source, edge)
            self.delays.setdefault(gate.instance.name, []).extend(
                ArcDelay(source, pin.name, *times) for source, times in found.items()
            )
            self.slews[net] = (slew[0], slew[1])
            self.arrivals[net] = (late[0], late[1])

    def worst(self) -> tuple[float, tuple[str, int] | None]:
        worst, end = 0.0, None
        ends = [(net, 0.0, 0.0) for bits in self.circuit.netlist.outputs.values() for net in bits]
        for gate in self.circuit.gates:
            if gate.cell.flip_flop is None:
                continue
            for pin in gate.cell.inputs:
                net = gate.net(pin.name)
                if net is None or gate.cell.is_clock(pin):
                    continue
                clock, slews = self.conditions.clock_transition, self.slews.get(net, (0.0, 0.0))
                rise = max((_at(s.rise, clock, slews[0]) for s in pin.setup), default=0.0)
                fall = max((_at(s.fall, clock, slews[1]) for s in pin.setup), default=0.0)
                ends.append((net, rise, fall))
        for net, *setup in ends:
            for edge in (0, 1):
                needed = self.arrivals.get(net, (0.0, 0.0))[edge] + setup[edge]
                if needed > worst:
                    worst, end = needed, (net, edge)
        return worst, end


def _at(table: Table | None, x: float, y: float) -> float:
    return 0.0 if table is None else table.at(x, y)


def sense_of(gate: Gate, source: str, output: str) -> str:
    """Return the sense of the first arc between two pins, or an empty string if there is none."""
    arcs: tuple[Arc, ...] = gate.cell.pins[output].arcs
    return next((arc.sense for arc in arcs if arc.source == source), "")
