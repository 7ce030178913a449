"""Estimates: the sums of their parts, and single effects by hand."""

from __future__ import annotations

import pytest

from bitnet_hw.cost.counting import count, default_scenario
from bitnet_hw.cost.estimates import Estimate, estimate
from bitnet_hw.cost.parts import KINDS, PARTS
from bitnet_hw.errors import ContradictionError, InputError
from bitnet_hw.inputs.machine import Machine
from bitnet_hw.inputs.model import ModelSpec
from bitnet_hw.inputs.scenario import Scenario
from bitnet_hw.inputs.scheme import Scheme, load_scheme
from bitnet_hw.prices.loading import load_table

from .machines import lpddr4
from .small import ALL, NAMES, ON_PAPER, SCENARIOS, SMALL, estimate_small


@pytest.mark.parametrize("found", ALL, ids=lambda e: f"{e.scheme.name}-{e.scenario.phase}")
def test_parts_sum_to_the_whole(found: Estimate) -> None:
    data = found.as_dict()
    parts = ("mul_j", "add_j", "mac_j", "other_j", "memory_j", "unpacking_j", "static_j")
    listed = [data[key] for key in parts]
    assert data["energy_j"] == pytest.approx(sum(x for x in listed if x is not None), rel=1e-12)
    assert set(found.by("part")) == set(PARTS)
    assert sum(cost.joules for cost in found.by("part").values()) == pytest.approx(data["energy_j"])
    assert sum(cost.joules for cost in found.by("role", level="logic").values()) == pytest.approx(
        found.arithmetic_j
    )
    levels = sum(
        cost.joules for level, cost in found.by("level").items() if level not in ("logic", "static")
    )
    assert levels == pytest.approx(data["memory_j"] or 0.0)
    assert data["energy_low_j"] <= data["energy_j"] <= data["energy_high_j"]
    assert 0 <= data["derived_share"] <= 1
    per_token = data["energy_per_token_j"] * found.scenario.new_tokens
    assert per_token == pytest.approx(data["energy_j"])


def test_the_paper_convention_has_no_memory_time_or_static_part() -> None:
    found = estimate(SMALL, load_scheme("fp16"), load_table("7nm"), ON_PAPER, "paper")
    data = found.as_dict()
    for key in (
        "memory_j",
        "static_j",
        "latency_s",
        "tokens_per_s",
        "bound_by",
        "mean_power_w",
        "boundary",
        "fits",
        "machine",
    ):
        assert data[key] is None
    assert data["other_j"] == 0
    assert data["derived_share"] == 0  # every price it needs is published


def test_static_energy_is_power_times_time() -> None:
    powered = lpddr4(idle=(2.0, 0.5))
    found = estimate_small(machine=powered)
    assert found.time is not None
    assert found.static_j == pytest.approx(2.5 * found.time.seconds)
    assert found.energy.low - estimate_small().energy.low == pytest.approx(found.static_j)


def test_default_scenarios() -> None:
    assert default_scenario("system") == Scenario("decode", context=2048)
    paper = Scenario("prefill", tokens=512, attention="full", lm_head="none")
    assert default_scenario("paper") == paper


def test_the_paper_convention_fixes_its_sums() -> None:
    args = (SMALL, load_scheme("fp16"), load_table("7nm"), ON_PAPER)
    with pytest.raises(InputError, match="float accumulator fp32 contradicts"):
        estimate(*args, "paper", float_accumulator="fp32")


@pytest.mark.parametrize("size", ["6.7B", "13B"])
def test_the_paper_convention_gives_the_published_joules(size: str) -> None:
    """BitNet (arXiv 2310.11453), Table 1, 7 nm: multiplications and additions, J."""
    published = {
        "6.7B": {"fp32": (4.41, 1.28), "fp16": (1.14, 0.54)},
        "13B": {"fp32": (8.58, 2.49), "fp16": (2.23, 1.05)},
    }
    hidden, layers = {"6.7B": (4096, 32), "13B": (5120, 40)}[size]
    model = ModelSpec(
        name=size, hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=hidden // 128,
        intermediate_size=4 * hidden, gated=False, activation="gelu", vocab_size=32000,
        tie_word_embeddings=False,
    )  # fmt: skip
    for name, (mul, add) in published[size].items():
        found = estimate(model, load_scheme(name), load_table("7nm"), convention="paper")
        assert [round(found.by("kind")[kind].joules, 2) for kind in KINDS[:2]] == [mul, add]


def test_a_machine_that_saves_on_zero_weights() -> None:
    saving = lpddr4(weight_zero_saving=0.4)
    dense, spared = (
        estimate_small(machine=machine).by("role", level="logic")["ffn-up"].joules
        for machine in (None, saving)
    )
    # e(z) = e(0) (1 - alpha z) with alpha = 0.4 and 31.0 percent zeros
    assert spared / dense == pytest.approx(1 - 0.4 * 0.31)
    assert estimate_small("w8a8", machine=saving).energy == estimate_small("w8a8").energy


def test_a_wholly_derived_estimate_has_a_share_of_one() -> None:
    table = load_table("7nm")
    data = table.model_dump(by_alias=True, exclude_none=True)
    for entry in data["operations"]:
        entry |= {"kind": "derived", "formula": "by hand"}
    derived = type(table).model_validate(data)
    for name in NAMES:
        share = estimate(SMALL, load_scheme(name), derived, ON_PAPER, "paper").derived_share
        assert share == pytest.approx(1.0)
        assert share <= 1.0


def test_a_ternary_lm_head_saves_on_its_zeros_too() -> None:
    fields = load_scheme("bitnet-b1.58").model_dump(exclude_unset=True)
    fields["lm_head"] = fields["linear"] | {"weight_zeros": 0.5}
    scheme = Scheme.model_validate(fields)
    saving = lpddr4(weight_zero_saving=0.4)
    dense, spared = (
        estimate(SMALL, scheme, load_table("7nm"), SCENARIOS[1], machine=machine)
        .by("role", level="logic")["lm-head"].joules
        for machine in (None, saving)
    )  # fmt: skip
    assert spared / dense == pytest.approx(1 - 0.4 * 0.5)


def test_the_kv_cache_is_part_of_the_rest_that_ternary_weights_cannot_save() -> None:
    """Change the rest, but not the part that ternary weights act on, with a 3-bit cache."""
    fields = load_scheme("bitnet-b1.58").model_dump(exclude_unset=True)
    fields["attention"] = {"operand": "fp16", "kv_cache": "int3", "accumulator": "fp32"}
    table, quantized = load_table("7nm"), Scheme.model_validate(fields)
    for scenario in SCENARIOS:
        plain, narrow = (
            estimate(SMALL, scheme, table, scenario)
            for scheme in (load_scheme("bitnet-b1.58"), quantized)
        )
        assert narrow.by("reach")["projections and FFN"].joules == pytest.approx(
            plain.by("reach")["projections and FFN"].joules
        )
        assert narrow.arithmetic_j > plain.arithmetic_j


def test_an_integer_lm_head_keeps_its_scales_to_itself() -> None:
    fields = load_scheme("w8a8").model_dump(exclude_unset=True)
    fields["lm_head"] = fields["linear"]
    table, wide = load_table("7nm"), Scheme.model_validate(fields)
    plain, narrow = (
        estimate(SMALL, scheme, table, SCENARIOS[0]) for scheme in (load_scheme("w8a8"), wide)
    )
    assert narrow.by("reach")["projections and FFN"].joules == pytest.approx(
        plain.by("reach")["projections and FFN"].joules
    )


@pytest.mark.parametrize("machine", [lpddr4(), "edge"])
def test_the_paper_convention_refuses_a_machine(machine: Machine | str) -> None:
    name = machine if isinstance(machine, str) else machine.name
    said = f"machine {name} contradicts the paper convention, which has no machine"
    with pytest.raises(ContradictionError, match=said) as caught:
        estimate(SMALL, "fp16", "7nm", ON_PAPER, "paper", machine)
    assert (caught.value.setting, caught.value.value) == ("machine", name)
    with pytest.raises(ContradictionError, match=said):
        count(SMALL, ON_PAPER, "fp16", "paper", machine)


def test_both_rates_of_a_request_are_named() -> None:
    found = estimate(SMALL, "fp16", "7nm", Scenario("request", tokens=9, generate=5))
    assert found.time is not None
    decode = 5 / (found.time.seconds - (found.time.first_token_seconds or 0))
    data = found.as_dict()
    assert data["tokens_per_s"] == pytest.approx(decode)
    assert data["tokens_per_s_of_request"] == pytest.approx(5 / found.time.seconds)
    for text in (repr(found), found._repr_html_()):
        assert "tokens per second of decode" in text
        assert f"{decode:.4g}" in text
        assert "tokens per second, prefill included" in text
        assert f"{5 / found.time.seconds:.4g}" in text
