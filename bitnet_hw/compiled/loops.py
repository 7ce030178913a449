"""The loops themselves: one pass over the data each, in words or bytes side by side.

They are written so that LLVM turns them into vector instructions: counters stand a lane each in
arrays as narrow as the data and are widened before they can overflow.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .jit import inline, loop, ones, short_loop

Words = npt.NDArray[np.uint64]
Halves = npt.NDArray[np.uint16]
Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]

_LOW = np.uint64(0x5555_5555_5555_5555)
#: The lowest field of each byte, and the low bits of each byte's four fields.
_FIELD = np.uint64(0x0303_0303_0303_0303)
_PLANE_0 = np.uint64(0x0101_0101_0101_0101)
_PLANE_1 = np.uint64(0x0404_0404_0404_0404)
_PLANE_2 = np.uint64(0x1010_1010_1010_1010)
_PLANE_3 = np.uint64(0x4040_4040_4040_4040)

#: Rows that a byte can count: of one code or digit each, and of five.
_ROWS, _ROWS_OF_FIVE = 255, 51

#: Blocks that are copied together before they are counted.
_GATHERED = 32


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
    zeros = plus = 0
    both = np.uint64(0)
    for i in range(words.size):
        word = words[i]
        low = word & _LOW
        high = (word >> np.uint64(1)) & _LOW
        zeros += ones(low)
        plus += ones(high)
        both |= low & high
    return zeros, plus, both != np.uint64(0)


@inline
def _split(word: np.uint64) -> tuple[np.uint64, np.uint64, np.uint64]:
    """Return the low bits of fields, the high bits, and those of fields that have both."""
    low, high = word & _LOW, (word >> np.uint64(1)) & _LOW
    return low, high, low & high


@inline
def _flush(lanes: Words | Bytes, column_zeros: Ints) -> None:
    """Move what the bytes of lanes hold to counters that do not overflow."""
    narrow = lanes.view(np.uint8)
    for plane in range(len(lanes)):
        here = narrow[plane]
        there = column_zeros[plane]
        for j in range(here.size):
            there[j] += here[j]
    lanes[:] = 0


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
    for first in range(0, rows, _ROWS):
        for i in range(first, min(first + _ROWS, rows)):
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
        _flush(lanes, column_zeros)
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
        for j in range(words.size):
            low, high, both_here = _split(words[j])
            zeros += ones(low)
            plus += ones(high)
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
    for first in range(0, rows, _ROWS):
        last = min(first + _ROWS, rows)
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
        _flush(lanes, column_zeros)
    return zeros, plus, both != np.uint64(0)


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
    for first in range(0, rows, _ROWS_OF_FIVE):
        for i in range(first, min(first + _ROWS_OF_FIVE, rows)):
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
    for first in range(0, rows, _ROWS):
        last = min(first + _ROWS, rows)
        for part in range(first, last, _ROWS_OF_FIVE):
            for i in range(part, min(part + _ROWS_OF_FIVE, last)):
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
        _flush(lanes, digit_zeros)
    return zeros, plus, odd > 0


@short_loop
def spread(zeros: Ints) -> tuple[int, int, int, int, int]:
    """Return where the zeros of lines lie.

    Parameters
    ----------
    zeros : (lines,) int64
        Of each line, at least one.

    Returns
    -------
    least, below, above, most : int
        Of the line with the fewest, of the two in the middle, of the one with the most.
    number : int
        Lines with the most.
    """
    least = most = zeros[0]
    for i in range(zeros.size):
        least, most = min(least, zeros[i]), max(most, zeros[i])
    lines = np.zeros(most - least + 1, np.int64)
    for i in range(zeros.size):
        lines[zeros[i] - least] += 1
    below = above = 0
    before = 0
    for i in range(lines.size):
        if before <= (zeros.size - 1) // 2:
            below = i
        if before <= zeros.size // 2:
            above = i
        before += lines[i]
    return least, least + below, least + above, most, lines[-1]


@loop
def range_of(scales: Halves) -> tuple[int, int]:
    """Return the least and the largest of unsigned integers, with whatever stands between them."""
    least, most = np.uint16(0xFFFF), np.uint16(0)
    for i in range(scales.size):
        least, most = min(least, scales[i]), max(most, scales[i])
    return int(least), int(most)


@loop
def count_two_levels(values: npt.NDArray[np.floating], top: np.floating) -> tuple[int, int, bool]:
    """Count the non-zeros of a matrix whose magnitudes should be 0 and one other.

    Parameters
    ----------
    values : (rows, k) float
        The matrix.
    top : float
        The other magnitude, of the same type.

    Returns
    -------
    non_zeros, used_rows : int
        Values of magnitude `top`, and rows that hold any.
    exact : bool
        Whether every other value is 0.
    """
    non_zeros = used_rows = others = 0
    for i in range(values.shape[0]):
        row = values[i]
        here, there = np.int32(0), np.int32(0)  # as wide as the values, to stay beside them
        for j in range(row.size):
            magnitude = abs(row[j])
            here = np.int32(here + np.int32(magnitude == top))
            there = np.int32(there + np.int32(magnitude != 0))
        non_zeros += int(here)
        used_rows += int(here > 0)
        others += int(there - here)
    return non_zeros, used_rows, others == 0
