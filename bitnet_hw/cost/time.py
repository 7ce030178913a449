"""Time of a scenario on a machine, and the resource that takes most of it.

Each operator takes the time of its arithmetic (slots of its unit over the rate that it reaches),
of unpacking its weights, and of its traffic in every memory and on the links (bytes over the rate
that is reached). The longest of these counts in full, the others as far as the machine does not
overlap them: longest + (1 - overlap) x (sum - longest). The times of operators add up, and each
pass adds the seconds per step and, for every layer, per layer. Elementwise steps have no time of
their own: on machines whose figures were fitted, it is part of the seconds per layer.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..inputs.machine import Machine
from .lowered import Lowered, LoweredProduct
from .lowering import runs
from .residency import Residency, residency
from .traffic import LINKS, Traffic, lookup_traffic, product_traffic

#: Names of the resources that are not memories.
COMPUTE, UNPACKING, OVERHEADS = "compute", "unpacking", "overheads"

#: Resource -> seconds.
Seconds = Mapping[str, float]


@dataclass(frozen=True)
class Timing:
    """Duration of a scenario.

    Attributes
    ----------
    seconds : float
        Duration of the whole scenario.
    busy : mapping of str to float
        ``compute``, ``unpacking``, each memory by its name, ``links``, ``overheads`` -> seconds
        for which it is busy; on a machine that overlaps them they add up to more than `seconds`.
    first_token_seconds : float or None
        Duration of the prefill; None without one.
    decode_seconds : float or None
        Duration of the decode steps; None without any.
    """

    seconds: float
    busy: Seconds
    first_token_seconds: float | None
    decode_seconds: float | None

    @property
    def bound_by(self) -> str:
        """The resource that is busy for the longest."""
        return max(self.busy, key=lambda resource: self.busy[resource])


def timing(lowered: Lowered, placed: Residency | None = None) -> Timing:
    """Return the duration of a scenario.

    Parameters
    ----------
    lowered : Lowered
        From `bitnet_hw.cost.lowering.lower`.
    placed : Residency, optional
        Where the contents lie; computed if absent.

    Examples
    --------
    >>> from bitnet_hw.cost.lowering import lower
    >>> from bitnet_hw.inputs.scenario import Scenario
    >>> timing(lower("gpt2", Scenario("decode", context=64), "fp16", "edge")).bound_by
    'dram'
    """
    placed = residency(lowered) if placed is None else placed
    machine = lowered.machine
    busy: dict[str, float] = defaultdict(float)
    phases: dict[str, float] = {}
    for run in run_times(lowered, placed):
        total = 0.0
        for start, end in zip(run.first, run.last, strict=True):
            total += together(start.seconds, end.seconds, run.passes, machine.overlap.value)
            for resource in {**start.seconds, **end.seconds}:
                ends = start.seconds.get(resource, 0.0) + end.seconds.get(resource, 0.0)
                busy[resource] += run.passes * ends / 2
        overhead = run.passes * _overhead(machine, lowered.model.num_hidden_layers)
        busy[OVERHEADS] += overhead
        phases[run.phase] = phases.get(run.phase, 0.0) + total + overhead
    return Timing(sum(phases.values()), dict(busy), phases.get("prefill"), phases.get("decode"))


class OperatorTimes(NamedTuple):
    """Seconds for which an operator keeps each resource busy.

    Attributes
    ----------
    product : LoweredProduct or None
        The operator; None for the reads of the embedding tables.
    seconds : mapping of str to float
        Resource -> seconds.
    """

    product: LoweredProduct | None
    seconds: Seconds


class RunTimes(NamedTuple):
    """Times of the operators in consecutive passes, which change linearly from first to last."""

    phase: str
    passes: int
    first: list[OperatorTimes]
    last: list[OperatorTimes]


def run_times(lowered: Lowered, placed: Residency) -> Iterator[RunTimes]:
    """Yield the times of every operator, run by run, without overheads."""
    for run in runs(lowered):
        first = _operators(run.first, placed)
        last = first if run.last is run.first else _operators(run.last, placed)
        yield RunTimes(run.phase, run.passes, first, last)


def together(
    first: Mapping[Any, float], last: Mapping[Any, float], passes: int, overlap: float
) -> float:
    """Return the seconds of one operator in all passes of a run.

    Parameters
    ----------
    first, last : mapping to float
        Seconds of each resource in the first and in the last pass.
    passes : int
        Number of passes.
    overlap : float
        How far the resources work at the same time, from 0 to 1.
    """
    names = list({**first, **last})
    starts, ends = ([times.get(name, 0.0) for name in names] for times in (first, last))
    total = passes * (sum(starts) + sum(ends)) / 2
    if overlap == 0:
        return total
    longest = _sum_of_longest(starts, ends, passes)
    return longest + (1 - overlap) * (total - longest)


def _overhead(machine: Machine, layers: int) -> float:
    """Return the overhead of one pass, s."""
    per_step, per_layer = machine.overheads.seconds_per_step, machine.overheads.seconds_per_layer
    step = 0.0 if per_step is None else per_step.value
    return step + (0.0 if per_layer is None else layers * per_layer.value)


def _operators(of: Lowered, placed: Residency) -> list[OperatorTimes]:
    """Return the seconds of every product of a pass, and of its reads of embeddings."""
    found = [
        OperatorTimes(product, _product_seconds(product, of, placed)) for product in of.products
    ]
    return [*found, OperatorTimes(None, _moving(lookup_traffic(of, placed), of.machine))]


def _product_seconds(product: LoweredProduct, of: Lowered, placed: Residency) -> Seconds:
    chips = of.machine.chip_count
    seconds = _moving(product_traffic(product, of, placed), of.machine)
    seconds[COMPUTE] += product.occupied_slots / product.unit.rate(product.pair) / chips
    unpacking = of.machine.unpacking_of(product.codec)
    if unpacking is not None and unpacking.seconds_per_weight is not None:
        per_weight = unpacking.seconds_per_weight.value
        seconds[UNPACKING] += product.unpacked * per_weight / chips
    return seconds


def _moving(rows: Iterable[Traffic], machine: Machine) -> dict[str, float]:
    """Return the seconds that traffic takes at each level."""
    rates = {memory.name: memory.rate for memory in machine.memories}
    if machine.chips is not None:
        rates[LINKS] = machine.chips.link_bandwidth_bytes_per_s.value
    seconds: dict[str, float] = defaultdict(float)
    for row in rows:
        rate = rates[row.level]
        if rate is not None:
            seconds[row.level] += row.bytes / rate / machine.chip_count
    return seconds


def _sum_of_longest(first: Sequence[float], last: Sequence[float], number: int) -> float:
    """Sum the longest of several times that change linearly from `first` to `last`."""
    if not first:
        return 0.0
    i = max(range(len(first)), key=lambda k: (first[k], last[k]))
    j = max(range(len(last)), key=lambda k: (last[k], first[k]))
    if number == 1:
        return first[i]
    # The largest of linear functions is one of them throughout if it is largest at both ends.
    if first[i] == first[j] or last[i] == last[j]:
        k = j if first[i] == first[j] else i
        return number * (first[k] + last[k]) / 2
    # Otherwise split where the two cross.
    lead = (first[i] - first[j], last[i] - last[j])
    before = min(number - 1, int(lead[0] / (lead[0] - lead[1]) * (number - 1)) + 1)

    def at(step: int) -> list[float]:
        share = step / (number - 1)
        return [x + (y - x) * share for x, y in zip(first, last, strict=True)]

    left = _sum_of_longest(first, at(before - 1), before)
    return left + _sum_of_longest(at(before), last, number - before)
