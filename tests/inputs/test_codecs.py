"""Codec sizes, held against matrices that are packed code by code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitnet_hw.inputs.codecs import CODECS, find_codec

#: GGUF codec -> weights and bytes of a block: sizeof(block_q8_0) and so on in ggml-common.h, and
#: for q1_0, q2_0 an FP16 scale and the codes.
BLOCKS = {
    "q8_0": (32, 34), "q6_k": (256, 210), "q5_k": (256, 176), "q4_0": (32, 18),
    "q4_k": (256, 144), "q3_k": (256, 110), "q2_k": (256, 84), "q2_0": (128, 34),
    "q2_0-g64": (64, 18), "tq1_0": (256, 54), "tq2_0": (256, 66), "q1_0": (128, 18),
}  # fmt: skip
#: Codec that packs rows -> weights and bits of a word, weights of a group, bytes of its scales, and
#: bytes of a scale of the whole matrix.
ROWS = {
    "int4-g32": (1, 4, 32, 4, 0),
    "base3-g128": (5, 8, 128, 2, 0),
    "lut3": (3, 5, 0, 0, 2),
    "mlx-2bit-g128": (16, 32, 128, 4, 0),
    "mlx-1bit-g128": (32, 32, 128, 4, 0),
    "t-mac-2bit-g128": (1, 2, 128, 4, 0),
}
#: Bits per weight that the makers of these formats state.
STATED = {
    "q8_0": 8.5, "q4_0": 4.5, "q6_k": 6.5625, "q2_k": 2.625, "q3_k": 3.4375, "q5_k": 5.5,
    "q2_0": 2.125, "q2_0-g64": 2.25, "q1_0": 1.125, "tq1_0": 1.6875, "tq2_0": 2.0625,
    "int4-g32": 5, "mlx-2bit-g128": 2.25, "mlx-1bit-g128": 1.25, "t-mac-2bit-g128": 2.25,
    "int4-g128": 4 + 20 / 128, "lut3": 5 / 3, "2bit": 2, "base3": 1.6, "1bit": 1, "fp8": 8,
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
@settings(deadline=None, max_examples=80)
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


def test_the_documentation_lists_every_codec_with_its_bits() -> None:
    text = (Path(__file__).parents[2] / "docs" / "files.md").read_text("utf-8")
    rows = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in text.partition("### Codecs")[2].partition("\n\nBits")[0].splitlines()
        if line.startswith("| `")
    ]
    listed: dict[str, tuple[str, float]] = {}
    for names, family, _, bits, _ in rows:
        numbers = [float(number) for number in re.findall(r"\d+(?:\.\d+)?", bits)]
        found = re.findall(r"`([^`]+)`", names)
        listed |= {name: (family, n) for name, n in zip(found, numbers, strict=True)}
    assert set(listed) == set(CODECS)
    for name, (family, bits) in listed.items():
        assert family == CODECS[name].family
        assert CODECS[name].bits_with_scales == pytest.approx(bits, abs=5e-4)
