"""Time of a scenario on a machine, and the resource that bounds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from .lowered import Lowered
from .lowering import runs
from .traffic import traffic

Bound = Literal["compute", "dram"]


@dataclass(frozen=True)
class Timing:
    """Duration of a scenario: for each pass, the longer of arithmetic and DRAM time.

    Attributes
    ----------
    seconds : float
        Duration of the whole scenario.
    compute_seconds, dram_seconds : float
        Time of arithmetic alone, and of DRAM alone.
    first_token_seconds : float or None
        Duration of the prefill; None without one.
    decode_seconds : float or None
        Duration of the decode steps; None without any.
    bound_by : str
        ``compute`` or ``dram``, whichever limits the speed for most of the time.
    """

    seconds: float
    compute_seconds: float
    dram_seconds: float
    first_token_seconds: float | None
    decode_seconds: float | None
    bound_by: Bound


class _Times(NamedTuple):
    """Seconds of passes: the longer of both, arithmetic, DRAM, and bound by arithmetic."""

    longer: float
    compute: float
    dram: float
    by_compute: float

    def plus(self, other: _Times) -> _Times:
        return _Times(*(a + b for a, b in zip(self, other, strict=True)))


def timing(lowered: Lowered) -> Timing:
    """Return t = max(MACs / (R L clock), bytes / (efficiency x bandwidth)), summed over the passes.

    Parameters
    ----------
    lowered : Lowered
        From `bitnet_hw.cost.lowering.lower`.

    Examples
    --------
    >>> from bitnet_hw.cost.lowering import lower
    >>> from bitnet_hw.inputs.scenario import Scenario
    >>> timing(lower("gpt2", Scenario("decode", context=64), "fp16", "edge")).bound_by
    'dram'
    """
    phases: dict[str, _Times] = {}
    total = _Times(0.0, 0.0, 0.0, 0.0)
    for run in runs(lowered):
        first = _one_pass(run.first)
        last = first if run.last is run.first else _one_pass(run.last)
        times = _affine_sums(first, last, run.passes)
        phases[run.phase] = phases.get(run.phase, _Times(0.0, 0.0, 0.0, 0.0)).plus(times)
        total = total.plus(times)
    prefill, decode = phases.get("prefill"), phases.get("decode")
    return Timing(
        total.longer,
        total.compute,
        total.dram,
        prefill.longer if prefill else None,
        decode.longer if decode else None,
        "compute" if total.by_compute > total.longer / 2 else "dram",
    )


def _one_pass(of: Lowered) -> tuple[float, float]:
    """Return the seconds of arithmetic and of DRAM."""
    macs = sum(product.shape.macs * product.active for product in of.products)
    moved = sum(row.bytes for row in traffic(of) if row.level == "dram")
    bandwidth = of.machine.efficiency * of.machine.bandwidth_bytes_per_s
    return macs / of.machine.macs_per_second(), moved / bandwidth


def _affine_sums(first: tuple[float, float], last: tuple[float, float], number: int) -> _Times:
    """Sum two times that change linearly from `first` to `last`, and the longer of the two."""
    arithmetic, moving = (number * (a + b) / 2 for a, b in zip(first, last, strict=True))
    lead = [a - m for a, m in (first, last)]  # how much longer arithmetic takes
    if number == 1 or lead[0] * lead[1] >= 0:
        by_compute = arithmetic if lead[0] + lead[1] > 0 else 0.0
        return _Times(max(arithmetic, moving), arithmetic, moving, by_compute)
    # The two cross once: split there.
    before = min(number - 1, int(lead[0] / (lead[0] - lead[1]) * (number - 1)) + 1)

    def at(i: int) -> tuple[float, float]:
        share = i / (number - 1)
        a, m = (x + (y - x) * share for x, y in zip(first, last, strict=True))
        return a, m

    left = _affine_sums(first, at(before - 1), before)
    return left.plus(_affine_sums(at(before), last, number - before))
