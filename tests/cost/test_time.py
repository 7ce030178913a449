"""Time of a scenario, compared with the sum over its passes and with a calculation by hand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitnet_hw.cost.lowering import lower
from bitnet_hw.cost.time import timing
from bitnet_hw.inputs.machine import Machine, load_machine
from bitnet_hw.inputs.model import ModelSpec, load_model
from bitnet_hw.inputs.scenario import Scenario
from bitnet_hw.inputs.scheme import load_scheme

MIXED = ModelSpec(
    name="mixed", hidden_size=32, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
    head_dim=8, intermediate_size=48, gated=True, activation="silu", vocab_size=64,
    tie_word_embeddings=True, sliding_window=6, sliding_window_layers=2,
)  # fmt: skip


def _machine(**changes: Any) -> Machine:
    return load_machine("edge").replace(**changes)


@given(
    st.integers(1, 20),
    st.integers(1, 30),
    st.integers(1, 3),
    st.floats(1e6, 1e11),
    st.sampled_from(["fp16", "bitnet-b1.58"]),
    st.sampled_from([None, 6, 200]),
)
@settings(deadline=None, max_examples=80)
def test_a_request_takes_as_long_as_its_passes(
    prompt: int, generate: int, batch: int, bandwidth: float, name: str, window: int | None
) -> None:
    model = MIXED.replace(sliding_window=window, sliding_window_layers=2 if window else None)
    scheme, machine = load_scheme(name), _machine(bandwidth_bytes_per_s=bandwidth)
    whole = timing(
        lower(
            model,
            Scenario("request", tokens=prompt, generate=generate, batch=batch),
            scheme,
            machine,
        )
    )
    first = timing(lower(model, Scenario("prefill", tokens=prompt, batch=batch), scheme, machine))
    steps = [
        timing(lower(model, Scenario("decode", context=prompt + i, batch=batch), scheme, machine))
        for i in range(1, generate + 1)
    ]
    assert whole.first_token_seconds == pytest.approx(first.seconds)
    assert whole.decode_seconds == pytest.approx(sum(step.seconds for step in steps))
    assert whole.seconds == pytest.approx(first.seconds + sum(step.seconds for step in steps))
    everything = [first, *steps]
    assert whole.compute_seconds == pytest.approx(sum(t.compute_seconds for t in everything))
    assert whole.dram_seconds == pytest.approx(sum(t.dram_seconds for t in everything))
    by_compute = sum(t.seconds for t in everything if t.bound_by == "compute")
    if abs(by_compute / whole.seconds - 0.5) > 1e-6:
        assert whole.bound_by == ("compute" if by_compute > whole.seconds / 2 else "dram")


def test_a_crossing_from_dram_to_compute_lies_inside_a_request() -> None:
    """Use an fp16 model, in which attention adds arithmetic time faster than DRAM time."""
    model, scheme = load_model("bitnet-b1.58-2b4t"), load_scheme("fp16")
    machine = _machine(rows=8, lanes=32, clock_hz=60e6, bandwidth_bytes_per_s=41.73e9)
    steps = [
        timing(lower(model, Scenario("decode", context=100 + i), scheme, machine))
        for i in range(1, 2001)
    ]
    assert [steps[0].bound_by, steps[-1].bound_by] == ["dram", "compute"]
    whole = timing(lower(model, Scenario("request", tokens=100, generate=2000), scheme, machine))
    assert whole.decode_seconds == pytest.approx(sum(step.seconds for step in steps), rel=1e-9)


def test_one_decode_step_of_2b4t_by_hand() -> None:
    model, scheme = load_model("bitnet-b1.58-2b4t"), load_scheme("bitnet-b1.58")
    found = timing(lower(model, Scenario("decode", context=2048), scheme, load_machine("edge")))
    # 2,726,952,960 MACs (torch's FlopCounterMode) on 32 x 32 lanes at 500 MHz.
    assert found.compute_seconds == pytest.approx(2_726_952_960 / (32 * 32 * 500e6))
    # 521 + 657 + 157 MB at 0.7 x 25.6 GB/s, with an embedding row and the new keys and values.
    weights = 2_084_044_800 / 4 + 30 * 7 * 2
    moved = weights + 656_670_720 + 157_286_400 + 2 * 2560 + 157_286_400 / 2048
    assert found.dram_seconds == pytest.approx(moved / (0.7 * 25.6e9))
    assert found.seconds == found.dram_seconds == found.decode_seconds
    assert found.bound_by == "dram"
    assert found.first_token_seconds is None


@pytest.mark.parametrize(("bandwidth", "bound"), [(1e15, "compute"), (1e3, "dram")])
def test_the_slower_resource_bounds_the_time(bandwidth: float, bound: str) -> None:
    for scenario in (Scenario("prefill", tokens=9), Scenario("request", tokens=9, generate=9)):
        machine = _machine(bandwidth_bytes_per_s=bandwidth)
        assert timing(lower(MIXED, scenario, load_scheme("fp16"), machine)).bound_by == bound


def test_a_batch_shares_the_weights_of_a_decode_step() -> None:
    model, scheme = load_model("bitnet-b1.58-2b4t"), load_scheme("fp16")
    one, four = (
        timing(
            lower(model, Scenario("decode", context=64, batch=b), scheme, load_machine("server"))
        )
        for b in (1, 4)
    )
    assert four.dram_seconds < 1.01 * one.dram_seconds
    assert four.compute_seconds == pytest.approx(4 * one.compute_seconds)


def test_a_window_bounds_the_time_of_a_step() -> None:
    slides = MIXED.replace(sliding_window=16, sliding_window_layers=3)
    scheme, machine = load_scheme("fp16"), load_machine()
    times = [
        timing(lower(slides, Scenario("decode", context=c), scheme, machine)).dram_seconds
        for c in (8, 16, 17, 4096)
    ]
    assert times[0] < times[1] == times[2] == times[3]


def test_skipped_weights_take_no_time() -> None:
    model, scheme = load_model("bitnet-b1.58-2b4t"), load_scheme("bitnet-a4.8")
    scenario = Scenario("decode", context=64)
    dense = timing(lower(model, scenario, scheme, _machine()))
    skipping = timing(lower(model, scenario, scheme, _machine(skips_inactive_weights=True)))
    assert skipping.compute_seconds < dense.compute_seconds
    assert skipping.dram_seconds < dense.dram_seconds
