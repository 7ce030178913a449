"""Estimates: their parts, JSON output, monotonic behaviour, and ratios."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitnet_hw.cost.band import Band
from bitnet_hw.cost.counting import default_scenario
from bitnet_hw.cost.estimates import Estimate, estimate
from bitnet_hw.cost.parts import KINDS, PARTS
from bitnet_hw.cost.ratios import ratio
from bitnet_hw.errors import InputError
from bitnet_hw.inputs import catalogue
from bitnet_hw.inputs.machine import Machine, load_machine
from bitnet_hw.inputs.model import ModelSpec, load_model
from bitnet_hw.inputs.scenario import Scenario
from bitnet_hw.inputs.scheme import Scheme, load_scheme
from bitnet_hw.prices.loading import load_table

SCHEMAS = Path(__file__).parents[2] / "docs" / "schema"
NAMES = catalogue.names("schemes")
SMALL = ModelSpec(
    name="small", hidden_size=64, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
    intermediate_size=96, gated=True, activation="silu", vocab_size=200, tie_word_embeddings=False,
    sliding_window=12, sliding_window_layers=2,
)  # fmt: skip
SCENARIOS = [
    Scenario("prefill", tokens=20, lm_head="all"),
    Scenario("decode", context=20, batch=3),
    Scenario("request", tokens=9, generate=5, attention="full", lm_head="none"),
]
ON_PAPER = Scenario("prefill", tokens=20, attention="full", lm_head="none")


def _estimate(
    scheme: str = "bitnet-b1.58",
    scenario: Scenario = SCENARIOS[1],
    node: str = "7nm",
    machine: Machine | None = None,
    model: ModelSpec = SMALL,
) -> Estimate:
    return estimate(model, load_scheme(scheme), load_table(node), scenario, "system", machine)


def _all() -> list[Estimate]:
    powered = load_machine("edge").replace(static_w=0.5, dram_static_w=0.1)
    found = [
        _estimate(name, scenario, node, machine)
        for name in NAMES
        for scenario in SCENARIOS
        for node, machine in (("7nm", None), ("45nm", powered))
    ]
    found += [
        estimate(SMALL, load_scheme(name), load_table("45nm"), ON_PAPER, "paper") for name in NAMES
    ]
    return found


ALL = _all()


def _schema(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((SCHEMAS / name).read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return schema


@pytest.mark.parametrize("found", ALL, ids=lambda e: f"{e.scheme.name}-{e.scenario.phase}")
def test_json_follows_its_schema(found: Estimate) -> None:
    data = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    jsonschema.validate(data, _schema("estimate-2.json"), jsonschema.Draft202012Validator)


@pytest.mark.parametrize("name", ["estimate-2.json", "count-2.json"])
def test_schemas_describe_every_field_and_allow_no_other(name: str) -> None:
    def visit(schema: dict[str, Any]) -> None:
        assert not schema.get("properties") or schema["additionalProperties"] is False
        for key, child in schema.get("properties", {}).items():
            assert child.get("description"), key
            visit(child)
        for child in schema.get("oneOf", []):
            visit(child)
        visit(schema["items"]) if "items" in schema else None

    schema = _schema(name)
    visit(schema)
    # The command alone adds this key, so that the schema does not require it.
    assert schema["required"] == [key for key in schema["properties"] if key != "largest_batch"]
    for key in schema["properties"]:
        unit = {"_j": " J", "_s": "s", "_bytes": " bytes"}.get(f"_{key.rpartition('_')[2]}", "")
        assert unit in schema["properties"][key]["description"], key


def test_json_has_the_promised_keys() -> None:
    promised = {
        "schema", "model", "scheme", "energy_table", "convention", "scenario", "macs", "energy_j",
        "energy_low_j", "energy_high_j", "mul_j", "add_j", "other_j", "memory_j", "static_j",
        "derived_share", "latency_s", "bound_by", "weight_bytes", "lm_head_bytes",
        "embedding_bytes", "kv_bytes",
    }  # fmt: skip
    assert promised <= ALL[0].as_dict().keys()


def test_json_of_2b4t_has_the_known_values() -> None:
    data = _estimate(
        scenario=Scenario("decode", context=2048), model=load_model("bitnet-b1.58-2b4t")
    ).as_dict()
    assert data["scenario"] == {
        "phase": "decode", "context": 2048, "batch": 1, "attention": "causal", "lm_head": "last",
    }  # fmt: skip
    assert (data["schema"], data["energy_table"], data["convention"]) == (2, "7nm", "system")
    assert data["macs"] == 2_726_952_960  # torch's FlopCounterMode
    assert (data["lanes"], data["machine"], data["static_j"]) == (32, "edge", None)
    assert data["lm_head_bytes"] == 0
    assert data["embedding_bytes"] == 656_670_720
    assert data["kv_bytes"] == 157_286_400
    assert round(data["weight_bytes"] / 1e6) == 521


@pytest.mark.parametrize("found", ALL, ids=lambda e: f"{e.scheme.name}-{e.scenario.phase}")
def test_parts_sum_to_the_whole(found: Estimate) -> None:
    data = found.as_dict()
    listed = [data[key] for key in ("mul_j", "add_j", "other_j", "memory_j", "static_j")]
    assert data["energy_j"] == pytest.approx(sum(x for x in listed if x is not None), rel=1e-12)
    assert tuple(found.by("part")) == PARTS
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
    powered = load_machine().replace(static_w=9.0, dram_static_w=0.0)
    found = estimate(SMALL, load_scheme("fp16"), load_table("7nm"), ON_PAPER, "paper", powered)
    data = found.as_dict()
    for key in (
        "memory_j",
        "static_j",
        "latency_s",
        "tokens_per_s",
        "bound_by",
        "lanes",
        "machine",
    ):
        assert data[key] is None
    assert data["other_j"] == 0
    assert data["derived_share"] == 0  # every price it needs is published


def test_static_energy_is_power_times_time() -> None:
    powered = load_machine().replace(static_w=2.0, dram_static_w=0.5)
    found = _estimate(machine=powered)
    assert found.time is not None
    assert found.static_j == pytest.approx(2.5 * found.time.seconds)
    assert found.energy.low - _estimate().energy.low == pytest.approx(found.static_j)


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


# Monotonic behaviour.

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
    machine = load_machine().replace(activation_buffer_bytes=buffer)
    one, other = (_estimate(name, s, machine=machine) for s in (scenario, larger))
    assert one.energy.value <= other.energy.value
    assert one.time is not None
    assert other.time is not None
    assert one.time.seconds <= other.time.seconds
    assert one.footprint.total <= other.footprint.total


@given(LENGTHS, st.sampled_from(NAMES))
@settings(deadline=None, max_examples=25)
def test_causal_attention_and_a_smaller_head_cost_no_more(length: int, name: str) -> None:
    def joules(**changes: Any) -> float:
        return _estimate(name, Scenario("prefill", tokens=length).replace(**changes)).energy.value

    assert joules(attention="causal") <= joules(attention="full")
    assert joules(lm_head="none") <= joules(lm_head="last") <= joules(lm_head="all")


@given(st.sampled_from(SCENARIOS), st.sampled_from(["rows", "tokens", "activation_buffer_bytes"]),
       st.integers(1, 4))  # fmt: skip
@settings(deadline=None, max_examples=40)
def test_more_sharing_never_costs_more(scenario: Scenario, what: str, factor: int) -> None:
    small = load_machine().replace(activation_buffer_bytes=500, rows=4, tokens=2)
    large = small.replace(**({what: factor * getattr(small, what)}))
    assert (
        _estimate(scenario=scenario, machine=large).energy.value
        <= _estimate(scenario=scenario, machine=small).energy.value
    )


@pytest.mark.parametrize("scenario", SCENARIOS)
@pytest.mark.parametrize("node", ["7nm", "45nm"])
def test_narrower_schemes_cost_less(scenario: Scenario, node: str) -> None:
    order = ("fp32", "fp16", "w8a8", "bitnet-b1.58", "bitnet-b1")
    joules = [_estimate(name, scenario, node).energy.value for name in order]
    assert joules == sorted(joules, reverse=True)


def test_more_lanes_cheapen_ternary_sums_and_are_printed() -> None:
    table, model = load_table("7nm"), load_model("bitnet-b1.58-2b4t")

    def qkv(lanes: int) -> float:
        machine = load_machine().replace(lanes=lanes)
        found = estimate(model, load_scheme("bitnet-b1.58"), table, machine=machine)
        assert found.as_dict()["lanes"] == lanes
        macs = sum(n for key, n in found.tally.mac_counts.items() if key.role == "qkv")
        return 1e12 * found.by("role", level="logic")["qkv"].joules / macs

    # 20 bits wide at K = 2560: 0.0185 pJ per term on one lane, about 0.009 pJ in a tree of 32.
    assert qkv(1) == pytest.approx(0.0185)
    assert qkv(32) == pytest.approx(0.009, abs=0.0005)


def test_a_machine_that_saves_on_zero_weights() -> None:
    saving = load_machine().replace(weight_zero_saving=0.4)
    dense, spared = (
        _estimate(machine=machine).by("role", level="logic")["ffn-up"].joules
        for machine in (None, saving)
    )
    # e(z) = e(0) (1 - alpha z) with alpha = 0.4 and 31.0 percent zeros
    assert spared / dense == pytest.approx(1 - 0.4 * 0.31)
    assert _estimate("w8a8", machine=saving).energy == _estimate("w8a8").energy


# Ratios.


def test_a_ratio_of_an_estimate_to_itself_is_one_without_a_band() -> None:
    found = _estimate()
    assert ratio(found, found) == Band(1.0, 1.0, 1.0)


@pytest.mark.parametrize("node", ["7nm", "45nm"])
def test_a_ratio_and_the_ratios_of_both_ends_lie_in_its_band(node: str) -> None:
    dense, ternary = _estimate("fp16", node=node), _estimate(node=node)
    band = ratio(dense, ternary)
    assert band.value == pytest.approx(dense.energy.value / ternary.energy.value)
    assert band.low <= band.value <= band.high
    lows = dense.energy.low / ternary.energy.low, dense.energy.high / ternary.energy.high
    assert band.low <= min(lows)
    assert max(lows) <= band.high


def test_a_ratio_across_tables_or_conventions_is_refused() -> None:
    with pytest.raises(InputError, match="one energy table and one convention"):
        ratio(_estimate("fp16", node="45nm"), _estimate())
    paper = estimate(SMALL, load_scheme("fp16"), load_table("7nm"), ON_PAPER, "paper")
    with pytest.raises(InputError, match="one energy table and one convention"):
        ratio(paper, _estimate())


def test_a_ratio_compares_only_schemes() -> None:
    short, long = (Scenario("decode", context=n) for n in (8, 16))
    fp16, ternary, table = load_scheme("fp16"), load_scheme("bitnet-b1.58"), load_table("7nm")
    base = estimate(SMALL, fp16, table, short)
    with pytest.raises(InputError, match="one model and one scenario"):
        ratio(base, estimate(SMALL, ternary, table, long))
    with pytest.raises(InputError, match="one machine"):
        ratio(base, estimate(SMALL, ternary, table, short, machine=load_machine("server")))


def test_a_ratio_across_boundaries_is_refused() -> None:
    table = load_table("7nm")
    data = table.model_dump(by_alias=True, exclude_none=True)
    for entry in data["operations"]:
        if entry["format"].startswith("int"):
            entry["boundary"] = "pe"
    mixed = type(table).model_validate(data)
    dense, ternary = (estimate(SMALL, load_scheme(n), mixed, ON_PAPER, "paper")
                      for n in ("fp16", "bitnet-b1.58"))  # fmt: skip
    with pytest.raises(InputError, match="across price boundaries"):
        ratio(dense, ternary)


# Output of the commands.


@pytest.mark.parametrize("convention", ["system", "paper"])
@pytest.mark.parametrize("name", NAMES)
def test_the_count_command_follows_its_schema(
    run: Callable[..., Any], name: str, convention: str
) -> None:
    args = ("bitnet-125m", "--scheme", name, "--convention", convention, "--prefill", 64, "--json")
    data = json.loads(run("count", *args).out)
    jsonschema.validate(data, _schema("count-2.json"), jsonschema.Draft202012Validator)
    assert sum(data["macs_by_role"].values()) == data["macs"]
    muls, adds = (
        sum(row["count"] for row in data["rows"] if row["operation"] in operations)
        for operations in (("mul",), ("add", "ternary-add"))
    )
    assert (data["multiplications"], data["additions"]) == (muls, adds)
    ternary_or_binary = name.startswith(("bitnet", "ternary")) or name in ("q2_0", "q1_0")
    assert (data["add_only"] is not None) == ternary_or_binary


def test_the_estimate_command_follows_its_schema(run: Callable[..., Any]) -> None:
    request = ("--prompt", 64, "--generate", 8, "--batch", 2)
    names = ("--scheme", ",".join(NAMES), "--energy-table", "7nm,45nm")
    data = json.loads(run("estimate", "bitnet-125m", *names, *request, "--json").out)
    assert len(data) == 2 * len(NAMES)
    for one in data:
        jsonschema.validate(one, _schema("estimate-2.json"), jsonschema.Draft202012Validator)
        assert one["largest_batch"] > 0


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
    saving = load_machine().replace(weight_zero_saving=0.4)
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
