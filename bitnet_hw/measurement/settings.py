"""Settings shared by all measurements of a comparison."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from ..errors import InputError
from ..gates.delays import Conditions
from ..gates.power import DefaultGroups
from .operands import Operands

_PICOSECOND = 1e-12
_FEMTOFARAD = 1e-15


@dataclass(frozen=True)
class Settings:
    """Operands and conditions of a measurement.

    Attributes
    ----------
    operands : Operands
        Distribution and number of the operands.
    seeds : int
        Number of runs, each with its own operands.
    period_ps : float or None
        Clock period, ps. None: the longest critical path plus 5 %.
    input_transition_ps : float
        Transition time of inputs and clock, ps.
    wire_load_ff : float
        Wire capacitance per fan-out, fF.
    clock_tree : float
        Factor on the energy of clock pins that accounts for a clock tree, which the netlist does
        not have; 1 for none.
    default_groups : {"remaining", "added"}
        Meaning of power groups without a condition; see `bitnet_hw.gates.power.gate_powers`.
    timed : bool or None
        Whether to simulate with delays. None: if Icarus Verilog is installed.
    jobs : int
        Number of simulations that run at the same time.

    Raises
    ------
    InputError
        If a value is out of range.
    """

    operands: Operands = field(default_factory=Operands)
    seeds: int = 3
    period_ps: float | None = None
    input_transition_ps: float = 20.0
    wire_load_ff: float = 0.0
    clock_tree: float = 1.0
    default_groups: DefaultGroups = "remaining"
    timed: bool | None = None
    jobs: int = 2

    def __post_init__(self) -> None:
        for name, value, low, high, unit in (
            ("number of seeds", self.seeds, 1, 1000, ""),
            ("number of jobs", self.jobs, 1, 256, ""),
            ("clock period", self.period_ps, 1, 1e9, " ps"),
            ("input transition", self.input_transition_ps, 0, 1e6, " ps"),
            ("wire load", self.wire_load_ff, 0, 1e4, " fF per fan-out"),
            ("clock tree factor", self.clock_tree, 1, 100, ""),
        ):
            if value is not None and not (math.isfinite(value) and low <= value <= high):
                raise InputError(f"the {name} must be {low:g} to {high:g}{unit}, found {value:g}")

    @property
    def period(self) -> float | None:
        """Clock period, s."""
        return None if self.period_ps is None else self.period_ps * _PICOSECOND

    @property
    def wire_load(self) -> float:
        """Wire capacitance per fan-out, F."""
        return self.wire_load_ff * _FEMTOFARAD

    @property
    def conditions(self) -> Conditions:
        """Conditions of static timing."""
        transition = self.input_transition_ps * _PICOSECOND
        return Conditions(transition, transition, self.wire_load)
