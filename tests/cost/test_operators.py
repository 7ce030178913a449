"""Scenarios and operators, compared with enumeration and with published shapes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitnet_hw.cost.operators import operators
from bitnet_hw.cost.products import AttentionProduct, Contexts, Gemm
from bitnet_hw.errors import InputError
from bitnet_hw.inputs.model import ModelSpec, load_model
from bitnet_hw.inputs.scenario import Scenario

TINY: dict[str, Any] = {
    "name": "tiny",
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 16,
    "gated": False,
    "activation": "gelu",
    "vocab_size": 10,
    "tie_word_embeddings": True,
}


@given(
    st.integers(1, 40), st.integers(0, 40), st.integers(1, 4), st.none() | st.integers(1, 60),
    st.integers(1, 16),
)  # fmt: skip
@settings(deadline=None, max_examples=200)
def test_pairs_and_groups_equal_their_sums(
    first: int, more: int, times: int, window: int | None, lanes: int
) -> None:
    contexts = Contexts(first, first + more, times)
    seen = [min(c, window or c) for c in range(first, first + more + 1) for _ in range(times)]
    assert contexts.pairs(window) == sum(seen)
    assert contexts.groups(lanes, window) == sum(len(range(0, c, lanes)) for c in seen)


@pytest.mark.parametrize(
    ("scenario", "pairs"),
    [
        (Scenario("prefill", tokens=4), 1 + 2 + 3 + 4),
        (Scenario("prefill", tokens=4, attention="full"), 16),
        (Scenario("decode", context=4), 4),
        (Scenario("decode", context=4, attention="full"), 4),
        (Scenario("request", tokens=4, generate=3), 10 + 5 + 6 + 7),
        (Scenario("request", tokens=4, generate=3, attention="full"), 16 + 5 + 6 + 7),
    ],
)
def test_pairs_of_each_phase(scenario: Scenario, pairs: int) -> None:
    model = ModelSpec.model_validate(TINY)
    found = [op for op in operators(model, scenario) if isinstance(op, AttentionProduct)]
    for role in ("attention-score", "attention-value"):
        assert sum(op.pairs for op in found if op.role == role) == 2 * pairs


@pytest.mark.parametrize(
    ("lm_head", "rows"), [("all", 2 * 5 + 2 * 3), ("last", 2 + 2 * 3), ("none", 0)]
)
def test_positions_of_the_lm_head(lm_head: Any, rows: int) -> None:
    scenario = Scenario("request", tokens=5, generate=3, batch=2, lm_head=lm_head)
    found = operators(ModelSpec.model_validate(TINY), scenario)
    heads = [op for op in found if isinstance(op, Gemm) and op.role == "lm-head"]
    assert sum(op.m * op.repeat for op in heads) == rows


def test_a_mixture_of_windows_is_split_by_layer() -> None:
    model = ModelSpec.model_validate(
        TINY | {"num_hidden_layers": 6, "sliding_window": 3, "sliding_window_layers": 5}
    )
    found = operators(model, Scenario("decode", context=10))
    scores = {op.window: op.pairs for op in found
              if isinstance(op, AttentionProduct) and op.role == "attention-score"}  # fmt: skip
    assert scores == {3: 5 * 3, None: 10}


def test_a_narrower_embedding_is_projected_in_and_out() -> None:
    model = ModelSpec.model_validate(TINY | {"embedding_size": 4})
    found = operators(model, Scenario("prefill", tokens=3))
    shapes = {op.scope: (op.m, op.n, op.p) for op in found if isinstance(op, Gemm)}
    assert shapes["embed_in"] == (3, 4, 8)
    assert shapes["embed_out"] == (1, 8, 4)
    assert shapes["lm_head"] == (1, 4, 10)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"phase": "prefill", "tokens": 0}, "prefill: 0 tokens"),
        ({"phase": "decode", "context": -1}, "decode: -1 tokens"),
        ({"phase": "request", "tokens": 5}, "generate: 0 tokens"),
        ({"phase": "decode", "context": 1 << 31}, "decode: 2147483648 tokens"),
        ({"phase": "decode", "context": 1, "batch": 0}, "batch: 0"),
    ],
)
def test_impossible_scenarios_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Scenario(**values)


def test_learned_positions_are_a_limit_and_rotary_ones_are_not() -> None:
    learned = TINY | {"positions": "learned", "max_position_embeddings": 8}
    scenario = Scenario("request", tokens=5, generate=4)
    with pytest.raises(InputError, match="8 learned positions; the scenario needs 9"):
        scenario.checked(ModelSpec.model_validate(learned))
    rotary = TINY | {"max_position_embeddings": 8}
    assert scenario.checked(ModelSpec.model_validate(rotary)) is scenario


def test_a_scenario_lists_the_fields_of_its_phase() -> None:
    scenario = Scenario("decode", context=2048)
    assert scenario.as_dict() == {
        "phase": "decode", "context": 2048, "batch": 1, "attention": "causal", "lm_head": "last",
    }  # fmt: skip
    assert "context 2048" in scenario.describe()
    assert scenario.new_tokens == 1
    assert Scenario("request", tokens=9, generate=4, batch=3).new_tokens == 12


def test_2b4t_weights_equal_the_published_shapes() -> None:
    model = load_model("bitnet-b1.58-2b4t")
    # Per layer: Q and O 2560 x 2560, K and V 2560 x 640, three FFN matrices 2560 x 6912.
    per_layer = 2 * 2560 * 2560 + 2 * 2560 * 640 + 3 * 2560 * 6912
    assert model.linear_parameters == 30 * per_layer == 2_084_044_800
    assert model.embedding_parameters == 128256 * 2560 == model.lm_head_parameters
    gemms = [op for op in operators(model, Scenario("decode", context=1)) if isinstance(op, Gemm)]
    weights = sum(op.n * op.p * op.repeat for op in gemms if op.role != "lm-head")
    assert weights == model.linear_parameters
