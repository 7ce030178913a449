"""The census of GGUF's ternary tensors, each by its layout."""

from __future__ import annotations

import struct
from collections.abc import Callable
from math import isfinite
from typing import NamedTuple

import numpy as np

from .ggml_types import I2_S, SCALE_TAIL, TL1, TL2, TL2_BLOCK, TQ1_0, TQ2_0
from .gguf import GgufTensor
from .kernels import Counting, Histogram, Ints
from .packed import Totals, count_stream, sparsity_of
from .record import MatrixCensus, Scale
from .source import Source
from .tq import bad_scale, count_tq2_0
from .tq1 import count_tq1_0

Warn = Callable[[str], None]

#: Values that a pair code of TL1 (3a + b + 4) and a triple code of TL2 (|9a + 3b + c|) may have.
_PAIR_CODES, _TRIPLE_CODES = 9, 14


class Found(NamedTuple):
    """What a layout's own counter gives; `plus` is None where signs stand apart from codes."""

    totals: Totals
    plus: int | None
    scale: Scale | None


def gguf_census(source: Source, tensor: GgufTensor, how: Counting, warn: Warn) -> MatrixCensus:
    """Count one tensor of a GGUF file.

    Parameters
    ----------
    source, tensor
        The file, and the tensor's place in it.
    how : Counting
        Whether by row and column, and by which loops.
    warn : callable
        Takes a line about what is odd and yet countable.

    Raises
    ------
    InputError
        If a code or a scale is invalid.
    """
    rows = tensor.shape[0] if len(tensor.shape) > 1 else 1
    columns = tensor.shape[-1] if tensor.shape else 1
    for length in tensor.shape[1:-1]:
        rows *= length
    found: Found | None = None
    is_empty = rows == 0 or columns == 0
    if tensor.format in ("tq1_0", "tq2_0", "i2_s", "tl1", "tl2") and is_empty:
        found = Found(Totals(0, 0), 0, None)
    elif tensor.kind in (TQ1_0, TQ2_0):
        if tensor.kind == TQ2_0:
            totals, scale = count_tq2_0(source, tensor, rows, columns, how)
        else:
            totals, scale = count_tq1_0(source, tensor, rows, columns, how, warn)
        found = Found(totals, totals.plus, scale)
    elif tensor.kind == I2_S:
        totals = count_stream(source, tensor.name, tensor.offset, tensor.bytes - SCALE_TAIL, how)
        found = Found(totals, totals.plus, _tail_scale(source, tensor))
    elif tensor.kind == TL1:
        found = _tl1(source, tensor)
    elif tensor.kind == TL2 and tensor.format == "tl2":
        found = _tl2(source, tensor, rows, columns, warn)
    row_sparsity, column_sparsity = (
        sparsity_of(found.totals, rows, columns, how) if found else (None, None)
    )
    zeros = found.totals.zeros if found else None
    plus = found.plus if found else None
    minus = rows * columns - zeros - plus if zeros is not None and plus is not None else None
    return MatrixCensus(
        name=tensor.name,
        shape=tensor.shape,
        format=tensor.format,
        bytes=tensor.bytes,
        file=source.path.name,
        offset=tensor.offset,
        ternary=found is not None,
        zeros=zeros,
        plus=plus,
        minus=minus,
        scale=found.scale if found else None,
        rows=row_sparsity,
        columns=column_sparsity,
    )


def _tail_scale(source: Source, tensor: GgufTensor) -> Scale:
    """Return the FP32 scale behind the codes of bitnet.cpp's types (ggml-bitnet-mad.cpp)."""
    at = tensor.offset + tensor.bytes - SCALE_TAIL
    value: float = struct.unpack("<f", source.read(at, 4))[0]
    if not isfinite(value):
        raise bad_scale(source, tensor.name, at, value)
    return Scale(value, value, 1)


def _nibbles(source: Source, tensor: GgufTensor, offset: int, size: int, legal: int) -> Ints:
    """Return how often each code of 4 bits stands in some bytes, (16,)."""
    histogram = Histogram()
    for _, chunk in source.chunks(offset, size):
        histogram.add(chunk)
    square = histogram.counts().reshape(16, 16)
    codes: Ints = square.sum(axis=0) + square.sum(axis=1)
    if codes[legal:].any():
        for start, chunk in source.chunks(offset, size):
            hits = np.flatnonzero((chunk & 15 >= legal) | (chunk >> 4 >= legal))
            if hits.size:
                raise source.fault(
                    f"a 4-bit code above {legal - 1}", tensor=tensor.name,
                    offset=start + int(hits[0]),
                )  # fmt: skip
    return codes


def _tl1(source: Source, tensor: GgufTensor) -> Found:
    """Count TL1: each code 3a + b + 4 holds a pair of weights; bitnet.cpp's kernels permute them.

    Totals need no order of the codes.
    """
    codes = _nibbles(
        source, tensor, tensor.offset, tensor.bytes - SCALE_TAIL, _PAIR_CODES
    )  # fmt: skip
    pairs = [divmod(code, 3) for code in range(_PAIR_CODES)]  # (a + 1, b + 1)
    zeros = sum(int(codes[i]) * pair.count(1) for i, pair in enumerate(pairs))
    plus = sum(int(codes[i]) * pair.count(2) for i, pair in enumerate(pairs))
    return Found(Totals(zeros, plus), plus, _tail_scale(source, tensor))


def _tl2(source: Source, tensor: GgufTensor, rows: int, columns: int, warn: Warn) -> Found | None:
    """Count the zeros of TL2: codes of triples, then their signs, then codes of pairs.

    The magnitude |9a + 3b + c| tells how many of a triple are zero; which sign belongs to which
    triple depends on the kernel that the file was written for, so +1 and -1 are not told apart.
    """
    triples = columns // TL2_BLOCK * TL2_BLOCK * rows // 3
    pairs = columns % TL2_BLOCK * rows // 2
    signs_end = triples // 2 + triples // 8
    if triples % 8 or pairs % 2 or signs_end + pairs // 2 > tensor.bytes - SCALE_TAIL:
        warn(
            source.describe(
                f"TL2 of shape {list(tensor.shape)} has no room for blocks of {TL2_BLOCK} "
                "columns; not counted",
                tensor=tensor.name,
                offset=tensor.offset,
            )
        )
        return None
    by_triple = _nibbles(source, tensor, tensor.offset, triples // 2, _TRIPLE_CODES)
    by_pair = _nibbles(source, tensor, tensor.offset + signs_end, pairs // 2, _PAIR_CODES)
    zeros = sum(int(by_triple[c]) * _zeros_of_magnitude(c) for c in range(_TRIPLE_CODES))
    zeros += sum(int(by_pair[c]) * divmod(c, 3).count(1) for c in range(_PAIR_CODES))
    warn(
        source.describe(
            f"TL2 is read by the order of bitnet.cpp's converter with blocks of {TL2_BLOCK} "
            "columns; zeros only, and no scale",
            tensor=tensor.name,
            offset=tensor.offset,
        )
    )
    return Found(Totals(zeros, 0), None, None)


def _zeros_of_magnitude(magnitude: int) -> int:
    value, zeros = magnitude, 0
    for _ in range(3):  # balanced ternary: digits -1, 0, +1
        digit = (value + 1) % 3 - 1
        zeros += digit == 0
        value = (value - digit) // 3
    return zeros
