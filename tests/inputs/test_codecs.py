"""Codec sizes, held against matrices that are packed code by code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitnet_hw.errors import InputError
from bitnet_hw.inputs.codecs import CODECS, GROUPED, find_codec

#: GGUF codec -> weights and bytes of a block: sizeof(block_q8_0) and so on in ggml-common.h, and
#: for q1_0, q2_0 an FP16 scale and the codes.
BLOCKS = {
    "q8_0": (32, 34), "q6_k": (256, 210), "q5_k": (256, 176), "q4_0": (32, 18),
    "q4_k": (256, 144), "q3_k": (256, 110), "q2_k": (256, 84), "q2_0": (128, 34),
    "q2_0-g64": (64, 18), "tq1_0": (256, 54), "tq2_0": (256, 66), "q1_0": (128, 18),
}  # fmt: skip
#: Sizes of the groups of plain codecs, and their names -> weights and bits of a word.
SIZES = (16, 32, 64, 128, 256)
RULES = {
    "int2-gN-sym": (1, 2), "int3-gN-sym": (1, 3), "int4-gN-sym": (1, 4), "int5-gN-sym": (1, 5),
    "int6-gN-sym": (1, 6), "int8-gN-sym": (1, 8), "2bit-gN": (1, 2), "base3-gN": (5, 8),
    "1bit-gN": (1, 1),
}  # fmt: skip
#: Codec that packs rows -> weights and bits of a word, weights of a group, bytes of its scales, and
#: bytes of a scale of the whole matrix.
ROWS = {
    "int4-g32": (1, 4, 32, 4, 0),
    "lut3": (3, 5, 0, 0, 2),
    "mlx-2bit-g128": (16, 32, 128, 4, 0),
    "mlx-1bit-g128": (32, 32, 128, 4, 0),
    "t-mac-2bit-g128": (1, 2, 128, 4, 0),
} | {
    rule.replace("N", str(size), 1): (*word, size, 2, 0)
    for rule, word in RULES.items()
    for size in SIZES
}
#: Bits per weight that the makers of these formats state.
STATED = {
    "q8_0": 8.5, "q4_0": 4.5, "q6_k": 6.5625, "q2_k": 2.625, "q3_k": 3.4375, "q5_k": 5.5,
    "q2_0": 2.125, "q2_0-g64": 2.25, "q1_0": 1.125, "tq1_0": 1.6875, "tq2_0": 2.0625,
    "int4-g32": 5, "mlx-2bit-g128": 2.25, "mlx-1bit-g128": 1.25, "t-mac-2bit-g128": 2.25,
    "int4-g128": 4 + 20 / 128, "lut3": 5 / 3, "2bit": 2, "base3": 1.6, "1bit": 1, "fp8": 8,
    # A scale of 16 bits for 16, 32, 64, 128 and 256 weights is 1, 1/2, 1/4, 1/8 and 1/16 each.
    "int4-g64-sym": 4.25, "int4-g256-sym": 4.0625, "int8-g64-sym": 8.25, "int8-g32-sym": 8.5,
    "int6-g16-sym": 7, "int5-g128-sym": 5.125, "int3-g16-sym": 4, "int2-g32-sym": 2.5,
    "2bit-g16": 3, "2bit-g64": 2.25, "2bit-g128": 2.125, "base3-g16": 2.6, "base3-g128": 1.725,
    "base3-g256": 1.6625, "1bit-g32": 1.5, "1bit-g128": 1.125, "1bit-g256": 1.0625,
}  # fmt: skip

SHAPES = (st.integers(1, 700), st.integers(1, 5))


@pytest.mark.parametrize("name", STATED)
def test_bits_per_weight(name: str) -> None:
    assert find_codec(name).bits_with_scales == pytest.approx(STATED[name])


@given(st.sampled_from(sorted(BLOCKS)), *SHAPES)
@settings(deadline=None, max_examples=80)
def test_blocks_are_whole_and_end_with_their_row(name: str, inputs: int, outputs: int) -> None:
    weights, size = BLOCKS[name]
    packed = bytearray()
    for _ in range(outputs):
        row = list(range(inputs))
        while row:
            packed += bytes(size)
            row = row[weights:]
    codec = find_codec(name)
    assert codec.matrix_bytes(inputs, outputs) == len(packed)
    assert codec.row_bits(inputs) * outputs == 8 * len(packed)


def _packed(row: list[int], together: int, bits: int) -> bytes:
    """Append the codes of a row bit by bit, and fill the last byte up with zeros."""
    stream: list[int] = []
    while row:
        stream += [1] * bits
        row = row[together:]
    while len(stream) % 8:
        stream.append(0)
    return bytes(len(stream) // 8)


@given(st.sampled_from(sorted(ROWS)), *SHAPES)
@settings(deadline=None, max_examples=200)
def test_rows_begin_on_whole_bytes(name: str, inputs: int, outputs: int) -> None:
    together, bits, group, scales, of_matrix = ROWS[name]
    packed = bytes(of_matrix)
    for _ in range(outputs):
        packed += _packed(list(range(inputs)), together, bits)
        for _ in range(0, inputs, group) if group else ():
            packed += bytes(scales)
    assert find_codec(name).matrix_bytes(inputs, outputs) == len(packed)


@given(st.sampled_from(sorted(CODECS)), *SHAPES)
@settings(deadline=None, max_examples=80)
def test_a_matrix_is_its_rows_and_what_they_share(name: str, inputs: int, outputs: int) -> None:
    codec = find_codec(name)
    rows, matrix = outputs * codec.row_bits(inputs) / 8, codec.matrix_bytes(inputs, outputs)
    # A scale per matrix, at most 4 bytes, and for base3 the rest of the last byte.
    assert -1e-9 <= matrix - rows < 5


def test_every_codec_is_packed_here_or_is_plain() -> None:
    rest = set(CODECS) - set(BLOCKS) - set(ROWS)
    assert rest == {
        "fp32", "fp16", "bf16", "fp8", "int8", "int4-g128", "2bit", "base3", "entropy", "1bit",
    }  # fmt: skip


def test_plain_codecs_exist_for_every_group_and_have_no_zero_point() -> None:
    assert set(GROUPED) == {rule.replace("N", str(n), 1) for rule in RULES for n in SIZES}
    assert {(codec.scale_bits, codec.zero_bits) for codec in GROUPED.values()} == {(16, 0)}
    # Names without -sym keep their zero point.
    assert (find_codec("int4-g32").zero_bits, find_codec("int4-g128").zero_bits) == (16, 4)


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("int4-g64", "unknown codec 'int4-g64'; did you mean 'int4-g64-sym'?"),
        ("1bit-64", "unknown codec '1bit-64'; did you mean '1bit-g64'?"),
        ("1bit-g48", "unknown codec '1bit-g48'; known: 1bit-gN (N: 16, 32, 64, 128, 256)"),
        ("int4-g48", "unknown codec 'int4-g48'; known: int4-gN-sym (N: 16, 32, 64, 128, 256)"),
    ],
)
def test_an_unknown_group_is_answered_with_the_known_ones(name: str, answer: str) -> None:
    with pytest.raises(InputError) as caught:
        find_codec(name)
    assert str(caught.value) == answer


def test_an_unknown_codec_is_answered_with_a_list_of_moderate_length() -> None:
    with pytest.raises(InputError, match=r"known: 1bit, .*q8_0, .*int4-gN-sym, ") as caught:
        find_codec("zip")
    assert len(str(caught.value)) < 450


def test_the_documentation_lists_every_codec_with_its_bits() -> None:
    text = (Path(__file__).parents[2] / "docs" / "files.md").read_text("utf-8")
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in text.partition("### Codecs")[2].partition("\n\nBits")[0].splitlines()
        if line.startswith("| `")
    ]
    listed: dict[str, tuple[str, float]] = {}
    for names, family, _, bits, _ in rows:
        before_scales = bits.removesuffix(" + 16/N")
        numbers = [float(each) for each in re.findall(r"\d+(?:\.\d+)?", before_scales)]
        for name, number in zip(re.findall(r"`([^`]+)`", names), numbers, strict=True):
            for n in SIZES if "gN" in name else ():
                listed[name.replace("gN", f"g{n}")] = (family, number + 16 / n)
            if "gN" not in name:
                listed[name] = (family, number)
    assert set(listed) == set(CODECS)
    for name, (family, bits) in listed.items():
        assert family == CODECS[name].family
        assert CODECS[name].bits_with_scales == pytest.approx(bits, abs=5e-4)
