"""Weights with a scale per group: storage and rescaling, compared with counts by hand."""

from __future__ import annotations

import pytest

from bitnet_hw.cost.estimates import estimate
from bitnet_hw.cost.footprint import footprint
from bitnet_hw.cost.lowering import lower
from bitnet_hw.inputs.machine import load_machine
from bitnet_hw.inputs.model import ModelSpec
from bitnet_hw.inputs.scenario import Scenario
from bitnet_hw.inputs.scheme import Scheme, load_scheme
from bitnet_hw.prices.loading import load_table

#: One layer. Q, K, V and O are (200, 200), up is (200, 300), down is (300, 200).
MODEL = ModelSpec(
    name="one-layer", hidden_size=200, num_hidden_layers=1, num_attention_heads=2,
    intermediate_size=300, gated=False, activation="relu", vocab_size=9, tie_word_embeddings=True,
)  # fmt: skip
DECODE = Scenario("decode", context=8, lm_head="none")
#: Codec -> weights, bytes of the codes of a row of 200 and of 300, and groups of such rows.
#: 200 x 5 bits are 125 bytes, 300 x 3 bits 112.5 bytes, which end with a whole one.
BY_HAND = {
    "int8-g64-sym": ("int8", (200, 300), (4, 5)),
    "int6-g128-sym": ("int6", (150, 225), (2, 3)),
    "int5-g16-sym": ("int5", (125, 188), (13, 19)),
    "int4-g256-sym": ("int4", (100, 150), (1, 2)),
    "int3-g32-sym": ("int3", (75, 113), (7, 10)),
    "int2-g64-sym": ("int2", (50, 75), (4, 5)),
    "2bit-g16": ("ternary", (50, 75), (13, 19)),
    "base3-g256": ("ternary", (40, 60), (1, 2)),
    "1bit-g32": ("binary", (25, 38), (7, 10)),
}


def _scheme(codec: str, activation: str = "int8") -> Scheme:
    linear = {
        "weight": BY_HAND[codec][0], "activation": activation, "codec": codec,
        "accumulator": "exact" if activation == "int8" else "fp32",
        "quantizer": "absmax" if activation == "int8" else "none",
    }  # fmt: skip
    return load_scheme("fp16").replace(name=f"{codec} {activation}", linear=linear)


@pytest.mark.parametrize("codec", BY_HAND)
def test_storage_is_the_codes_and_a_scale_per_started_group(codec: str) -> None:
    _, (codes_200, codes_300), (groups_200, groups_300) = BY_HAND[codec]
    # Rows of 200: four matrices of 200 outputs and one of 300; rows of 300: one of 200 outputs.
    rows_of_200, rows_of_300 = 4 * 200 + 300, 200
    expected = rows_of_200 * (codes_200 + 2 * groups_200)
    expected += rows_of_300 * (codes_300 + 2 * groups_300)
    assert footprint(MODEL, _scheme(codec), DECODE).weights == expected
    products = lower(MODEL, DECODE, _scheme(codec)).products
    stored = next(p.element_bits for p in products if p.shape.role == "ffn-down")
    assert stored * 300 * 200 / 8 == pytest.approx(200 * (codes_300 + 2 * groups_300))


@pytest.mark.parametrize("codec", BY_HAND)
def test_every_group_of_an_output_is_rescaled(codec: str) -> None:
    _, _, (groups_200, groups_300) = BY_HAND[codec]
    # A row with a single group has the scale of its output alone.
    expected = sum(
        outputs * groups
        for outputs, groups in ((1100, groups_200), (200, groups_300))
        if groups > 1
    )
    steps = [s for s in lower(MODEL, DECODE, _scheme(codec)).steps if s.role == "rescale"]
    # A group's sum is rounded to a float, multiplied by the scale and added; only the steps of
    # groups add.
    added = sum(step.counts.get("add", 0) for step in steps)
    rounded = sum(s.counts["round"] for s in steps if "add" in s.counts)
    assert added == rounded == expected
    # Integers that become floats at each fetch take the scale there.
    if BY_HAND[codec][0].startswith("int"):
        floats = lower(MODEL, DECODE, _scheme(codec, "fp16"))
        assert not [step for step in floats.steps if step.role == "rescale"]


@pytest.mark.parametrize("machine", ["rtx-4090-llama-cpp-2026", "edge"])
@pytest.mark.parametrize("codec", BY_HAND)
def test_machines_run_them_with_the_entry_for_any_codec(codec: str, machine: str) -> None:
    loaded = load_machine(machine)
    for_any = next(entry for entry in loaded.unpacking if "any" in entry.codecs)
    assert loaded.unpacking_of(codec) is for_any
    found = estimate(MODEL, _scheme(codec, "fp16"), load_table("7nm"), DECODE, machine=loaded)
    assert found.energy.value > 0
    assert found.time is not None
    assert found.time.seconds > 0


def test_shorter_groups_cost_bytes_and_energy() -> None:
    scheme, table = load_scheme("bitnet-b1.58"), load_table("7nm")
    found = [
        estimate(MODEL, scheme.with_codec(f"2bit-g{n}"), table, DECODE)
        for n in (16, 32, 64, 128, 256)
    ]
    by_bytes = [of.footprint.weights for of in found]
    rescaling = [of.by("role")["rescale"].joules for of in found]
    assert by_bytes == sorted(set(by_bytes), reverse=True)
    assert rescaling == sorted(set(rescaling), reverse=True)
