"""Lanes and rows that a product leaves idle, compared with a schedule walked cycle by cycle.

An array takes one group of L terms for one group of R outputs in every cycle.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitnet_hw.cost.estimates import Estimate, estimate
from bitnet_hw.cost.lowered import LoweredProduct
from bitnet_hw.cost.lowering import lower
from bitnet_hw.inputs.machine import Machine
from bitnet_hw.inputs.model import ModelSpec
from bitnet_hw.inputs.scenario import Scenario

from .machines import figure, lpddr4

MODEL = ModelSpec(
    name="odd", hidden_size=21, num_hidden_layers=1, num_attention_heads=3, num_key_value_heads=1,
    head_dim=7, intermediate_size=37, gated=False, activation="relu", vocab_size=11,
    tie_word_embeddings=False,
)  # fmt: skip


class Walked(NamedTuple):
    """Cycles of an array, and the lanes that its clock reaches in these cycles."""

    cycles: int
    lanes: int


def _walk(dots: list[tuple[int, int]], rows: int, lanes: int) -> Walked:
    """Walk through vectors of activations, each (terms, outputs), cycle by cycle."""
    cycles = clocked = 0
    for terms, outputs in dots:
        left = outputs
        while left > 0:
            working = min(rows, left)  # the clock of all other rows is gated
            done = 0
            while done < terms:
                done += lanes
                cycles += 1
                clocked += working * lanes
            left -= working
    return Walked(cycles, clocked)


def _dots(role: str, scenario: Scenario) -> list[tuple[int, int]]:
    """Return (terms, outputs) of every vector of activations of a role."""
    prefill = scenario.phase == "prefill"
    seen = list(range(1, scenario.tokens + 1)) if prefill else [scenario.context]
    if role == "attention-score":
        return [(7, c) for c in seen for _ in range(3 * scenario.batch)]
    if role == "attention-value":
        return [(c, 7) for c in seen for _ in range(3 * scenario.batch)]
    matrices = {
        "qkv": [(21, 21), (21, 7), (21, 7)],
        "attention-out": [(21, 21)],
        "ffn-up": [(21, 37)],
        "ffn-down": [(37, 21)],
        "lm-head": [(21, 11)],
    }[role]
    vectors = scenario.batch if role == "lm-head" else scenario.batch * len(seen)
    return matrices * vectors


SCENARIOS = [
    Scenario("decode", context=19, batch=2),
    Scenario("prefill", tokens=13),
]


@settings(deadline=None, max_examples=60)
@given(
    rows=st.integers(1, 40),
    lanes=st.integers(1, 40),
    scheme=st.sampled_from(["fp16", "w8a8", "w4a16", "bitnet-b1.58"]),
    scenario=st.sampled_from(SCENARIOS),
)
def test_slots_are_those_of_a_schedule(
    rows: int, lanes: int, scheme: str, scenario: Scenario
) -> None:
    by_role: dict[str, list[LoweredProduct]] = {}
    for product in lower(MODEL, scenario, scheme, lpddr4(rows=rows, lanes=lanes)).products:
        by_role.setdefault(product.role, []).append(product)
    assert len(by_role) == 7
    for role, products in by_role.items():
        walked = _walk(_dots(role, scenario), rows, lanes)
        assert sum(p.executed_macs for p in products) == walked.lanes, role
        occupied = sum(p.occupied_slots for p in products)
        assert occupied == pytest.approx(walked.cycles * rows * lanes), role


def _on(machine: Machine, scheme: str, table: str) -> Estimate:
    return estimate(MODEL, scheme, table, SCENARIOS[0], machine=machine)


@pytest.mark.parametrize("table", ["7nm", "asap7-prelayout"])
@pytest.mark.parametrize("scheme", ["fp16", "bitnet-b1.58", "w8a8"])
def test_idle_lanes_take_energy_and_idle_rows_do_not(scheme: str, table: str) -> None:
    """Compare 8 lanes with 7, which divide 21, and 21 rows with 16.

    At 8 lanes, 21 terms fill 24 slots, and 37 rows of 16 take 48; energy per slot is that of a MAC
    in the table of whole MACs.
    """
    exact, padded = (_on(lpddr4(rows=7, lanes=lanes), scheme, table) for lanes in (7, 8))
    of = [
        sum(p.executed_macs for p in found.lowered.products if p.role == "attention-out")
        for found in (exact, padded)
    ]
    assert of == [2 * 21 * 21, 2 * 21 * 24]
    joules = [found.by("role", level="logic")["attention-out"].joules for found in (exact, padded)]
    if table != "7nm":
        assert joules[1] / joules[0] == pytest.approx(24 / 21)
    else:
        assert joules[1] > joules[0] * 1.05
    more_rows = _on(lpddr4(rows=16, lanes=8), scheme, table)
    rows_of = [f.by("role", level="logic")["ffn-up"].operations for f in (padded, more_rows)]
    assert rows_of[0] == rows_of[1]
    assert padded.tally.macs == exact.tally.macs == more_rows.tally.macs


def test_time_and_energy_of_one_matrix_by_hand() -> None:
    """Take a matrix of 21 x 37 on 16 rows of 8 lanes at 1 kHz: 3 x 3 cycles for each token."""
    machine = lpddr4(rows=16, lanes=8, clock_hz=1e3)
    machine = machine.with_unit("array", energy_pj_per_mac={"floatxfloat": figure(10.0)})
    found = _on(machine, "fp16", "7nm")
    up = next(p for p in found.lowered.products if p.role == "ffn-up")
    seconds = up.occupied_slots / up.unit.rate(up.pair)
    assert seconds == pytest.approx(2 * 3 * 3 / 1e3)
    assert found.by("role", level="logic")["ffn-up"].joules == pytest.approx(2 * 37 * 24 * 10e-12)


def test_a_processor_has_no_idle_slots() -> None:
    unit = {
        "name": "cores", "kind": "programmable",
        "peak_mac_per_s": {"fp16xfp16": figure(1e9)},
    }  # fmt: skip
    for product in lower(MODEL, SCENARIOS[1], "fp16", lpddr4(units=[unit])).products:
        assert product.executed_macs == product.occupied_slots == product.shape.macs
