"""The census of GGUF's ternary tensors, each by its layout."""

from __future__ import annotations

import struct
from collections.abc import Callable
from math import isfinite
from typing import NamedTuple

import numpy as np

from .census import MatrixCensus, Scale
from .ggml_types import I2_S, SCALE_TAIL, TL1, TL2, TL2_BLOCK, TQ1_0, TQ2_0
from .gguf import GgufTensor
from .kernels import (
    BASE3_PLUS,
    BASE3_VALID,
    BASE3_ZEROS,
    Histogram,
    Ints,
    base3_zero_masks,
    plane_sums,
    zero_fields,
)
from .packed import CodeCounter, Totals, count_stream, fits_by_line, sparsity_of
from .source import CHUNK, LINE_CHUNK, Bytes, Source

Warn = Callable[[str], None]

_BLOCK = 256
_TQ2_CODES, _TQ2_BYTES = 64, 66
_TQ1_FIVES, _TQ1_FOURS, _TQ1_BYTES = 48, 4, 54
#: Copied as one item a block, which is three times as quick as byte by byte.
_TQ2_BLOCK = np.dtype([("codes", "V64"), ("scale", "<u2")])
#: Values that a pair code of TL1 (3a + b + 4) and a triple code of TL2 (|9a + 3b + c|) may have.
_PAIR_CODES, _TRIPLE_CODES = 9, 14


class Found(NamedTuple):
    """What a layout's own counter gives; `plus` is None where signs stand apart from codes."""

    totals: Totals
    plus: int | None
    scale: Scale | None


def gguf_census(source: Source, tensor: GgufTensor, sparsity: bool, warn: Warn) -> MatrixCensus:
    """Count one tensor of a GGUF file.

    Parameters
    ----------
    source, tensor
        The file, and the tensor's place in it.
    sparsity : bool
        Whether to count zeros by row and column.
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
    elif tensor.kind == TQ2_0:
        found = _tq2_0(source, tensor, rows, columns, sparsity)
    elif tensor.kind == TQ1_0:
        found = _tq1_0(source, tensor, rows, columns, sparsity, warn)
    elif tensor.kind == I2_S:
        totals = count_stream(source, tensor.name, tensor.offset, tensor.bytes - SCALE_TAIL)
        found = Found(totals, totals.plus, _tail_scale(source, tensor))
    elif tensor.kind == TL1:
        found = _tl1(source, tensor)
    elif tensor.kind == TL2 and tensor.format == "tl2":
        found = _tl2(source, tensor, rows, columns, warn)
    row_sparsity, column_sparsity = (
        sparsity_of(found.totals, rows, columns) if found else (None, None)
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


class _Scales:
    """Range of the FP16 scales of blocks; a scale of 0 belongs to a block of zeros."""

    def __init__(self, source: Source, tensor: str, stride: int) -> None:
        self.source, self.tensor, self.stride = source, tensor, stride
        self.low, self.high, self.count = np.inf, -np.inf, 0

    def add(self, raw: np.ndarray[tuple[int], np.dtype[np.uint16]], first: int) -> None:
        """Take scales that stand `stride` bytes apart, from byte `first` of the file on."""
        odd = np.flatnonzero((raw & np.uint16(0x7C00)) == 0x7C00)
        if odd.size:
            raise _bad_scale(
                self.source, self.tensor, first + int(odd[0]) * self.stride,
                float(raw.view(np.float16)[odd[0]]),
            )  # fmt: skip
        used = raw[(raw & np.uint16(0x7FFF)) != 0].view(np.float16)
        self.count += raw.size
        if used.size:
            self.low = min(self.low, float(used.min()))
            self.high = max(self.high, float(used.max()))

    def scale(self) -> Scale:
        return Scale(self.low, self.high, self.count) if self.low <= self.high else Scale(0, 0, 0)


def _bad_scale(source: Source, tensor: str, offset: int, value: float) -> Exception:
    return source.fault(f"scale {value}; a finite one is right", tensor=tensor, offset=offset)


def _tail_scale(source: Source, tensor: GgufTensor) -> Scale:
    """Return the FP32 scale behind the codes of bitnet.cpp's types (ggml-bitnet-mad.cpp)."""
    at = tensor.offset + tensor.bytes - SCALE_TAIL
    value: float = struct.unpack("<f", source.read(at, 4))[0]
    if not isfinite(value):
        raise _bad_scale(source, tensor.name, at, value)
    return Scale(value, value, 1)


def _tq2_0(source: Source, tensor: GgufTensor, rows: int, columns: int, sparsity: bool) -> Found:
    """Count TQ2_0: w[128 j + 32 l + m] + 1 in bits 2l and 2l + 1 of byte 32 j + m of a block."""
    blocks = columns // _BLOCK
    width = blocks * _TQ2_CODES
    by_line = sparsity and fits_by_line((rows, width))
    counter = CodeCounter(source, tensor.name)
    scales = _Scales(source, tensor.name, _TQ2_BYTES)
    row_zeros, planes = np.zeros(rows if by_line else 0, np.int64), np.zeros((4, width), np.int64)
    done = 0
    unit, about = (_TQ2_BYTES * blocks, LINE_CHUNK) if by_line else (_TQ2_BYTES, CHUNK)
    for start, chunk in source.chunks(tensor.offset, tensor.bytes, unit, about):
        blocks_here = chunk.view(_TQ2_BLOCK)
        scales.add(np.ascontiguousarray(blocks_here["scale"]), start + _TQ2_CODES)

        def locate(place: int, start: int = start) -> int:
            return start + place // _TQ2_CODES * _TQ2_BYTES + place % _TQ2_CODES

        words = counter.add(np.ascontiguousarray(blocks_here["codes"]).view(np.uint8), locate)
        if by_line:
            fields = zero_fields(words).reshape(-1, width // 8)
            row_zeros[done : done + len(fields)] = plane_sums(fields, 1).sum(axis=0)
            planes += plane_sums(fields, 0)
            done += len(fields)
    by_column = planes.reshape(4, blocks, 2, 32).transpose(1, 2, 0, 3).reshape(-1)
    totals = Totals(
        counter.zeros, counter.plus, *((row_zeros, by_column) if by_line else (None, None))
    )
    return Found(totals, counter.plus, scales.scale())


def _tq1_0(
    source: Source, tensor: GgufTensor, rows: int, columns: int, sparsity: bool, warn: Warn
) -> Found:
    """Count TQ1_0: 48 bytes of five trits, 4 of four, an FP16 scale; ceil(v x 256 / 243) each."""
    blocks = columns // _BLOCK
    by_line = sparsity and fits_by_line((rows, blocks * _TQ1_BYTES))
    fives, fours, scale_bytes = Histogram(), Histogram(), Histogram()
    scales = _Scales(source, tensor.name, _TQ1_BYTES)
    row_zeros = np.zeros(rows if by_line else 0, np.int64)
    column_zeros = np.zeros(columns if by_line else 0, np.int64)
    done = 0
    unit = _TQ1_BYTES * (blocks if by_line else 1)
    for start, chunk in source.chunks(tensor.offset, tensor.bytes, unit, LINE_CHUNK):
        block = chunk.reshape(-1, _TQ1_BYTES)
        # Counting every byte in place and taking the few others off is quicker than a copy.
        fives.add(chunk)
        tail = np.ascontiguousarray(block[:, _TQ1_FIVES + _TQ1_FOURS :])
        scale_bytes.add(tail.reshape(-1))
        scales.add(tail.view(np.uint16)[:, 0], start + _TQ1_FIVES + _TQ1_FOURS)
        fours.add(np.ascontiguousarray(block[:, _TQ1_FIVES:-2]).reshape(-1))
        if by_line:
            zeros = _tq1_0_zeros(block).reshape(-1, columns)
            row_zeros[done : done + len(zeros)] = np.count_nonzero(zeros, axis=1)
            column_zeros += np.count_nonzero(zeros, axis=0)
            done += len(zeros)
    of_fours = fours.counts()
    of_fives = fives.counts() - of_fours - scale_bytes.counts()
    for trits, counts, first, last in (
        (5, of_fives, 0, _TQ1_FIVES),
        (4, of_fours, _TQ1_FIVES, _TQ1_FIVES + _TQ1_FOURS),
    ):
        _warn_of_odd_bytes(source, tensor, trits, counts, slice(first, last), warn)
    zeros_found = int(of_fives @ BASE3_ZEROS[5] + of_fours @ BASE3_ZEROS[4])
    plus = int(of_fives @ BASE3_PLUS[5] + of_fours @ BASE3_PLUS[4])
    lines = (row_zeros, column_zeros) if by_line else (None, None)
    return Found(Totals(zeros_found, plus, *lines), plus, scales.scale())


def _tq1_0_zeros(block: Bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Return which of the 256 weights of each block are zero, in the weights' order.

    Digit n of byte m is weight 32 n + m among the first 160, 16 n + m among the next 80, and
    4 n + m among the last 16 (gguf-py, quants.py).
    """
    parts = [
        base3_zero_masks(block[:, first:last], trits).swapaxes(0, 1).reshape(len(block), -1)
        for first, last, trits in ((0, 32, 5), (32, 48, 5), (48, 52, 4))
    ]
    return np.concatenate(parts, axis=1)


def _warn_of_odd_bytes(
    source: Source, tensor: GgufTensor, trits: int, counts: Ints, place: slice, warn: Warn
) -> None:
    odd = [byte for byte in np.flatnonzero(counts).tolist() if byte not in BASE3_VALID[trits]]
    if not odd:
        return
    number = int(counts[odd].sum())
    wanted = np.isin(np.arange(256), odd)
    at = tensor.offset
    for start, chunk in source.chunks(tensor.offset, tensor.bytes, _TQ1_BYTES):
        block = chunk.reshape(-1, _TQ1_BYTES)[:, place]
        hits = np.argwhere(wanted[block])
        if hits.size:
            row, column = hits[0].tolist()
            at = start + row * _TQ1_BYTES + place.start + column
            break
    values = ", ".join(map(str, odd[:8])) + (", ..." if len(odd) > 8 else "")
    warn(
        source.describe(
            f"{number} bytes that no group of {'five' if trits == 5 else 'four'} trits produces, "
            f"this one first: {values}; counted as they decode",
            tensor=tensor.name,
            offset=at,
        )
    )


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
