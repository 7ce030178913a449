"""Residency: contents lie in memories as far as they fit, byte by byte."""

from __future__ import annotations

import itertools
import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitnet_hw.cost.estimates import estimate
from bitnet_hw.cost.footprint import footprint
from bitnet_hw.cost.lowering import lower
from bitnet_hw.cost.residency import place, residency
from bitnet_hw.cost.time import timing
from bitnet_hw.cost.traffic import traffic
from bitnet_hw.inputs.machine import Machine
from bitnet_hw.inputs.memory import Content
from bitnet_hw.inputs.scenario import Scenario
from bitnet_hw.inputs.scheme import load_scheme
from bitnet_hw.prices.loading import load_table

from .machines import figure, lpddr4, random_machine
from .small import SCENARIOS, SMALL

CONTENTS: tuple[Content, ...] = ("weights", "kv-cache", "activations", "embedding")


def _fill(sizes: dict[Content, int], machine: Machine) -> dict[tuple[str, Content], int]:
    """Carry contents into memories one byte at a time."""
    waiting = dict(sizes)
    stored: dict[tuple[str, Content], int] = {}
    for memory in machine.memories:
        chips = machine.chip_count
        capacity = memory.capacity_bytes
        inside = 0
        for content, share in memory.holds.items():
            mine = 0
            while waiting[content] > 0:
                if capacity is not None:
                    total = capacity.value * chips
                    if inside + 1 > total or mine + 1 > share * total + 1e-9:
                        break
                waiting[content] -= 1
                inside, mine = inside + 1, mine + 1
            stored[memory.name, content] = mine
    for content, rest in waiting.items():
        last = [memory.name for memory in machine.memories if content in memory.holds][-1]
        stored[last, content] += rest
    return stored


@given(
    st.randoms(use_true_random=False),
    st.fixed_dictionaries({content: st.integers(0, 300) for content in CONTENTS}),
)
@settings(deadline=None, max_examples=150)
def test_contents_are_placed_as_if_carried_byte_by_byte(
    draw: random.Random, sizes: dict[Content, int]
) -> None:
    machine = _with_capacities(random_machine(draw), lambda: draw.randint(1, 200))
    found = place({content: float(size) for content, size in sizes.items()}, machine)
    stored = _fill(sizes, machine)
    # A share of a capacity may end within a byte, which the loop does not fill: at most one byte
    # for each memory and content before.
    whole = all(share == 1 for memory in machine.memories for share in memory.holds.values())
    for content, size in sizes.items():
        shares = {memory.name: share for memory, share in found.places[content]}
        assert sum(shares.values()) == pytest.approx(1)
        for memory in machine.memories:
            kept = stored.get((memory.name, content), 0)
            inside = size * shares.get(memory.name, 0.0)
            assert inside == pytest.approx(kept, abs=1e-6 if whole and size else 16)


def _with_capacities(machine: Machine, draw: Any) -> Machine:
    memories = [memory.replace(capacity_bytes=figure(draw())) for memory in machine.memories]
    return machine.replace(memories=tuple(memories))


def _costs(
    machine: Machine, scenario: Scenario, scheme: str
) -> tuple[dict[str, float], float, float]:
    """Return bytes by level, seconds, and joules of memory at one price per bit."""
    lowered = lower(SMALL, scenario, scheme, machine)
    moved: dict[str, float] = {}
    for row in traffic(lowered):
        moved[row.level] = moved.get(row.level, 0.0) + row.bytes
    return moved, timing(lowered).seconds, sum(moved.values())


@given(
    st.randoms(use_true_random=False),
    st.sampled_from(SCENARIOS),
    st.sampled_from(["fp16", "bitnet-b1.58", "bitnet-a4.8"]),
)
@settings(deadline=None, max_examples=150)
def test_one_byte_more_changes_nothing_by_more_than_its_share(
    draw: random.Random, scenario: Scenario, scheme: str
) -> None:
    """Add one byte to one memory of a random machine.

    Every byte that it moves from one memory to another was read at most once per token and block,
    and a block of activations grows by at most its share of the buffer.
    """
    machine = random_machine(draw)
    chosen = draw.choice([m for m in machine.memories if m.capacity_bytes is not None] or [None])
    if chosen is None:
        return
    size = chosen.capacity_bytes.value
    more = machine.with_memory(chosen.name, capacity_bytes=figure(size + 1))
    before, after = (_costs(each, scenario, scheme) for each in (machine, more))
    tokens = scenario.batch * (scenario.tokens + scenario.generate or 1)
    chips, memories = machine.chip_count, len(machine.memories)
    # Bytes that change place: one per chip, and as many that it pushes aside, in each memory.
    bound = 2 * tokens * memories * chips + 2 / size * max(before[2], after[2])
    levels = before[0].keys() | after[0].keys()
    for level in levels:
        assert abs(before[0].get(level, 0) - after[0].get(level, 0)) <= bound, level
    slowest = min([m.rate for m in machine.memories if m.rate is not None])
    assert abs(before[1] - after[1]) <= bound * len(levels) / slowest / chips


@given(
    st.sampled_from(SCENARIOS),
    st.sampled_from(["fp16", "bitnet-b1.58", "bitnet-a4.8"]),
    st.sampled_from(["weight-sram", "activation-sram", "dram"]),
    st.floats(0.5, 6),
    st.floats(1, 30),
)
@settings(deadline=None, max_examples=100)
def test_a_larger_memory_never_costs_more(
    scenario: Scenario, scheme: str, which: str, exponent: float, factor: float
) -> None:
    """Nearer memories are faster and cheaper here, and state their own price at every size."""
    machine = lpddr4(weights=20_000, activations=700)
    for name in ("weight-sram", "activation-sram"):
        machine = machine.with_memory(
            name, energy_pj_per_bit=figure(0.2), bandwidth_bytes_per_s=figure(1e12)
        )
    costs = []
    for size in (10**exponent, factor * 10**exponent):
        of = machine.with_memory(which, capacity_bytes=figure(size))
        found = estimate(SMALL, load_scheme(scheme), load_table("7nm"), scenario, machine=of)
        assert found.time is not None
        costs.append((found.energy.value, found.time.seconds, found.excess_bytes))
    for smaller, larger in zip(*costs, strict=True):
        assert larger <= smaller * (1 + 1e-12)


def test_a_machine_is_a_ramp_from_dram_to_on_chip_memory() -> None:
    """One percent more memory for weights always saves one percent of the reads."""
    scenario, scheme = Scenario("decode", context=8), load_scheme("bitnet-b1.58")
    whole = residency(lower(SMALL, scenario, scheme, lpddr4())).sizes["weights"]
    moved = []
    for percent in range(0, 101, 10):
        machine = lpddr4(weights=max(1e-6, whole * percent / 100))
        rows = traffic(lower(SMALL, scenario, scheme, machine))
        moved.append(sum(r.bytes for r in rows if (r.level, r.content) == ("dram", "weights")))
    steps = [a - b for a, b in itertools.pairwise(moved)]
    assert steps == pytest.approx([moved[0] / 10] * 10)
    assert moved[-1] == pytest.approx(0, abs=1e-6)


def test_what_lies_in_a_memory_leaves_less_of_it_for_activations() -> None:
    """One memory for weights and activations, which fills with the weights first."""
    scenario = Scenario("prefill", tokens=16)
    far = {"weights": 1.0, "kv-cache": 1.0, "embedding": 1.0, "activations": 1.0}

    def reads(size: float, *first: str) -> float:
        shared = (
            lpddr4()
            .memories[0]
            .replace(name="shared", holds=dict.fromkeys(first, 1.0), capacity_bytes=figure(size))
        )
        dram = lpddr4().memories[-1].replace(holds=far)
        machine = lpddr4().replace(memories=(shared, dram))
        rows = traffic(lower(SMALL, scenario, "fp16", machine))
        return sum(r.bytes for r in rows if (r.level, r.role) == ("dram", "ffn-down"))

    alone = reads(2_000, "activations")
    assert reads(2_000, "activations", "weights") == pytest.approx(alone)
    # Weights that come first leave nothing, so that every token reads the weights anew.
    assert reads(2_000, "weights", "activations") > 2 * alone


@pytest.mark.parametrize("capacity", [1e5, 1e9])
def test_models_that_do_not_fit_say_by_how_much(capacity: float) -> None:
    machine = lpddr4(weights=1000, activations=10, dram={"capacity_bytes": figure(capacity)})
    scenario = Scenario("decode", context=8)
    found = estimate(SMALL, "fp16", load_table("7nm"), scenario, machine=machine)
    used = footprint(SMALL, "fp16", scenario)
    # The two buffers are full: weights in one, 10 bytes of activations in the other.
    excess = used.total - 1000 - 10 - capacity
    assert found.fits is (excess <= 0)
    assert found.excess_bytes == pytest.approx(max(0.0, excess))
    data = found.as_dict()
    assert (data["fits"], data["excess_bytes"]) == (found.fits, round(found.excess_bytes))
    assert ("does not fit lpddr4" in repr(found)) is (excess > 0)


def test_the_size_of_what_is_placed_is_that_of_the_footprint() -> None:
    """GPT-2: the LM head is the token table, and positions have a table of their own."""
    scenario = Scenario("decode", context=64)
    sizes = residency(lower("gpt2", scenario, "fp16")).sizes
    assert sum(sizes.values()) == pytest.approx(footprint("gpt2", "fp16", scenario).total)
    assert sizes["embedding"] == 2 * 1024 * 768  # positions
    without = residency(lower("gpt2", scenario.replace(lm_head="none"), "fp16")).sizes
    assert without["embedding"] == 2 * (50257 + 1024) * 768
    # OPT-350M projects embeddings from and to 512 elements.
    sizes = residency(lower("opt-350m", scenario, "fp16")).sizes
    assert sum(sizes.values()) == pytest.approx(footprint("opt-350m", "fp16", scenario).total)
