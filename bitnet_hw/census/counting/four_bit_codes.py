"""Counting of 4-bit codes, two per byte, by a histogram of bytes."""

from __future__ import annotations

import numpy as np

from ..source import Bytes, Source
from .totals import Ints

#: Bytes that a histogram of pairs, and one of single bytes, takes at a time.
_PAIRED, _SINGLE = 1 << 19, 1 << 16


class Histogram:
    """Counts of each byte value in a stream, kept by pairs of bytes: half the work."""

    def __init__(self) -> None:
        self._pairs = np.zeros(1 << 16, np.int64)
        self._bytes = np.zeros(1 << 8, np.int64)

    def add(self, data: Bytes) -> None:
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
        """Return the count of each byte value, (256,)."""
        square = self._pairs.reshape(256, 256)
        total: Ints = self._bytes + square.sum(axis=0) + square.sum(axis=1)
        return total


def count_nibbles(source: Source, tensor: str, offset: int, size: int, legal: int) -> Ints:
    """Count each 4-bit code in a stretch of a file.

    Parameters
    ----------
    source, tensor
        The file, and the name of the matrix for messages.
    offset, size : int
        The stretch, in bytes.
    legal : int
        Number of valid codes; this one and all above are invalid.

    Returns
    -------
    (16,) int64

    Raises
    ------
    InputError
        If a code is invalid.
    """
    histogram = Histogram()
    for _, chunk in source.chunks(offset, size):
        histogram.add(chunk)
    square = histogram.counts().reshape(16, 16)
    codes: Ints = square.sum(axis=0) + square.sum(axis=1)
    if codes[legal:].any():
        for start, chunk in source.chunks(offset, size):
            hits = np.flatnonzero((chunk & 15 >= legal) | (chunk >> 4 >= legal))
            if hits.size:
                raise source.fault(
                    f"a 4-bit code above {legal - 1}", tensor=tensor, offset=start + int(hits[0])
                )
    return codes
