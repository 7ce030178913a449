"""Lowered operators: formats are decided in one file, and cases that once failed."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitnet_hw.cost.adders import adder_tree
from bitnet_hw.cost.estimates import estimate
from bitnet_hw.cost.lowering import lower, runs
from bitnet_hw.cost.traffic import traffic
from bitnet_hw.errors import InputError
from bitnet_hw.inputs.formats import Kind, parse_format
from bitnet_hw.inputs.model import ModelSpec, load_model
from bitnet_hw.inputs.scenario import Scenario
from bitnet_hw.inputs.scheme import Scheme, load_scheme
from bitnet_hw.prices.loading import load_table

from .machines import lpddr4

PACKAGE = Path(__file__).parents[2] / "bitnet_hw"
MODEL = load_model("bitnet-b1.58-2b4t")
DECODE = Scenario("decode", context=64)


#: The attributes of a scheme from which formats follow.
FORMATS = {"linear", "attention", "lm_head", "embedding", "elementwise", "formats"}


def _askers_of_schemes(folder: Path) -> set[str]:
    """Return the files that read the formats of something called a scheme."""
    found = set()
    for file in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in FORMATS:
                owner = ast.unparse(node.value).rpartition(".")[2]
                if owner in ("scheme", "subject", "baseline"):
                    found.add(file.relative_to(PACKAGE).as_posix())
    return found


def _callers_of(method: str) -> set[str]:
    """Return the files outside the inputs that call a method of this name."""
    return {
        file.relative_to(PACKAGE).as_posix()
        for file in PACKAGE.rglob("*.py")
        if file.relative_to(PACKAGE).parts[0] not in ("inputs", "census", "tracing")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == method
    }


def test_one_file_of_the_cost_model_and_the_export_asks_a_scheme_for_formats() -> None:
    askers = _askers_of_schemes(PACKAGE / "cost") | _askers_of_schemes(PACKAGE / "zigzag")
    assert askers == {"cost/lowering.py"}


def test_one_file_looks_up_the_formats_of_a_role() -> None:
    # The listing of schemes and the report's appendix print the contents of a scheme's file.
    assert _callers_of("formats") <= {"cost/lowering.py", "cli/schemes.py", "report/content.py"}


def test_no_file_recognises_formats_by_the_letters_of_their_names() -> None:
    sources = [*PACKAGE.rglob("*.py"), *(PACKAGE.parent / "rtl").rglob("*.py")]
    assert len(sources) > 150
    for file in sources:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
                continue
            if node.func.attr in ("startswith", "endswith", "removeprefix", "removesuffix"):
                given = {n.value for arg in node.args for n in ast.walk(arg)
                         if isinstance(n, ast.Constant)}  # fmt: skip
                assert not given & {"int", "uint", "fp", "bf", "float"}, (file, ast.unparse(node))


def test_operator_kinds_are_distinguished_in_one_file() -> None:
    names = {"Gemm", "AttentionProduct", "Elementwise"}
    users = {
        file.relative_to(PACKAGE).as_posix()
        for file in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", "") == "isinstance"
        and names & {name.id for name in ast.walk(node.args[1]) if isinstance(name, ast.Name)}
    }
    assert users == {"cost/lowering.py"}


@given(st.integers(2, 16), st.integers(1, 4096), st.integers(0, 7))
def test_a_tree_adds_every_term_once_and_never_overflows(bits: int, k: int, log_lanes: int) -> None:
    """Add L terms of the largest magnitude pair by pair, and check that each adder fits its sum."""
    lanes, largest = 1 << log_lanes, 1 << (bits - 1)
    accumulator = parse_format(f"int{(largest * max(k, lanes)).bit_length() + 1}")
    tree = adder_tree(bits, accumulator, lanes)
    assert sum(number for _, number in tree) == lanes  # L - 1 of the tree, and the accumulator
    sums = [largest] * lanes
    for width, number in tree[:-1]:
        sums = [a + b for a, b in zip(sums[::2], sums[1::2], strict=True)]
        assert len(sums) == number
        assert max(sums) <= 1 << (width.bits - 1)  # -largest is the extreme: two's complement
    assert tree[-1] == (accumulator, 1)


@given(st.integers(2, 16), st.integers(1, 300))
def test_a_tree_of_any_number_of_lanes_equals_the_reduction_in_pairs(bits: int, lanes: int) -> None:
    """Add L terms pair by pair, an odd one waiting for the next level, until one sum is left."""
    lowest = -(1 << (bits - 1))
    tree = list(adder_tree(bits, parse_format("int40"), lanes))
    assert tree.pop() == (parse_format("int40"), 1)
    assert sum(number for _, number in tree) == lanes - 1
    sums = [lowest] * lanes
    for width, number in tree:
        pairs = list(zip(sums[::2], sums[1::2], strict=False))
        waiting = sums[2 * len(pairs) :]
        added = [a + b for a, b in pairs]
        assert len(added) == number
        # The first pair of a level sums the most terms, and needs the whole width.
        assert -(1 << (width.bits - 1)) <= min(added) < -(1 << (width.bits - 2))
        sums = added + waiting
    assert sums == [lowest * lanes]


def test_lowered_operators_and_tables_print_as_one_line() -> None:
    lowered = lower(MODEL, DECODE, load_scheme("bitnet-b1.58"))
    assert repr(lowered) == (
        "Lowered: bitnet-b1.58-2b4t in bitnet-b1.58 on edge, decode of one token at context 64, "
        "batch 1, causal attention, LM head on the last position: "
        f"{len(lowered.products)} matrix products, {len(lowered.steps)} other steps"
    )
    table = repr(load_table("7nm"))
    assert table.startswith("OperationTable: jouppi-2021-7nm, ")
    assert len(table) < 150


def test_an_fp8_kv_cache_is_rounded_once_and_read_as_the_operands_are() -> None:
    scheme = load_scheme("fp8")
    lowered = lower(MODEL, DECODE, scheme)
    score = next(p for p in lowered.products if p.role == "attention-score")
    assert (score.activation.name, score.weight.name, score.element_bits) == ("fp16", "fp16", 8)
    written = [s for s in lowered.steps if s.role == "quantize" and s.counts == {"round": 640 * 30}]
    assert len(written) == 2  # 5 heads of 128, keys and values, in 30 layers
    assert not [s for s in lowered.steps if s.role == "dequantize"]
    narrow = scheme.replace(attention=scheme.attention.replace(operand="fp8-e4m3"))
    score = next(p for p in lower(MODEL, DECODE, narrow).products if p.role == "attention-score")
    assert (score.product_format, score.accumulator.name) == ("fp8-e4m3", "fp32")


def test_a_scale_per_group_costs_a_multiplication_and_an_addition() -> None:
    model = load_model("qwen3-8b")
    per_group = [
        step.counts
        for step in lower(model, DECODE, load_scheme("q2_0")).steps
        if (step.role, step.format) == ("rescale", "fp32") and step.scope.endswith("down_proj")
    ]
    # 4096 outputs of 12288 / 128 = 96 groups, in 36 layers.
    n = 4096 * 96 * 36
    assert per_group == [{"round": n, "mul": n, "add": n}]


def test_mlx_multiplies_floats() -> None:
    lowered = lower(load_model("qwen3-8b"), DECODE, load_scheme("mlx-ternary-g128"))
    down = next(p for p in lowered.products if p.role == "ffn-down")
    assert (down.product_format, down.accumulator.name) == ("fp16", "fp32")
    assert down.element_bits == 2.25
    fetched = sum(s.counts["mul"] for s in lowered.steps if s.role == "dequantize")
    # Every projection, FFN and LM head weight once, and one row of the embedding.
    assert fetched == 36 * (2 * 4096 * 4096 + 2 * 4096 * 1024 + 3 * 4096 * 12288) + (
        151936 * 4096 + 4096
    )


def test_a_row_of_a_quantized_embedding_is_read_with_its_scales() -> None:
    lowered = lower(load_model("qwen3-8b"), DECODE, load_scheme("q2_0"))
    assert [(lookup.tokens, lookup.bits) for lookup in lowered.lookups] == [(1, 4096 * 2.125)]


def test_a_float_tree_has_one_format() -> None:
    tree = adder_tree(16, parse_format("fp32"), 8)
    assert [(width.name, number) for width, number in tree] == [
        ("fp32", 4), ("fp32", 2), ("fp32", 1), ("fp32", 1),
    ]  # fmt: skip


def test_a_product_knows_its_formats_and_its_storage() -> None:
    down = next(p for p in lower(MODEL, DECODE, load_scheme("w4a16")).products
                if p.role == "ffn-down")  # fmt: skip
    assert (down.activation.name, down.weight.name, down.accumulator.name) == (
        "fp16", "int4", "fp32",
    )  # fmt: skip
    # 4 bits and a 16-bit scale with a 4-bit zero point per 128 weights.
    assert down.element_bits == pytest.approx(4 + 20 / 128)
    assert down.product_format == "fp16"
    assert down.weight.kind is Kind.INTEGER


def test_an_accumulator_that_a_scheme_fixes_too_narrow_is_refused() -> None:
    fields = load_scheme("bitnet-b1.58").model_dump(exclude_unset=True)
    fields["linear"]["accumulator"] = "int16"
    scheme = Scheme.model_validate(fields)
    with pytest.raises(InputError, match="int16 overflows at a reduction length of 2560"):
        lower(MODEL, DECODE, scheme)
    # Sums under the paper convention have no width, so none is too narrow.
    assert estimate(MODEL, scheme, load_table("7nm"), convention="paper").energy.value > 0


def test_runs_cover_every_pass_of_a_request() -> None:
    model = ModelSpec(
        name="sliding", hidden_size=8, num_hidden_layers=2, num_attention_heads=1,
        intermediate_size=8, gated=False, activation="relu", vocab_size=9, tie_word_embeddings=True,
        sliding_window=6, sliding_window_layers=1,
    )  # fmt: skip
    request = Scenario("request", tokens=4, generate=9)
    whole = lower(model, request, load_scheme("fp16"))
    found = list(runs(whole))
    assert [(run.phase, run.passes) for run in found] == [
        ("prefill", 1), ("decode", 2), ("decode", 7),
    ]  # fmt: skip
    # The MACs change evenly from the first pass to the last, so that their sum is the number of
    # passes times the mean of both.
    macs = [
        run.passes * sum(p.shape.macs for of in (run.first, run.last) for p in of.products) / 2
        for run in found
    ]
    assert sum(macs) == sum(p.shape.macs for p in whole.products)


def test_a_saving_on_zero_weights_applies_to_whole_macs() -> None:
    scheme = load_scheme("bitnet-b1.58")
    saving = lpddr4(weight_zero_saving=0.4)
    table = load_table("asap7-prelayout")
    plain, spared = (
        estimate(MODEL, scheme, table, DECODE, machine=machine).by("role", level="logic")
        for machine in (lpddr4(), saving)
    )
    # e(z) = e(0) (1 - saving z) with 31.0 percent zeros.
    for role in ("qkv", "ffn-down"):
        assert spared[role].joules / plain[role].joules == pytest.approx(1 - 0.4 * 0.31)
    assert spared["lm-head"] == plain["lm-head"]  # fp16 weights


def test_an_lm_head_that_does_not_run_need_not_fit_on_chip() -> None:
    scheme = load_scheme("bitnet-b1.58")
    # Projections and FFN of 2B4T at 2 bits: 2,084,044,800 weights and a 2-byte scale per matrix;
    # and norms of 16 bits: two of 2560, one of 2560 and one of 6912 per layer, and the final one.
    size = 2_084_044_800 // 4 + 210 * 2 + 2 * (30 * (3 * 2560 + 6912) + 2560)
    machine = lpddr4(weights=size)
    for head, resident in (("none", True), ("last", False)):
        lowered = lower(MODEL, Scenario("decode", context=64, lm_head=head), scheme, machine)
        moved = {(row.level, row.content) for row in traffic(lowered)}
        assert (("dram", "weights") not in moved) is resident
