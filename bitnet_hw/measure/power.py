"""Power of a design from the activity of its nets: switching, internal and leakage.

The method is that of gate-level power analysis on average activities. An output's internal energy
is the mean of its rising and its falling table at the slew of the related input and the load of the
output. Groups share the output's transitions in proportion to the activity of their input times the
chance that it decides the output, separately for every supply pin (``related_pg_pin``), whose
contributions add up.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from .delays import Timed, sense_of
from .design import Gate
from .expression import Expression
from .library import InternalPower, Pin
from .netlist import ONE, ZERO


class Power(NamedTuple):
    """Energy of one gate or of a group of gates.

    Attributes
    ----------
    switching : float
        Half C V^2 a transition of the nets it drives, J a clock cycle.
    internal : float
        Inside the cells, clock pins apart, J a clock cycle.
    clock_pin : float
        Inside flip-flops for the transitions of their clock pin, J a clock cycle.
    leakage : float
        W.
    """

    switching: float = 0.0
    internal: float = 0.0
    clock_pin: float = 0.0
    leakage: float = 0.0

    def plus(self, other: Power) -> Power:
        """Return the sums."""
        return Power(*(a + b for a, b in zip(self, other, strict=True)))

    @property
    def dynamic(self) -> float:
        """All but leakage, J a clock cycle."""
        return self.switching + self.internal + self.clock_pin


@dataclass(frozen=True)
class Activity:
    """How the nets move.

    Attributes
    ----------
    transitions : mapping of str to float
        Net -> changes a clock cycle; a net that is absent rests.
    ones : mapping of str to float
        Net -> share of time at 1; 0.5 where absent.
    """

    transitions: Mapping[str, float]
    ones: Mapping[str, float]

    def density(self, net: str | None) -> float:
        """Return the changes a clock cycle."""
        return 0.0 if net is None else self.transitions.get(net, 0.0)

    def one(self, net: str | None) -> float:
        """Return the share of time at 1."""
        if net == ZERO:
            return 0.0
        if net == ONE:
            return 1.0
        return 0.5 if net is None else self.ones.get(net, 0.5)


#: What a pin's group without condition stands for beside groups that have one. Liberty makes it the
#: default for the states that they leave; some power tools add it to them.
DefaultGroups = Literal["remaining", "added"]


def gate_powers(
    timed: Timed, activity: Activity, default_groups: DefaultGroups = "remaining"
) -> dict[str, Power]:
    """Return the energy of every instance.

    Parameters
    ----------
    timed : Timed
        The design with loads and transitions.
    activity : Activity
        How its nets move.
    default_groups : str
        ``remaining``: an input's group without condition prices the states that the groups with
        one leave. ``added``: it comes on top of them, as in OpenSTA.
    """
    find = _Finder(timed, activity, default_groups)
    return {gate.instance.name: find.gate(gate) for gate in timed.design.gates}


def summed(
    timed: Timed, powers: Mapping[str, Power], where: Callable[[Gate], bool] = lambda _: True
) -> Power:
    """Return the sum over the gates that a condition picks."""
    total = Power()
    for gate in timed.design.gates:
        if where(gate):
            total = total.plus(powers[gate.instance.name])
    return total


class _Finder:
    def __init__(self, timed: Timed, activity: Activity, default_groups: DefaultGroups) -> None:
        self.timed, self.activity, self.default_groups = timed, activity, default_groups
        self.squared = timed.design.library.voltage**2

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
        """Energy inside the cell for one transition of an output, J."""
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
        """Chance that a change of the group's input is one that the group prices."""
        if pin.function is not None and group.source in pin.function.inputs:
            return pin.function.sensitivity(group.source, ones)
        if group.when is not None:
            return group.when.probability(ones)
        return 0.5

    def input_energy(self, gate: Gate, pin: Pin, ones: Mapping[str, float]) -> float:
        """Energy inside the cell for one transition of an input, J."""
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
        """Chance of a condition. One that names an output holds when the pin decides it."""
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
    """Return the mean of a rising and a falling transition, J; an absent table is no energy."""
    rise = 0.0 if group.rise is None else group.rise.at(slews[0], load)
    fall = 0.0 if group.fall is None else group.fall.at(slews[1], load)
    return (rise + fall) / 2
