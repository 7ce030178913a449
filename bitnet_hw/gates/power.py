"""Power of a circuit from the activity of its nets: switching, internal and leakage power.

This is gate-level power analysis on average activities. An output's internal energy is the mean of
its rising and falling tables at the slew of the related input and the load of the output. The
transitions of the output are divided among its groups in proportion to the activity of the related
input times the probability that this input determines the output. Contributions of different supply
pins (``related_pg_pin``) are computed separately and added.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple

from .cells import InternalPower, Pin
from .circuit import Gate
from .delays import TimedCircuit, sense_of
from .expression import Expression
from .vectors import Activity


class Power(NamedTuple):
    """Energy of one gate or of a group of gates.

    Attributes
    ----------
    switching : float
        Half C V^2 per transition of the driven nets, J per clock cycle.
    internal : float
        Energy inside the cells, except that of clock pins, J per clock cycle.
    clock_pin : float
        Energy inside flip-flops due to transitions of their clock pins, J per clock cycle.
    leakage : float
        Leakage power, W.
    """

    switching: float = 0.0
    internal: float = 0.0
    clock_pin: float = 0.0
    leakage: float = 0.0

    def plus(self, other: Power) -> Power:
        """Return the sum with another energy, component by component."""
        return Power(*(a + b for a, b in zip(self, other, strict=True)))

    @property
    def dynamic(self) -> float:
        """Energy without leakage, J per clock cycle."""
        return self.switching + self.internal + self.clock_pin


#: Meaning of a power group without a condition if other groups have one. In Liberty it covers the
#: remaining states; some power tools add it to the other groups.
DefaultGroups = Literal["remaining", "added"]


def gate_powers(
    timed: TimedCircuit, activity: Activity, default_groups: DefaultGroups = "remaining"
) -> dict[str, Power]:
    """Return the energy of every instance.

    Parameters
    ----------
    timed : TimedCircuit
        The circuit with its loads and transitions.
    activity : Activity
        Switching activity of its nets.
    default_groups : str
        ``remaining``: the power group of an input that has no condition covers the states that
        the other groups do not cover. ``added``: it is added to the other groups, as in OpenSTA.
    """
    analysis = _Analysis(timed, activity, default_groups)
    return {gate.instance.name: analysis.gate(gate) for gate in timed.circuit.gates}


def summed(
    timed: TimedCircuit, powers: Mapping[str, Power], where: Callable[[Gate], bool] = lambda _: True
) -> Power:
    """Return the sum over the gates that meet a condition."""
    total = Power()
    for gate in timed.circuit.gates:
        if where(gate):
            total = total.plus(powers[gate.instance.name])
    return total


class _Analysis:
    def __init__(
        self, timed: TimedCircuit, activity: Activity, default_groups: DefaultGroups
    ) -> None:
        self.timed, self.activity, self.default_groups = timed, activity, default_groups
        self.squared = timed.circuit.library.voltage**2

    def gate(self, gate: Gate) -> Power:
        ones = {pin.name: self.activity.one(gate.net(pin.name)) for pin in gate.cell.pins.values()}
        if gate.cell.flip_flop is not None:
            ones |= {gate.cell.flip_flop.state: 0.5, gate.cell.flip_flop.inverse: 0.5}
        switching = internal = clock = 0.0
        for pin in gate.cell.outputs:
            net = gate.net(pin.name)
            if net is None:
                continue
            load = max(self.timed.loads[net])
            density = self.activity.density(net)
            switching += 0.5 * load * self.squared * density
            internal += density * self.output_energy(gate, pin, load, ones)
        for pin in gate.cell.inputs:
            energy = self.activity.density(gate.net(pin.name)) * self.input_energy(gate, pin, ones)
            if gate.cell.is_clock(pin):
                clock += energy
            else:
                internal += energy
        return Power(switching, internal, clock, self.leakage(gate, ones))

    def slew(self, gate: Gate, pin: str) -> tuple[float, float]:
        net = gate.net(pin)
        return (0.0, 0.0) if net is None else self.timed.slews.get(net, (0.0, 0.0))

    def output_energy(self, gate: Gate, pin: Pin, load: float, ones: Mapping[str, float]) -> float:
        """Return the energy inside the cell for one transition of an output, J."""
        shares = [
            self.activity.density(gate.net(group.source)) * self.share(pin, group, ones)
            for group in pin.powers
        ]
        sums: dict[str, float] = {}
        for group, share in zip(pin.powers, shares, strict=True):
            sums[group.supply] = sums.get(group.supply, 0.0) + share
        energy = 0.0
        for group, share in zip(pin.powers, shares, strict=True):
            if share:
                slews = self.slew(gate, group.source)
                if sense_of(gate, group.source, pin.name) == "negative_unate":
                    slews = (slews[1], slews[0])
                energy += share / sums[group.supply] * mean_energy(group, slews, load)
        return energy

    def share(self, pin: Pin, group: InternalPower, ones: Mapping[str, float]) -> float:
        """Return the probability that the group applies to a transition of its input."""
        if pin.function is not None and group.source in pin.function.inputs:
            return pin.function.sensitivity(group.source, ones)
        if group.when is not None:
            return group.when.probability(ones)
        return 0.5

    def input_energy(self, gate: Gate, pin: Pin, ones: Mapping[str, float]) -> float:
        """Return the energy inside the cell for one transition of an input, J."""
        slews = self.slew(gate, pin.name)
        known: dict[str, float] = {}
        energy = 0.0
        for group in pin.powers:
            if group.when is not None:
                duty = self.duty(gate, pin, group.when, ones)
                known[group.supply] = known.get(group.supply, 0.0) + duty
                energy += duty * mean_energy(group, slews, 0.0)
        for group in pin.powers:
            if group.when is None:
                left = 1.0
                if self.default_groups == "remaining":
                    left -= min(1.0, known.get(group.supply, 0.0))
                energy += left * mean_energy(group, slews, 0.0)
        return energy

    def duty(self, gate: Gate, pin: Pin, when: Expression, ones: Mapping[str, float]) -> float:
        """Return the probability of a condition.

        A condition on an output holds if the pin determines that output.
        """
        for name in when.inputs:
            other = gate.cell.pins.get(name)
            if other is not None and other.direction == "output" and other.function is not None:
                if pin.name in other.function.inputs:
                    return other.function.sensitivity(pin.name, ones)
                break
        return when.probability(ones)

    def leakage(self, gate: Gate, ones: Mapping[str, float]) -> float:
        conditional = [(when, watt) for when, watt in gate.cell.leakages if when is not None]
        plain = [watt for when, watt in gate.cell.leakages if when is None]
        rest = gate.cell.cell_leakage
        if rest is None:
            rest = plain[0] if plain else 0.0
        if not conditional:
            return plain[0] if plain else rest
        shares = [when.probability(ones) for when, _ in conditional]
        known = sum(shares)
        found = sum(s * watt for s, (_, watt) in zip(shares, conditional, strict=True))
        return found + max(0.0, 1 - known) * rest


def mean_energy(group: InternalPower, slews: tuple[float, float], load: float) -> float:
    """Return the mean energy of a rising and a falling transition, J; absent tables count as 0."""
    rise = 0.0 if group.rise is None else group.rise.at(slews[0], load)
    fall = 0.0 if group.fall is None else group.fall.at(slews[1], load)
    return (rise + fall) / 2
