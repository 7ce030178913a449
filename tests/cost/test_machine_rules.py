"""Units, unpacking, chips, boundaries and machines without on-chip memory, by hand."""

from __future__ import annotations

from typing import Any

import pytest

from bitnet_hw.cost.estimates import Estimate, estimate
from bitnet_hw.cost.lowering import lower
from bitnet_hw.cost.time import timing
from bitnet_hw.cost.traffic import traffic
from bitnet_hw.errors import InputError
from bitnet_hw.inputs.formats import parse_format
from bitnet_hw.inputs.machine import Machine
from bitnet_hw.inputs.scenario import Scenario
from bitnet_hw.inputs.unit import Pair

from .machines import figure, lpddr4
from .small import SMALL

DECODE = Scenario("decode", context=8)


def _programmable(rates: dict[str, float], **changes: Any) -> Machine:
    """Return a processor with nothing but a DRAM, in which every operator runs on its own."""
    unit = {
        "name": "cores",
        "kind": "programmable",
        "tokens": 1 << 20,
        "peak_mac_per_s": {pair: figure(rate) for pair, rate in rates.items()},
    }
    dram = (
        lpddr4()
        .memories[-1]
        .replace(bandwidth_bytes_per_s=figure(1e9), reached_share=figure(1), kind="HBM2")
    )
    return lpddr4(units=[unit], memories=(dram,), **changes)


def _pairs(machine: Machine, scheme: str) -> dict[str, tuple[str, str, str]]:
    """Return role -> the unit, the pair and the accumulator that compute it."""
    return {
        p.role: (p.unit.name, str(p.pair), p.accumulator.name)
        for p in lower(SMALL, DECODE, scheme, machine).products
    }


def test_the_exact_pair_comes_first_and_then_the_next_wider_one() -> None:
    slow_exact = {"int8xternary": 1e9, "int8xint8": 1e12, "fp16xfp16": 1e12}
    found = _pairs(_programmable(slow_exact), "bitnet-b1.58")
    assert found["ffn-up"] == ("cores", "int8xternary", "int14")  # 127 x 64 < 2**13
    assert found["lm-head"] == ("cores", "fp16xfp16", "fp32")
    found = _pairs(_programmable({"int8xint8": 1e9, "fp16xfp16": 9e9}), "bitnet-b1.58")
    assert found["ffn-up"] == ("cores", "int8xint8", "int32")
    found = _pairs(_programmable({"fp16xfp16": 1e9, "fp32xfp32": 9e9}), "bitnet-b1.58")
    assert found["ffn-up"] == ("cores", "fp16xfp16", "fp32")
    # BF16 reaches beyond FP16.
    found = _pairs(_programmable({"fp16xfp16": 9e9, "fp32xfp32": 1e9}), "bf16")
    assert found["ffn-up"] == ("cores", "fp32xfp32", "fp32")


def test_the_fastest_unit_computes_a_product() -> None:
    array = lpddr4().units[0]
    units = [
        array.replace(name="slow", rows=1),
        array.replace(name="fast"),
        array.replace(name="same"),
        array.replace(name="half", rows=60, reached_share={"integerxternary": figure(0.5)}),
    ]
    machine = lpddr4(units=tuple(units))
    found = _pairs(machine, "bitnet-b1.58")
    assert (found["ffn-up"][0], found["lm-head"][0]) == ("fast", "half")
    pair = Pair(parse_format("int8"), parse_format("ternary"))
    assert machine.unit_for(pair) == (units[1], pair)


@pytest.mark.parametrize(
    ("pairs", "scheme", "said"),
    [
        (["integerxternary"], "bitnet-b1.58", "for fp16xfp16, which scheme bitnet-b1.58 needs"),
        (["floatxfloat"], "bitnet-b1.58", "for int8xternary, which scheme bitnet-b1.58 needs"),
        (["floatxfloat"], "w8a8", "for int8xint8, which scheme w8a8 needs for qkv"),
    ],
)
def test_a_pair_that_no_unit_executes_is_named(pairs: list[str], scheme: str, said: str) -> None:
    machine = lpddr4().with_unit("array", executes=tuple(pairs))
    with pytest.raises(InputError) as caught:
        estimate(SMALL, scheme, "7nm", DECODE, machine=machine)
    assert f"machine lpddr4: no unit has a rate {said}" in str(caught.value)
    assert f"its units execute array: {pairs[0]}" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unpacking_takes_time_and_energy_per_fetched_weight() -> None:
    entries = [
        {"codecs": ["any"], "seconds_per_weight": figure(3e-12)},
        {
            "codecs": ["2bit"],
            "seconds_per_weight": figure(5e-12),
            "energy_pj_per_weight": figure(20.0),
        },
    ]
    machine = lpddr4(unpacking=entries, tokens=4)
    scenario = Scenario("decode", context=8, batch=9)
    found = estimate("bitnet-b1.58-2b4t", "bitnet-b1.58", "7nm", scenario, machine=machine)
    # Nine tokens, four of which share a fetch: three fetches of 2,084,044,800 ternary weights and
    # of 128,256 x 2,560 of the LM head.
    ternary, head = 3 * 2_084_044_800, 3 * 128_256 * 2_560
    assert found.time is not None
    assert found.time.busy["unpacking"] == pytest.approx(5e-12 * ternary + 3e-12 * head)
    assert found.by("level")["unpacking"].joules == pytest.approx(20e-12 * ternary)
    assert found.as_dict()["unpacking_j"] == pytest.approx(20e-12 * ternary)


def test_own_energies_replace_those_of_the_price_lists() -> None:
    machine = lpddr4().with_unit("array", energy_pj_per_mac={"integerxternary": figure(0.5)})
    machine = machine.with_memory("dram", energy_pj_per_bit=figure(7, low=5, high=9))
    found = estimate(SMALL, "bitnet-b1.58", "7nm", DECODE, machine=machine)
    macs = 3 * (64 * (64 + 32 + 32) + 64 * 64 + 3 * 64 * 96)
    assert found.by("kind")["whole MACs"].joules == pytest.approx(0.5e-12 * macs)
    dram = found.by("level")["dram"]
    assert dram.joules == pytest.approx(dram.bytes * 8 * 7e-12)
    assert dram.energy.low == pytest.approx(dram.bytes * 8 * 5e-12)
    assert dram.energy.high == pytest.approx(dram.bytes * 8 * 9e-12)


def test_overheads_add_up_per_pass_and_layer() -> None:
    overheads = {"seconds_per_step": figure(1e-3), "seconds_per_layer": figure(1e-4)}
    scenario = Scenario("request", tokens=5, generate=7)
    plain, slowed = (
        timing(lower(SMALL, scenario, "fp16", machine))
        for machine in (lpddr4(), lpddr4(overheads=overheads))
    )
    assert slowed.seconds - plain.seconds == pytest.approx(8 * (1e-3 + 3 * 1e-4))
    assert slowed.first_token_seconds is not None
    assert plain.first_token_seconds is not None
    assert slowed.first_token_seconds - plain.first_token_seconds == pytest.approx(1.3e-3)
    assert slowed.bound_by == "overheads"


def test_without_overlap_times_add_up() -> None:
    times = [
        timing(lower(SMALL, DECODE, "fp16", lpddr4(overlap=figure(overlap), weights=1)))
        for overlap in (0.0, 0.5, 1.0)
    ]
    assert times[0].seconds == pytest.approx(sum(times[0].busy.values()))
    assert times[1].seconds == pytest.approx((times[0].seconds + times[2].seconds) / 2)
    assert times[2].seconds < times[0].seconds


def test_several_chips_sum_the_results_of_attention_and_ffn() -> None:
    """Llama-2-7B on 4 chips; ring all-reduce: each chip sends 2 (N - 1) / N of a vector."""
    chips = {
        "number": 4,
        "link_bandwidth_bytes_per_s": figure(1e9),
        "link_energy_pj_per_bit": figure(10.0),
    }
    scenario = Scenario("decode", context=64, batch=3)
    one, four = (
        estimate("llama-2-7b", "fp16", "7nm", scenario, machine=machine)
        for machine in (lpddr4(weights=1), lpddr4(weights=1, chips=chips))
    )
    # Two vectors of 4096 FP16 numbers per layer and token.
    vectors = 3 * 32 * 2 * 4096 * 2
    sent = 4 * (2 * 3 / 4) * vectors
    links = four.by("level")["links"]
    assert links.bytes == pytest.approx(sent)
    assert links.joules == pytest.approx(sent * 8 * 10e-12)
    assert four.time is not None
    assert one.time is not None
    assert four.time.busy["links"] == pytest.approx(sent / 4 / 1e9)
    assert four.time.busy["compute"] == pytest.approx(one.time.busy["compute"] / 4)
    assert four.time.busy["dram"] == pytest.approx(one.time.busy["dram"] / 4, rel=1e-6)
    # 13.5 GB fit four memories of 8 GB but not one.
    assert (one.fits, four.fits) == (False, True)


def _static(covers: str, *, subtracted: bool = False) -> Estimate:
    power = {
        "idle_w": {"core": figure(1), "dram": figure(2), "board": figure(4)},
        "active_w": figure(8),
    }
    machine = lpddr4(power=power, boundary={"covers": covers, "idle_subtracted": subtracted})
    for name, watts in (("activation-sram", 16), ("dram", 32)):
        machine = machine.with_memory(name, static_w=figure(watts))
    return estimate(SMALL, "fp16", "7nm", DECODE, machine=machine)


@pytest.mark.parametrize(
    ("covers", "watts"),
    [
        ("core", 1 + 8 + 16),
        ("chip", 1 + 8 + 16),
        ("package", 1 + 8 + 16),
        ("chip and DRAM", 1 + 2 + 8 + 16 + 32),
        ("module", 1 + 2 + 4 + 8 + 16 + 32),
        ("GPU board", 63),
        ("whole laptop", 63),
        ("system", 63),
    ],
)
def test_idle_power_counts_inside_the_boundary(covers: str, watts: float) -> None:
    found, active = _static(covers), _static(covers, subtracted=True)
    assert found.time is not None
    assert found.static_j == pytest.approx(watts * found.time.seconds)
    assert active.static_j == pytest.approx(8 * found.time.seconds)
    dram = found.by("level")["dram"]
    assert dram.bytes > 0
    outside = covers in ("core", "chip", "package")
    assert (dram.joules == 0) is outside
    assert found.time.seconds == _static("system").time.seconds  # type: ignore[union-attr]
    assert found.mean_power_w == pytest.approx(found.energy.value / found.time.seconds)


def test_without_any_power_static_energy_is_excluded() -> None:
    assert estimate(SMALL, "fp16", "7nm", DECODE, machine=lpddr4()).static_j is None
    powered = lpddr4(power={"idle_w": {"board": figure(3)}})  # outside chip and DRAM
    assert estimate(SMALL, "fp16", "7nm", DECODE, machine=powered).static_j is None


def test_activations_of_a_prefill_without_on_chip_memory_are_those_of_llm_viewer() -> None:
    """Llama-2-7B, 2048 tokens on a machine whose only memory is the DRAM.

    LLM-Viewer counts 32,782,752,256 bytes of activations with fused attention (computed with the
    tool). What is known to differ is taken off, and the rest must be equal to the byte:

    - it gives the result of fused attention the size of the scores, and counts it twice;
    - elementwise steps move 11 hidden vectors per token and layer: 2 for each of two norms and two
      additions, 3 for the activation function. They cause no traffic here;
    - the results of K and V are only entries of the cache there. Here they are results of a matrix
      first, and then entries.
    """
    layers, heads, tokens = 32, 32, 2048
    hidden, scores = 2 * tokens * 4096, 2 * tokens * tokens * heads
    expected = 32_782_752_256 + layers * (hidden - 2 * scores - 11 * hidden + 2 * hidden)
    scenario = Scenario("prefill", tokens=tokens, attention="full")
    rows = traffic(lower("llama-2-7b", scenario, "fp16", _programmable({"fp16xfp16": 1e14})))
    assert sum(row.bytes for row in rows if row.content == "activations") == expected
    # In each decode step these are 0.1 percent of the weights.
    rows = traffic(lower("llama-2-7b", DECODE, "fp16", _programmable({"fp16xfp16": 1e14})))
    moved = {c: sum(r.bytes for r in rows if r.content == c) for c in ("weights", "activations")}
    assert moved["weights"] == 13_214_154_752
    assert moved["activations"] < 0.001 * moved["weights"]
