"""The census of llama.cpp's ternary blocks, TQ1_0 and TQ2_0: 256 weights and an FP16 scale each."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .base3 import PairCounter, base3_zero_masks
from .census import Scale
from .gguf import GgufTensor
from .kernels import Ints, plane_sums, zero_fields
from .packed import CodeCounter, Totals, fits_by_line
from .source import CHUNK, LINE_CHUNK, Bytes, Source

_BLOCK = 256
_TQ2_CODES, _TQ2_BYTES = 64, 66
_TQ1_FIVES, _TQ1_FOURS, _TQ1_BYTES = 48, 4, 54
#: Results of a look-up are as large as the bytes, and the tables want room in the cache as well.
_TQ1_CHUNK = CHUNK // 2
#: Copied as one item a block, which is three times as quick as byte by byte.
_TQ2_BLOCK = np.dtype([("codes", "V64"), ("scale", "<u2")])
_TQ1_BLOCK = np.dtype([("fives", "V48"), ("fours", "V4"), ("scale", "<u2")])


class _Scales:
    """Range of the FP16 scales of blocks; a scale of 0 belongs to a block of zeros."""

    def __init__(self, source: Source, tensor: str, stride: int) -> None:
        self.source, self.tensor, self.stride = source, tensor, stride
        self.low, self.high, self.count = np.inf, -np.inf, 0

    def add(self, raw: npt.NDArray[np.uint16], first: int) -> None:
        """Take scales that stand `stride` bytes apart, from byte `first` of the file on."""
        self.count += raw.size
        # Patterns of positive numbers have their order, and compare quicker.
        least, most = raw.min(), raw.max()
        if least > 0 and most < 0x7C00:
            used = np.array([least, most]).view(np.float16)
        else:
            odd = np.flatnonzero((raw & np.uint16(0x7C00)) == 0x7C00)
            if odd.size:
                raise bad_scale(
                    self.source, self.tensor, first + int(odd[0]) * self.stride,
                    float(raw.view(np.float16)[odd[0]]),
                )  # fmt: skip
            used = raw[(raw & np.uint16(0x7FFF)) != 0].view(np.float16)
        if used.size:
            self.low = min(self.low, float(used.min()))
            self.high = max(self.high, float(used.max()))


def bad_scale(source: Source, tensor: str, offset: int, value: float) -> Exception:
    """Build the error about a scale that is not finite."""
    return source.fault(f"scale {value}; a finite one is right", tensor=tensor, offset=offset)


def _scale_of(parts: Iterable[_Scales]) -> Scale:
    parts = list(parts)
    low, high = min(part.low for part in parts), max(part.high for part in parts)
    return Scale(low, high, sum(part.count for part in parts)) if low <= high else Scale(0, 0, 0)


def count_tq2_0(
    source: Source, tensor: GgufTensor, rows: int, columns: int, sparsity: bool
) -> tuple[Totals, Scale]:
    """Count TQ2_0: w[128 j + 32 l + m] + 1 in bits 2l and 2l + 1 of byte 32 j + m of a block.

    Raises
    ------
    InputError
        If a code is 3 or a scale is not finite.
    """
    blocks = columns // _BLOCK
    by_line = sparsity and fits_by_line((rows, blocks * _TQ2_CODES))

    def count(offset: int, size: int) -> tuple[Totals, _Scales]:
        scales = _Scales(source, tensor.name, _TQ2_BYTES)
        read = _tq2_0_lines if by_line else _tq2_0_totals
        return read(source, offset, size, blocks, scales), scales

    unit = _TQ2_BYTES * (blocks if by_line else 1)
    parts = source.spans(tensor.offset, tensor.bytes, unit, count)
    return Totals.of([totals for totals, _ in parts]), _scale_of(scales for _, scales in parts)


def _tq2_0_totals(source: Source, offset: int, size: int, _blocks: int, scales: _Scales) -> Totals:
    counter = CodeCounter(source, scales.tensor)
    room = np.empty(CHUNK, np.uint8)
    for start, chunk in source.chunks(offset, size, _TQ2_BYTES):
        # A scale of nothing but code 0 adds to no count.
        codes = room[: chunk.size]
        np.copyto(codes, chunk)
        inside = codes.view(_TQ2_BLOCK)["scale"]
        scales.add(inside.copy(), start + _TQ2_CODES)
        inside[:] = 0
        counter.add(codes, start.__add__)
    return Totals(counter.zeros, counter.plus)


def _tq2_0_lines(source: Source, offset: int, size: int, blocks: int, scales: _Scales) -> Totals:
    counter = CodeCounter(source, scales.tensor)
    width = blocks * _TQ2_CODES
    row_zeros: list[Ints] = []
    planes = np.zeros((4, width), np.int64)
    for start, chunk in source.chunks(offset, size, _TQ2_BYTES * blocks, LINE_CHUNK):
        here = chunk.view(_TQ2_BLOCK)
        scales.add(np.ascontiguousarray(here["scale"]), start + _TQ2_CODES)

        def locate(place: int, start: int = start) -> int:
            return start + place // _TQ2_CODES * _TQ2_BYTES + place % _TQ2_CODES

        words = counter.add(np.ascontiguousarray(here["codes"]).view(np.uint8), locate)
        fields = zero_fields(words).reshape(-1, width // 8)
        row_zeros.append(plane_sums(fields, 1).sum(axis=0))
        planes += plane_sums(fields, 0)
    by_column = planes.reshape(4, blocks, 2, 32).transpose(1, 2, 0, 3).reshape(-1)
    return Totals(counter.zeros, counter.plus, np.concatenate(row_zeros), by_column)


class _Tq1Part(NamedTuple):
    totals: Totals
    scales: _Scales
    odd_fives: Ints
    odd_fours: Ints


def count_tq1_0(
    source: Source,
    tensor: GgufTensor,
    rows: int,
    columns: int,
    sparsity: bool,
    warn: Callable[[str], None],
) -> tuple[Totals, Scale]:
    """Count TQ1_0: 48 bytes of five trits, 4 of four, an FP16 scale; ceil(v x 256 / 243) each.

    Raises
    ------
    InputError
        If a scale is not finite.
    """
    blocks = columns // _BLOCK
    by_line = sparsity and fits_by_line((rows, blocks * _TQ1_BYTES))

    def count(offset: int, size: int) -> _Tq1Part:
        return _tq1_0_part(source, tensor.name, offset, size, blocks, by_line)

    unit = _TQ1_BYTES * (blocks if by_line else 1)
    parts = source.spans(tensor.offset, tensor.bytes, unit, count)
    fives: Ints = np.sum([part.odd_fives for part in parts], axis=0)
    fours: Ints = np.sum([part.odd_fours for part in parts], axis=0)
    _warn_of_odd_bytes(source, tensor, 5, fives, slice(0, _TQ1_FIVES), warn)
    _warn_of_odd_bytes(source, tensor, 4, fours, slice(_TQ1_FIVES, _TQ1_FIVES + _TQ1_FOURS), warn)
    return Totals.of([part.totals for part in parts]), _scale_of(part.scales for part in parts)


def _tq1_0_part(
    source: Source, tensor: str, offset: int, size: int, blocks: int, by_line: bool
) -> _Tq1Part:
    fives, fours = PairCounter(5, _TQ1_CHUNK), PairCounter(4, _TQ1_CHUNK // 12)
    scales = _Scales(source, tensor, _TQ1_BYTES)
    row_zeros: list[Ints] = []
    column_zeros = np.zeros(blocks * _BLOCK, np.int64)
    unit, about = (_TQ1_BYTES * blocks, LINE_CHUNK) if by_line else (_TQ1_BYTES, _TQ1_CHUNK)
    for start, chunk in source.chunks(offset, size, unit, about):
        here = chunk.view(_TQ1_BLOCK)
        scales.add(np.ascontiguousarray(here["scale"]), start + _TQ1_FIVES + _TQ1_FOURS)
        fives.add(chunk.view(np.uint16).reshape(-1, _TQ1_BYTES // 2), _TQ1_FIVES // 2)
        fours.add(np.ascontiguousarray(here["fours"]).view(np.uint16).reshape(-1, 2), 2)
        if by_line:
            zeros = _tq1_0_zeros(chunk.reshape(-1, _TQ1_BYTES)).reshape(-1, blocks * _BLOCK)
            row_zeros.append(np.asarray(np.count_nonzero(zeros, axis=1), np.int64))
            column_zeros += np.count_nonzero(zeros, axis=0)
    lines = (np.concatenate(row_zeros), column_zeros) if by_line else (None, None)
    totals = Totals(fives.zeros + fours.zeros, fives.plus + fours.plus, *lines)
    return _Tq1Part(totals, scales, fives.odd, fours.odd)


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
    source: Source,
    tensor: GgufTensor,
    trits: int,
    counts: Ints,
    place: slice,
    warn: Callable[[str], None],
) -> None:
    odd = np.flatnonzero(counts).tolist()
    if not odd:
        return
    number = int(counts.sum())
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
