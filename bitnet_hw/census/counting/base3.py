"""Counting of trits in base 3, five or four per byte.

A group v of five trits is stored as the byte ceil(v x 256 / 243). When the byte is multiplied by 3,
its overflow is the first trit and the remainder holds the next ones.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from ..source import Bytes
from .totals import Ints


def _digits(byte: int) -> list[int]:
    # The shift-and-multiply decoding of llama.cpp; ggml-quants.c, dequantize_row_tq1_0.
    return [((((byte * 3**n) & 255) * 3) >> 8) - 1 for n in range(5)]


#: Bytes that encode a group: ceil(v x 256 / 243) for a five-digit number v in base 3, whose last
#: digit is 0 where the group has four trits.
VALID = {
    trits: frozenset(-(-v * 256 // 243) for v in range(0, 243, 3 ** (5 - trits)))
    for trits in (4, 5)
}

Pairs = npt.NDArray[np.uint16]

#: Marks pairs with a byte that encodes no group; twice ten trits leave the bit free.
_ODD = np.uint16(0x8000)
_ALL_ODD = np.uint64(0x8000_8000_8000_8000)

#: Results that are added up as bytes: 24 x 10 trits fit.
_ROWS = 24


@cache
def _pair_table(trits: int) -> Pairs:
    """Return zeros + 256 x (+1) of every pair of bytes, marked where one encodes no group."""
    digits = [_digits(byte)[:trits] for byte in range(256)]
    one = np.array([d.count(0) + 256 * d.count(1) for d in digits], np.uint16)
    marks = np.array([0 if byte in VALID[trits] else _ODD for byte in range(256)], np.uint16)
    pairs: Pairs = np.add.outer(one, one).reshape(-1)
    pairs |= np.bitwise_or.outer(marks, marks).reshape(-1)
    return pairs


class PairCounter:
    """Counts zeros and +1 in bytes of trits, by looking up pairs of bytes.

    Parameters
    ----------
    trits : 4 or 5
        Trits per byte.
    room : int
        Most bytes to look up at a time.

    Attributes
    ----------
    zeros, plus : int
        As the bytes decode, whether or not a group of trits produces them.
    odd : (256,) int64
        Occurrences of each byte that no group produces.
    """

    def __init__(self, trits: int, room: int) -> None:
        self.zeros = self.plus = 0
        self.odd = np.zeros(256, np.int64)
        self._trits = trits
        self._table = _pair_table(trits)
        self._found = np.empty((_ROWS, -(-room // (8 * _ROWS)) * 4), np.uint16)

    def add(self, pairs: Pairs, used: int) -> None:
        """Count bytes.

        Parameters
        ----------
        pairs : (n, width) uint16
            Pairs of bytes.
        used : int
            Number of columns, from the first on, that hold trits.
        """
        step = max(1, self._found.size // pairs.shape[1])
        for start in range(0, len(pairs), step):
            self._add(pairs[start : start + step], used)

    def _add(self, pairs: Pairs, used: int) -> None:
        flat = self._found.reshape(-1)
        found = flat[: pairs.size].reshape(pairs.shape)
        np.take(self._table, pairs, out=found, mode="wrap")
        for column in range(used, pairs.shape[1]):
            found[:, column] = 0
        flat[pairs.size :] = 0
        if np.bitwise_or.reduce(flat.view(np.uint64)) & _ALL_ODD:
            flat &= ~_ODD
            data = np.ascontiguousarray(pairs[:, :used]).view(np.uint8)
            counts = np.bincount(data.reshape(-1), minlength=256)
            counts[list(VALID[self._trits])] = 0
            self.odd += counts
        sums = np.add.reduce(self._found.view(np.uint8), axis=0, dtype=np.uint8)
        self.zeros += int(sums[0::2].sum())
        self.plus += int(sums[1::2].sum())


#: Bytes that `LineCounter` takes at a time, so that its intermediate results stay in the cache.
_LINE_BYTES = 1 << 17


class LineCounter:
    """Counts the zeros in rows of trit bytes: by row, and by digit and place in the row.

    Parameters
    ----------
    trits : (width,) uint8
        Trits in each byte of a row: 5, 4 or 0.

    Attributes
    ----------
    width : int
        Bytes per row.
    """

    def __init__(self, trits: Bytes) -> None:
        self.width = trits.size
        self._trits = trits
        self._digit_zeros = np.zeros((5, trits.size), np.int64)
        self._holds_five = (trits == 5).astype(np.uint8)
        self._holds_any = np.where(trits, np.uint8(255), np.uint8(0))
        # At most 255 rows, whose zeros fit in a byte per column.
        self._step = min(255, max(1, _LINE_BYTES // max(1, trits.size)))
        self._room = np.empty((3, self._step, trits.size), np.uint8)

    def add(self, data: Bytes) -> Ints:
        """Count rows; return the zeros of each.

        Parameters
        ----------
        data : (rows, width) uint8
        """
        steps = range(0, len(data), self._step)
        return np.concatenate([self._add(data[start : start + self._step]) for start in steps])

    def column_zeros(self) -> Ints:
        """Return the zeros of each trit of a row over all rows, by digit and then by byte."""
        return np.concatenate([self._digit_zeros[n, self._trits > n] for n in range(5)])

    def _add(self, data: Bytes) -> Ints:
        rest, zero, total = self._room[:, : len(data)]
        rest[:] = data
        total[:] = 0
        for n in range(5):
            # A zero weight has digit 1 = 3 x byte >> 8, which bytes from 86 to 170 give.
            np.subtract(rest, np.uint8(86), out=zero)
            np.less(zero, np.uint8(85), out=zero.view(np.bool_))
            if n == 4:
                zero &= self._holds_five
            total += zero
            self._digit_zeros[n] += np.add.reduce(zero, axis=0, dtype=np.uint8)
            rest *= np.uint8(3)  # modulo 256, as in decoding
        total &= self._holds_any
        zeros: Ints = total.sum(axis=1, dtype=np.int64)
        return zeros
