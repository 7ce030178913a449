"""Loops over trits in base 3, four or five a byte.

They are written so that LLVM turns them into vector instructions: limits by maximum and minimum,
and rows as wide as whole vectors.
"""

from __future__ import annotations

import numpy as np

from .jit import inline, loop
from .lanes import ROWS, ROWS_OF_FIVE, Bytes, Ints, flush


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
def _trits(byte: np.uint8, most: np.uint8, fifth: np.uint8) -> tuple[np.uint8, ...]:
    """Return which of a byte's five digits are trit 0, how many are +1, and whether it is odd.

    A digit is ``(3 byte) >> 8``: 1 from 86 to 170 and 2 above. What is left, ``3 byte`` modulo 256,
    holds the next. A group v of five is the byte ceil(256 v / 243), so 243 byte = 256 v + e with
    e < 243, and after five digits e is left; it is 243 or more for any other byte.
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
    odd = np.uint8(_above(byte, most) | _above(_next(byte), np.uint8(242)))
    plus = np.uint8(np.uint8(np.uint8(plus_0 + plus_1) + np.uint8(plus_2 + plus_3)) + plus_4)
    return zero_0, zero_1, zero_2, zero_3, zero_4, plus, odd


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


@loop
def count_trits(data: Bytes, most: Bytes, fifth: Bytes, used: Bytes) -> tuple[int, int, bool]:
    """Count trits in base 3.

    Parameters
    ----------
    data : (rows, width) uint8
        Bytes of four or five trits each.
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
    """
    rows, width = data.shape
    zeros = plus = odd = 0
    lanes = np.zeros((3, width), np.uint8)
    is_zero, is_plus, is_odd = lanes[0], lanes[1], lanes[2]
    for first in range(0, rows, ROWS_OF_FIVE):
        for i in range(first, min(first + ROWS_OF_FIVE, rows)):
            row = data[i]
            for j in range(width):
                zero_0, zero_1, zero_2, zero_3, zero_4, pluses, wrong = _trits(
                    row[j], most[j], fifth[j]
                )
                is_zero[j] = np.uint8(is_zero[j] + _sum(zero_0, zero_1, zero_2, zero_3, zero_4))
                is_plus[j] = np.uint8(is_plus[j] + pluses)
                is_odd[j] |= wrong
        zeros += _total(is_zero, used)
        plus += _total(is_plus, used)
        odd += _total(is_odd, used)
    return zeros, plus, odd > 0


@loop
def count_trit_rows(
    data: Bytes, most: Bytes, fifth: Bytes, used: Bytes, row_zeros: Ints, digit_zeros: Ints
) -> tuple[int, int, bool]:
    """Count trits in base 3, zeros by row, and by digit and place in the row.

    Parameters
    ----------
    data : (rows, bytes) uint8
        Bytes of four or five trits each.
    most, fifth, used
        As in `count_trits`, of the next multiple of 64 bytes: vectors fit in.
    row_zeros : (rows,) int64
        Written: zeros of each row.
    digit_zeros : (5, width) int64
        Added to: zeros of each digit.

    Returns
    -------
    zeros, plus, odd
        As in `count_trits`.
    """
    rows, size = data.shape
    width = used.size
    zeros = plus = odd = 0
    lanes = np.zeros((5, width), np.uint8)
    zeros_0, zeros_1, zeros_2, zeros_3, zeros_4 = lanes[0], lanes[1], lanes[2], lanes[3], lanes[4]
    is_plus = np.zeros(width, np.uint8)
    is_odd = np.zeros(width, np.uint8)
    row = np.zeros(width, np.uint8)
    here = np.zeros(width, np.uint8)
    for first in range(0, rows, ROWS):
        last = min(first + ROWS, rows)
        for part in range(first, last, ROWS_OF_FIVE):
            for i in range(part, min(part + ROWS_OF_FIVE, last)):
                stored = data[i]
                for j in range(size):
                    row[j] = stored[j]
                for j in range(width):
                    zero_0, zero_1, zero_2, zero_3, zero_4, pluses, wrong = _trits(
                        row[j], most[j], fifth[j]
                    )
                    zeros_0[j] = np.uint8(zeros_0[j] + zero_0)
                    zeros_1[j] = np.uint8(zeros_1[j] + zero_1)
                    zeros_2[j] = np.uint8(zeros_2[j] + zero_2)
                    zeros_3[j] = np.uint8(zeros_3[j] + zero_3)
                    zeros_4[j] = np.uint8(zeros_4[j] + zero_4)
                    here[j] = _sum(zero_0, zero_1, zero_2, zero_3, zero_4)
                    is_plus[j] = np.uint8(is_plus[j] + pluses)
                    is_odd[j] |= wrong
                row_zeros[i] = _total(here, used)
                zeros += row_zeros[i]
            plus += _total(is_plus, used)
        odd += _total(is_odd, used)
        flush(lanes, digit_zeros)
    return zeros, plus, odd > 0
