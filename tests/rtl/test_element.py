"""The common part of all processing elements: widths, marks, guard on K, resets, counters."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from amaranth.back import rtlil
from amaranth.sim import Simulator

from bitnet_hw.errors import InputError
from bitnet_hw.rtl.backends.pysim import run
from bitnet_hw.rtl.family import FAMILY, make_spec
from bitnet_hw.rtl.pe import PESpec
from bitnet_hw.rtl.ports import PlainPorts, Reset
from bitnet_hw.rtl.simulate import simulate
from bitnet_hw.rtl.stimulus import Stalls, Stimulus
from bitnet_hw.rtl.ternary import TernarySpec

Bench = Callable[[Any, PlainPorts], Awaitable[None]]


@pytest.mark.parametrize("name", FAMILY)
@pytest.mark.parametrize(
    "parameters",
    [
        {"pipeline": 0},
        {"pipeline": 1},
        {"pipeline": 2},
        {"pipeline": 0, "zero_gating": True},
        {"pipeline": 1, "zero_gating": True},
        {"lanes": 1},
        {"lanes": 5, "pipeline": 2},
    ],
)
def test_cycles_of_unstalled_rows(name: str, parameters: dict[str, Any]) -> None:
    if not FAMILY[name].zero_weights:
        parameters = parameters | {"zero_gating": None}
    spec = make_spec(name, **{"lanes": 4, "k_max": 64, "counters": True} | parameters)
    act, wgt = spec.random_operands(np.random.default_rng(1), 5, 22)
    report = simulate(spec, act, wgt)
    assert report.passed, report.mismatch
    steps = -(-22 // spec.lanes)
    assert report.run.cycles == 5 * steps + spec.latency
    assert spec.cycles(22, rows=5) == report.run.cycles
    assert report.stalled_cycles == 0
    # Back to back, a sum leaves every `steps` cycles.
    assert np.diff(report.run.sum_cycles).tolist() == [steps] * 4


@pytest.mark.parametrize("stalls", [0.2, 0.8])
def test_stalls_delay_and_change_nothing(stalls: float) -> None:
    spec = TernarySpec(lanes=4, k_max=64, counters=True)
    act, wgt = spec.random_operands(np.random.default_rng(2), 30, 9, 0.3)
    free = simulate(spec, act, wgt)
    stalled = simulate(spec, act, wgt, stalls=Stalls(stalls, 5))
    assert free.passed
    assert stalled.passed, stalled.mismatch
    assert stalled.run.sums == free.run.sums
    assert stalled.run.cycles > free.run.cycles
    assert stalled.run.source_stalls > 0
    assert stalled.run.sink_stalls > 0
    # Every cycle up to the last accepted step either takes one or is counted as stalled.
    assert stalled.stalled_cycles + 30 * 3 <= stalled.run.cycles


@pytest.mark.parametrize(("k_max", "bits"), [(2560, 20), (4096, 21), (6912, 21), (8192, 22)])
def test_accumulator_width_for_the_whole_int8_range(k_max: int, bits: int) -> None:
    assert TernarySpec(lanes=32, k_max=k_max).sum_bits == bits


def test_the_extreme_sum_needs_the_derived_width() -> None:
    # 16 terms of 128 make 2048, which 12 bits in two's complement cannot hold.
    assert TernarySpec(lanes=4, k_max=16).sum_bits == 13
    assert TernarySpec(lanes=4, k_max=15).sum_bits == 13  # whole steps: 16 terms
    assert TernarySpec(lanes=5, k_max=15).sum_bits == 12


@pytest.mark.parametrize(
    ("name", "parameters", "says"),
    [
        ("ternary", {"lanes": 0}, "lanes must be 1 to 1024, found 0"),
        ("ternary", {"lanes": 2000}, "lanes must be 1 to 1024, found 2000"),
        ("ternary", {"k_max": 0}, "k_max must be 1 to"),
        ("ternary", {"act_bits": 1}, "act_bits must be 2 to 16, found 1"),
        ("ternary", {"pipeline": -1}, "pipeline must be 0 to 10, found -1"),
        ("ternary", {"acc_bits": 20}, "20 bits overflows at k_max 4096.* takes 21 bits"),
        ("ternary", {"acc_bits": 65}, "acc_bits must be 2 to 64, found 65"),
        ("ternary", {"lanes": 8, "k_max": 517, "acc_bits": 17}, r"\(520 in whole steps\)"),
        ("binary", {"zero_gating": True}, "no weight is zero"),
        ("fp16", {"acc_bits": 20}, "has no parameter acc_bits"),
        ("fp16", {"accumulate": "bf16"}, "fp16 or fp32, found 'bf16'"),
        ("ternray", {}, "unknown processing element 'ternray'; did you mean 'ternary'"),
    ],
)
def test_parameters_out_of_range(name: str, parameters: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        make_spec(name, **parameters)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("act", "wgt", "says"),
    [
        (np.zeros((2, 4), int), np.zeros((2, 5), int), "the same shape"),
        (np.zeros(4, int), np.zeros(4, int), "the same shape"),
        (np.zeros((1, 65), int), np.zeros((1, 65), int), "K must be 1 to 64, found 65"),
        (np.full((1, 2), 128), np.zeros((1, 2), int), "integers, -128 to 127; found 128 at"),
        (np.zeros((1, 2), int), np.array([[0, 2]]), r"integers, -1, 0 or 1; found 2 at index"),
        (np.zeros((1, 2), int), np.array([[0.5, 0]]), "found 0.5"),
        (np.array([[np.nan, 0]]), np.zeros((1, 2), int), "found nan"),
        (np.array([["a", "b"]]), np.zeros((1, 2), int), "found dtype <U1"),
    ],
)  # fmt: skip
def test_operands_out_of_range(act: np.ndarray, wgt: np.ndarray, says: str) -> None:
    with pytest.raises(InputError, match=says):
        simulate(TernarySpec(lanes=4, k_max=64), act, wgt)


def test_one_signature() -> None:
    flat = {
        name: [
            (path, member.flow)
            for path, member, _ in spec.signature.flatten(spec.signature.create())
        ]
        for name, spec in ((name, make_spec(name, lanes=2)) for name in FAMILY)
    }
    assert len({str(members) for members in flat.values()}) == 1
    ternary, wide = TernarySpec(lanes=2, pipeline=0), TernarySpec(lanes=2, counters=True)
    assert ternary.signature == wide.signature


def marked(spec: PESpec, first: list[int], last: list[int], rows: int) -> Stimulus:
    """Return one step per mark, with every operand 1: a step adds L to the sum."""
    ones = np.ones((1, len(first) * spec.lanes), dtype=int)
    stimulus = Stimulus.from_rows(replace(spec, k_max=ones.size), ones, ones)
    return replace(
        stimulus, first=np.array(first, dtype=bool), last=np.array(last, dtype=bool), rows=rows
    )


@pytest.mark.parametrize("pipeline", [0, 1])
def test_marks_decide_what_a_row_is(pipeline: int) -> None:
    spec = TernarySpec(lanes=4, k_max=64, pipeline=pipeline)
    # A row of three steps; one step alone; a row that a new first mark cuts off; two steps.
    record = run(spec, marked(spec, [1, 0, 0, 1, 1, 0, 1, 0], [0, 0, 1, 1, 0, 0, 0, 1], 3))
    assert record.sums == [12, 4, 8]
    assert not record.error


@pytest.mark.parametrize("k_max", [1, 4, 12, 13, 16])
def test_the_guard_flags_the_first_step_too_many(k_max: int) -> None:
    spec = TernarySpec(lanes=4, k_max=k_max)
    steps = spec.steps_max
    full = [1] + [0] * (steps - 1)
    fits = run(spec, marked(spec, full + full, full[::-1] + full[::-1], 2))
    assert fits.sums == [4 * steps] * 2
    assert not fits.error
    over = run(spec, marked(spec, [*full, 0], [*([0] * steps), 1], 1))
    assert over.error


@pytest.mark.parametrize("name", FAMILY)
def test_every_kind_has_the_guard(name: str) -> None:
    spec = make_spec(name, lanes=2, k_max=4)
    assert run(spec, marked_zero(spec, 3)).error
    assert not run(spec, marked_zero(spec, 2)).error


def marked_zero(spec: PESpec, steps: int) -> Stimulus:
    """Return one row of zero activations."""
    longer = replace(spec, k_max=steps * spec.lanes)
    act, wgt = spec.random_operands(np.random.default_rng(1), 1, longer.k_max)
    return Stimulus.from_rows(longer, np.zeros_like(act), wgt)


def drive(spec: PESpec, bench: Bench, reset: Reset = Reset.SYNC) -> None:
    """Run a test bench on the plain ports."""
    top = PlainPorts(spec, reset=reset, clear_port=True)
    simulator = Simulator(top)
    simulator.add_clock(1e-6)

    async def testbench(ctx: Any) -> None:
        await bench(ctx, top)

    simulator.add_testbench(testbench)
    simulator.run()


async def step(ctx: Any, top: PlainPorts, *, first: bool, last: bool) -> None:
    """Offer one step of ones for one cycle; the element must take it."""
    lanes = top.spec.lanes
    ctx.set(top.in_act, sum(1 << (8 * lane) for lane in range(lanes)))
    ctx.set(top.in_wgt, sum(1 << (2 * lane) for lane in range(lanes)))
    ctx.set(top.in_first, first)
    ctx.set(top.in_last, last)
    ctx.set(top.in_valid, 1)
    assert ctx.get(top.in_ready)
    await ctx.tick()
    ctx.set(top.in_valid, 0)


def test_an_error_sticks_until_cleared_and_precedes_its_sum() -> None:
    async def bench(ctx: Any, top: PlainPorts) -> None:
        await step(ctx, top, first=True, last=False)
        await step(ctx, top, first=False, last=False)
        assert not ctx.get(top.out_error)
        await step(ctx, top, first=False, last=True)
        assert ctx.get(top.out_error)
        assert not ctx.get(top.out_valid)
        ctx.set(top.out_ready, 1)
        await step(ctx, top, first=True, last=True)
        for _ in range(10):
            await ctx.tick()
            assert ctx.get(top.out_error)
        ctx.set(top.clear, 1)
        await ctx.tick()
        ctx.set(top.clear, 0)
        assert not ctx.get(top.out_error)
        assert ctx.get(top.tally_slots) == 0
        await step(ctx, top, first=True, last=True)
        await ctx.tick().repeat(5)
        assert not ctx.get(top.out_error)
        assert ctx.get(top.tally_slots) == 2
        assert ctx.get(top.tally_nonzero) == 2

    drive(TernarySpec(lanes=2, k_max=4, counters=True), bench)


def test_a_step_without_a_row_is_an_error() -> None:
    async def bench(ctx: Any, top: PlainPorts) -> None:
        await step(ctx, top, first=True, last=True)
        assert not ctx.get(top.out_error)
        await step(ctx, top, first=False, last=False)
        assert ctx.get(top.out_error)

    drive(TernarySpec(lanes=2, k_max=4), bench)


@pytest.mark.parametrize("reset", list(Reset))
@pytest.mark.parametrize("pipeline", [0, 1])
def test_reset_in_the_middle_of_a_row(reset: Reset, pipeline: int) -> None:
    active = int(reset is Reset.SYNC)

    async def bench(ctx: Any, top: PlainPorts) -> None:
        ctx.set(top.rst, 1 - active)
        ctx.set(top.out_ready, 1)
        await step(ctx, top, first=True, last=False)
        await step(ctx, top, first=False, last=True)
        await step(ctx, top, first=False, last=False)
        assert ctx.get(top.out_error)
        ctx.set(top.rst, active)
        if reset is Reset.ASYNC_LOW:
            await ctx.delay(1e-8)
            assert not ctx.get(top.out_error)  # without a clock edge
        await ctx.tick()
        ctx.set(top.rst, 1 - active)
        assert not ctx.get(top.out_error)
        assert not ctx.get(top.out_valid)
        # Nothing of the old row leaves the element or enters the new row.
        await step(ctx, top, first=True, last=False)
        await step(ctx, top, first=False, last=True)
        sums = []
        for _ in range(8):
            if ctx.get(top.out_valid):
                sums.append(ctx.get(top.out_sum))
            await ctx.tick()
        assert sums == [4]
        assert not ctx.get(top.out_error)

    drive(TernarySpec(lanes=2, k_max=8, pipeline=pipeline), bench, reset)


def test_only_control_is_reset() -> None:
    top = PlainPorts(TernarySpec(lanes=4))
    text = rtlil.convert(top, ports=[*top.inputs.values(), *top.outputs.values()], emit_src=False)
    # The reset reaches as many switches as there are control registers: three valid bits and
    # the output's, the count, the error.
    assert text.count("switch \\rst") <= 6
