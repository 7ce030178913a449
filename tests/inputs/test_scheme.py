"""Schemes: those that ship, a user's own, and changed copies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bitnet_hw.errors import InputError
from bitnet_hw.files.reading import Document, validate
from bitnet_hw.inputs import catalogue
from bitnet_hw.inputs.scheme import Scheme, load_scheme

NAMES = ["bf16", "bitnet-a4.8", "bitnet-b1", "bitnet-b1.58", "bitnet-v2", "fp16", "fp32", "fp8",
         "int2-lut", "int2-q2_k", "int4-g32", "int8-channel", "mlx-binary-g128", "mlx-ternary-g128",
         "q1_0", "q2_0", "q4_0", "q8_0", "ternary-2bit", "ternary-base3", "w4a16",
         "w8a8"]  # fmt: skip


def _fields(name: str = "bitnet-b1.58") -> dict[str, Any]:
    return load_scheme(name).model_dump(exclude_unset=True)


def _validated(fields: dict[str, Any]) -> Scheme:
    return validate(Scheme, Document(fields, "mine.yaml"))


def test_the_schemes_that_ship() -> None:
    assert sorted(catalogue.names("schemes")) == NAMES
    for name in NAMES:
        scheme = load_scheme(name)
        assert scheme.name == name
        assert scheme.source


def test_published_marks_the_schemes_that_the_papers_print() -> None:
    # BitNet (2310.11453) prints 32 bits, 16 bits and W1; b1.58 (2402.17764) its own.
    published = {name for name in NAMES if load_scheme(name).published}
    assert published == {"fp32", "fp16", "bitnet-b1", "bitnet-b1.58"}


def test_only_the_ternary_and_binary_that_stay_so_are_add_only() -> None:
    # MLX turns each ternary or binary weight into a float and multiplies.
    assert {name for name in NAMES if load_scheme(name).add_only} == {
        *(name for name in NAMES if name.startswith(("bitnet", "ternary"))), "q2_0", "q1_0",
    }  # fmt: skip


#: Scheme -> weight, activation, codec; weight and codec of the LM head; embedding; KV cache. From
#: the table of storage formats of published measurements.
PUBLISHED = {
    "fp8": ("fp8-e4m3", "fp8-e4m3", "fp8", "fp16", "fp16", "fp16", "fp8-e4m3"),
    "int8-channel": ("int8", "fp16", "int8", "int8", "int8", "fp16", "fp16"),
    "int4-g32": ("int4", "fp16", "int4-g32", "int4", "int4-g32", "fp16", "fp16"),
    "q8_0": ("int8", "int8", "q8_0", "int8", "q8_0", "q8_0", "fp16"),
    "q4_0": ("int4", "int8", "q4_0", "int6", "q6_k", "q4_0", "fp16"),
    "int2-q2_k": ("int2", "fp16", "q2_k", "int6", "q6_k", "q2_k", "fp16"),
    "int2-lut": ("int2", "int8", "t-mac-2bit-g128", "fp16", "fp16", "fp16", "fp16"),
    "ternary-2bit": ("ternary", "int8", "2bit", "fp16", "fp16", "fp16", "fp16"),
    "ternary-base3": ("ternary", "int8", "base3", "fp16", "fp16", "fp16", "fp16"),
    "q2_0": ("ternary", "int8", "q2_0", "ternary", "q2_0", "q2_0", "fp16"),
    "q1_0": ("binary", "int8", "q1_0", "binary", "q1_0", "q1_0", "fp16"),
    "mlx-ternary-g128": (
        "ternary", "fp16", "mlx-2bit-g128", "ternary", "mlx-2bit-g128", "mlx-2bit-g128", "fp16",
    ),
    "mlx-binary-g128": (
        "binary", "fp16", "mlx-1bit-g128", "binary", "mlx-1bit-g128", "mlx-1bit-g128", "fp16",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PUBLISHED)
def test_storage_forms_of_published_measurements(name: str) -> None:
    scheme = load_scheme(name)
    linear, head = scheme.linear, scheme.lm_head
    found = (
        linear.weight, linear.activation, linear.codec, head.weight, head.codec, scheme.embedding,
        scheme.attention.kv_cache,
    )  # fmt: skip
    assert found == PUBLISHED[name]


def test_a_ternary_scheme_by_its_storage_is_the_b158_scheme() -> None:
    ours, theirs = load_scheme("ternary-2bit"), load_scheme("bitnet-b1.58")
    named = {"name": "x", "description": "", "source": "", "published": False}
    assert ours.replace(**named) == theirs.replace(**named)


def test_a48_formats_and_sparsity_by_role() -> None:
    # arXiv 2411.04965: INT4 into QKV, gate and up, INT8 elsewhere; inactive weights of the 7B.
    scheme = load_scheme("bitnet-a4.8")
    roles = ("qkv", "attention-out", "ffn-up", "ffn-gate", "ffn-down")
    found = {
        role: (scheme.formats(role).activation, scheme.formats(role).inactive) for role in roles
    }  # type: ignore[arg-type]
    assert found == {
        "qkv": ("int4", 0.121),
        "attention-out": ("int8", 0.5),
        "ffn-up": ("int4", 0.714),
        "ffn-gate": ("int4", 0.12),
        "ffn-down": ("int8", 0.842),
    }
    assert scheme.attention.kv_cache == "int3"


def test_integer_accumulators_follow_the_reduction_length() -> None:
    linear = load_scheme("bitnet-b1.58").linear
    assert [linear.accumulator_format(k).name for k in (2560, 4096, 6912, 8192)] == [
        "int20", "int20", "int21", "int21",
    ]  # fmt: skip
    # 127 x 127 x 2560 = 41,290,240 < 2**26
    assert load_scheme("w8a8").linear.accumulator_format(2560).name == "int27"
    # 8 x 6912 = 55,296 < 2**16
    assert load_scheme("bitnet-v2").linear.accumulator_format(6912).name == "int17"


def test_a_given_accumulator_that_could_overflow_is_refused() -> None:
    fields = _fields()
    fields["linear"]["accumulator"] = "int17"
    linear = _validated(fields).linear
    # 127 x 516 = 65,532 is the last multiple that 17 bits hold.
    assert linear.accumulator_format(516).name == "int17"
    with pytest.raises(InputError, match="int17 overflows at a reduction length of 517"):
        linear.accumulator_format(517)


def test_activations_that_reach_minus_128_need_more() -> None:
    fields = _fields()
    fields["linear"] |= {"activation_max": 128, "accumulator": "int17"}
    linear = _validated(fields).linear
    assert linear.accumulator_format(511).name == "int17"
    with pytest.raises(InputError, match="overflows"):
        linear.accumulator_format(512)


@pytest.mark.parametrize(
    ("part", "changes", "message"),
    [
        ("linear", {"codec": "int8"}, "codec int8 cannot store ternary weights; fitting: 2bit"),
        ("linear", {"weight": "int8"}, "codec 2bit cannot store int8 weights; fitting: int8"),
        ("linear", {"accumulator": "fp32"}, "fp32 accumulator does not fit int8 operands"),
        ("linear", {"activation": "ternary"}, "activations cannot be ternary"),
        ("linear", {"weight": "fp16", "codec": "fp16"}, "fp16 weights need fp16 activations"),
        ("linear", {"weight_zeros": 1.0}, "linear.weight_zeros: must be less than 1, found 1.0"),
        ("linear", {"quantizer": "abs"}, "quantizer: must be one of 'none', 'absmax', "),
        ("attention", {"accumulator": "exact"}, "fp16 sums have no exact accumulator"),
        ("linear", {"dequantized": True}, "linear.dequantized: ternary weights with int8 act"),
        ("linear", {"codec": "q1_0"}, "codec q1_0 cannot store ternary weights"),
        ("attention", {"kv_cache": "bf16"}, "a bf16 KV cache needs bf16 operands"),
        ("attention", {"kv_cache": "fp32"}, "a fp32 KV cache needs fp32 operands"),
        ("attention", {"operand": "ternary"}, "must be float or integer"),
    ],
)
def test_formats_that_contradict_each_other_are_refused(
    part: str, changes: dict[str, Any], message: str
) -> None:
    fields = _fields()
    fields[part] |= changes
    with pytest.raises(InputError, match=message) as caught:
        _validated(fields)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_users_own_scheme(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "name: mine\n"
        "linear: {weight: int8, activation: int8, accumulator: int32, codec: int8}\n"
        "overrides:\n"
        "  ffn-down: {weight: fp16, activation: fp16, accumulator: fp32, codec: fp16}\n"
        "attention: {operand: int8, kv_cache: int4, accumulator: exact}\n"
        "lm_head: {weight: int8, activation: int8, accumulator: exact, codec: int8}\n"
        "embedding: int8\n"
        "elementwise: fp16\n",
        encoding="utf-8",
    )
    scheme = load_scheme(str(file))
    assert scheme.formats("qkv").rescales
    assert not scheme.formats("ffn-down").rescales
    assert scheme.formats("lm-head") == scheme.lm_head
    # 127 x 7 x 128 = 113,792 < 2**17
    assert scheme.attention.accumulator_format(128).name == "int18"


def test_another_codec_changes_the_projections_only() -> None:
    scheme = load_scheme("bitnet-b1.58").with_codec("base3")
    assert scheme.linear.codec == "base3"
    assert scheme.lm_head.codec == "fp16"
    with pytest.raises(
        InputError, match="Scheme fp16: linear: codec 2bit cannot store fp16 weights"
    ):
        load_scheme("fp16").with_codec("2bit")
    with pytest.raises(InputError, match="unknown codec 'bsae3'; did you mean 'base3'"):
        load_scheme("bitnet-b1.58").with_codec("bsae3")
    with pytest.raises(InputError, match="unknown codec 'base4'; known: 1bit, 2bit, base3, "):
        load_scheme("bitnet-b1.58").with_codec("base4")


def test_measured_zeros_replace_the_assumed_ones_in_every_role() -> None:
    scheme = load_scheme("bitnet-a4.8").with_weight_zeros(0.42)
    for role in ("qkv", "ffn-down"):
        assert scheme.formats(role).weight_zeros == 0.42
    assert scheme.formats("ffn-down").activation == "int8"
    assert load_scheme("bitnet-a4.8").linear.weight_zeros == 0.31


def test_fp16_sums_on_request() -> None:
    scheme = load_scheme("bitnet-b1.58").with_float_accumulator("fp16")
    assert scheme.linear.accumulator == "exact"
    assert scheme.attention.accumulator == scheme.lm_head.accumulator == "fp16"
    assert load_scheme("fp32").with_float_accumulator("fp16") == load_scheme("fp32")


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({"overrides": {"ffn-down": {"weight": "int8"}}}, "overrides.ffn-down: codec 2bit"),
        ({"overrides": {"ffn-down": {"activation": None}}}, "overrides.ffn-down.activation: "),
        (
            {"overrides": {"ffn-dwn": {"activation": "int8"}}},
            "overrides: unknown key 'ffn-dwn'; did you mean 'ffn-down'?",
        ),
        (
            {"embedding": "fp17"},
            "mine.yaml: embedding: unknown codec 'fp17'; known: 1bit, 2bit, base3, bf16, ",
        ),
        ({"elementwise": "int8"}, "mine.yaml: elementwise: "),
        ({"elementwise": "fp17"}, "mine.yaml: elementwise: unknown number format 'fp17'"),
    ],
)
def test_a_mistake_in_a_scheme_is_one_line_that_names_its_key(
    changes: dict[str, Any], place: str
) -> None:
    with pytest.raises(InputError) as caught:
        _validated(_fields() | changes)
    message = str(caught.value)
    assert place in message
    assert "\n" not in message
    assert "pydantic" not in message


def test_fp16_sums_reach_the_roles_that_differ() -> None:
    fields = _fields("w8a8")
    half = {"weight": "fp16", "activation": "fp16", "accumulator": "fp32", "codec": "fp16"}
    fields["overrides"] = {"ffn-down": half | {"quantizer": "none"}}
    scheme = _validated(fields).with_float_accumulator("fp16")
    assert scheme.formats("ffn-down").accumulator == "fp16"
    assert scheme.formats("qkv").accumulator == "exact"


def test_fp8_sums_are_fp32_and_fp16_on_request() -> None:
    scheme = load_scheme("fp8")
    assert scheme.linear.accumulator_format(4096).name == "fp32"
    assert scheme.with_float_accumulator("fp16").linear.accumulator == "fp16"


@pytest.mark.parametrize("operand", ["fp16", "bf16", "fp8-e4m3"])
def test_an_fp8_kv_cache_goes_with_operands_as_wide_or_wider(operand: str) -> None:
    attention = load_scheme("fp8").attention.replace(operand=operand)
    assert attention.narrows == (operand != "fp8-e4m3")
    with pytest.raises(InputError, match="needs fp8-e4m3 operands"):
        attention.replace(operand="fp8-e5m2")


def test_a_group_has_an_integer_sum_of_its_own() -> None:
    # 127 x 128 = 16,256 < 2**14, and 127 x 100 = 12,700 < 2**14
    ternary = load_scheme("q2_0").linear
    assert ternary.terms_of_scale(4096) == 128
    assert ternary.accumulator_format(ternary.terms_of_scale(4096)).name == "int15"
    assert ternary.terms_of_scale(100) == 100
    # 127 x 8 x 32 = 32,512 < 2**15: the codes of q4_0 run from -8 to 7.
    assert load_scheme("q4_0").linear.accumulator_format(32).name == "int16"
    assert load_scheme("bitnet-b1.58").linear.terms_of_scale(4096) == 4096
    assert load_scheme("w4a16").linear.terms_of_scale(4096) == 4096  # dequantized first


@pytest.mark.parametrize("accumulator", ["int32", "fp17", "exact"])
def test_half_precision_sums_cannot_be_accumulated_in_anything(accumulator: str) -> None:
    with pytest.raises(InputError, match="Scheme fp16: linear: ") as caught:
        load_scheme("fp16").with_float_accumulator(accumulator)
    assert "\n" not in str(caught.value)


def test_exact_integer_sums_leave_float_sums_alone() -> None:
    fields = _fields("w8a8")
    fields["linear"]["accumulator"] = "int32"
    half = {"weight": "fp16", "activation": "fp16", "accumulator": "fp32", "codec": "fp16"}
    fields["overrides"] = {"ffn-down": half | {"quantizer": "none"}, "qkv": {"inactive": 0.5}}
    scheme = _validated(fields).with_exact_integer_sums()
    accumulators = {role: scheme.formats(role).accumulator for role in ("qkv", "ffn-up")}
    assert accumulators == {"qkv": "exact", "ffn-up": "exact"}
    assert scheme.formats("ffn-down").accumulator == scheme.lm_head.accumulator == "fp32"
    assert scheme.overrides["qkv"].given() == {"inactive": 0.5}
    for name in NAMES:
        assert load_scheme(name).with_exact_integer_sums() == load_scheme(name)
