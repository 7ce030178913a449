"""Energy, time and bytes change monotonically with the workload, the scheme and the machine."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitnet_hw.cost.estimates import estimate
from bitnet_hw.inputs.model import load_model
from bitnet_hw.inputs.scenario import Scenario
from bitnet_hw.inputs.scheme import load_scheme
from bitnet_hw.prices.loading import load_table

from .machines import figure, lpddr4
from .small import NAMES, SCENARIOS, estimate_small

LENGTHS = st.integers(1, 40)


@given(
    st.sampled_from(["prefill", "decode", "request"]), LENGTHS, LENGTHS, st.integers(1, 4),
    st.sampled_from(["tokens", "context", "generate", "batch"]), st.integers(1, 9),
    st.sampled_from(["fp16", "w4a16", "bitnet-b1.58", "bitnet-a4.8"]), st.integers(64, 4000),
)  # fmt: skip
@settings(deadline=None, max_examples=80)
def test_more_work_never_costs_less(
    phase: Any, length: int, generate: int, batch: int, what: str, more: int, name: str, buffer: int
) -> None:
    lengths = {"prefill": ("tokens",), "decode": ("context",), "request": ("tokens", "generate")}
    fields = {"tokens": length, "context": length, "generate": generate}
    used = {key: fields[key] for key in lengths[phase]}
    scenario = Scenario(phase, batch=batch, **used)
    if what not in used and what != "batch":
        what = lengths[phase][0]
    larger = scenario.replace(**{what: getattr(scenario, what) + more})
    machine = lpddr4(activations=buffer)
    one, other = (estimate_small(name, s, machine=machine) for s in (scenario, larger))
    assert one.energy.value <= other.energy.value
    assert one.time is not None
    assert other.time is not None
    assert one.time.seconds <= other.time.seconds
    assert one.footprint.total <= other.footprint.total


@given(LENGTHS, st.sampled_from(NAMES))
@settings(deadline=None, max_examples=25)
def test_causal_attention_and_a_smaller_head_cost_no_more(length: int, name: str) -> None:
    def joules(**changes: Any) -> float:
        return estimate_small(
            name, Scenario("prefill", tokens=length).replace(**changes)
        ).energy.value

    assert joules(attention="causal") <= joules(attention="full")
    assert joules(lm_head="none") <= joules(lm_head="last") <= joules(lm_head="all")


@given(st.sampled_from(SCENARIOS), st.sampled_from(["rows", "tokens", "activations", "weights"]),
       st.integers(1, 400), st.sampled_from([1, 2, 3]))  # fmt: skip
@settings(deadline=None, max_examples=60)
def test_more_sharing_and_more_memory_never_cost_more(
    scenario: Scenario, what: str, start: int, factor: int
) -> None:
    """Both buffers state their own price, lower than the DRAM's, at every size."""
    start = {"activations": 20, "weights": 1000}.get(what, 1) * start

    def costs(size: int) -> tuple[float, float]:
        machine = lpddr4(**({"activations": 500, "rows": 4, "tokens": 2} | {what: size}))
        for name in ("weight-sram", "activation-sram"):
            machine = machine.with_memory(name, energy_pj_per_bit=figure(0.2))
        found = estimate_small(scenario=scenario, machine=machine)
        assert found.time is not None
        return found.energy.value, found.time.seconds

    for smaller, larger in zip(costs(start), costs(factor * start), strict=True):
        assert larger <= smaller * (1 + 1e-12)


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("node", ["7nm", "45nm"])
def test_narrower_schemes_cost_less(scenario: Scenario, node: str) -> None:
    order = ("fp32", "fp16", "w8a8", "bitnet-b1.58", "bitnet-b1")
    joules = [estimate_small(name, scenario, node).energy.value for name in order]
    assert joules == sorted(joules, reverse=True)


def test_more_lanes_cheapen_ternary_sums() -> None:
    table, model = load_table("7nm"), load_model("bitnet-b1.58-2b4t")

    def qkv(lanes: int) -> float:
        machine = lpddr4(lanes=lanes)
        found = estimate(model, load_scheme("bitnet-b1.58"), table, machine=machine)
        macs = sum(n for key, n in found.tally.mac_counts.items() if key.role == "qkv")
        return 1e12 * found.by("role", level="logic")["qkv"].joules / macs

    # 20 bits wide at K = 2560: 0.0185 pJ per term on one lane, about 0.009 pJ in a tree of 32.
    assert qkv(1) == pytest.approx(0.0185)
    assert qkv(32) == pytest.approx(0.009, abs=0.0005)
