"""Loops over trits in base 3, four or five a byte, 64 bytes at a time."""

from __future__ import annotations

import numpy as np

from .blocks import NO_RANGE, range_of_scales
from .intrinsics import VECTOR, add_bits, bits_above, copy_bytes, ones
from .jit import inline, loop
from .lanes import MOST, Bytes, Ints, Words, flush

#: Bytes of a block of TQ1_0: 48 of five trits, 4 of four, a scale. A constant for speed's sake, as
#: in `codes`.
_BLOCK = 48 + 4 + 2


@inline
def _digit(data: Bytes, at: int, power: int) -> tuple[np.uint64, np.uint64]:
    """Return which of 64 bytes have trit 0, and which +1, as the digit that a power of 3 selects.

    A digit is ``(3 byte) >> 8``, so that it is 1 from 86 to 170 and 2 above. What is left, ``3
    byte`` modulo 256, holds the next.
    """
    plus = bits_above(data, at, power, 170)
    return bits_above(data, at, power, 85) ^ plus, plus


@inline
def _trits(
    data: Bytes, at: int, fives: np.uint64, fours: np.uint64
) -> tuple[tuple[np.uint64, ...], int, int, np.uint64]:
    """Return which of 64 bytes have trit 0 as each digit, all 0 and +1 of trits, and odd bytes.

    A group v of five is the byte ceil(256 v / 243), so 243 byte = 256 v + e with e < 243, and after
    five digits e is left; it is 243 or more for any other byte. The fifth digit of a group of four
    is 0, so that less than 243 / 3 = 81 is left before it.
    """
    used = fives | fours
    zero_0, plus_0 = _digit(data, at, 1)
    zero_1, plus_1 = _digit(data, at, 3)
    zero_2, plus_2 = _digit(data, at, 9)
    zero_3, plus_3 = _digit(data, at, 27)
    zero_4, plus_4 = _digit(data, at, 81)
    zeros = ones(zero_0 & used) + ones(zero_1 & used) + ones(zero_2 & used) + ones(zero_3 & used)
    plus = ones(plus_0 & used) + ones(plus_1 & used) + ones(plus_2 & used) + ones(plus_3 & used)
    odd = (bits_above(data, at, 243, 242) & used) | (bits_above(data, at, 81, 80) & fours)
    return (
        (zero_0, zero_1, zero_2, zero_3, zero_4),
        zeros + ones(zero_4 & fives),
        plus + ones(plus_4 & fives),
        odd,
    )


@inline
def _vectors(data: Bytes, at: int, size: int, room: Bytes) -> Bytes:
    """Return so many bytes as whole vectors: with whatever follows, or copied where they end."""
    if at + room.size <= data.size:
        return data[at : at + room.size]
    copy_bytes(room, 0, data, at, size)
    return room


@loop
def count_trits(data: Bytes, fives: Words, fours: Words) -> tuple[int, int, bool, int, int]:
    """Count the trits of blocks of TQ1_0.

    Parameters
    ----------
    data : (54 n,) uint8
        Blocks of 52 bytes of trits and a scale each.
    fives, fours : (m,) uint64
        A bit for each byte of some blocks, which fill the words: whether five trits, or four,
        stand there.

    Returns
    -------
    zeros, plus : int
        Trits 0 and +1, as the bytes decode.
    odd : bool
        Whether any byte encodes no group of trits.
    least, most : int
        Of the scales' patterns, as unsigned integers; 65535 and 0 without any.
    """
    zeros = plus = 0
    odd = np.uint64(0)
    halves, scales = data.view(np.uint16), NO_RANGE
    room = np.zeros(VECTOR * fives.size, np.uint8)
    for first in range(0, data.size, room.size):
        row = _vectors(data, first, data.size - first, room)
        for k in range(fives.size):
            _, zeros_here, plus_here, odd_here = _trits(row, VECTOR * k, fives[k], fours[k])
            zeros += zeros_here
            plus += plus_here
            odd |= odd_here
        last = min(first + room.size, data.size)
        scales = range_of_scales(halves, first // _BLOCK, last // _BLOCK, _BLOCK // 2, scales)
    return zeros, plus, odd != np.uint64(0), scales[0], scales[1]


@loop
def count_trit_rows(
    data: Bytes, fives: Words, fours: Words, row_zeros: Ints, digit_zeros: Ints
) -> tuple[int, int, bool, int, int]:
    """Count the trits of rows of blocks of TQ1_0, zeros by row, and by digit and place in the row.

    Parameters
    ----------
    data : (54 * rows * row_blocks,) uint8
        As in `count_trits`.
    fives, fours : (m,) uint64
        As in `count_trits`, for the bytes of a row, which need not fill the words.
    row_zeros : (rows,) int64
        Written: zeros of each row.
    digit_zeros : (5, 64 m) int64
        Added to: zeros of each digit that a byte has; what stands elsewhere means nothing.

    Returns
    -------
    zeros, plus, odd, least, most
        As in `count_trits`.
    """
    rows = row_zeros.size
    row_blocks = data.size // (_BLOCK * max(1, rows))
    size = _BLOCK * row_blocks
    zeros = plus = 0
    odd = np.uint64(0)
    halves, scales = data.view(np.uint16), NO_RANGE
    room = np.zeros(VECTOR * fives.size, np.uint8)
    lanes = np.zeros((5, room.size), np.uint8)
    lanes_0, lanes_1, lanes_2, lanes_3, lanes_4 = lanes[0], lanes[1], lanes[2], lanes[3], lanes[4]
    for first in range(0, rows, MOST):
        last = min(first + MOST, rows)
        for i in range(first, last):
            row = _vectors(data, i * size, size, room)
            zeros_here = 0
            for k in range(fives.size):
                at = VECTOR * k
                zero, zeros_part, plus_here, odd_here = _trits(row, at, fives[k], fours[k])
                zeros_here += zeros_part
                plus += plus_here
                odd |= odd_here
                add_bits(lanes_0, at, zero[0])
                add_bits(lanes_1, at, zero[1])
                add_bits(lanes_2, at, zero[2])
                add_bits(lanes_3, at, zero[3])
                add_bits(lanes_4, at, zero[4])
            row_zeros[i] = zeros_here
            zeros += zeros_here
        scales = range_of_scales(halves, first * row_blocks, last * row_blocks, _BLOCK // 2, scales)
        flush(lanes_0, digit_zeros[0])
        flush(lanes_1, digit_zeros[1])
        flush(lanes_2, digit_zeros[2])
        flush(lanes_3, digit_zeros[3])
        flush(lanes_4, digit_zeros[4])
    return zeros, plus, odd != np.uint64(0), scales[0], scales[1]
