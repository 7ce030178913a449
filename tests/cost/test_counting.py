"""Closed-form counting, compared with the MACs of another tool and with examples by hand."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitnet_hw.cost.counting import count
from bitnet_hw.errors import InputError
from bitnet_hw.inputs.machine import Machine
from bitnet_hw.inputs.model import ModelSpec, load_model
from bitnet_hw.inputs.scenario import Scenario
from bitnet_hw.inputs.scheme import Scheme, load_scheme
from bitnet_hw.tally import OpTally

from .machines import lpddr4

ORACLE = json.loads(
    (Path(__file__).parents[1] / "data" / "flop_counter_mode_macs.json").read_text("utf-8")
)
#: Module names of FlopCounterMode that differ from ours; GPT-2 keeps Q, K and V in one matrix.
MODULES = {
    "self_attn.out_proj": ["self_attn.o_proj"],
    "fc1": ["mlp.up_proj"],
    "fc2": ["mlp.down_proj"],
    "attn": ["self_attn"],
    "attn.c_attn": ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"],
    "attn.c_proj": ["self_attn.o_proj"],
    "mlp.c_fc": ["mlp.up_proj"],
    "mlp.c_proj": ["mlp.down_proj"],
}


def _model(name: str, config: dict[str, Any]) -> ModelSpec:
    """Build the model from its config without our importer, on which the test must not depend."""
    old = "n_embd" in config
    hidden = config["n_embd" if old else "hidden_size"]
    plain = old or "ffn_dim" in config
    fields = {
        "name": name,
        "hidden_size": hidden,
        "num_hidden_layers": config["n_layer" if old else "num_hidden_layers"],
        "num_attention_heads": config["n_head" if old else "num_attention_heads"],
        "intermediate_size": 4 * hidden
        if old
        else config.get("ffn_dim") or config["intermediate_size"],
        "gated": not plain,
        "activation": "gelu" if plain else "silu",
        "vocab_size": config["vocab_size"],
        "tie_word_embeddings": config.get("tie_word_embeddings", True),
        "positions": "learned" if plain else "rope",
        "max_position_embeddings": config["n_positions" if old else "max_position_embeddings"],
    }
    for key in ("num_key_value_heads", "head_dim"):
        if key in config:
            fields[key] = config[key]
    return ModelSpec.model_validate(fields)


def _ours(module: str) -> list[str]:
    tail = module.rpartition("*.")[2]
    if tail == "lm_head":
        return ["lm_head"]
    return [f"layers.*.{path}" for path in MODULES.get(tail, [tail])]


@pytest.mark.parametrize(
    "row", ORACLE["rows"], ids=lambda r: f"{r[0]}-{r[1]}-batch{r[2]}-new{r[3]}-past{r[4]}"
)
def test_macs_equal_those_of_torchs_flop_counter(row: list[Any]) -> None:
    name, _, batch, new, past, macs, by_module = row
    model = _model(name, ORACLE["configs"][name]["config"])
    if past:
        scenario = Scenario("decode", context=past + 1, batch=batch, lm_head="all")
    else:
        scenario = Scenario("prefill", tokens=new, batch=batch, attention="full", lm_head="all")
    tally = count(model, scenario, load_scheme("fp16"))
    assert tally.macs == macs
    if by_module is None:
        return
    ours: Counter[str] = Counter()
    for key, number in tally.mac_counts.items():
        ours[key.scope] += number
    for module, theirs in zip(ORACLE["configs"][name]["modules"], by_module, strict=True):
        assert sum(ours[scope] for scope in _ours(module)) == theirs, module
    assert sum(by_module) == macs


def test_the_reference_data_are_complete() -> None:
    assert len(ORACLE["rows"]) == 73
    assert sum(row[6] is None for row in ORACLE["rows"]) == 2
    assert {row[0] for row in ORACLE["rows"]} == set(ORACLE["configs"])


def test_macs_do_not_depend_on_scheme_or_convention() -> None:
    model = load_model("bitnet-b1.58-2b4t")
    scenario = Scenario("prefill", tokens=512, attention="full", lm_head="none")
    found = {
        count(model, scenario, load_scheme(scheme), convention).macs
        for scheme in ("fp32", "w4a16", "bitnet-b1.58", "bitnet-a4.8")
        for convention in ("paper", "system")
    }
    # FlopCounterMode counts 1275403960320 MACs, 512 x 2560 x 128256 of them in the LM head.
    assert found == {1275403960320 - 168107704320}


def _tiny(**changes: object) -> ModelSpec:
    fields: dict[str, object] = {
        "name": "tiny",
        "hidden_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 40,
        "gated": True,
        "activation": "silu",
        "vocab_size": 50,
        "tie_word_embeddings": False,
    }
    return ModelSpec.model_validate(fields | changes)


def _walsh_hadamard(values: list[int]) -> tuple[list[int], int]:
    """Transform blocks of the largest power of two that divides the width, and count additions."""
    values, additions, block = list(values), 0, 1
    while len(values) % (2 * block) == 0:
        block *= 2
    for start in range(0, len(values), block):
        half = 1
        while half < block:
            for i in range(start, start + block, 2 * half):
                for j in range(i, i + half):
                    a, b = values[j], values[j + half]
                    values[j], values[j + half] = a + b, a - b
                    additions += 2
            half *= 2
    return values, additions


@given(st.integers(1, 12), st.integers(0, 6))
@settings(deadline=None, max_examples=30)
def test_the_counting_transform_is_a_hadamard_transform(odd: int, power: int) -> None:
    width = odd << power
    values = [(7 * i) % 11 - 5 for i in range(width)]
    once, _ = _walsh_hadamard(values)
    twice, _ = _walsh_hadamard(once)
    block = width & -width
    assert twice == [block * v for v in values]  # H H = n I


@pytest.mark.parametrize(("hidden", "ffn"), [(8, 32), (24, 40), (48, 54), (20, 27)])
@pytest.mark.parametrize("convention", ["system", "paper"])
def test_v2_hadamard_additions_equal_those_of_the_counting_transform(
    hidden: int, ffn: int, convention: Any
) -> None:
    model = _tiny(hidden_size=hidden, intermediate_size=ffn)
    scenario = Scenario("prefill", tokens=3, batch=2, attention="full", lm_head="none")
    tally = count(model, scenario, load_scheme("bitnet-v2"), convention)
    per_token = sum(_walsh_hadamard([1] * width)[1] for width in (model.query_width, ffn))
    assert _total(tally, role="hadamard") == 2 * 3 * 2 * per_token
    assert {key.operation for key in tally.counts if key.role == "hadamard"} <= {"add"}


def test_v2_transforms_6912_in_blocks_of_256() -> None:
    model = load_model("bitnet-b1.58-2b4t")
    tally = count(model, Scenario("decode", context=1), load_scheme("bitnet-v2"))
    scopes = tally.by("scope", "role")
    assert scopes["layers.*.mlp.down_proj", "hadamard"] == 30 * 27 * (256 * 8)
    assert scopes["layers.*.self_attn.o_proj", "hadamard"] == 30 * 5 * (512 * 9)


def _total(tally: OpTally, **wanted: str) -> int:
    return sum(
        n
        for key, n in tally.counts.items()
        if all(getattr(key, field) == value for field, value in wanted.items())
    )


@pytest.mark.parametrize(
    ("tokens", "share", "fetches"), [(1, 8, 1), (8, 8, 1), (9, 8, 2), (5, 1, 5)]
)
def test_w4a16_dequantizes_with_one_mul_and_one_add_per_weight_fetch(
    tokens: int, share: int, fetches: int
) -> None:
    model = _tiny()
    machine = lpddr4(tokens=share)
    scenario = Scenario("prefill", tokens=tokens, lm_head="none")
    tally = count(model, scenario, load_scheme("w4a16"), machine=machine)
    weights = model.linear_parameters
    assert _total(tally, role="dequantize", operation="mul") == fetches * weights
    assert _total(tally, role="dequantize", operation="add") == fetches * weights
    assert _total(tally, role="dequantize") == 2 * fetches * weights


def test_w4a16_multiplies_and_sums_as_fp16_does() -> None:
    model, scenario = _tiny(), Scenario("decode", context=7)
    of_fp16 = count(model, scenario, load_scheme("fp16"))
    of_w4a16 = count(model, scenario, load_scheme("w4a16"))
    rows = {key: n for key, n in of_w4a16.counts.items() if key.role != "dequantize"}
    assert rows == of_fp16.counts


def test_a48_has_the_formats_of_the_paper() -> None:
    tally = count(_tiny(), Scenario("decode", context=9), load_scheme("bitnet-a4.8"))
    formats = {key.role: key.activation for key in tally.mac_counts if key.weight == "ternary"}
    assert formats == {
        "qkv": "int4",
        "attention-out": "int8",
        "ffn-gate": "int4",
        "ffn-up": "int4",
        "ffn-down": "int8",
    }
    # A 3-bit key or value becomes a float with one multiplication, shared by the two heads.
    entries = 2 * 9 * (2 * 6)  # layers x context x key width
    scopes = tally.by("role", "operation")
    assert scopes["dequantize", "mul"] == 2 * entries  # keys and values
    assert ("dequantize", "add") not in scopes


def test_a48_sparsity_counts_only_if_the_machine_skips() -> None:
    model, scenario = _tiny(), Scenario("decode", context=9)
    scheme = load_scheme("bitnet-a4.8")
    dense = lpddr4(lanes=1)
    skipping = dense.replace(skips_inactive_weights=True)

    def slots(machine: Machine, role: str) -> int:
        return _total(count(model, scenario, scheme, machine=machine), role=role)

    # BitNet a4.8, Table 2, 7B: 84.2 and 50.0 percent of these weights are not used.
    assert slots(dense, "ffn-down") == 2 * 40 * 24
    assert slots(skipping, "ffn-down") == round(2 * 40 * 24 * 0.158)
    assert slots(skipping, "attention-out") == 2 * 24 * 24 // 2


def test_b158_assumes_the_zeros_of_quantized_gaussian_weights() -> None:
    import numpy as np

    weights = np.random.default_rng(1).standard_normal(400_000)
    quantized = np.clip(np.round(weights / np.abs(weights).mean()), -1, 1)
    zeros = load_scheme("bitnet-b1.58").linear.weight_zeros
    assert zeros == pytest.approx(float((quantized == 0).mean()), abs=0.003)


def test_the_three_numbers_of_an_add_only_product_by_hand() -> None:
    # 24 terms, a quarter of them zero: 18 non-zero, 17 additions; on 16 lanes 32 slots.
    model = _tiny(num_hidden_layers=1, intermediate_size=24)
    scheme = load_scheme("bitnet-b1.58").with_weight_zeros(0.25)
    machine = lpddr4(lanes=16)
    work = count(model, Scenario("decode", context=1), scheme, machine=machine).add_only
    outputs = 24 + 12 + 12 + 24 + 24 + 24 + 24
    assert work.non_zero_terms == outputs * 18
    assert work.logical_additions == outputs * 17
    assert work.executed_adder_slots == outputs * 32


@pytest.mark.parametrize(
    ("scenario", "flag"),
    [
        (
            Scenario("prefill", tokens=4, attention="causal", lm_head="none"),
            "attention causal contradicts",
        ),
        (
            Scenario("prefill", tokens=4, attention="full", lm_head="last"),
            "lm head last contradicts",
        ),
    ],
)
def test_a_setting_that_contradicts_the_paper_convention_is_refused(
    scenario: Scenario, flag: str
) -> None:
    with pytest.raises(InputError, match=flag):
        count(_tiny(), scenario, load_scheme("fp16"), "paper")


def test_an_unknown_convention_is_refused() -> None:
    wrong: Any = "papers"
    with pytest.raises(InputError, match="unknown convention 'papers'"):
        count(_tiny(), Scenario("decode", context=1), load_scheme("fp16"), wrong)


def test_the_paper_convention_counts_matrix_products_and_scales_only() -> None:
    scenario = Scenario("prefill", tokens=4, attention="full", lm_head="none")
    tally = count(_tiny(), scenario, load_scheme("bitnet-b1"), "paper")
    assert {key.role for key in tally.counts} == {
        "qkv", "attention-out", "ffn-gate", "ffn-up", "ffn-down", "rescale", "attention-score",
        "attention-value",
    }  # fmt: skip
    assert {
        (key.format, key.accumulator) for key in tally.counts if key.operation == "ternary-add"
    } == {("int8", "")}


@given(st.integers(1, 6), st.integers(1, 5))
@settings(deadline=None, max_examples=20)
def test_a_batch_multiplies_every_count(batch: int, tokens: int) -> None:
    model = _tiny(sliding_window=3)
    scheme: Scheme = load_scheme("w8a8")
    one = count(model, Scenario("prefill", tokens=tokens), scheme)
    many = count(model, Scenario("prefill", tokens=tokens, batch=batch), scheme)
    assert {key: batch * n for key, n in one.counts.items()} == many.counts


def test_executed_slots_shrink_only_if_the_machine_skips() -> None:
    model, scenario = _tiny(num_hidden_layers=1), Scenario("decode", context=1)
    dense = lpddr4(lanes=8)  # divides 24 and 40
    skipping = dense.replace(skips_inactive_weights=True)
    scheme = load_scheme("bitnet-a4.8")
    work = [count(model, scenario, scheme, machine=m).add_only for m in (dense, skipping)]
    assert work[0].executed_adder_slots == model.linear_parameters
    used = 24 * 48 * (1 - 0.121) + 24 * 24 * 0.5 + 24 * 40 * (0.88 + 0.286 + 0.158)
    assert work[1].executed_adder_slots == pytest.approx(used, rel=1e-3)
    assert work[0].non_zero_terms == work[1].non_zero_terms


def test_a_window_bounds_the_accumulator_of_integer_attention() -> None:
    fields = load_scheme("w8a8").model_dump(exclude_unset=True)
    fields["attention"] = {"operand": "int8", "kv_cache": "int8", "accumulator": "exact"}
    scheme = Scheme.model_validate(fields)
    tally = count(_tiny(sliding_window=16), Scenario("decode", context=4096), scheme)
    widths = {key.accumulator for key in tally.mac_counts if key.role == "attention-value"}
    assert widths == {"int19"}  # 127 x 127 x 16 = 258,064 < 2**18


def test_the_paper_convention_multiplies_different_integers_at_the_wider_one() -> None:
    fields = load_scheme("w8a8").model_dump(exclude_unset=True)
    fields["linear"]["activation"] = "int4"
    scheme = Scheme.model_validate(fields)
    scenario = Scenario("prefill", tokens=2, attention="full", lm_head="none")
    tally = count(_tiny(), scenario, scheme, "paper")
    formats = {key.format for key in tally.counts if key.role == "ffn-up"}
    assert formats == {"int8"}
