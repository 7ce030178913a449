"""Zeros of 2-bit codes by row and by column.

The four fields of a byte belong to four planes: plane k is bits 2k and 2k + 1. Fields of several
words are added and widened before they can overflow.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .totals import Ints

Words = npt.NDArray[np.uint64]

#: The low bit of each 2-bit field; every other field; every other half of a byte.
LOW_BITS = np.uint64(0x5555_5555_5555_5555)
_PAIRS = np.uint64(0x3333_3333_3333_3333)
_NIBBLES = np.uint64(0x0F0F_0F0F_0F0F_0F0F)

#: Multiplied by this, a word holds the sum of its bytes in the highest byte.
_BYTE_SUM = np.uint64(0x0101_0101_0101_0101)
_HIGHEST_BYTE = np.uint64(56)

#: Arrays that `PlaneSums` holds at a time: the first is as large as its argument, all others
#: together are smaller, apart from being rounded up to whole lines.
_ARRAYS = 11


class PlaneSums:
    """Zeros of packed codes by row and by byte column, plane by plane.

    Intermediate results go into memory that is kept: allocating it for each chunk costs more than
    counting.
    """

    def __init__(self) -> None:
        self._room = np.empty(0, np.uint64)
        self._used = 0

    def by_row(self, words: Words) -> Ints:
        """Count the codes 1 of each row.

        Parameters
        ----------
        words : (rows, n) uint64
            32 codes each, none of them 3.

        Returns
        -------
        (4, rows) int64
        """
        sums = np.empty((4, len(words)), np.int64)
        for plane, packed in enumerate(self._bytes(words, 1)):  # at most 15 in each byte
            packed *= _BYTE_SUM
            packed >>= _HIGHEST_BYTE
            sums[plane] = packed.sum(axis=1)
        return sums

    def by_column(self, words: Words) -> Ints:
        """Count the codes 1 of each column of bytes.

        Parameters
        ----------
        words : (rows, n) uint64
            32 codes each, none of them 3.

        Returns
        -------
        (4, 8 n) int64
        """
        sums = np.empty((4, 8 * words.shape[1]), np.int64)
        for plane, packed in enumerate(self._bytes(words, 0)):
            few = self._fold(packed, 17, 0)  # 17 x 15 is the most that a byte holds
            sums[plane] = few.view(np.uint8).sum(axis=0, dtype=np.int64)
        return sums

    def _bytes(self, words: Words, axis: int) -> tuple[Words, Words, Words, Words]:
        """Add the zeros of 15 words along an axis, in a byte each, plane by plane."""
        needed = 2 * words.size + _ARRAYS * max(words.shape)
        if self._room.size < needed:
            self._room = np.empty(needed, np.uint64)
        self._used = 0
        fields = self._take(words.shape)
        np.bitwise_and(words, LOW_BITS, out=fields)
        even, odd = self._split(self._fold(fields, 3, axis), 2, _PAIRS)
        plane_0, plane_2 = self._split(self._fold(even, 5, axis), 4, _NIBBLES)
        plane_1, plane_3 = self._split(self._fold(odd, 5, axis), 4, _NIBBLES)
        return plane_0, plane_1, plane_2, plane_3

    def _take(self, shape: tuple[int, ...]) -> Words:
        start = self._used
        self._used += shape[0] * shape[1]
        return self._room[start : self._used].reshape(shape)

    def _fold(self, values: Words, times: int, axis: int) -> Words:
        """Add `times` slices of an axis, so that it shrinks by that factor."""
        lines = values.T if axis else values
        part = -(-len(lines) // times)
        total = self._take((len(values), part) if axis else (part, values.shape[1]))
        sums = total.T if axis else total
        if part == len(lines):
            sums[:] = lines
            return total
        np.add(lines[:part], lines[part : 2 * part], out=sums)
        for start in range(2 * part, len(lines), part):
            piece = lines[start : start + part]
            sums[: len(piece)] += piece
        return total

    def _split(self, values: Words, bits: int, mask: np.uint64) -> tuple[Words, Words]:
        """Return the lower field, in place, and the upper field of each `2 x bits` bits."""
        upper = self._take(values.shape)
        np.right_shift(values, np.uint64(bits), out=upper)
        upper &= mask
        values &= mask
        return values, upper
