"""Loops over two-bit codes, 32 a word: the low bit alone is a zero, the high bit alone a +1."""

from __future__ import annotations

import numpy as np

from .jit import inline, loop, ones
from .lanes import ROWS, Ints, Words, flush

_LOW = np.uint64(0x5555_5555_5555_5555)
#: The lowest field of each byte, and the low bits of each byte's four fields.
_FIELD = np.uint64(0x0303_0303_0303_0303)
_PLANE_0 = np.uint64(0x0101_0101_0101_0101)
_PLANE_1 = np.uint64(0x0404_0404_0404_0404)
_PLANE_2 = np.uint64(0x1010_1010_1010_1010)
_PLANE_3 = np.uint64(0x4040_4040_4040_4040)

#: Blocks that are copied together before they are counted.
_GATHERED = 32


@inline
def _split(word: np.uint64) -> tuple[np.uint64, np.uint64, np.uint64]:
    """Return the low bits of fields, the high bits, and those of fields that have both."""
    low, high = word & _LOW, (word >> np.uint64(1)) & _LOW
    return low, high, low & high


@inline
def _count(words: Words) -> tuple[int, int, np.uint64]:
    """Count the low bits of fields and the high bits; mark where a field has both."""
    zeros = plus = 0
    both = np.uint64(0)
    for i in range(words.size):
        low, high, both_here = _split(words[i])
        zeros += ones(low)
        plus += ones(high)
        both |= both_here
    return zeros, plus, both


@loop
def count_codes(words: Words) -> tuple[int, int, bool]:
    """Count two-bit codes.

    Parameters
    ----------
    words : (n,) uint64
        32 codes each.

    Returns
    -------
    zeros, plus : int
        Fields with the low bit, and with the high bit, set.
    invalid : bool
        Whether any has both.
    """
    zeros, plus, both = _count(words)
    return zeros, plus, both != np.uint64(0)


@loop
def count_code_rows(
    words: Words, row_zeros: Ints, column_zeros: Ints, first_row: int
) -> tuple[int, int, bool]:
    """Count two-bit codes of a matrix of bytes, with code 1 by plane and line.

    Parameters
    ----------
    words : (rows, n) uint64
        32 codes each, the first byte lowest.
    row_zeros : (4, at least first_row + rows) int64
        Written from `first_row` on: fields with code 1 of each row, plane by plane.
    column_zeros : (4, 8 n) int64
        Added to: those of each byte column.
    first_row : int
        The place of the first row among all.

    Returns
    -------
    zeros, plus : int
        Fields with the low bit, and with the high bit, set.
    invalid : bool
        Whether any has both.
    """
    rows, width = words.shape
    zeros = plus = 0
    both = np.uint64(0)
    lanes = np.zeros((4, width), np.uint64)
    lanes_0, lanes_1, lanes_2, lanes_3 = lanes[0], lanes[1], lanes[2], lanes[3]
    for first in range(0, rows, ROWS):
        for i in range(first, min(first + ROWS, rows)):
            row = words[i]
            zeros_0 = zeros_1 = zeros_2 = zeros_3 = 0
            for j in range(width):
                low, high, both_here = _split(row[j])
                plane_0, plane_1 = low & _PLANE_0, low & _PLANE_1
                plane_2, plane_3 = low & _PLANE_2, low & _PLANE_3
                zeros_0 += ones(plane_0)
                zeros_1 += ones(plane_1)
                zeros_2 += ones(plane_2)
                zeros_3 += ones(plane_3)
                lanes_0[j] += plane_0
                lanes_1[j] += plane_1 >> np.uint64(2)
                lanes_2[j] += plane_2 >> np.uint64(4)
                lanes_3[j] += plane_3 >> np.uint64(6)
                both |= both_here
                plus += ones(high)
            row_zeros[0, first_row + i] = zeros_0
            row_zeros[1, first_row + i] = zeros_1
            row_zeros[2, first_row + i] = zeros_2
            row_zeros[3, first_row + i] = zeros_3
            zeros += zeros_0 + zeros_1 + zeros_2 + zeros_3
        flush(lanes, column_zeros)
    return zeros, plus, both != np.uint64(0)


@inline
def _gather(blocks: Words, first: int, copy: Words) -> None:
    """Copy blocks that stand apart to where they stand side by side."""
    for block in range(len(copy)):
        here, there = blocks[first + block], copy[block]
        for j in range(8):
            there[j] = here[j]


@loop
def count_block_codes(blocks: Words) -> tuple[int, int, bool]:
    """Count two-bit codes of blocks that stand apart.

    Parameters
    ----------
    blocks : (n, 8) uint64
        256 codes each; neither the blocks nor their words need be aligned.

    Returns
    -------
    zeros, plus, invalid
        As in `count_codes`.
    """
    zeros = plus = 0
    both = np.uint64(0)
    copies = np.zeros((_GATHERED, 8), np.uint64)
    words = copies.reshape(-1)
    for first in range(0, len(blocks), _GATHERED):
        number = min(_GATHERED, len(blocks) - first)
        _gather(blocks, first, copies[:number])
        copies[number:] = 0
        zeros_here, plus_here, both_here = _count(words)
        zeros += zeros_here
        plus += plus_here
        both |= both_here
    return zeros, plus, both != np.uint64(0)


@loop
def count_block_rows(
    blocks: Words, row_blocks: int, row_zeros: Ints, column_zeros: Ints
) -> tuple[int, int, bool]:
    """Count two-bit codes of rows of blocks that stand apart.

    Parameters
    ----------
    blocks : (rows * row_blocks, 8) uint64
        As in `count_block_codes`.
    row_blocks : int
        Blocks of a row.
    row_zeros : (rows,) int64
        Written: fields with code 1 of each row.
    column_zeros : (4, 64 * row_blocks) int64
        Added to: those of each byte column, plane by plane.

    Returns
    -------
    zeros, plus, invalid
        As in `count_codes`.
    """
    rows = row_zeros.size
    zeros = plus = 0
    both = np.uint64(0)
    copies = np.zeros((3, row_blocks, 8), np.uint64)
    row_0, row_1, row_2 = copies[0].reshape(-1), copies[1].reshape(-1), copies[2].reshape(-1)
    lanes = np.zeros((4, row_0.size), np.uint64)
    lanes_0, lanes_1, lanes_2, lanes_3 = lanes[0], lanes[1], lanes[2], lanes[3]
    for first in range(0, rows, ROWS):
        last = min(first + ROWS, rows)
        # The low bits of three rows fit in their fields, so that lanes are moved once for three.
        for i in range(first, last, 3):
            for k in range(3):
                if i + k < last:
                    _gather(blocks, (i + k) * row_blocks, copies[k])
                else:
                    copies[k] = 0
            zeros_0 = zeros_1 = zeros_2 = 0
            for j in range(row_0.size):
                low_0, high_0, both_0 = _split(row_0[j])
                low_1, high_1, both_1 = _split(row_1[j])
                low_2, high_2, both_2 = _split(row_2[j])
                zeros_0 += ones(low_0)
                zeros_1 += ones(low_1)
                zeros_2 += ones(low_2)
                fields = low_0 + low_1 + low_2
                lanes_0[j] += fields & _FIELD
                lanes_1[j] += (fields >> np.uint64(2)) & _FIELD
                lanes_2[j] += (fields >> np.uint64(4)) & _FIELD
                lanes_3[j] += (fields >> np.uint64(6)) & _FIELD
                both |= both_0 | both_1 | both_2
                plus += ones(high_0) + ones(high_1) + ones(high_2)
            for k, found in enumerate((zeros_0, zeros_1, zeros_2)):
                if i + k < last:
                    row_zeros[i + k] = found
            zeros += zeros_0 + zeros_1 + zeros_2
        flush(lanes, column_zeros)
    return zeros, plus, both != np.uint64(0)
