"""How long a scenario takes on a machine, and what bounds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from ..inputs.machine import Machine
from ..inputs.model import ModelSpec
from ..inputs.scenario import Scenario
from ..inputs.scheme import Scheme
from .memory import traffic
from .operators import Contexts, Elementwise, Gemm, Step, step_operators, steps

Bound = Literal["compute", "dram"]


@dataclass(frozen=True)
class Timing:
    """How long a scenario takes: the longer of arithmetic and DRAM, pass by pass.

    Attributes
    ----------
    seconds : float
        The whole scenario.
    compute_seconds, dram_seconds : float
        What arithmetic and DRAM alone would take.
    first_token_seconds : float or None
        The prefill, where there is one.
    decode_seconds : float or None
        The decode steps, where there are some.
    bound_by : str
        ``compute`` or ``dram``: what sets most of the time.
    """

    seconds: float
    compute_seconds: float
    dram_seconds: float
    first_token_seconds: float | None
    decode_seconds: float | None
    bound_by: Bound


def timing(model: ModelSpec, scheme: Scheme, scenario: Scenario, machine: Machine) -> Timing:
    """Return t = max(macs / (R L clock), bytes / (efficiency bandwidth)), summed over the passes.

    Parameters
    ----------
    model, scheme, scenario, machine
        Dimensions, formats, what is asked, machine.
    """
    prefill: float | None = None
    decode: float | None = None
    seconds = compute = dram = by_compute = 0.0
    for step in steps(scenario):
        longer, arithmetic, moving, compute_share = _step_time(
            model, scheme, scenario, step, machine
        )
        seconds, compute, dram = seconds + longer, compute + arithmetic, dram + moving
        by_compute += compute_share
        if scenario.phase == "decode" or prefill is not None:
            decode = longer
        else:
            prefill = longer
    bound: Bound = "compute" if by_compute > seconds / 2 else "dram"
    return Timing(seconds, compute, dram, prefill, decode, bound)


def _step_time(
    model: ModelSpec, scheme: Scheme, scenario: Scenario, step: Step, machine: Machine
) -> tuple[float, float, float, float]:
    """Return the seconds of a step's passes: longer of both, arithmetic, DRAM, bound by compute."""

    def one_pass(contexts: Contexts) -> tuple[float, float]:
        alone = Step(step.tokens, 1, contexts)
        found = step_operators(model, scenario, alone)
        macs = sum(
            op.macs * (_active(op, scheme, machine) if isinstance(op, Gemm) else 1)
            for op in found
            if not isinstance(op, Elementwise)
        )
        moved = sum(
            row.bytes for row in traffic(model, scheme, found, machine) if row.level == "dram"
        )
        bandwidth = machine.efficiency * machine.bandwidth_bytes_per_s
        return macs / machine.macs_per_second(), moved / bandwidth

    if step.passes == 1:
        arithmetic, moving = one_pass(step.contexts)
        return max(arithmetic, moving), arithmetic, moving, arithmetic * (arithmetic > moving)
    # Between two windows both times are affine in the context, so two passes tell all of them.
    first, last = step.contexts.first, step.contexts.last
    windows = {window for window, _ in model.layer_windows if window and first <= window < last}
    parts = []
    start = first
    for end in [*sorted(windows), last]:
        ends = [one_pass(Contexts(c, c, 1)) for c in (start, end)]
        parts.append(_affine_sums(ends[0], ends[1], end - start + 1))
        start = end + 1
    longer, arithmetic, moving, by_compute = (sum(column) for column in zip(*parts, strict=True))
    return longer, arithmetic, moving, by_compute


def _affine_sums(
    first: tuple[float, float], last: tuple[float, float], number: int
) -> tuple[float, float, float, float]:
    """Sum two times that run evenly from `first` to `last`, and the longer of both."""
    arithmetic, moving = (number * (a + b) / 2 for a, b in zip(first, last, strict=True))
    lead = [a - m for a, m in (first, last)]  # how much longer arithmetic takes
    if number == 1 or lead[0] * lead[1] >= 0:
        by_compute = arithmetic if lead[0] + lead[1] > 0 else 0.0
        return max(arithmetic, moving), arithmetic, moving, by_compute
    # The two cross once: split there.
    before = min(number - 1, int(lead[0] / (lead[0] - lead[1]) * (number - 1)) + 1)

    def at(i: int) -> tuple[float, float]:
        share = i / (number - 1)
        a, m = (x + (y - x) * share for x, y in zip(first, last, strict=True))
        return a, m

    left = _affine_sums(first, at(before - 1), before)
    right = _affine_sums(at(before), last, number - before)
    longer, a, m, c = (x + y for x, y in zip(left, right, strict=True))
    return longer, a, m, c


def _active(op: Gemm, scheme: Scheme, machine: Machine) -> float:
    return 1 - scheme.formats(op.role).inactive if machine.skips_inactive_weights else 1.0
