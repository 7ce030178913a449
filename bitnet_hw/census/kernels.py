"""Counting of packed two-bit codes, without unpacking them.

Two-bit codes hold w + 1 in fields of 2 bits: the low bit alone is a zero, the high bit alone a +1,
both together no weight. So population counts of 64-bit words give the totals, and sums of fields
side by side, widened before they can overflow, give them by row and by column.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..compiled import loops_for
from ..compiled.masks import LOW, NIBBLES, PAIRS
from .source import LOOP_CHUNK

Words = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]

_1 = np.uint64(1)
_2 = np.uint64(2)
_4 = np.uint64(4)

#: Words come in two halves, each of three thirds.
_SLICES = 6


@dataclass(frozen=True)
class Counting:
    """How to count.

    Attributes
    ----------
    sparsity : bool
        Whether to count zeros by row and column as well as in total.
    size : int
        Bytes of all files, which tells whether compiled loops are worth loading.
    """

    sparsity: bool = True
    size: int = 0

    @cached_property
    def loops(self) -> ModuleType | None:
        """Compiled loops to be used in place of numpy's own, loaded when first asked for."""
        return loops_for(self.size)

    def chunk(self, without: int) -> int:
        """Return the bytes to take at a time: so many where numpy's loops count."""
        return without if self.loops is None else LOOP_CHUNK


class CodeCounts(NamedTuple):
    """Fields of two-bit codes: those with code 1, with code 2, and whether any has code 3."""

    zeros: int
    plus: int
    invalid: bool


def count_codes(words: Words, planes: Words, counts: npt.NDArray[np.uint8]) -> CodeCounts:
    """Count two-bit codes.

    Half the words lend their high bits to the other half and take its low bits in exchange. Each
    then holds 64 bits of one kind, so that every population count and every test works on words
    without gaps.

    Parameters
    ----------
    words : (n,) uint64
        32 codes each; code 0 pads.
    planes, counts : (m,) uint64 and (m,) uint8, m >= n and at least 6
        Room for intermediate results, so that they stay in the cache.

    Returns
    -------
    CodeCounts
        Exact where no code is 3.
    """
    if rest := words.size % _SLICES:
        body, end = np.split(words, [-rest])
        words = np.zeros(_SLICES, np.uint64)
        words[:rest] = end
        first = count_codes(body, planes, counts)
    else:
        first = CodeCounts(0, 0, False)
    if not words.size:
        return first
    low, high = words.reshape(2, -1)
    size = words.size
    zeros, plus = planes[:size].reshape(2, -1)
    np.right_shift(low, _1, out=plus)
    np.bitwise_xor(plus, high, out=plus)
    np.bitwise_and(plus, LOW, out=zeros)  # where a high bit of one differs from the other's low
    np.bitwise_xor(zeros, high, out=plus)
    np.add(zeros, zeros, out=zeros)
    np.bitwise_xor(zeros, low, out=zeros)
    np.bitwise_count(planes[:size], out=counts[:size])
    np.bitwise_and(zeros, plus, out=zeros)
    invalid = bool(np.bitwise_or.reduce(zeros))
    # The bits of three words fit in a byte, and bytes add up quicker than they widen.
    a, b, c = counts[:size].reshape(2, 3, -1).swapaxes(0, 1)
    np.add(a, b, out=a)
    found = np.add(a, c, out=a).sum(axis=1).tolist()
    return CodeCounts(first.zeros + found[0], first.plus + found[1], first.invalid or invalid)


def as_words(codes: npt.NDArray[np.uint8]) -> Words:
    """Return bytes of codes as words, the last padded with code 0."""
    rest = -codes.size % 8
    return (np.pad(codes, (0, rest)) if rest else codes).view(np.uint64)


def zero_fields(words: Words) -> Words:
    """Return words that hold 1 in each field with code 1 and 0 elsewhere, where no code is 3."""
    return words & LOW


def plane_sums(fields: Words, axis: int) -> Ints:
    """Sum fields along the rows or the columns of a matrix of packed bytes.

    Parameters
    ----------
    fields : (rows, words) uint64
        0 or 1 in each two-bit field.
    axis : int
        1 for a sum a row, 0 for a sum a byte column.

    Returns
    -------
    (4, rows) or (4, 8 x words) int64
        By plane: plane k is bits 2k and 2k + 1 of the bytes.
    """
    rows, words = fields.shape
    sums = np.zeros((4, rows if axis else 8 * words), np.int64)
    threes = _fold(fields, 3, axis)
    for plane, pairs in enumerate((threes & PAIRS, (threes >> _2) & PAIRS)):
        fifteens = _fold(pairs, 5, axis)
        for half, nibbles in enumerate((fifteens, fifteens >> _4)):
            packed = _fold(nibbles & NIBBLES, 17, axis)
            sums[plane + 2 * half] = packed.view(np.uint8).sum(axis=axis, dtype=np.int64)
    return sums


def _fold(values: Words, times: int, axis: int) -> Words:
    """Add slices of an axis, `times` of them, so that it shrinks by that factor."""
    length = values.shape[axis]
    part = -(-length // times)
    index: list[slice] = [slice(None)] * 2
    index[axis] = slice(0, part)
    total = np.ascontiguousarray(values[tuple(index)])
    total = total.copy() if np.shares_memory(total, values) else total
    for start in range(part, length, part):
        index[axis] = slice(start, start + part)
        piece = values[tuple(index)]
        into: list[slice] = [slice(None)] * 2
        into[axis] = slice(0, piece.shape[axis])
        total[tuple(into)] += piece
    return total


#: Bytes that a histogram of pairs, and one of single bytes, takes at a time.
_PAIRED, _SINGLE = 1 << 19, 1 << 16


class Histogram:
    """How often each byte stands in a stream, in pairs of bytes: half the work of single ones."""

    def __init__(self) -> None:
        self._pairs = np.zeros(1 << 16, np.int64)
        self._bytes = np.zeros(1 << 8, np.int64)

    def add(self, data: npt.NDArray[np.uint8]) -> None:
        """Count the bytes of an array."""
        # Pieces whose integers stay in the cache; few bytes are not worth 65,536 counters.
        piece = _PAIRED if data.size >= _PAIRED // 2 else _SINGLE
        for start in range(0, data.size, piece):
            part = data[start : start + piece]
            if piece == _PAIRED and part.size % 2 == 0:
                self._pairs += np.bincount(part.view(np.uint16), minlength=1 << 16)
            else:
                self._bytes += np.bincount(part, minlength=1 << 8)

    def counts(self) -> Ints:
        """Return the count of each byte, (256,)."""
        square = self._pairs.reshape(256, 256)
        total: Ints = self._bytes + square.sum(axis=0) + square.sum(axis=1)
        return total
