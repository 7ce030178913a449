"""The census of llama.cpp's ternary blocks in base 3, TQ1_0."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from types import ModuleType
from typing import NamedTuple, Protocol

import numpy as np

from .base3 import PairCounter, base3_zero_masks, odd_bytes
from .ggml_types import GGML_TYPES, TQ1_0
from .gguf import GgufTensor
from .kernels import Counting, Ints, Words
from .packed import Totals, fits_by_line
from .record import Scale
from .source import CHUNK, LINE_CHUNK, Bytes, Source
from .tq import BLOCK, BlockScales, scale_of

_BYTES = GGML_TYPES[TQ1_0].size
#: Bytes of five trits in a block, and of four.
_FIVES, _FOURS = 48, 4

#: Copied as one item a block, which is three times as quick as byte by byte.
_LAYOUT = np.dtype([("fives", "V48"), ("fours", "V4"), ("scale", "<u2")])

#: (first byte, last, trits): digit n of byte m is weight 32 n + m among a block's first 160,
#: 16 n + m among the next 80, and 4 n + m among the last 16 (gguf-py, quants.py).
_GROUPS = ((0, 32, 5), (32, 48, 5), (48, 52, 4))

#: Results of a look-up are as large as the bytes, and the tables want room in the cache as well.
_PAIR_CHUNK = CHUNK // 2

#: Blocks that the compiled loop takes as a row where nothing is asked by row: they fill words of 64
#: bits, a bit a byte.
_STREAM_BLOCKS = 32


class _Part(NamedTuple):
    totals: Totals
    scales: BlockScales
    odd: Ints | None


class _Counter(Protocol):
    """Counts the trits of blocks."""

    def add(self, chunk: Bytes) -> tuple[int, int] | None:
        """Count whole blocks, or whole rows of them; return the range of their scales, if seen."""

    def totals(self) -> Totals:
        """Return what was found."""

    def odd(self) -> Ints | None:
        """Return how often each byte stands there that no group produces, if any does.

        (2, 256): among the bytes of five trits, and among those of four.
        """


def count_tq1_0(
    source: Source,
    tensor: GgufTensor,
    rows: int,
    columns: int,
    how: Counting,
    warn: Callable[[str], None],
) -> tuple[Totals, Scale]:
    """Count TQ1_0: 48 bytes of five trits, 4 of four, an FP16 scale; ceil(v x 256 / 243) each.

    Raises
    ------
    InputError
        If a scale is not finite.
    """
    blocks = columns // BLOCK
    by_line = how.sparsity and fits_by_line((rows, blocks * _BYTES))

    def count(offset: int, size: int) -> _Part:
        row_blocks = blocks if by_line else None
        counter: _Counter
        if how.loops is None:
            counter = _NumpyCounter(row_blocks)
        else:
            counter = _LoopCounter(how.loops, row_blocks, size // _BYTES)
        scales = BlockScales(source, tensor.name, _BYTES)
        unit, about = (_BYTES * blocks, LINE_CHUNK) if by_line else (_BYTES, _PAIR_CHUNK)
        for start, chunk in source.chunks(offset, size, unit, how.chunk(about)):
            patterns = counter.add(chunk)
            scales.add(chunk.view(_LAYOUT)["scale"], start + _FIVES + _FOURS, patterns)
        return _Part(counter.totals(), scales, counter.odd())

    unit = _BYTES * (blocks if by_line else 1)
    parts = source.spans(tensor.offset, tensor.bytes, unit, count)
    odd = [part.odd for part in parts if part.odd is not None]
    if odd:
        fives, fours = np.sum(odd, axis=0)
        _warn_of_odd_bytes(source, tensor, 5, fives, slice(0, _FIVES), warn)
        _warn_of_odd_bytes(source, tensor, 4, fours, slice(_FIVES, _FIVES + _FOURS), warn)
    return Totals.of([part.totals for part in parts]), scale_of(part.scales for part in parts)


class _NumpyCounter:
    """Counts by look-up of pairs of bytes, and zeros by line from a mask a digit."""

    def __init__(self, row_blocks: int | None) -> None:
        self._row_blocks = row_blocks
        self._fives, self._fours = PairCounter(5, _PAIR_CHUNK), PairCounter(4, _PAIR_CHUNK // 12)
        self._row_zeros: list[Ints] = []
        self._column_zeros = np.zeros(BLOCK * (row_blocks or 0), np.int64)

    def add(self, chunk: Bytes) -> None:
        self._fives.add(chunk.view(np.uint16).reshape(-1, _BYTES // 2), _FIVES // 2)
        fours = np.ascontiguousarray(chunk.view(_LAYOUT)["fours"])
        self._fours.add(fours.view(np.uint16).reshape(-1, _FOURS // 2), _FOURS // 2)
        if self._row_blocks is not None:
            zeros = _zero_masks(chunk.reshape(-1, _BYTES)).reshape(-1, BLOCK * self._row_blocks)
            self._row_zeros.append(np.asarray(np.count_nonzero(zeros, axis=1), np.int64))
            self._column_zeros += np.count_nonzero(zeros, axis=0)

    def totals(self) -> Totals:
        found = Totals(self._fives.zeros + self._fours.zeros, self._fives.plus + self._fours.plus)
        if self._row_blocks is None:
            return found
        return found._replace(
            row_zeros=np.concatenate(self._row_zeros), column_zeros=self._column_zeros
        )

    def odd(self) -> Ints | None:
        counts = np.stack([self._fives.odd, self._fours.odd])
        return counts if counts.any() else None


def _zero_masks(block: Bytes) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """Return which of the 256 weights of each block are zero, in the weights' order."""
    parts = [
        base3_zero_masks(block[:, first:last], trits).swapaxes(0, 1).reshape(len(block), -1)
        for first, last, trits in _GROUPS
    ]
    return np.concatenate(parts, axis=1)


@lru_cache(maxsize=8)
def _places(blocks: int) -> Words:
    """Return a bit for each byte of a row: whether five trits stand there, and whether four."""
    places = np.zeros((2, blocks, _BYTES), np.bool_)
    places[0, :, :_FIVES] = places[1, :, _FIVES : _FIVES + _FOURS] = True
    rows = np.pad(places.reshape(2, -1), ((0, 0), (0, -blocks * _BYTES % 64)))
    return np.packbits(rows, axis=1, bitorder="little").view(np.uint64)


class _LoopCounter:
    """Counts by the compiled loops, byte by byte with its place in a row."""

    def __init__(self, loops: ModuleType, row_blocks: int | None, blocks: int) -> None:
        self._loops = loops
        self._row_blocks = row_blocks
        self._places = _places(row_blocks or _STREAM_BLOCKS)
        self._zeros = self._plus = self._done = 0
        if row_blocks is not None:
            self._row_zeros = np.empty(blocks // row_blocks, np.int64)
            self._digit_zeros = np.zeros((5, 64 * self._places.shape[1]), np.int64)
        self._odd: Ints | None = None

    def add(self, chunk: Bytes) -> tuple[int, int]:
        if self._row_blocks is None:
            found = self._loops.count_trits(chunk, *self._places)
        else:
            rows = chunk.size // (self._row_blocks * _BYTES)
            by_row = self._row_zeros[self._done : self._done + rows]
            self._done += rows
            found = self._loops.count_trit_rows(chunk, *self._places, by_row, self._digit_zeros)
        zeros, plus, odd, least, most = found
        self._zeros += zeros
        self._plus += plus
        if odd:
            blocks = chunk.reshape(-1, _BYTES)
            fives = odd_bytes(blocks[:, :_FIVES], 5)
            fours = odd_bytes(blocks[:, _FIVES : _FIVES + _FOURS], 4)
            self._odd = np.stack([fives, fours]) + (0 if self._odd is None else self._odd)
        return least, most

    def totals(self) -> Totals:
        found = Totals(self._zeros, self._plus)
        if self._row_blocks is None:
            return found
        size = self._row_blocks * _BYTES
        digits = self._digit_zeros[:, :size].reshape(5, self._row_blocks, _BYTES)
        fives, fours = digits[:, :, :_FIVES], digits[:4, :, _FIVES : _FIVES + _FOURS]
        by_column = np.concatenate([fives.reshape(-1), fours.reshape(-1)])
        return found._replace(row_zeros=self._row_zeros, column_zeros=by_column)

    def odd(self) -> Ints | None:
        return self._odd


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
    for start, chunk in source.chunks(tensor.offset, tensor.bytes, _BYTES):
        block = chunk.reshape(-1, _BYTES)[:, place]
        hits = np.argwhere(wanted[block])
        if hits.size:
            row, column = hits[0].tolist()
            at = start + row * _BYTES + place.start + column
            break
    values = ", ".join(map(str, odd[:8])) + (", ..." if len(odd) > 8 else "")
    warn(
        source.describe(
            f"{number} {'byte' if number == 1 else 'bytes'} that no group of "
            f"{'five' if trits == 5 else 'four'} trits produces, "
            f"this one first: {values}; counted as they decode",
            tensor=tensor.name,
            offset=at,
        )
    )
