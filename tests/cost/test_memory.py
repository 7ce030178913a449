"""Footprint and traffic compared with a golden case and with a walk through the loads."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitnet_hw.cost.estimates import Estimate, estimate
from bitnet_hw.cost.footprint import footprint, kv_cache_bytes, largest_batch, weight_bytes
from bitnet_hw.cost.lowering import lower
from bitnet_hw.cost.pricing import price_traffic
from bitnet_hw.cost.traffic import traffic
from bitnet_hw.errors import InputError
from bitnet_hw.inputs.machine import Machine, load_machine
from bitnet_hw.inputs.model import ModelSpec, load_model
from bitnet_hw.inputs.scenario import Scenario
from bitnet_hw.inputs.scheme import Scheme, load_scheme
from bitnet_hw.prices.loading import load_table
from bitnet_hw.units import parse_capacity

GOLDEN = Scenario("decode", context=2048)


@pytest.fixture(scope="module")
def golden() -> tuple[Estimate, Estimate]:
    """Return estimates of 2B4T in fp16 and b1.58: 7 nm, L = 1, FP16 accumulation, HBM2."""
    machine = load_machine("edge").model_copy(update={"lanes": 1, "dram": "HBM2"})
    model, table = load_model("bitnet-b1.58-2b4t"), load_table("7nm")
    dense, ternary = (
        estimate(model, load_scheme(name), table, GOLDEN, "system", machine, "fp16")
        for name in ("fp16", "bitnet-b1.58")
    )
    return dense, ternary


def _products(found: Estimate) -> tuple[float, float, float]:
    """Return the energy of projections and FFN, of attention, and of the LM head, mJ."""
    by_role = {role: 1e3 * cost.joules for role, cost in found.by("role", level="logic").items()}
    attention = by_role["attention-score"] + by_role["attention-value"]
    return sum(by_role[role] for role in PROJECTIONS_AND_FFN), attention, by_role["lm-head"]


def _dram_bytes(found: Estimate) -> float:
    return found.by("level")["dram"].bytes


def test_golden_bytes(golden: tuple[Estimate, Estimate]) -> None:
    ternary = golden[1].footprint
    assert round(ternary.weights / 1e6) == 521
    assert round(ternary.kv_cache / 1e6) == 157
    assert round(ternary.embedding / 1e6) == 657  # the tied LM head, in 16 bits
    assert ternary.lm_head == 0


def test_golden_arithmetic(golden: tuple[Estimate, Estimate]) -> None:
    projections_and_ffn, attention, head = _products(golden[1])
    assert round(projections_and_ffn, 3) == 0.039
    assert round(attention, 3) == 0.157
    assert round(head, 3) == 0.164


def test_golden_ratios(golden: tuple[Estimate, Estimate]) -> None:
    dense, ternary = (_products(found) for found in golden)
    assert round(dense[0] / ternary[0]) == 27
    assert round(sum(dense) / sum(ternary), 1) == 3.8
    assert round(_dram_bytes(golden[0]) / _dram_bytes(golden[1]), 1) == 3.7


def test_golden_dram_costs_a_hundred_times_all_arithmetic(
    golden: tuple[Estimate, Estimate],
) -> None:
    for found in golden:
        dram = found.by("level")["dram"].joules
        assert dram > 100 * found.arithmetic_j


# A walk through the loads.

#: Bits of a product's inputs and outputs, in the format of the step that takes them.
PROJECTIONS_AND_FFN = ("qkv", "attention-out", "ffn-gate", "ffn-up", "ffn-down")
BITS = {
    "fp16": {role: {"in": 16, "out": 16} for role in (*PROJECTIONS_AND_FFN, "lm-head")},
    "bitnet-b1.58": {role: {"in": 8, "out": 16} for role in PROJECTIONS_AND_FFN}
    | {"lm-head": {"in": 16, "out": 16}},
}


def _stored(scheme: str, role: str, n: int, p: int) -> float:
    """Return bytes of a matrix: two per weight, or a quarter per weight and one FP16 scale."""
    return n * p / 4 + 2 if scheme == "bitnet-b1.58" and role != "lm-head" else 2 * n * p


Loads = Counter[tuple[str, str, str]]


def _walk_gemm(
    loads: Loads, scheme: str, role: str, m: int, n: int, p: int, machine: Machine, resident: bool
) -> None:
    bits = BITS[scheme][role]
    per_token = n * bits["in"] + p * bits["out"]
    waiting = m
    while waiting:
        block, room = 0, machine.activation_buffer_bytes * 8
        while block < waiting and room >= per_token:
            block, room = block + 1, room - per_token
        if block == 0:  # no token fits: one at a time, from DRAM and back
            block = 1
            loads["dram", role, "activations"] += per_token / 8
        if not resident:
            loads["dram", role, "weights"] += _stored(scheme, role, n, p)
        waiting -= block
    for _ in range(0, m, machine.tokens):
        loads["weight-sram", role, "weights"] += _stored(scheme, role, n, p)
    for _ in range(m):
        for _ in range(0, p, machine.rows):
            loads["activation-sram", role, "activations"] += n * bits["in"] / 8
        loads["activation-sram", role, "activations"] += p * bits["out"] / 8


def _walk_attention(
    loads: Loads, scheme: str, model: ModelSpec, new: int, seen: int, machine: Machine
) -> None:
    """Walk through one sequence and layer in which every query sees `seen` positions."""
    heads, kv_heads, width = model.num_attention_heads, model.num_key_value_heads, model.head_dim
    out = {"attention-score": 16, "attention-value": BITS[scheme]["attention-out"]["in"]}
    per_token = heads * width * (16 + out["attention-value"])
    block = max(1, min(new, machine.activation_buffer_bytes * 8 // per_token))
    for role in ("attention-score", "attention-value"):
        for _ in range(kv_heads):
            for _ in range(new):
                loads["dram", role, "kv-cache"] += 2 * width
            for _ in range(0, new, block):
                loads["dram", role, "kv-cache"] += seen * 2 * width
            queries = new * heads // kv_heads
            for _ in range(0, queries, machine.tokens):
                loads["weight-sram", role, "kv-cache"] += seen * 2 * width
        for _ in range(new * heads):
            terms, outputs = (width, seen) if role == "attention-score" else (seen, width)
            for _ in range(0, outputs, machine.rows):
                loads["activation-sram", role, "activations"] += terms * 2
            loads["activation-sram", role, "activations"] += outputs * out[role] / 8


def _walk(model: ModelSpec, scheme: str, scenario: Scenario, machine: Machine) -> Loads:
    loads: Loads = Counter()
    h, q = model.hidden_size, model.num_attention_heads * model.head_dim
    kv, f = model.num_key_value_heads * model.head_dim, model.intermediate_size
    shapes = [("qkv", h, q), ("qkv", h, kv), ("qkv", h, kv), ("attention-out", q, h),
              ("ffn-gate", h, f), ("ffn-up", h, f), ("ffn-down", f, h)]  # fmt: skip
    layers = model.num_hidden_layers
    every = sum(layers * _stored(scheme, role, n, p) for role, n, p in shapes)
    every += _stored(scheme, "lm-head", h, model.vocab_size)
    resident = every <= machine.weight_buffer_bytes
    if scenario.phase == "decode":
        passes = [(1, scenario.context)]
    else:
        passes = [(scenario.tokens, scenario.tokens)]
        passes += [(1, scenario.tokens + i + 1) for i in range(scenario.generate)]
    for new, seen in passes:
        m = scenario.batch * new
        for _ in range(m):
            loads["dram", "embedding", "embedding"] += 2 * h
        for _ in range(layers):
            for role, n, p in shapes:
                _walk_gemm(loads, scheme, role, m, n, p, machine, resident)
            for _ in range(scenario.batch):
                window = min(seen, model.sliding_window or seen)
                _walk_attention(loads, scheme, model, new, window, machine)
        last = scenario.batch
        _walk_gemm(loads, scheme, "lm-head", last, h, model.vocab_size, machine, resident)
    return loads


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
    return load_machine("edge").model_copy(
        update={
            "rows": draw(st.integers(1, 20)),
            "tokens": draw(st.integers(1, 9)),
            "activation_buffer_bytes": draw(st.integers(1, 3000)),
            "weight_buffer_bytes": draw(st.sampled_from([1, 20_000, 1 << 20])),
        }
    )


def _moved(model: ModelSpec, scheme: str, scenario: Scenario, machine: Machine) -> Loads:
    loads: Loads = Counter()
    for row in traffic(lower(model, scenario, load_scheme(scheme), machine)):
        loads[row.level, row.role, row.content] += row.bytes  # type: ignore[assignment]  # bytes
    return loads


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
    machine = load_machine("edge").model_copy(update={"activation_buffer_bytes": 32 * fit})
    moved = _moved(model, "fp16", Scenario("prefill", tokens=tokens), machine)
    read = moved["dram", "attention-score", "kv-cache"] / (8 * 2) - tokens
    needed = _keys_of_a_prefill(tokens, window, fit)
    blocks = -(-tokens // fit)
    assert needed <= read <= blocks * (window + fit - 1)


def test_kv_cache_of_sliding_layers_stops_at_the_window() -> None:
    model = ModelSpec(
        name="mixed", hidden_size=64, num_hidden_layers=6, num_attention_heads=4,
        num_key_value_heads=2, intermediate_size=64, gated=True, activation="gelu", vocab_size=99,
        tie_word_embeddings=True, sliding_window=512, sliding_window_layers=5,
    )  # fmt: skip
    fp16 = load_scheme("fp16")
    per_position = 2 * 2 * 16 * 2  # keys and values, two heads of 16, two bytes
    assert kv_cache_bytes(model, fp16, 300) == 6 * 300 * per_position
    assert kv_cache_bytes(model, fp16, 4096, batch=3) == 3 * (5 * 512 + 4096) * per_position


def test_an_integer_kv_cache_stores_a_scale_per_vector() -> None:
    model = load_model("bitnet-b1.58-2b4t")
    # 3 bits x 128 and 16 bits of scale, for 5 heads, keys and values, 30 layers.
    expected = 2048 * 30 * 2 * 5 * (3 * 128 + 16) / 8
    assert kv_cache_bytes(model, load_scheme("bitnet-a4.8"), 2048) == expected


@pytest.mark.parametrize(
    ("scheme", "codec", "megabytes"),
    [
        ("fp16", None, 4168.1),
        ("w8a8", None, 2084.0 + 30 * 2 * (2560 * 2 + 640 * 2 + 6912 * 2 + 2560) / 1e6),
        ("w4a16", None, 2084.0448 * (4 + 20 / 128) / 8),
        ("bitnet-b1.58", None, 521.0),
        ("bitnet-b1.58", "base3", 416.8),
        ("bitnet-b1.58", "entropy", 412.9),
        ("bitnet-b1", None, 260.5),
    ],
)
def test_weights_of_2b4t_by_codec(scheme: str, codec: str | None, megabytes: float) -> None:
    formats = load_scheme(scheme)
    formats = formats.with_codec(codec) if codec else formats
    size = weight_bytes(load_model("bitnet-b1.58-2b4t"), formats)
    assert size / 1e6 == pytest.approx(megabytes, abs=0.06)


def test_an_untied_lm_head_is_separate_from_the_embedding() -> None:
    model = load_model("bitnet-b1.58-2b4t").model_copy(update={"tie_word_embeddings": False})
    found = footprint(model, load_scheme("fp16"), GOLDEN)
    assert found.lm_head == found.embedding == 128256 * 2560 * 2
    assert found.total == pytest.approx(
        found.weights + found.lm_head + found.embedding + found.norms_and_biases + found.kv_cache
        + found.activations
    )  # fmt: skip


@pytest.mark.parametrize("gigabytes", [1.4, 2, 8, 80])
@pytest.mark.parametrize("name", ["fp16", "bitnet-b1.58"])
def test_the_largest_batch_fits_and_one_more_does_not(name: str, gigabytes: float) -> None:
    model, scheme = load_model("bitnet-b1.58-2b4t"), load_scheme(name)
    batch = largest_batch(model, scheme, GOLDEN, gigabytes * 1e9)
    for sequences, fits in ((batch, True), (batch + 1, False)):
        if sequences:
            total = footprint(model, scheme, GOLDEN._replace(batch=sequences)).total
            assert (total <= gigabytes * 1e9) is fits


def test_a_machine_that_skips_fetches_the_weights_that_its_tokens_need() -> None:
    model, scheme = load_model("bitnet-b1.58-2b4t"), load_scheme("bitnet-a4.8")
    dense = load_machine("edge")
    skipping = dense.model_copy(update={"skips_inactive_weights": True})

    def weights(machine: Machine, scenario: Scenario, role: str) -> float:
        found = traffic(lower(model, scenario, scheme, machine))
        return sum(
            r.bytes for r in found if (r.level, r.role, r.content) == ("dram", role, "weights")
        )

    one, two = GOLDEN, GOLDEN._replace(batch=2)
    base = weights(dense, one, "ffn-down")
    # 84.2 percent of the columns meet a zero (a4.8, Table 2); two tokens rarely share all of them.
    assert weights(skipping, one, "ffn-down") == pytest.approx(base * 0.158)
    assert weights(skipping, two, "ffn-down") == pytest.approx(base * (1 - 0.842**2))
    assert weights(dense, two, "ffn-down") == base


def test_zero_weights_save_no_bytes() -> None:
    model, scheme = load_model("bitnet-b1.58-2b4t"), load_scheme("bitnet-b1.58")
    assert weight_bytes(model, scheme.with_weight_zeros(0.5)) == weight_bytes(model, scheme)


def test_traffic_is_priced_by_level() -> None:
    model, scheme, machine = load_model("bitnet-b1.58-2b4t"), load_scheme("fp16"), load_machine()
    rows = traffic(lower(model, GOLDEN, scheme, machine))
    pj_per_bit = {"dram": 11.0, "weight-sram": 14 / 64, "activation-sram": 14 / 64}
    for moved in price_traffic(rows, load_table("7nm"), machine):
        assert moved.joules == pytest.approx(
            moved.row.bytes * 8 * pj_per_bit[moved.row.level] * 1e-12
        )
        assert moved.low_joules <= moved.joules <= moved.high_joules


@pytest.mark.parametrize(
    ("text", "size"),
    [("80GB", 80 * 10**9), ("16GiB", 16 * 2**30), ("512 MiB", 2**29), ("1e9", 10**9), ("7 b", 7)],
)
def test_capacities(text: str, size: int) -> None:
    assert parse_capacity(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "0", "nan", "inf", "80 gigs", "1e30"])
def test_senseless_capacities_are_refused(text: str) -> None:
    with pytest.raises(InputError, match="memory size"):
        parse_capacity(text)


def _changed(scheme: str, **linear: Any) -> Scheme:
    fields = load_scheme(scheme).model_dump(exclude_unset=True)
    fields["linear"] |= linear
    return Scheme.model_validate(fields)


def test_results_are_written_in_the_format_of_the_next_step() -> None:
    """Halving the activations of the output projection halves what AV writes."""
    model, machine = load_model("bitnet-b1.58-2b4t"), load_machine()

    def written(scheme: Scheme) -> float:
        rows = traffic(lower(model, GOLDEN, scheme, machine))
        return sum(
            r.bytes for r in rows if (r.level, r.role) == ("activation-sram", "attention-value")
        )

    eight = load_scheme("bitnet-b1.58")
    four = _changed("bitnet-b1.58", activation="int4")
    assert written(eight) - written(four) == 30 * 20 * 128 * 4 / 8


def test_weights_are_resident_only_if_all_of_them_fit() -> None:
    model = ModelSpec(
        name="tiny", hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=32, gated=False, activation="relu", vocab_size=16, embedding_size=16,
        tie_word_embeddings=True,
    )  # fmt: skip
    scheme, scenario = load_scheme("fp16"), Scenario("decode", context=1)
    # Six matrices of 32 x 32, the head of 16 x 16, two projections of 16 x 32; two bytes each.
    every = 2 * (6 * 32 * 32 + 16 * 16 + 2 * 16 * 32)
    for size, loaded in ((every, 0), (every - 1, every)):
        machine = load_machine().model_copy(update={"weight_buffer_bytes": size})
        rows = traffic(lower(model, scenario, scheme, machine))
        from_dram = (r.bytes for r in rows if (r.level, r.content) == ("dram", "weights"))
        assert sum(from_dram) == loaded
