"""Simulation without delays, which gives the settled values of every cycle and no glitches."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from .circuit import Circuit, Gate
from .netlist import ONE, ZERO
from .vectors import CLOCK_TRANSITIONS, Activity, Response, Vectors


def run_zero_delay(circuit: Circuit, vectors: Vectors) -> Response:
    """Simulate a circuit without delays. All nets and flip-flops start at 0."""
    state = _State(circuit)
    outputs: list[dict[str, int | None]] = []
    for number, given in enumerate(vectors.cycles):
        state.cycle(given, counted=number in vectors.counted)
        outputs.append(
            {
                port: sum(state.value[net] << i for i, net in enumerate(bits))
                for port, bits in circuit.netlist.outputs.items()
            }
        )
    return Response(state.activity(), outputs)


class _State:
    def __init__(self, circuit: Circuit) -> None:
        self.circuit = circuit
        self.value: dict[str, int] = {ZERO: 0, ONE: 1}
        for nets in circuit.netlist.inputs.values():
            self.value |= dict.fromkeys(nets, 0)
        self.value |= dict.fromkeys(circuit.drivers, 0)
        self.changes = dict.fromkeys(self.value, 0)
        self.high = dict.fromkeys(self.value, 0)
        self.counted = 0
        logic = [gate for gate in circuit.gates if gate.cell.flip_flop is None]
        flip_flops = [gate for gate in circuit.gates if gate.cell.flip_flop is not None]
        self.states = {gate.instance.name: 0 for gate in flip_flops}
        self.logic = _compiled("v", [line for gate in logic for line in _functions(gate)])
        self.clock = _compiled("s", [_next_state(gate) for gate in flip_flops])
        self.outputs = _compiled("v", [line for gate in flip_flops for line in _functions(gate)])

    def cycle(self, given: Mapping[str, int], *, counted: bool) -> None:
        before = dict(self.value) if counted else {}
        # The edge samples the values that the previous cycle left on the data pins. A next state
        # depends on no other state, so states can be updated in place.
        self.clock(self.value, self.states, 1)
        self.outputs(self.value, self.states, 1)
        for port, nets in self.circuit.netlist.inputs.items():
            bits = given.get(port, 0)
            for i, net in enumerate(nets):
                self.value[net] = bits >> i & 1
        self.logic(self.value, self.states, 1)
        if counted:
            self.counted += 1
            for net, now in self.value.items():
                self.changes[net] += now ^ before[net]
                self.high[net] += now

    def activity(self) -> Activity:
        seen = max(1, self.counted)
        transitions = {net: count / seen for net, count in self.changes.items()}
        ones = {net: count / seen for net, count in self.high.items()}
        for net in self.circuit.clock_nets:
            transitions[net], ones[net] = CLOCK_TRANSITIONS, 0.5
        return Activity(transitions, ones)


Step = Callable[[dict[str, int], dict[str, int], int], None]


def _compiled(target: str, lines: list[tuple[str, str]]) -> Step:
    """Compile (key, expression) pairs into one function that assigns them in order."""
    body = ["def step(v, s, full):", " pass"]
    body += [f" {target}[{key!r}] = {text}" for key, text in lines]
    space: dict[str, Step] = {}
    exec(compile("\n".join(body), "<netlist>", "exec"), space)  # noqa: S102  text made here
    return space["step"]


def _names(gate: Gate) -> dict[str, str]:
    names = {pin: f"v[{net!r}]" for pin, net in gate.instance.pins.items()}
    if gate.cell.flip_flop is not None:
        state = f"s[{gate.instance.name!r}]"
        names[gate.cell.flip_flop.state] = state
        names[gate.cell.flip_flop.inverse] = f"(full ^ {state})"
    return names


def _functions(gate: Gate) -> list[tuple[str, str]]:
    names = _names(gate)
    return [
        (net, pin.function.python(names))
        for pin in gate.cell.outputs
        if (net := gate.net(pin.name)) is not None and pin.function is not None
    ]


def _next_state(gate: Gate) -> tuple[str, str]:
    cell = gate.cell.flip_flop
    if cell is None:
        raise RuntimeError(f"{gate.instance.name} is not a flip-flop")
    names = _names(gate)
    text = cell.data.python(names)
    if cell.preset is not None:
        text = f"({text}) | ({cell.preset.python(names)})"
    if cell.clear is not None:
        text = f"({text}) & (full ^ ({cell.clear.python(names)}))"
    return gate.instance.name, text
