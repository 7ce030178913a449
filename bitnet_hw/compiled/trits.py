"""Loops over trits in base 3, four or five a byte.

They are written so that LLVM turns them into vector instructions: limits by maximum and minimum,
and rows as wide as whole vectors.
"""

from __future__ import annotations

import numpy as np

from .blocks import NO_RANGE, range_of_scales
from .jit import copy_bytes, inline, loop
from .lanes import MOST, Bytes, Ints, flush

#: Rows that a lane of a byte counts, of one digit each and of five.
_ROWS = MOST
_ROWS_OF_FIVE = MOST // 5

#: Bytes of a block of TQ1_0.
_BLOCK = 54


@inline
def _above(byte: np.uint8, limit: np.uint8) -> np.uint8:
    """Return how far a byte lies above a limit: one instruction, where a comparison takes two."""
    return np.uint8(max(byte, limit) - limit)


@inline
def _trit(byte: np.uint8, one: np.uint8) -> tuple[np.uint8, np.uint8]:
    """Return whether the first digit of a byte is trit 0, and whether it is +1, as 0 or `one`."""
    is_plus = min(_above(byte, np.uint8(170)), one)
    return np.uint8(min(_above(byte, np.uint8(85)), one) - is_plus), is_plus


@inline
def _next(byte: np.uint8) -> np.uint8:
    """Return what is left of a byte behind its first digit."""
    return np.uint8(np.uint8(byte + byte) + byte)


@inline
def _trits(byte: np.uint8, fifth: np.uint8) -> tuple[np.uint8, ...]:
    """Return which of a byte's five digits are trit 0, how many are +1, and what they leave.

    A digit is ``(3 byte) >> 8``: 1 from 86 to 170 and 2 above. What is left, ``3 byte`` modulo 256,
    holds the next; here the last two of it are returned.
    """
    one = np.uint8(1)
    zero_0, plus_0 = _trit(byte, one)
    byte = _next(byte)
    zero_1, plus_1 = _trit(byte, one)
    byte = _next(byte)
    zero_2, plus_2 = _trit(byte, one)
    byte = _next(byte)
    zero_3, plus_3 = _trit(byte, one)
    byte = _next(byte)
    zero_4, plus_4 = _trit(byte, fifth)
    plus = np.uint8(np.uint8(np.uint8(plus_0 + plus_1) + np.uint8(plus_2 + plus_3)) + plus_4)
    return zero_0, zero_1, zero_2, zero_3, zero_4, plus, byte, _next(byte)


@inline
def _is_odd(after_four: Bytes, after_five: Bytes, most: Bytes, used: Bytes) -> bool:
    """Return whether digits left more of any byte in use than they leave of a group of trits.

    A group v of five is the byte ceil(256 v / 243), so 243 byte = 256 v + e with e < 243, and after
    five digits e is left; it is 243 or more for any other byte.
    """
    for j in range(used.size):
        if used[j] and (after_four[j] > most[j] or after_five[j] > 242):
            return True
    return False


@inline
def _sum(
    zero_0: np.uint8, zero_1: np.uint8, zero_2: np.uint8, zero_3: np.uint8, zero_4: np.uint8
) -> np.uint8:
    return np.uint8(np.uint8(np.uint8(zero_0 + zero_1) + np.uint8(zero_2 + zero_3)) + zero_4)


@inline
def _total(lanes: Bytes, used: Bytes) -> int:
    """Add up the lanes of the bytes in use, and empty them."""
    total = np.int32(0)  # as wide as vector instructions add bytes up to
    for j in range(lanes.size):
        total = np.int32(total + np.int32(lanes[j] & used[j]))
        lanes[j] = 0
    return int(total)


#: Bytes whose trits an unsigned integer of 16 bits counts, in whole vectors.
_SHORT = 0xFFFF // 5 // 64 * 64


@inline
def _total_of_row(found: Bytes, used: Bytes) -> int:
    """Add up at most five trits each of the bytes in use."""
    total = 0
    for first in range(0, found.size, _SHORT):
        here, mask = found[first : first + _SHORT], used[first : first + _SHORT]
        part = np.uint16(0)  # half as many vectors as wider integers take
        for j in range(here.size):
            part = np.uint16(part + np.uint16(here[j] & mask[j]))
        total += int(part)
    return total


@loop
def count_trits(
    data: Bytes, most: Bytes, fifth: Bytes, used: Bytes
) -> tuple[int, int, bool, int, int]:
    """Count the trits of blocks of TQ1_0.

    Parameters
    ----------
    data : (rows, width) uint8
        Whole blocks: bytes of four or five trits each, and scales.
    most : (width,) uint8
        By place in a row, what four trits may leave of a byte at most: 255 where a fifth is to
        follow.
    fifth : (width,) uint8
        1 where a fifth trit follows, else 0.
    used : (width,) uint8
        255 where the byte holds trits, else 0.

    Returns
    -------
    zeros, plus : int
        Trits 0 and +1, as the bytes decode.
    odd : bool
        Whether any byte encodes no group of trits.
    low, high : int
        Of the scales' patterns, as unsigned integers; 65535 and 0 without any.
    """
    rows, width = data.shape
    zeros = plus = 0
    halves, scales = data.reshape(-1).view(np.uint16), NO_RANGE
    lanes = np.zeros((2, width), np.uint8)
    is_zero, is_plus = lanes[0], lanes[1]
    left = np.zeros((2, width), np.uint8)
    after_four, after_five = left[0], left[1]
    for first in range(0, rows, _ROWS_OF_FIVE):
        last = min(first + _ROWS_OF_FIVE, rows)
        for i in range(first, last):
            row = data[i]
            for j in range(width):
                zero_0, zero_1, zero_2, zero_3, zero_4, pluses, four, five = _trits(
                    row[j], fifth[j]
                )
                is_zero[j] = np.uint8(is_zero[j] + _sum(zero_0, zero_1, zero_2, zero_3, zero_4))
                is_plus[j] = np.uint8(is_plus[j] + pluses)
                after_four[j] = max(after_four[j], four)
                after_five[j] = max(after_five[j], five)
        scales = range_of_scales(
            halves, first * width // _BLOCK, last * width // _BLOCK, _BLOCK // 2, scales
        )
        zeros += _total(is_zero, used)
        plus += _total(is_plus, used)
    odd = _is_odd(after_four, after_five, most, used)
    return zeros, plus, odd, scales[0], scales[1]


@loop
def count_trit_rows(
    data: Bytes, most: Bytes, fifth: Bytes, used: Bytes, row_zeros: Ints, digit_zeros: Ints
) -> tuple[int, int, bool, int, int]:
    """Count the trits of rows of blocks of TQ1_0, zeros by row, and by digit and place in the row.

    Parameters
    ----------
    data : (rows, bytes) uint8
        As in `count_trits`.
    most, fifth, used
        As in `count_trits`, of the next multiple of 64 bytes: vectors fit in.
    row_zeros : (rows,) int64
        Written: zeros of each row.
    digit_zeros : (5, width) int64
        Added to: zeros of each digit.

    Returns
    -------
    zeros, plus, odd, low, high
        As in `count_trits`.
    """
    rows, size = data.shape
    width = used.size
    zeros = plus = 0
    halves, scales = data.reshape(-1).view(np.uint16), NO_RANGE
    lanes = np.zeros((5, width), np.uint8)
    zeros_0, zeros_1, zeros_2, zeros_3, zeros_4 = lanes[0], lanes[1], lanes[2], lanes[3], lanes[4]
    is_plus = np.zeros(width, np.uint8)
    left = np.zeros((2, width), np.uint8)
    after_four, after_five = left[0], left[1]
    row = np.zeros(width, np.uint8)
    here = np.zeros(width, np.uint8)
    for first in range(0, rows, _ROWS):
        last = min(first + _ROWS, rows)
        for part in range(first, last, _ROWS_OF_FIVE):
            for i in range(part, min(part + _ROWS_OF_FIVE, last)):
                copy_bytes(row, 0, data, i * size, size)
                for j in range(width):
                    zero_0, zero_1, zero_2, zero_3, zero_4, pluses, four, five = _trits(
                        row[j], fifth[j]
                    )
                    zeros_0[j] = np.uint8(zeros_0[j] + zero_0)
                    zeros_1[j] = np.uint8(zeros_1[j] + zero_1)
                    zeros_2[j] = np.uint8(zeros_2[j] + zero_2)
                    zeros_3[j] = np.uint8(zeros_3[j] + zero_3)
                    zeros_4[j] = np.uint8(zeros_4[j] + zero_4)
                    here[j] = _sum(zero_0, zero_1, zero_2, zero_3, zero_4)
                    is_plus[j] = np.uint8(is_plus[j] + pluses)
                    after_four[j] = max(after_four[j], four)
                    after_five[j] = max(after_five[j], five)
                row_zeros[i] = _total_of_row(here, used)
                zeros += row_zeros[i]
            plus += _total(is_plus, used)
        scales = range_of_scales(
            halves, first * size // _BLOCK, last * size // _BLOCK, _BLOCK // 2, scales
        )
        flush(zeros_0, digit_zeros[0])
        flush(zeros_1, digit_zeros[1])
        flush(zeros_2, digit_zeros[2])
        flush(zeros_3, digit_zeros[3])
        flush(zeros_4, digit_zeros[4])
    odd = _is_odd(after_four, after_five, most, used)
    return zeros, plus, odd, scales[0], scales[1]
