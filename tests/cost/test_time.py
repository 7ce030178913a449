"""Time of a scenario, compared with the sum over its passes and with a calculation by hand."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitnet_hw.cost.lowering import lower
from bitnet_hw.cost.residency import residency
from bitnet_hw.cost.time import Timing, _sum_of_longest, timing
from bitnet_hw.inputs.machine import Machine, load_machine
from bitnet_hw.inputs.model import ModelSpec, load_model
from bitnet_hw.inputs.scenario import Scenario
from bitnet_hw.inputs.scheme import load_scheme

from .machines import figure, lpddr4

MIXED = ModelSpec(
    name="mixed", hidden_size=32, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
    head_dim=8, intermediate_size=48, gated=True, activation="silu", vocab_size=64,
    tie_word_embeddings=True, sliding_window=6, sliding_window_layers=2,
)  # fmt: skip


def _passes(lowered_on: Machine, scenario: Scenario, model: ModelSpec, name: str) -> list[Timing]:
    """Time every pass of a request alone, with the contents where they lie at its end."""
    whole = lower(model, scenario, name, lowered_on)
    placed = residency(whole)
    alone = [Scenario("prefill", tokens=scenario.tokens, batch=scenario.batch)]
    alone += [
        Scenario("decode", context=scenario.tokens + i, batch=scenario.batch)
        for i in range(1, scenario.generate + 1)
    ]
    return [timing(lower(model, each, name, lowered_on), placed) for each in alone]


@given(
    st.integers(1, 20),
    st.integers(1, 30),
    st.integers(1, 3),
    st.floats(1e6, 1e11),
    st.floats(1e6, 1e12),
    st.sampled_from([0.0, 0.3, 1.0]),
    st.sampled_from(["fp16", "bitnet-b1.58"]),
    st.sampled_from([None, 6, 200]),
)
@settings(deadline=None, max_examples=80)
def test_a_request_takes_as_long_as_its_passes(
    prompt: int, generate: int, batch: int, bandwidth: float, near: float, overlap: float,
    name: str, window: int | None,
) -> None:  # fmt: skip
    """Sum over every pass what the package sums in closed form.

    With one row and one lane, every time of an operator is linear in the context, so that the sum
    is exact.
    """
    model = MIXED.replace(sliding_window=window, sliding_window_layers=2 if window else None)
    machine = lpddr4(bandwidth=bandwidth, rows=1, lanes=1, overlap=figure(overlap), weights=30_000)
    for memory in ("weight-sram", "activation-sram"):
        machine = machine.with_memory(memory, bandwidth_bytes_per_s=figure(near))
    scenario = Scenario("request", tokens=prompt, generate=generate, batch=batch)
    whole = timing(lower(model, scenario, name, machine))
    first, *steps = _passes(machine, scenario, model, name)
    assert whole.first_token_seconds == pytest.approx(first.seconds)
    assert whole.decode_seconds == pytest.approx(sum(step.seconds for step in steps))
    assert whole.seconds == pytest.approx(first.seconds + sum(step.seconds for step in steps))
    for resource in whole.busy:
        taken = sum(step.busy.get(resource, 0.0) for step in (first, *steps))
        assert whole.busy[resource] == pytest.approx(taken)


def test_rows_that_do_not_divide_the_context_change_little() -> None:
    """Let only the buffer of activations bind, whose reads of queries jump every 32 positions."""
    machine = lpddr4(rows=32).with_memory("activation-sram", bandwidth_bytes_per_s=figure(1e6))
    scenario = Scenario("request", tokens=40, generate=300)
    model = load_model("bitnet-125m")
    whole = timing(lower(model, scenario, "bitnet-b1.58", machine))
    loop = sum(each.seconds for each in _passes(machine, scenario, model, "bitnet-b1.58"))
    assert whole.bound_by == "activation-sram"
    assert whole.seconds == pytest.approx(loop, rel=1e-3)


def test_idle_lanes_and_rows_in_attention_change_little_between_first_and_last_step() -> None:
    """Let only arithmetic bind, whose idle slots jump every 32 positions."""
    machine = lpddr4(rows=32, lanes=32, clock_hz=1e3)
    scenario = Scenario("request", tokens=40, generate=300)
    model = load_model("bitnet-125m")
    whole = timing(lower(model, scenario, "bitnet-b1.58", machine))
    loop = sum(each.seconds for each in _passes(machine, scenario, model, "bitnet-b1.58"))
    assert whole.bound_by == "compute"
    assert whole.seconds == pytest.approx(loop, rel=1e-3)


def test_a_crossing_from_dram_to_compute_lies_inside_a_request() -> None:
    """Use an fp16 model whose attention adds arithmetic faster than DRAM traffic."""
    machine = lpddr4(rows=1, lanes=1, clock_hz=256 * 60e6, bandwidth=41.73e9, weights=1)
    scenario = Scenario("request", tokens=100, generate=900)
    whole = lower("bitnet-b1.58-2b4t", scenario, "fp16", machine)
    steps = _passes(machine, scenario, load_model("bitnet-b1.58-2b4t"), "fp16")
    assert timing(whole).seconds == pytest.approx(sum(step.seconds for step in steps), rel=1e-9)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=5),
       st.integers(1, 40))  # fmt: skip
def test_the_sum_of_the_longest_is_that_of_a_loop(ends: list[tuple[int, int]], number: int) -> None:
    """Let several times change linearly from first to last, cross each other, and tie."""
    if number == 1:
        ends = [(first, first) for first, _ in ends]
    total = sum(
        max(first + (last - first) * i / max(1, number - 1) for first, last in ends)
        for i in range(number)
    )
    firsts, lasts = zip(*ends, strict=True)
    assert _sum_of_longest(firsts, lasts, number) == pytest.approx(total)


def test_one_decode_step_of_2b4t_by_hand() -> None:
    model, scheme = load_model("bitnet-b1.58-2b4t"), load_scheme("bitnet-b1.58")
    found = timing(lower(model, Scenario("decode", context=2048), scheme, lpddr4()))
    # 2,726,952,960 MACs (torch's FlopCounterMode) on 32 x 32 lanes at 500 MHz.
    assert found.busy["compute"] == pytest.approx(2_726_952_960 / (32 * 32 * 500e6))
    # 521 + 657 + 157 MB at 0.7 x 25.6 GB/s, with an embedding row and the new keys and values.
    # The buffer of 1 MiB keeps a part of the matrices and of their table of the LM head.
    matrices = 2_084_044_800 / 4 + 30 * 7 * 2 + 656_670_720
    norms = 2 * (30 * (2 * 2560 + 2560 + 6912) + 2560)
    outside = 1 - 2**20 / (matrices + norms)
    cache = 157_286_400 + 157_286_400 / 2048
    moved = (matrices + 2 * 2560) * outside + cache
    assert found.busy["dram"] == pytest.approx(moved / (0.7 * 25.6e9))
    # Attention alone is bound by arithmetic: 64 MACs per two bytes of keys and values.
    assert found.seconds == found.decode_seconds
    assert found.busy["dram"] <= found.seconds < 1.1 * found.busy["dram"]
    assert found.bound_by == "dram"
    assert found.first_token_seconds is None


@pytest.mark.parametrize(("bandwidth", "bound"), [(1e15, "compute"), (1e3, "dram")])
def test_the_slower_resource_bounds_the_time(bandwidth: float, bound: str) -> None:
    for scenario in (Scenario("prefill", tokens=9), Scenario("request", tokens=9, generate=9)):
        machine = lpddr4(bandwidth=bandwidth, weights=1)
        assert timing(lower(MIXED, scenario, load_scheme("fp16"), machine)).bound_by == bound


def test_a_batch_shares_the_weights_of_a_decode_step() -> None:
    model, scheme = load_model("bitnet-b1.58-2b4t"), load_scheme("fp16")
    one, four = (
        timing(
            lower(model, Scenario("decode", context=64, batch=b), scheme, load_machine("server"))
        )
        for b in (1, 4)
    )
    assert four.busy["dram"] < 1.01 * one.busy["dram"]
    assert four.busy["compute"] == pytest.approx(4 * one.busy["compute"])


def test_a_window_bounds_the_time_of_a_step() -> None:
    slides = MIXED.replace(sliding_window=16, sliding_window_layers=3)
    scheme, machine = load_scheme("fp16"), lpddr4(weights=1)
    times = [
        timing(lower(slides, Scenario("decode", context=c), scheme, machine)).busy["dram"]
        for c in (8, 16, 17, 4096)
    ]
    assert times[0] < times[1] == pytest.approx(times[2]) == pytest.approx(times[3])


def test_skipped_weights_take_no_time() -> None:
    model, scheme = load_model("bitnet-b1.58-2b4t"), load_scheme("bitnet-a4.8")
    scenario = Scenario("decode", context=64)
    dense = timing(lower(model, scenario, scheme, lpddr4()))
    skipping = timing(lower(model, scenario, scheme, lpddr4(skips_inactive_weights=True)))
    assert skipping.busy["compute"] < dense.busy["compute"]
    assert skipping.busy["dram"] < dense.busy["dram"]
