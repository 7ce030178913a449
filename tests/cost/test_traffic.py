"""Traffic compared with a walk through the model, one load at a time."""

from __future__ import annotations

from collections import Counter
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitnet_hw.cost.lowering import lower
from bitnet_hw.cost.pricing import price_traffic
from bitnet_hw.cost.traffic import traffic
from bitnet_hw.inputs.machine import Machine
from bitnet_hw.inputs.model import ModelSpec, load_model
from bitnet_hw.inputs.scenario import Scenario
from bitnet_hw.inputs.scheme import Scheme, load_scheme
from bitnet_hw.prices.loading import load_table

from .machines import lpddr4

GOLDEN = Scenario("decode", context=2048)


PROJECTIONS_AND_FFN = ("qkv", "attention-out", "ffn-gate", "ffn-up", "ffn-down")
#: Bits of a product's inputs and outputs, in the format of the operand that they become.
BITS = {
    "fp16": {role: {"in": 16, "out": 16} for role in (*PROJECTIONS_AND_FFN, "lm-head")},
    "bitnet-b1.58": {role: {"in": 8, "out": 16} for role in PROJECTIONS_AND_FFN}
    | {"lm-head": {"in": 16, "out": 16}},
}


def _stored(scheme: str, role: str, n: int, p: int) -> float:
    """Return the bytes of a matrix: two per weight, or a quarter per weight and one FP16 scale."""
    return n * p / 4 + 2 if scheme == "bitnet-b1.58" and role != "lm-head" else 2 * n * p


Loads = Counter[tuple[str, str, str]]


class Buffers(NamedTuple):
    """An array with a buffer for weights and keys, one for activations, and a DRAM."""

    rows: int
    tokens: int
    resident_weights: float
    resident_cache: float
    activation_bytes: float

    def blocks(self, tokens: int, bytes_per_token: float) -> float:
        """Return how often a block of tokens is loaded, the last one in part."""
        held = self.activation_bytes / bytes_per_token
        return max(1.0, min(tokens, tokens / held))

    @classmethod
    def of(cls, model: ModelSpec, scheme: str, scenario: Scenario, machine: Machine) -> Buffers:
        """Fill the buffers byte by byte: matrices and norms first, then the KV cache."""
        unit, (weights, activations, _) = machine.units[0], machine.memories
        assert weights.capacity_bytes is not None
        assert activations.capacity_bytes is not None
        room = round(weights.capacity_bytes.value)
        shapes = _shapes(model)
        every = sum(model.num_hidden_layers * _stored(scheme, *shape) for shape in shapes)
        every += _stored(scheme, "lm-head", model.hidden_size, model.vocab_size)
        norms = 2 * model.hidden_size * (2 * model.num_hidden_layers + 1)
        last = scenario.tokens + scenario.generate or scenario.context
        last = min(last, model.sliding_window or last)
        key_width = model.num_key_value_heads * model.head_dim
        cache = 2 * 2 * last * key_width * scenario.batch * model.num_hidden_layers
        kept_weights = min(room, every + norms)
        kept_cache = min(room - kept_weights, cache)
        return cls(
            unit.rows,
            unit.tokens,
            kept_weights / (every + norms),
            kept_cache / cache,
            activations.capacity_bytes.value,
        )


def _shapes(model: ModelSpec) -> list[tuple[str, int, int]]:
    h, q = model.hidden_size, model.num_attention_heads * model.head_dim
    kv, f = model.num_key_value_heads * model.head_dim, model.intermediate_size
    return [("qkv", h, q), ("qkv", h, kv), ("qkv", h, kv), ("attention-out", q, h),
            ("ffn-gate", h, f), ("ffn-up", h, f), ("ffn-down", f, h)]  # fmt: skip


def _walk_gemm(
    loads: Loads, scheme: str, role: str, m: int, n: int, p: int, buffers: Buffers
) -> None:
    bits = BITS[scheme][role]
    per_token = (n * bits["in"] + p * bits["out"]) / 8
    stored = _stored(scheme, role, n, p)
    outside = 1 - buffers.resident_weights
    loads["dram", role, "weights"] += buffers.blocks(m, per_token) * stored * outside
    for _ in range(0, m, buffers.tokens):
        loads["weight-sram", role, "weights"] += stored
    for _ in range(m):
        # What a token needs beyond the buffer comes from DRAM or goes there.
        beyond = max(0.0, per_token - buffers.activation_bytes)
        loads["dram", role, "activations"] += beyond
        for _ in range(0, p, buffers.rows):
            loads["activation-sram", role, "activations"] += n * bits["in"] / 8
        loads["activation-sram", role, "activations"] += p * bits["out"] / 8


def _walk_attention(
    loads: Loads, scheme: str, model: ModelSpec, new: int, seen: int, buffers: Buffers
) -> None:
    """Walk through one sequence and layer in which every query sees `seen` positions."""
    heads, kv_heads, width = model.num_attention_heads, model.num_key_value_heads, model.head_dim
    out = {"attention-score": 16, "attention-value": BITS[scheme]["attention-out"]["in"]}
    per_token = heads * width * (16 + out["attention-value"]) / 8
    blocks = buffers.blocks(new, per_token)
    outside = 1 - buffers.resident_cache
    for role in ("attention-score", "attention-value"):
        for _ in range(kv_heads):
            for _ in range(new):
                loads["dram", role, "kv-cache"] += 2 * width * outside
                loads["weight-sram", role, "kv-cache"] += 2 * width * buffers.resident_cache
            loads["dram", role, "kv-cache"] += blocks * seen * 2 * width * outside
            queries = new * heads // kv_heads
            for _ in range(0, queries, buffers.tokens):
                loads["weight-sram", role, "kv-cache"] += seen * 2 * width
        for _ in range(new * heads):
            terms, outputs = (width, seen) if role == "attention-score" else (seen, width)
            for _ in range(0, outputs, buffers.rows):
                loads["activation-sram", role, "activations"] += terms * 2
            loads["activation-sram", role, "activations"] += outputs * out[role] / 8


def _walk(model: ModelSpec, scheme: str, scenario: Scenario, machine: Machine) -> Loads:
    loads: Loads = Counter()
    buffers = Buffers.of(model, scheme, scenario, machine)
    if scenario.phase == "decode":
        passes = [(1, scenario.context)]
    else:
        passes = [(scenario.tokens, scenario.tokens)]
        passes += [(1, scenario.tokens + i + 1) for i in range(scenario.generate)]
    for new, seen in passes:
        m = scenario.batch * new
        # A table that is also the LM head lies with the weights, and all are read alike.
        kept = buffers.resident_weights if model.tie_word_embeddings else 0.0
        for _ in range(m):
            loads["dram", "embedding", "embedding"] += 2 * model.hidden_size * (1 - kept)
            loads["weight-sram", "embedding", "embedding"] += 2 * model.hidden_size * kept
        for _ in range(model.num_hidden_layers):
            for role, n, p in _shapes(model):
                _walk_gemm(loads, scheme, role, m, n, p, buffers)
            for _ in range(scenario.batch):
                window = min(seen, model.sliding_window or seen)
                _walk_attention(loads, scheme, model, new, window, buffers)
        head = (model.hidden_size, model.vocab_size)
        _walk_gemm(loads, scheme, "lm-head", scenario.batch, *head, buffers)
    return _without_dust(loads)


def _without_dust(loads: Loads) -> Loads:
    """Leave out what is nothing but a rounding error."""
    return Counter({key: size for key, size in loads.items() if size > 1e-6})


@st.composite
def _models(draw: st.DrawFn, window: bool = False) -> ModelSpec:
    kv_heads = draw(st.integers(1, 3))
    return ModelSpec(
        name="tiny",
        hidden_size=draw(st.integers(1, 40)),
        num_hidden_layers=draw(st.integers(1, 2)),
        num_attention_heads=kv_heads * draw(st.integers(1, 3)),
        num_key_value_heads=kv_heads,
        head_dim=draw(st.integers(1, 20)),
        intermediate_size=draw(st.integers(1, 60)),
        gated=True,
        activation="silu",
        vocab_size=draw(st.integers(1, 60)),
        tie_word_embeddings=draw(st.booleans()),
        sliding_window=draw(st.integers(1, 30)) if window else None,
    )


@st.composite
def _machines(draw: st.DrawFn) -> Machine:
    return lpddr4(
        rows=draw(st.integers(1, 20)),
        tokens=draw(st.integers(1, 9)),
        activations=draw(st.integers(1, 3000)),
        weights=draw(st.sampled_from([1, 20_000, 1 << 20])),
    )


def _moved(model: ModelSpec, scheme: str, scenario: Scenario, machine: Machine) -> Loads:
    loads: Loads = Counter()
    for row in traffic(lower(model, scenario, load_scheme(scheme), machine)):
        loads[row.level, row.role, row.content] += row.bytes  # type: ignore[assignment]  # bytes
    return _without_dust(loads)


@given(_models(), _machines(), st.sampled_from(sorted(BITS)), st.integers(1, 12), st.integers(1, 4),
       st.integers(1, 3))  # fmt: skip
@settings(deadline=None, max_examples=60)
def test_full_attention_traffic_equals_the_walk(
    model: ModelSpec, machine: Machine, scheme: str, tokens: int, generate: int, batch: int
) -> None:
    scenario = Scenario("request", tokens=tokens, generate=generate, batch=batch, attention="full")
    assert _moved(model, scheme, scenario, machine) == pytest.approx(
        _walk(model, scheme, scenario, machine)
    )


@given(_models(window=True), _machines(), st.sampled_from(sorted(BITS)), st.integers(1, 40),
       st.integers(1, 3))  # fmt: skip
@settings(deadline=None, max_examples=40)
def test_decode_traffic_equals_the_walk(
    model: ModelSpec, machine: Machine, scheme: str, context: int, batch: int
) -> None:
    scenario = Scenario("decode", context=context, batch=batch)
    assert _moved(model, scheme, scenario, machine) == pytest.approx(
        _walk(model, scheme, scenario, machine)
    )


def _keys_of_a_prefill(tokens: int, window: int, block: int) -> int:
    """Count the positions that the blocks of queries need, block by block."""
    return sum(
        len(
            {
                key
                for q in range(start, min(start + block, tokens))
                for key in range(max(0, q - window + 1), q + 1)
            }
        )
        for start in range(0, tokens, block)
    )


@pytest.mark.parametrize("fit", [1, 3, 8])
@pytest.mark.parametrize("window", [1, 4, 7])
def test_a_sliding_window_in_a_prefill_reads_what_a_block_can_see(fit: int, window: int) -> None:
    tokens = 64
    model = ModelSpec(
        name="tiny", hidden_size=8, num_hidden_layers=1, num_attention_heads=1, head_dim=8,
        intermediate_size=8, gated=True, activation="silu", vocab_size=9, tie_word_embeddings=True,
        sliding_window=window,
    )  # fmt: skip
    # A query and its result take 8 x 4 bytes.
    machine = lpddr4(activations=32 * fit, weights=1)
    moved = _moved(model, "fp16", Scenario("prefill", tokens=tokens), machine)
    read = moved["dram", "attention-score", "kv-cache"] / (8 * 2) - tokens
    needed = _keys_of_a_prefill(tokens, window, fit)
    # Blocks are not rounded, and the first one is taken to see as much as the others.
    assert read == pytest.approx(tokens / fit * (window + fit - 1))
    assert needed <= read * (1 + 1 / tokens)


def test_a_machine_that_skips_fetches_the_weights_that_its_tokens_need() -> None:
    model, scheme = load_model("bitnet-b1.58-2b4t"), load_scheme("bitnet-a4.8")
    dense = lpddr4()
    skipping = dense.replace(skips_inactive_weights=True)

    def weights(machine: Machine, scenario: Scenario, role: str) -> float:
        found = traffic(lower(model, scenario, scheme, machine))
        return sum(
            r.bytes for r in found if (r.level, r.role, r.content) == ("dram", role, "weights")
        )

    one, two = GOLDEN, GOLDEN.replace(batch=2)
    base = weights(dense, one, "ffn-down")
    # 84.2 percent of the columns meet a zero (a4.8, Table 2); two tokens rarely share all of them.
    assert weights(skipping, one, "ffn-down") == pytest.approx(base * 0.158)
    assert weights(skipping, two, "ffn-down") == pytest.approx(base * (1 - 0.842**2))
    assert weights(dense, two, "ffn-down") == base


def test_traffic_is_priced_by_level() -> None:
    model, scheme, machine = load_model("bitnet-b1.58-2b4t"), load_scheme("fp16"), lpddr4()
    rows = traffic(lower(model, GOLDEN, scheme, machine))
    pj_per_bit = {"dram": 11.0, "weight-sram": 14 / 64, "activation-sram": 14 / 64}
    for moved in price_traffic(rows, load_table("7nm"), machine):
        assert moved.joules == pytest.approx(
            moved.row.bytes * 8 * pj_per_bit[moved.row.level] * 1e-12
        )
        assert moved.energy.low <= moved.joules <= moved.energy.high


def _changed(scheme: str, **linear: Any) -> Scheme:
    fields = load_scheme(scheme).model_dump(exclude_unset=True)
    fields["linear"] |= linear
    return Scheme.model_validate(fields)


def test_results_are_written_in_the_format_of_the_next_step() -> None:
    """Halving the activations of the output projection halves what AV writes."""
    model, machine = load_model("bitnet-b1.58-2b4t"), lpddr4()

    def written(scheme: Scheme) -> float:
        rows = traffic(lower(model, GOLDEN, scheme, machine))
        return sum(
            r.bytes for r in rows if (r.level, r.role) == ("activation-sram", "attention-value")
        )

    eight = load_scheme("bitnet-b1.58")
    four = _changed("bitnet-b1.58", activation="int4")
    assert written(eight) - written(four) == 30 * 20 * 128 * 4 / 8


def test_one_byte_more_keeps_one_byte_more_on_chip() -> None:
    model = ModelSpec(
        name="tiny", hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, gated=False, activation="relu", vocab_size=16, embedding_size=16,
        tie_word_embeddings=True,
    )  # fmt: skip
    scheme, scenario = load_scheme("fp16"), Scenario("decode", context=1)
    # Six matrices of 32 x 32, the head of 16 x 16, two projections of 16 x 32; two bytes each.
    every = 2 * (6 * 32 * 32 + 16 * 16 + 2 * 16 * 32)
    placed = every + 2 * 3 * 32  # and three norms
    for missing in (0, 1, 2, placed // 2, placed - 1):
        machine = lpddr4(weights=placed - missing)
        rows = traffic(lower(model, scenario, scheme, machine))
        from_dram = (r.bytes for r in rows if (r.level, r.content) == ("dram", "weights"))
        # Of the bytes outside, a part in proportion are norms, whose traffic is not counted.
        assert sum(from_dram) == pytest.approx(missing * every / placed)
