"""Simulation of a mapped netlist without delays: every word checked, no glitches."""

from __future__ import annotations

from collections.abc import Callable

from .design import Design, Gate
from .netlist import ONE, ZERO
from .power import Activity
from .stimuli import Run

_RESET_CYCLES = 3
#: Cycles after the last step in which a sum may still come out.
_DRAIN = 64


def simulate(design: Design, run: Run, warm_up: int) -> tuple[Activity, list[int]]:
    """Run rows back to back through the netlist.

    Parameters
    ----------
    design : Design
        Of the ports that `bitnet_hw.measure.wrapper` gives it.
    run : Run
        Operands.
    warm_up : int
        Cycles at the start that are not counted.

    Returns
    -------
    tuple of Activity and list of int
        Changes a cycle and share of ones of each net; the words that came out.
    """
    state = _State(design)
    words: list[int] = []
    valid = design.netlist.outputs["out_valid"][0]
    for _ in range(_RESET_CYCLES):
        state.cycle({"rst": 1})
    for cycle in range(len(run.steps) + _DRAIN):
        feeding = cycle < len(run.steps)
        state.counting = feeding and cycle >= warm_up
        given = run.fields(run.steps[cycle] if feeding else 0)
        state.cycle({**given, "in_valid": int(feeding), "out_ready": 1})
        if state.value[valid]:
            bits = design.netlist.outputs["out_sum"]
            words.append(sum(state.value[net] << i for i, net in enumerate(bits)))
    return state.activity(), words


class _State:
    def __init__(self, design: Design) -> None:
        self.design = design
        self.value: dict[str, int] = {ZERO: 0, ONE: 1}
        for nets in design.netlist.inputs.values():
            self.value |= dict.fromkeys(nets, 0)
        self.value |= dict.fromkeys(design.drivers, 0)
        self.changes = dict.fromkeys(self.value, 0)
        self.high = dict.fromkeys(self.value, 0)
        self.counted = 0
        self.counting = False
        logic = [gate for gate in design.gates if gate.cell.flip_flop is None]
        flip_flops = [gate for gate in design.gates if gate.cell.flip_flop is not None]
        self.states = {gate.instance.name: 0 for gate in flip_flops}
        self.logic = _compiled("v", [line for gate in logic for line in _functions(gate)])
        self.clock = _compiled("s", [_next_state(gate) for gate in flip_flops])
        self.outputs = _compiled("v", [line for gate in flip_flops for line in _functions(gate)])

    def cycle(self, given: dict[str, int]) -> None:
        before = dict(self.value) if self.counting else {}
        # The edge takes what the last cycle left on the data pins. A state is read by its own
        # next one alone, so they may be updated in place.
        self.clock(self.value, self.states, 1)
        self.outputs(self.value, self.states, 1)
        for port, bits in {"rst": 0, **given}.items():
            for i, net in enumerate(self.design.netlist.inputs[port]):
                self.value[net] = bits >> i & 1
        self.logic(self.value, self.states, 1)
        if self.counting:
            self.counted += 1
            for net, now in self.value.items():
                self.changes[net] += now ^ before[net]
                self.high[net] += now

    def activity(self) -> Activity:
        seen = max(1, self.counted)
        transitions = {net: count / seen for net, count in self.changes.items()}
        ones = {net: count / seen for net, count in self.high.items()}
        for net in self.design.clock_nets:
            transitions[net], ones[net] = 2.0, 0.5
        return Activity(transitions, ones)


Step = Callable[[dict[str, int], dict[str, int], int], None]


def _compiled(target: str, lines: list[tuple[str, str]]) -> Step:
    """Turn (key, expression) pairs into one function that assigns them in order."""
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
        raise RuntimeError(f"{gate.instance.name} is no flip-flop")
    names = _names(gate)
    text = cell.data.python(names)
    if cell.preset is not None:
        text = f"({text}) | ({cell.preset.python(names)})"
    if cell.clear is not None:
        text = f"({text}) & (full ^ ({cell.clear.python(names)}))"
    return gate.instance.name, text
