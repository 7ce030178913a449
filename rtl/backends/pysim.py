"""Amaranth's own simulator, which is slow but needs only what pip installs."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

from amaranth import Cat, Module, Signal
from amaranth.sim import Simulator

from ..pe import PESpec
from ..ports import PlainPorts
from ..stimulus import Stimulus, Words, coins
from .interface import PATIENCE, Progress, RunRecord


def run(
    spec: PESpec,
    stimulus: Stimulus,
    *,
    vcd: Path | None = None,
    progress: Progress | None = None,
) -> RunRecord:
    """Simulate a processing element.

    Parameters
    ----------
    spec : PESpec
        Element to simulate.
    stimulus : Stimulus
        Steps to feed, and the stalls of the streams.
    vcd : pathlib.Path, optional
        File to write the waveforms to. Default: no waveforms.
    progress : callable, optional
        Called with the number of sums received so far.
    """
    return run_top(PlainPorts(spec, clear_port=True), stimulus, vcd=vcd, progress=progress)


def run_top(
    top: PlainPorts,
    stimulus: Stimulus,
    *,
    vcd: Path | None = None,
    progress: Progress | None = None,
) -> RunRecord:
    """Simulate a given top level; `run` builds one from a specification."""
    act, wgt = _integers(stimulus.act), _integers(stimulus.wgt)
    first, last = stimulus.first.tolist(), stimulus.last.tolist()
    threshold = stimulus.stalls.threshold
    source, sink = (coins(state) for state in stimulus.stalls.states)
    steps, rows = len(act), stimulus.rows
    result: list[RunRecord] = []

    # Every `set` in a test bench settles the whole design, so all inputs are set at once.
    inputs = Cat(top.in_act, top.in_wgt, top.in_first, top.in_last, top.in_valid, top.out_ready)
    bundle = Signal(len(inputs))
    m = Module()
    m.submodules.top = top
    m.d.comb += inputs.eq(bundle)
    payloads = [
        a | (w | (f | z << 1) << len(top.in_wgt)) << len(top.in_act)
        for a, w, f, z in zip(act, wgt, first, last, strict=True)
    ]
    valid_bit, ready_bit = 1 << (len(inputs) - 2), 1 << (len(inputs) - 1)

    async def bench(ctx: Any) -> None:  # noqa: ANN401  amaranth has no types
        sums: list[int] = []
        sum_cycles: list[int] = []
        cycle = taken = idle = source_stalls = sink_stalls = 0
        offering = False
        unstable_at: int | None = None
        waiting: int | None = None
        payload = 0
        while len(sums) < rows and idle < PATIENCE:
            offer, hold = next(source) >= threshold, next(sink) < threshold
            if not offering and taken < steps and offer:
                offering = True
                payload = payloads[taken] | valid_bit
            word = payload if offering else payload & ~valid_bit
            ctx.set(bundle, word if hold else word | ready_bit)
            valid, value = ctx.get(top.out_valid), ctx.get(top.out_sum)
            if waiting is not None and unstable_at is None and not (valid and value == waiting):
                unstable_at = cycle
            waiting = value if valid and hold else None
            idle += 1
            if offering and ctx.get(top.in_ready):
                taken += 1
                offering = False
                idle = 0
            elif taken < steps:
                source_stalls += not offering
                sink_stalls += offering
            if valid and not hold:
                sums.append(value)
                sum_cycles.append(cycle)
                idle = 0
                if progress is not None:
                    progress(len(sums))
            cycle += 1
            await ctx.tick()
        result.append(
            RunRecord(
                sums=sums,
                sum_cycles=sum_cycles,
                cycles=cycle,
                source_stalls=source_stalls,
                sink_stalls=sink_stalls,
                unstable_at=unstable_at,
                error=bool(ctx.get(top.out_error)),
                slots=ctx.get(top.tally_slots) if top.spec.counters else None,
                nonzero=ctx.get(top.tally_nonzero) if top.spec.counters else None,
            )
        )

    simulator = Simulator(m)
    simulator.add_clock(1e-6)
    simulator.add_testbench(bench)
    with simulator.write_vcd(str(vcd)) if vcd else nullcontext():
        simulator.run()
    return result[0]


def _integers(words: Words) -> list[int]:
    return [int.from_bytes(row.tobytes(), "little") for row in words]
