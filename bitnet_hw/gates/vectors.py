"""Test vectors for a circuit, and its response: switching activity and output values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..errors import InputError
from .netlist import ONE, ZERO

#: Transitions of the clock net per cycle.
CLOCK_TRANSITIONS = 2.0


@dataclass(frozen=True)
class Vectors:
    """Input values for every clock cycle, applied right after the rising edge.

    Attributes
    ----------
    clock : str
        Clock port, which clocks every flip-flop at one edge per cycle.
    cycles : sequence of mapping
        For each cycle, input port -> value; absent ports are 0.
    counted : range
        Consecutive cycles over which activity is averaged.

    Raises
    ------
    InputError
        If `counted` is empty or reaches beyond the cycles.
    """

    clock: str
    cycles: Sequence[Mapping[str, int]]
    counted: range

    def __post_init__(self) -> None:
        inside = 0 <= self.counted.start < self.counted.stop <= len(self.cycles)
        if not inside or self.counted.step != 1:
            raise InputError(
                f"{self.counted} does not count any of {len(self.cycles)} cycles of test vectors"
            )


@dataclass(frozen=True)
class Activity:
    """Switching activity of the nets.

    Attributes
    ----------
    transitions : mapping of str to float
        Net -> transitions per clock cycle; 0 for absent nets.
    ones : mapping of str to float
        Net -> share of time at 1; 0.5 for absent nets.
    """

    transitions: Mapping[str, float]
    ones: Mapping[str, float]

    def density(self, net: str | None) -> float:
        """Return the transitions of a net per clock cycle."""
        return 0.0 if net is None else self.transitions.get(net, 0.0)

    def one(self, net: str | None) -> float:
        """Return the share of time that a net is at 1."""
        if net == ZERO:
            return 0.0
        if net == ONE:
            return 1.0
        return 0.5 if net is None else self.ones.get(net, 0.5)


class Response(NamedTuple):
    """Response of a circuit to test vectors.

    Attributes
    ----------
    activity : Activity
        Averages over the counted cycles.
    outputs : list of dict
        For each cycle, output port -> value at the end of the cycle; None if a bit is undefined.
    """

    activity: Activity
    outputs: list[dict[str, int | None]]
