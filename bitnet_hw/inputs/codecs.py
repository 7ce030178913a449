"""Codecs: encodings of a stored weight matrix, by name.

Sources of the layouts: GGUF, ggml's ``ggml-common.h``, whose blocks hold codes and scales together
(a block of q8_0 is 34 bytes: an FP16 scale and 32 bytes); MLX, ``mx.quantize``, which stores the
codes of a row in 32-bit words, with an FP16 scale and bias per group beside them; T-MAC, Wei et
al., arXiv 2407.00088; GPTQ, Frantar et al., arXiv 2210.17323.

The codecs of `GROUPED` are no software's own. They are one rule, for studies of the size of groups.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from math import log2

from ..errors import InputError, nearest, unknown_name
from .codec import Codec, Granularity, Padding
from .formats import Kind

__all__ = ["CODECS", "GROUPED", "Codec", "Granularity", "Padding", "find_codec", "names_in_brief"]

_FLOAT, _INTEGER = (Kind.FLOAT,), (Kind.INTEGER,)
_TERNARY, _BINARY = (Kind.TERNARY,), (Kind.BINARY,)
_TWO_BIT = _TERNARY + _INTEGER
_TENSOR, _CHANNEL, _GROUP = Granularity.TENSOR, Granularity.CHANNEL, Granularity.GROUP
_MATRIX, _ROW, _BLOCK = Padding.MATRIX, Padding.ROW, Padding.BLOCK

_GROUPS = (16, 32, 64, 128, 256)
#: Name without the group's size -> kinds of weights, and the word of the code. Integers end in
#: ``-sym``, since int4-g32 and int4-g128 name codecs with a zero point.
_GROUPED: dict[str, tuple[tuple[Kind, ...], tuple[int, float]]] = {
    **{f"int{bits}-gN-sym": (_INTEGER, (1, bits)) for bits in (2, 3, 4, 5, 6, 8)},
    "2bit-gN": (_TERNARY + _BINARY, (1, 2)),
    # Five trits in a byte along the row, whatever group they belong to.
    "base3-gN": (_TERNARY, (5, 8)),
    "1bit-gN": (_BINARY, (1, 1)),
}


def _grouped(rule: str, group: int) -> Codec:
    """Return the codec with one FP16 scale and no zero point per group along the input."""
    kinds, word = _GROUPED[rule]
    name = rule.replace("gN", f"g{group}")
    return Codec(name, "plain", kinds, word, _GROUP, group, 16, padding=_ROW)


#: Codecs with one FP16 scale and no zero point per group of 16, 32, 64, 128 or 256 weights, by
#: name.
GROUPED = {codec.name: codec for codec in (_grouped(rule, n) for rule in _GROUPED for n in _GROUPS)}

_TABLE = {
    codec.name: codec
    for codec in (
        Codec("fp32", "plain", _FLOAT, (1, 32)),
        Codec("fp16", "plain", _FLOAT, (1, 16)),
        Codec("bf16", "plain", _FLOAT, (1, 16)),
        # 8-bit floats, one FP32 scale per matrix.
        Codec("fp8", "plain", _FLOAT, (1, 8), _TENSOR, scale_bits=32),
        # 8-bit integers, one FP16 scale per output channel.
        Codec("int8", "plain", _INTEGER, (1, 8), _CHANNEL, scale_bits=16),
        # 4-bit integers, an FP16 scale and a 4-bit zero point per group of 128.
        Codec("int4-g128", "GPTQ", _INTEGER, (1, 4), _GROUP, 128, 16, 4),
        # 4-bit integers, an FP16 scale and an FP16 zero point per group of 32.
        Codec("int4-g32", "GPTQ", _INTEGER, (1, 4), _GROUP, 32, 16, 16, padding=_ROW),
        # 8-bit integers in blocks of 32, an FP16 scale each.
        Codec("q8_0", "GGUF", _INTEGER, (1, 8), _GROUP, 32, 16, block=32, padding=_BLOCK),
        # 6-bit integers, an 8-bit scale per 16 and an FP16 scale per 256.
        Codec("q6_k", "GGUF", _INTEGER, (1, 6), _GROUP, 16, 8, 0, 256, 16, _BLOCK),
        # 5-bit integers, a 6-bit scale and minimum per 32, two FP16 per 256.
        Codec("q5_k", "GGUF", _INTEGER, (1, 5), _GROUP, 32, 6, 6, 256, 32, _BLOCK),
        # 4-bit integers in blocks of 32, an FP16 scale each.
        Codec("q4_0", "GGUF", _INTEGER, (1, 4), _GROUP, 32, 16, block=32, padding=_BLOCK),
        # 4-bit integers, a 6-bit scale and minimum per 32, two FP16 per 256.
        Codec("q4_k", "GGUF", _INTEGER, (1, 4), _GROUP, 32, 6, 6, 256, 32, _BLOCK),
        # 3-bit integers, a 6-bit scale per 16 and an FP16 scale per 256.
        Codec("q3_k", "GGUF", _INTEGER, (1, 3), _GROUP, 16, 6, 0, 256, 16, _BLOCK),
        # 2-bit integers, a 4-bit scale and minimum per 16, two FP16 per 256.
        Codec("q2_k", "GGUF", _INTEGER, (1, 2), _GROUP, 16, 4, 4, 256, 32, _BLOCK),
        # 2 bits per weight, one FP16 scale per matrix.
        Codec("2bit", "plain", _TERNARY + _BINARY, (1, 2), _TENSOR, scale_bits=16),
        # Five trits in a byte, one FP16 scale per matrix.
        Codec("base3", "plain", _TERNARY, (5, 8), _TENSOR, scale_bits=16, padding=_MATRIX),
        # 5-bit keys of three trits for lookup, one FP16 scale per matrix.
        Codec("lut3", "lookup", _TERNARY, (3, 5), _TENSOR, scale_bits=16, padding=_ROW),
        # The limit for equally likely trits, 1.585 bits per weight.
        Codec("entropy", "plain", _TERNARY, (1, log2(3)), _TENSOR, scale_bits=16),
        # 1 bit per weight, one FP16 scale per matrix.
        Codec("1bit", "plain", _BINARY, (1, 1), _TENSOR, scale_bits=16),
        # 2-bit codes of trits in blocks of 128, an FP16 scale each.
        Codec("q2_0", "GGUF", _TERNARY, (1, 2), _GROUP, 128, 16, block=128, padding=_BLOCK),
        # 2-bit codes of trits in blocks of 64, an FP16 scale each.
        Codec("q2_0-g64", "GGUF", _TERNARY, (1, 2), _GROUP, 64, 16, block=64, padding=_BLOCK),
        # 256 trits in 52 bytes, an FP16 scale each.
        Codec("tq1_0", "GGUF", _TERNARY, (256, 416), _GROUP, 256, 16, block=256, padding=_BLOCK),
        # 2-bit codes of trits in blocks of 256, an FP16 scale each.
        Codec("tq2_0", "GGUF", _TERNARY, (1, 2), _GROUP, 256, 16, block=256, padding=_BLOCK),
        # 1 bit per weight in blocks of 128, an FP16 scale each.
        Codec("q1_0", "GGUF", _BINARY, (1, 1), _GROUP, 128, 16, block=128, padding=_BLOCK),
        # 2-bit codes, an FP16 scale and bias per group of 128.
        Codec("mlx-2bit-g128", "MLX", _TWO_BIT, (16, 32), _GROUP, 128, 16, 16, padding=_ROW),
        # 1 bit per weight, an FP16 scale and bias per group of 128.
        Codec("mlx-1bit-g128", "MLX", _BINARY, (32, 32), _GROUP, 128, 16, 16, padding=_ROW),
        # 2-bit codes for lookup, an FP16 scale and zero point per group of 128.
        Codec("t-mac-2bit-g128", "lookup", _TWO_BIT, (4, 8), _GROUP, 128, 16, 16, padding=_ROW),
    )
}

#: Every codec, by name. The word is that of the code alone; log2(3) is the entropy of three equally
#: likely values, which no byte-aligned code reaches.
CODECS = _TABLE | GROUPED


def names_in_brief(names: Iterable[str]) -> str:
    """Return a list of codecs in which a whole row of group sizes is one entry: ``1bit-gN``.

    Examples
    --------
    >>> names_in_brief(name for name in CODECS if name.startswith("1bit"))
    '1bit, 1bit-gN (N: 16, 32, 64, 128, 256)'
    """
    given = dict.fromkeys(names)
    rules = []
    for rule in _GROUPED:
        row = [_grouped(rule, group).name for group in _GROUPS]
        if all(name in given for name in row):
            rules.append(rule)
            given = {name: None for name in given if name not in row}
    sizes = f" (N: {', '.join(map(str, _GROUPS))})" if rules else ""
    return ", ".join([*given, *rules]) + sizes


def find_codec(name: str) -> Codec:
    """Return the codec with a given name.

    Raises
    ------
    InputError
        If there is no such codec; the message suggests the nearest name, or lists the names.

    Examples
    --------
    >>> find_codec("base3").bits
    1.6
    >>> find_codec("int4-g64-sym").bits_with_scales
    4.25
    """
    if name in CODECS:
        return CODECS[name]
    if nearest(name, CODECS) is not None:
        raise unknown_name("codec", name, CODECS)
    rule = re.sub(r"-g\d+", "-gN", name)
    alike = [each for each in (rule, f"{rule}-sym") if each in _GROUPED]
    known = [_grouped(each, group).name for each in alike for group in _GROUPS] or sorted(CODECS)
    raise InputError(f"unknown codec {name!r}; known: {names_in_brief(known)}")
