"""TQ1_0 of llama.cpp, GGUF type 34: blocks of 256 weights in base 3, with an FP16 scale each.

A block has 48 bytes of five trits, 4 bytes of four and the scale. Digit n of byte m is weight
32 n + m among a block's first 160, 16 n + m among the next 80, and 4 n + m among the last 16
(gguf-py, quants.py); as the order of columns does not matter here, they are counted by digit and
byte.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from ..containers.ggml_types import GGML_TYPES, TQ1_0
from ..counting.base3 import LineCounter, PairCounter
from ..counting.scales import BlockScales, scale_of
from ..counting.totals import Ints, Totals, fits_by_line
from ..source import CHUNK, LINE_CHUNK, Bytes
from .layout import Found, Task

_BLOCK, _BYTES = GGML_TYPES[TQ1_0].block, GGML_TYPES[TQ1_0].size
#: Bytes per block that hold five trits, and bytes that hold four.
_FIVES, _FOURS = 48, 4

#: Copied as one item per block, which is three times as fast as byte by byte.
_LAYOUT = np.dtype([("fives", "V48"), ("fours", "V4"), ("scale", "<u2")])

#: Results of a look-up are as large as the bytes, and the tables need room in the cache as well.
_PAIR_CHUNK = CHUNK // 2


class _Part(NamedTuple):
    totals: Totals
    scales: BlockScales
    odd: Ints


def count(task: Task) -> Found:
    """Count TQ1_0; bytes that no group of trits produces are counted as they decode.

    Raises
    ------
    InputError
        If a scale is not finite.
    """
    source, tensor = task.source, task.tensor
    blocks = task.columns // _BLOCK
    by_line = task.by_line and fits_by_line((task.rows, blocks * _BYTES))
    unit, about = (_BYTES * blocks, LINE_CHUNK) if by_line else (_BYTES, _PAIR_CHUNK)

    def count_part(offset: int, size: int) -> _Part:
        counter = _Counter(blocks if by_line else None)
        scales = BlockScales(source, tensor.name, _BYTES)
        for start, chunk in source.chunks(offset, size, unit, about):
            counter.add(chunk)
            scales.add(chunk.view(_LAYOUT)["scale"], start + _FIVES + _FOURS)
        return _Part(counter.totals(), scales, counter.odd())

    parts = source.spans(tensor.offset, tensor.bytes, unit, count_part)
    fives, fours = np.sum([part.odd for part in parts], axis=0)
    _warn_of_odd_bytes(task, 5, fives, slice(0, _FIVES))
    _warn_of_odd_bytes(task, 4, fours, slice(_FIVES, _FIVES + _FOURS))
    return Found.of(
        Totals.of([part.totals for part in parts]), scale_of(part.scales for part in parts)
    )


class _Counter:
    """Counts blocks, or rows of `row_blocks` blocks if zeros by row and column are asked for."""

    def __init__(self, row_blocks: int | None) -> None:
        self._fives, self._fours = PairCounter(5, _PAIR_CHUNK), PairCounter(4, _PAIR_CHUNK // 12)
        self._row_zeros: list[Ints] = []
        self._lines = None
        if row_blocks is not None:
            trits = np.array([5] * _FIVES + [4] * _FOURS + [0, 0], np.uint8)
            self._lines = LineCounter(np.tile(trits, row_blocks))

    def add(self, chunk: Bytes) -> None:
        self._fives.add(chunk.view(np.uint16).reshape(-1, _BYTES // 2), _FIVES // 2)
        fours = np.ascontiguousarray(chunk.view(_LAYOUT)["fours"])
        self._fours.add(fours.view(np.uint16).reshape(-1, _FOURS // 2), _FOURS // 2)
        if self._lines is not None:
            self._row_zeros.append(self._lines.add(chunk.reshape(-1, self._lines.width)))

    def totals(self) -> Totals:
        found = Totals(self._fives.zeros + self._fours.zeros, self._fives.plus + self._fours.plus)
        if self._lines is None:
            return found
        return found._replace(
            row_zeros=np.concatenate(self._row_zeros), column_zeros=self._lines.column_zeros()
        )

    def odd(self) -> Ints:
        """Return the occurrences of each byte that no group of five, or of four, trits produces."""
        return np.stack([self._fives.odd, self._fours.odd])


def _warn_of_odd_bytes(task: Task, trits: int, counts: Ints, place: slice) -> None:
    odd = np.flatnonzero(counts).tolist()
    if not odd:
        return
    number = int(counts.sum())
    wanted = np.isin(np.arange(256), odd)
    at = task.tensor.offset
    for start, chunk in task.source.chunks(task.tensor.offset, task.tensor.bytes, _BYTES):
        block = chunk.reshape(-1, _BYTES)[:, place]
        hits = np.argwhere(wanted[block])
        if hits.size:
            row, column = hits[0].tolist()
            at = start + row * _BYTES + place.start + column
            break
    values = ", ".join(map(str, odd[:8])) + (", ..." if len(odd) > 8 else "")
    task.warn_at(
        f"{number} {'byte' if number == 1 else 'bytes'} that no group of "
        f"{'five' if trits == 5 else 'four'} trits produces, "
        f"the first one here: {values}; counted as they decode",
        at,
    )
