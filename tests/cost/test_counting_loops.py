"""Closed-form counting, compared with a walk through the model, one operation at a time."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitnet_hw.cost.counting import count
from bitnet_hw.inputs.codecs import CODECS
from bitnet_hw.inputs.model import ModelSpec
from bitnet_hw.inputs.scenario import Scenario
from bitnet_hw.inputs.scheme import Scheme, load_scheme

from .machines import lpddr4
from .walk import GROUPS, Row, Walk


@pytest.fixture(autouse=True)
def _short_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let groups be shorter than the rows of tiny models; the bytes do not count here."""
    for name, group in GROUPS.items():
        shorter = CODECS[name]._replace(group=group, block=group)
        monkeypatch.setitem(CODECS, name, shorter)


@st.composite
def _models(draw: st.DrawFn) -> ModelSpec:
    shared = draw(st.integers(1, 2))
    kv_heads = draw(st.integers(1, 2))
    layers = draw(st.integers(1, 2))
    window = draw(st.none() | st.integers(1, 6))
    flags = ["gated", "tie_word_embeddings", "qk_norm", "sub_norms", "qkv_bias",
             "attention_out_bias", "ffn_bias", "attention_softcap", "final_norm", "lm_head_bias",
             "lm_head_softcap"]  # fmt: skip
    return ModelSpec.model_validate(
        {
            "name": "tiny",
            "hidden_size": draw(st.integers(2, 7)),
            "num_hidden_layers": layers,
            "num_attention_heads": shared * kv_heads,
            "num_key_value_heads": kv_heads,
            "head_dim": draw(st.integers(1, 4)),
            "intermediate_size": draw(st.integers(1, 9)),
            "activation": draw(st.sampled_from(["silu", "gelu", "relu2"])),
            "vocab_size": draw(st.integers(1, 7)),
            "norm": draw(st.sampled_from(["rmsnorm", "layernorm"])),
            "positions": draw(st.sampled_from(["rope", "learned", "none"])),
            "max_position_embeddings": 64,
            "sliding_window": window,
            "sliding_window_layers": draw(st.integers(0, layers)) if window else None,
        }
        | {flag: draw(st.booleans()) for flag in flags}
    )


@st.composite
def _scenarios(draw: st.DrawFn) -> Scenario:
    phase: Any = draw(st.sampled_from(["prefill", "decode", "request"]))
    attention: Any = draw(st.sampled_from(["causal", "full"]))
    lm_head: Any = draw(st.sampled_from(["all", "last", "none"]))
    return Scenario(
        phase,
        tokens=draw(st.integers(1, 5)) if phase != "decode" else 0,
        context=draw(st.integers(1, 7)) if phase == "decode" else 0,
        generate=draw(st.integers(1, 3)) if phase == "request" else 0,
        batch=draw(st.integers(1, 2)),
        attention=attention,
        lm_head=lm_head,
    )


def _closed(tally: Any) -> dict[Row, int]:
    """Return a tally by role, operation, format and accumulator."""
    return dict(tally.by("role", "operation", "format", "accumulator"))


def _check_three_numbers(tally: Any, walk: Walk, zeros: float) -> None:
    terms = sum(width * (1 - zeros) * n for width, n in walk.outputs_of_width.items())
    additions = sum(
        max(width * (1 - zeros) - 1, 0) * n for width, n in walk.outputs_of_width.items()
    )
    assert tally.add_only.executed_adder_slots == walk.slots
    assert tally.add_only.non_zero_terms == pytest.approx(terms)
    assert tally.add_only.logical_additions == pytest.approx(additions)


@given(
    _models(),
    _scenarios(),
    st.sampled_from(["fp16", "bf16", "w8a8", "bitnet-b1", "bitnet-b1.58"]),
    st.integers(1, 9),
)
@settings(deadline=None, max_examples=60)
def test_system_convention_equals_the_walk(
    model: ModelSpec, scenario: Scenario, name: str, lanes: Any
) -> None:
    machine = lpddr4(lanes=lanes)
    scheme = load_scheme(name)
    walk = Walk(model, scenario, scheme, machine)
    tally = count(model, scenario, scheme, "system", machine)
    assert _closed(tally) == {key: n for key, n in walk.counts.items() if n}
    assert tally.macs_by_role() == dict(walk.macs)
    _check_three_numbers(tally, walk, scheme.linear.weight_zeros)


@given(
    _models(),
    _scenarios(),
    st.sampled_from(["q8_0", "q4_0", "q2_0", "q1_0", "mlx-ternary-g128", "int8-channel"]),
    st.integers(1, 9),
)
@settings(deadline=None, max_examples=60)
def test_scales_per_group_equal_the_walk(
    model: ModelSpec, scenario: Scenario, name: str, lanes: int
) -> None:
    machine = lpddr4(lanes=lanes)
    scheme = load_scheme(name)
    walk = Walk(model, scenario, scheme, machine)
    tally = count(model, scenario, scheme, "system", machine)
    found = _closed(tally)
    if scheme.embedding != "fp16":  # rows of the embedding become floats
        tokens = sum(new for _, new in walk._passes()) * scenario.batch
        width = model.hidden_size * (2 if model.positions == "learned" else 1)
        for operation in ("mul", "add"):
            walk.counts["dequantize", operation, "fp16", ""] += tokens * width
    assert found == {key: n for key, n in walk.counts.items() if n}
    assert tally.macs_by_role() == dict(walk.macs)
    if scheme.add_only:
        _check_three_numbers(tally, walk, scheme.linear.weight_zeros)


@given(
    _models(),
    _scenarios(),
    st.sampled_from(["fp16", "fp32", "w8a8", "bitnet-b1", "bitnet-b1.58"]),
)
@settings(deadline=None, max_examples=60)
def test_paper_convention_equals_the_walk(model: ModelSpec, scenario: Scenario, name: str) -> None:
    scenario = scenario.replace(attention="full", lm_head="none")
    scheme = load_scheme(name)
    walk = Walk(model, scenario, scheme, None)
    tally = count(model, scenario, scheme, "paper")
    assert _closed(tally) == {key: n for key, n in walk.counts.items() if n}
    assert tally.macs_by_role() == dict(walk.macs)
    _check_three_numbers(tally, walk, scheme.linear.weight_zeros)


def _integer_attention(model: ModelSpec, scenario: Scenario, lanes: int) -> tuple[int, int]:
    """Walk through both attention products on L lanes; return groups of terms, and terms."""
    walk = Walk.__new__(Walk)
    walk.model, walk.scenario = model, scenario
    groups = terms = 0
    windows = [model.sliding_window] * (model.sliding_window_layers or 0)
    windows += [None] * (model.num_hidden_layers - len(windows))
    for first, new in walk._passes():
        for window in windows * scenario.batch * model.num_attention_heads:
            for position in range(first, first + new):
                keys = walk._visible(position, first + new, window)
                dots = [list(range(model.head_dim)) for _ in keys]
                dots += [keys for _ in range(model.head_dim)]
                for dot in dots:
                    terms += len(dot)
                    while dot:
                        dot, groups = dot[lanes:], groups + 1
    return groups, terms


@given(_models(), _scenarios(), st.sampled_from([1, 2, 4]))
@settings(deadline=None, max_examples=30)
def test_integer_attention_equals_the_walk(
    model: ModelSpec, scenario: Scenario, lanes: Any
) -> None:
    data = load_scheme("w8a8").model_dump(exclude_unset=True)
    data["attention"] = {"operand": "int8", "kv_cache": "int8", "accumulator": "exact"}
    scheme = Scheme.model_validate(data)
    machine = lpddr4(lanes=lanes)
    groups, terms = _integer_attention(model, scenario, lanes)
    tally = count(model, scenario, scheme, "system", machine)
    products = [key for key in tally.counts if key.role in ("attention-score", "attention-value")]
    muls = sum(tally.counts[key] for key in products if key.operation == "mul")
    adds = sum(tally.counts[key] for key in products if key.operation == "add")
    assert muls == terms
    assert adds == groups * lanes  # a tree of L - 1 adders and the accumulator
