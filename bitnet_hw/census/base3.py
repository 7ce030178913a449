"""Counting of trits in base 3, five or four a byte, by table and a pair of bytes at a time."""

from __future__ import annotations

from functools import cache

import numpy as np
import numpy.typing as npt

from .kernels import Ints


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

Pairs = npt.NDArray[np.uint16]

#: Marks pairs with a byte that encodes no group; twice ten trits leave the bit free.
_ODD = np.uint16(0x8000)
_ALL_ODD = np.uint64(0x8000_8000_8000_8000)

#: Results that are added up as bytes: 24 x 10 trits fit.
_ROWS = 24


@cache
def _pair_table(trits: int) -> Pairs:
    """Return zeros + 256 x (+1) of every pair of bytes, marked where one encodes no group."""
    odd = [byte not in BASE3_VALID[trits] for byte in range(256)]
    one = (BASE3_ZEROS[trits] + 256 * BASE3_PLUS[trits]).astype(np.uint16)
    marks = np.where(odd, _ODD, np.uint16(0))
    pairs: Pairs = np.add.outer(one, one).reshape(-1)
    pairs |= np.bitwise_or.outer(marks, marks).reshape(-1)
    return pairs


class PairCounter:
    """Counts zeros and +1 among bytes of trits.

    Parameters
    ----------
    trits : 4 or 5
        Of a byte.
    room : int
        Bytes to take at a time.

    Attributes
    ----------
    zeros, plus : int
        As the bytes decode, whether or not a group of trits produces them.
    odd : (256,) int64
        How often each byte stands there that no group produces.
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
            The columns, from the first on, that hold trits.
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
            self.odd += odd_bytes(data, self._trits)
        sums = np.add.reduce(self._found.view(np.uint8), axis=0, dtype=np.uint8)
        self.zeros += int(sums[0::2].sum())
        self.plus += int(sums[1::2].sum())


def odd_bytes(data: npt.NDArray[np.uint8], trits: int) -> Ints:
    """Return how often each byte stands in some that no group of so many trits produces, (256,)."""
    counts = np.bincount(data.reshape(-1), minlength=256)
    counts[list(BASE3_VALID[trits])] = 0
    return counts


def base3_zero_masks(data: npt.NDArray[np.uint8], trits: int) -> npt.NDArray[np.bool_]:
    """Return which trits are zero, (trits, *data.shape): digit n of each byte."""
    powers = np.array([3**n for n in range(trits)], np.uint8)
    digits = np.multiply.outer(powers, data)  # modulo 256, as the decoding wants it
    # digit 1 is a byte from 86 to 170: (b x 3) >> 8 == 1
    return np.asarray((digits - np.uint8(86)) < np.uint8(85))
