"""Counting of packed ternary codes, without unpacking them.

Two-bit codes hold w + 1 in fields of 2 bits: the low bit alone is a zero, the high bit alone a +1,
both together no weight. So two population counts of 64-bit words give the totals, and sums of
fields side by side, widened before they can overflow, give them by row and by column.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Words = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]

_LOW = np.uint64(0x5555_5555_5555_5555)
_PAIRS = np.uint64(0x3333_3333_3333_3333)
_NIBBLES = np.uint64(0x0F0F_0F0F_0F0F_0F0F)
_2 = np.uint64(2)
_4 = np.uint64(4)


class CodeCounts(NamedTuple):
    """Fields of two-bit codes: those with code 1, with code 2, and whether any has code 3."""

    zeros: int
    plus: int
    invalid: bool


def count_codes(words: Words, scratch: Words, counts: npt.NDArray[np.uint8]) -> CodeCounts:
    """Count two-bit codes.

    Parameters
    ----------
    words : (n,) uint64
        32 codes each; code 0 pads.
    scratch, counts : (n,) uint64 and (n,) uint8
        Room for intermediate results, so that they stay in the cache.

    Returns
    -------
    CodeCounts
        Exact where no code is 3.
    """
    both = int(np.bitwise_count(words, out=counts).sum())
    np.bitwise_and(words, _LOW, out=scratch)
    zeros = int(np.bitwise_count(scratch, out=counts).sum())
    np.right_shift(words, np.uint64(1), out=scratch)
    np.bitwise_and(scratch, words, out=scratch)
    invalid = int(np.bitwise_or.reduce(scratch)) & int(_LOW) if words.size else 0
    return CodeCounts(zeros, both - zeros, bool(invalid))


def zero_fields(words: Words) -> Words:
    """Return words that hold 1 in each field with code 1 and 0 elsewhere, where no code is 3."""
    return words & _LOW


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
    for plane, pairs in enumerate((threes & _PAIRS, (threes >> _2) & _PAIRS)):
        fifteens = _fold(pairs, 5, axis)
        for half, nibbles in enumerate((fifteens, fifteens >> _4)):
            packed = _fold(nibbles & _NIBBLES, 17, axis)
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


def _base3_digits(byte: int) -> list[int]:
    # The shift-and-multiply decoding of llama.cpp; ggml-quants.c, dequantize_row_tq1_0.
    return [((((byte * 3**n) & 255) * 3) >> 8) - 1 for n in range(5)]


def _table(trits: int, value: int) -> Ints:
    return np.array([_base3_digits(b)[:trits].count(value) for b in range(256)], np.int64)


#: Zeros and +1 among the first five, or four, trits that a byte of TQ1_0 decodes to.
BASE3_ZEROS = {trits: _table(trits, 0) for trits in (4, 5)}
BASE3_PLUS = {trits: _table(trits, 1) for trits in (4, 5)}

#: Bytes that encode a group: ceil(v x 256 / 243) for a five-digit number v in base 3, whose last
#: digit is 0 where the group has four trits.
BASE3_VALID = {
    trits: frozenset(-(-v * 256 // 243) for v in range(0, 243, 3 ** (5 - trits)))
    for trits in (4, 5)
}


def base3_zero_masks(data: npt.NDArray[np.uint8], trits: int) -> npt.NDArray[np.bool_]:
    """Return which trits are zero, (trits, *data.shape): digit n of each byte."""
    powers = np.array([3**n for n in range(trits)], np.uint8)
    digits = np.multiply.outer(powers, data)  # modulo 256, as the decoding wants it
    # digit 1 is a byte from 86 to 170: (b x 3) >> 8 == 1
    return np.asarray((digits - np.uint8(86)) < np.uint8(85))
