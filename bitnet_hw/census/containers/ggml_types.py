"""Tensor types of GGUF files: their names, and the bytes that a tensor takes."""

from __future__ import annotations

from math import prod
from typing import NamedTuple


class GgmlType(NamedTuple):
    """A type of ggml: `size` bytes per block of `block` weights of a row."""

    name: str
    block: int
    size: int


TQ1_0, TQ2_0 = 34, 35
#: Types of bitnet.cpp's fork of llama.cpp (its ggml.h); ggml itself uses 39 for MXFP4.
I2_S, I8_S, TL1, TL2 = 36, 37, 38, 39

#: ggml.h and ggml-common.h of llama.cpp; 4, 5 and 31 to 33 are no longer written.
GGML_TYPES = {
    0: GgmlType("f32", 1, 4), 1: GgmlType("f16", 1, 2), 2: GgmlType("q4_0", 32, 18),
    3: GgmlType("q4_1", 32, 20), 6: GgmlType("q5_0", 32, 22), 7: GgmlType("q5_1", 32, 24),
    8: GgmlType("q8_0", 32, 34), 9: GgmlType("q8_1", 32, 40), 10: GgmlType("q2_k", 256, 84),
    11: GgmlType("q3_k", 256, 110), 12: GgmlType("q4_k", 256, 144),
    13: GgmlType("q5_k", 256, 176), 14: GgmlType("q6_k", 256, 210),
    15: GgmlType("q8_k", 256, 292), 16: GgmlType("iq2_xxs", 256, 66),
    17: GgmlType("iq2_xs", 256, 74), 18: GgmlType("iq3_xxs", 256, 98),
    19: GgmlType("iq1_s", 256, 50), 20: GgmlType("iq4_nl", 32, 18),
    21: GgmlType("iq3_s", 256, 110), 22: GgmlType("iq2_s", 256, 82),
    23: GgmlType("iq4_xs", 256, 136), 24: GgmlType("i8", 1, 1), 25: GgmlType("i16", 1, 2),
    26: GgmlType("i32", 1, 4), 27: GgmlType("i64", 1, 8), 28: GgmlType("f64", 1, 8),
    29: GgmlType("iq1_m", 256, 56), 30: GgmlType("bf16", 1, 2),
    31: GgmlType("q4_0_4_4", 32, 18), 32: GgmlType("q4_0_4_8", 32, 18),
    33: GgmlType("q4_0_8_8", 32, 18), TQ1_0: GgmlType("tq1_0", 256, 54),
    TQ2_0: GgmlType("tq2_0", 256, 66), 39: GgmlType("mxfp4", 32, 17),
    40: GgmlType("nvfp4", 64, 36), 41: GgmlType("q1_0", 128, 18),
}  # fmt: skip

#: Names of bitnet.cpp's types, whose sizes do not follow from blocks.
BITNET_TYPES = {I2_S: "i2_s", I8_S: "i8_s", TL1: "tl1", TL2: "tl2"}

#: Bytes of scale and padding after the codes of bitnet.cpp's types.
SCALE_TAIL = 32

#: Columns in a block of triples of TL2; the rest of a row is stored as pairs.
TL2_BLOCK = 96

#: Columns that bitnet.cpp's size formula counts as pairs, whatever the length of a row.
_TL2_PAIR_COLUMNS = 256


def tensor_bytes(kind: int, shape: tuple[int, ...]) -> int | None:
    """Return the bytes of a tensor, or None if they do not follow from type and shape.

    Parameters
    ----------
    kind : int
        A type of `GGML_TYPES` or `BITNET_TYPES`; 39 is read as MXFP4.
    shape : tuple of int
        Rows first; the last is the length of a row.
    """
    count = prod(shape)
    if kind in (I2_S, TL1):
        return None if count % 4 else count // 4 + SCALE_TAIL
    if kind == I8_S:
        return count
    row = shape[-1] if shape else 1
    known = GGML_TYPES[kind]
    return None if row % known.block else count // known.block * known.size


def tl2_bytes(shape: tuple[int, ...]) -> int | None:
    """Return the bytes of a TL2 matrix as bitnet.cpp's ``ggml_nbytes``, None below 256 columns.

    Five bits for three weights, four bits for two in the last 256 columns, rounded up to 32, and
    32 bytes with the scale.
    """
    if len(shape) != 2 or shape[1] < _TL2_PAIR_COLUMNS:
        return None
    rows, columns = shape
    codes = (columns - _TL2_PAIR_COLUMNS) * rows // 3 * 5 // 8 + _TL2_PAIR_COLUMNS * rows // 4
    return -(-codes // 32) * 32 + SCALE_TAIL
