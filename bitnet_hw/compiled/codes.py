"""Loops over two-bit codes, 32 a word: the low bit alone is a zero, the high bit alone a +1."""

from __future__ import annotations

import numpy as np

from .blocks import NO_RANGE, range_of_scales
from .intrinsics import copy_bytes, ones
from .jit import inline, loop
from .lanes import MOST, Bytes, Ints, Words, flush
from .masks import HIGH, LOW, NIBBLES, PAIRS

_1, _2, _4 = np.uint64(1), np.uint64(2), np.uint64(4)
#: The four fields of each byte.
_PLANE_0 = np.uint64(0x0303_0303_0303_0303)
_PLANE_1 = np.uint64(0x0C0C_0C0C_0C0C_0C0C)
_PLANE_2 = np.uint64(0x3030_3030_3030_3030)
_PLANE_3 = np.uint64(0xC0C0_C0C0_C0C0_C0C0)

#: Rows that go to the lanes together: they fit in half a byte, and lanes are moved once for all.
_TOGETHER = 6
#: Rows that a lane of a byte counts, of one field each and of four.
_ROWS = MOST // _TOGETHER * _TOGETHER
_ROWS_OF_FOUR = MOST // 4 // _TOGETHER * _TOGETHER

#: Bytes of codes in a block of TQ2_0, and of it with its scale: as constants, which count a third
#: more a second than arguments do. Blocks that are counted together.
_CODES = 64
_BLOCK = _CODES + 2
_GATHERED = 32


@inline
def _pair(one: np.uint64, other: np.uint64) -> tuple[np.uint64, np.uint64]:
    """Return the low bits of both words' fields, and their high bits, side by side.

    A bit of the one word stands below that of the other, in the field where both were.
    """
    low = (one & LOW) | ((other & LOW) << _1)
    high = ((one >> _1) & LOW) | (other & HIGH)
    return low, high


@inline
def _count(words: Words) -> tuple[int, int, np.uint64]:
    """Count the low bits of fields and the high bits; mark where a field has both.

    The number of words is even.
    """
    half = words.size // 2
    here, there = words[:half], words[half:]
    zeros = plus = 0
    both = np.uint64(0)
    for j in range(half):
        low, high = _pair(here[j], there[j])
        zeros += ones(low)
        plus += ones(high)
        both |= low & high
    return zeros, plus, both


@inline
def _count_planes(words: Words) -> tuple[int, int, int, int, int, np.uint64]:
    """Do as `_count`, the low bits by the place of the field in its byte."""
    half = words.size // 2
    here, there = words[:half], words[half:]
    zeros_0 = zeros_1 = zeros_2 = zeros_3 = plus = 0
    both = np.uint64(0)
    for j in range(half):
        low, high = _pair(here[j], there[j])
        zeros_0 += ones(low & _PLANE_0)
        zeros_1 += ones(low & _PLANE_1)
        zeros_2 += ones(low & _PLANE_2)
        zeros_3 += ones(low & _PLANE_3)
        plus += ones(high)
        both |= low & high
    return zeros_0, zeros_1, zeros_2, zeros_3, plus, both


@inline
def _six(
    word_0: np.uint64, word_1: np.uint64, word_2: np.uint64,
    word_3: np.uint64, word_4: np.uint64, word_5: np.uint64,
) -> tuple[np.uint64, np.uint64]:  # fmt: skip
    """Add up the low bits of fields: of the even fields, and of the odd, in half a byte each."""
    threes = (word_0 & LOW) + (word_1 & LOW) + (word_2 & LOW)
    others = (word_3 & LOW) + (word_4 & LOW) + (word_5 & LOW)
    even = (threes & PAIRS) + (others & PAIRS)
    odd = ((threes >> _2) & PAIRS) + ((others >> _2) & PAIRS)
    return even, odd


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
    even = words.size // 2 * 2
    zeros, plus, both = _count(words[:even])
    for word in words[even:]:
        low, high = _pair(word, np.uint64(0))
        zeros += ones(low)
        plus += ones(high)
        both |= low & high
    return zeros, plus, both != np.uint64(0)


@loop
def count_code_rows(
    words: Words, row_zeros: Ints, column_zeros: Ints, first_row: int
) -> tuple[int, int, bool]:
    """Count two-bit codes of a matrix of bytes, with code 1 by line.

    Parameters
    ----------
    words : (rows, 2 n) uint64
        32 codes each, the first byte lowest.
    row_zeros : (4, at least first_row + rows) int64
        Written from `first_row` on: fields with code 1 of each row, by their place in the byte.
    column_zeros : (16 n,) int64
        Added to: those of each byte column.
    first_row : int
        The place of the first row among all.

    Returns
    -------
    zeros, plus, invalid
        As in `count_codes`.
    """
    rows, width = words.shape
    zeros = plus = 0
    both = np.uint64(0)
    lanes = np.zeros(width, np.uint64)
    blank = np.zeros(width, np.uint64)
    for first in range(0, rows, _ROWS_OF_FOUR):
        last = min(first + _ROWS_OF_FOUR, rows)
        for i in range(first, last):
            zeros_0, zeros_1, zeros_2, zeros_3, plus_here, both_here = _count_planes(words[i])
            row_zeros[0, first_row + i] = zeros_0
            row_zeros[1, first_row + i] = zeros_1
            row_zeros[2, first_row + i] = zeros_2
            row_zeros[3, first_row + i] = zeros_3
            zeros += zeros_0 + zeros_1 + zeros_2 + zeros_3
            plus += plus_here
            both |= both_here
        for i in range(first, last, _TOGETHER):
            row_0 = words[i]
            row_1 = words[i + 1] if i + 1 < last else blank
            row_2 = words[i + 2] if i + 2 < last else blank
            row_3 = words[i + 3] if i + 3 < last else blank
            row_4 = words[i + 4] if i + 4 < last else blank
            row_5 = words[i + 5] if i + 5 < last else blank
            for j in range(width):
                even, odd = _six(row_0[j], row_1[j], row_2[j], row_3[j], row_4[j], row_5[j])
                fields = even + odd
                lanes[j] += (fields & NIBBLES) + ((fields >> _4) & NIBBLES)
        flush(lanes, column_zeros)
    return zeros, plus, both != np.uint64(0)


@inline
def _gather(data: Bytes, first: int, copy: Words) -> None:
    """Copy the codes of blocks from byte `first` on to where they stand side by side."""
    for block in range(copy.size // 8):
        copy_bytes(copy, _CODES * block, data, first + _BLOCK * block, _CODES)


@loop
def count_block_codes(data: Bytes) -> tuple[int, int, bool, int, int]:
    """Count the two-bit codes of blocks of TQ2_0.

    Parameters
    ----------
    data : (66 n,) uint8
        Blocks of 256 codes and a scale each.

    Returns
    -------
    zeros, plus, invalid
        As in `count_codes`.
    least, most : int
        Of the scales' patterns, as unsigned integers; 65535 and 0 without any.
    """
    blocks = data.size // _BLOCK
    zeros = plus = 0
    both = np.uint64(0)
    halves, scales = data.view(np.uint16), NO_RANGE
    copy = np.zeros(_GATHERED * 8, np.uint64)
    for block in range(0, blocks, _GATHERED):
        number = min(_GATHERED, blocks - block)
        copy[8 * number :] = 0
        _gather(data, _BLOCK * block, copy[: 8 * number])
        scales = range_of_scales(halves, block, block + number, _BLOCK // 2, scales)
        zeros_here, plus_here, both_here = _count(copy)
        zeros += zeros_here
        plus += plus_here
        both |= both_here
    return zeros, plus, both != np.uint64(0), scales[0], scales[1]


@loop
def count_block_rows(
    data: Bytes, row_blocks: int, row_zeros: Ints, column_zeros: Ints
) -> tuple[int, int, bool, int, int]:
    """Count the two-bit codes of rows of blocks of TQ2_0.

    Parameters
    ----------
    data : (66 * rows * row_blocks,) uint8
        As in `count_block_codes`.
    row_blocks : int
        Blocks of a row.
    row_zeros : (rows,) int64
        Written: fields with code 1 of each row.
    column_zeros : (4, 64 * row_blocks) int64
        Added to: those of each byte column, by their place in the byte.

    Returns
    -------
    zeros, plus, invalid, least, most
        As in `count_block_codes`.
    """
    rows, size = row_zeros.size, _BLOCK * row_blocks
    zeros = plus = 0
    both = np.uint64(0)
    halves, scales = data.view(np.uint16), NO_RANGE
    copies = np.zeros((_TOGETHER, 8 * row_blocks), np.uint64)
    row_0, row_1, row_2 = copies[0], copies[1], copies[2]
    row_3, row_4, row_5 = copies[3], copies[4], copies[5]
    lanes = np.zeros((4, 8 * row_blocks), np.uint64)
    lanes_0, lanes_1, lanes_2, lanes_3 = lanes[0], lanes[1], lanes[2], lanes[3]
    for first in range(0, rows, _ROWS):
        last = min(first + _ROWS, rows)
        for i in range(first, last, _TOGETHER):
            copies[last - i :] = 0
            for k in range(min(_TOGETHER, last - i)):
                copy = copies[k]
                _gather(data, (i + k) * size, copy)
                zeros_here, plus_here, both_here = _count(copy)
                row_zeros[i + k] = zeros_here
                zeros += zeros_here
                plus += plus_here
                both |= both_here
            # Now, while the rows are in the first-level cache.
            here, there = i * row_blocks, min(i + _TOGETHER, last) * row_blocks
            scales = range_of_scales(halves, here, there, _BLOCK // 2, scales)
            for j in range(8 * row_blocks):
                even, odd = _six(row_0[j], row_1[j], row_2[j], row_3[j], row_4[j], row_5[j])
                lanes_0[j] += even & NIBBLES
                lanes_1[j] += odd & NIBBLES
                lanes_2[j] += (even >> _4) & NIBBLES
                lanes_3[j] += (odd >> _4) & NIBBLES
        flush(lanes_0, column_zeros[0])
        flush(lanes_1, column_zeros[1])
        flush(lanes_2, column_zeros[2])
        flush(lanes_3, column_zeros[3])
    return zeros, plus, both != np.uint64(0), scales[0], scales[1]
