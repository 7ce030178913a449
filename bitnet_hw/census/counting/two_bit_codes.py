"""Counting of 2-bit codes without unpacking them.

A code holds w + 1 in a field of 2 bits: the low bit alone is a zero, the high bit alone a +1, and
both together are invalid. Population counts of 64-bit words therefore give the totals.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ..source import CHUNK, LINE_CHUNK, Bytes, Source
from .plane_sums import LOW_BITS, PlaneSums, Words
from .totals import Totals

_1 = np.uint64(1)

#: Words are counted in two halves, each of three thirds.
_SLICES = 6


class CodeCounts(NamedTuple):
    """Fields with code 1 (zeros) and with code 2 (+1), and whether any field has code 3."""

    zeros: int
    plus: int
    invalid: bool


def count_codes(words: Words, planes: Words, counts: Bytes) -> CodeCounts:
    """Count 2-bit codes.

    One half of the words exchanges its high bits for the low bits of the other half. Each half then
    holds 64 bits of one kind, so that every population count works on words without gaps.

    Parameters
    ----------
    words : (n,) uint64
        32 codes each; code 0 pads.
    planes, counts : (m,) uint64 and (m,) uint8, m >= n and at least 6
        Room for intermediate results, so that they stay in the cache.

    Returns
    -------
    CodeCounts
        Exact where no code is 3.
    """
    if rest := words.size % _SLICES:
        body, end = np.split(words, [-rest])
        words = np.zeros(_SLICES, np.uint64)
        words[:rest] = end
        first = count_codes(body, planes, counts)
    else:
        first = CodeCounts(0, 0, False)
    if not words.size:
        return first
    low, high = words.reshape(2, -1)
    size = words.size
    zeros, plus = planes[:size].reshape(2, -1)
    np.right_shift(low, _1, out=plus)
    np.bitwise_xor(plus, high, out=plus)
    # The bits in which the high bits of one half differ from the low bits of the other.
    np.bitwise_and(plus, LOW_BITS, out=zeros)
    np.bitwise_xor(zeros, high, out=plus)
    np.add(zeros, zeros, out=zeros)
    np.bitwise_xor(zeros, low, out=zeros)
    np.bitwise_count(planes[:size], out=counts[:size])
    np.bitwise_and(zeros, plus, out=zeros)
    invalid = bool(np.bitwise_or.reduce(zeros))
    # The bits of three words fit in a byte, and adding bytes is faster than widening them.
    a, b, c = counts[:size].reshape(2, 3, -1).swapaxes(0, 1)
    np.add(a, b, out=a)
    found = np.add(a, c, out=a).sum(axis=1).tolist()
    return CodeCounts(first.zeros + found[0], first.plus + found[1], first.invalid or invalid)


def as_words(codes: Bytes) -> Words:
    """Return bytes of codes as words, the last one padded with code 0."""
    rest = -codes.size % 8
    return (np.pad(codes, (0, rest)) if rest else codes).view(np.uint64)


class CodeCounter:
    """Counts chunks of 2-bit codes.

    Parameters
    ----------
    source : Source
        The file, for messages.
    tensor : str
        The matrix.

    Attributes
    ----------
    zeros, plus : int
        Counted so far.
    """

    def __init__(self, source: Source, tensor: str) -> None:
        self.source = source
        self.tensor = tensor
        self.zeros = 0
        self.plus = 0
        self._planes = np.empty(CHUNK // 8, np.uint64)
        self._counts = np.empty(CHUNK // 8, np.uint8)

    def add(self, codes: Bytes, locate: Callable[[int], int]) -> None:
        """Count codes.

        Parameters
        ----------
        codes : (n,) uint8
            Four codes each.
        locate : callable
            Place in `codes` -> byte of the file, for the message.

        Raises
        ------
        InputError
            If a code is 3.
        """
        words = as_words(codes)
        step = self._planes.size
        for first in range(0, words.size, step):
            found = count_codes(words[first : first + step], self._planes, self._counts)
            if found.invalid:
                threes = codes & (codes >> np.uint8(1)) & np.uint8(0x55)
                raise self.source.fault(
                    "code 3 in a 2-bit field; 0, 1 and 2 stand for -1, 0 and +1",
                    tensor=self.tensor,
                    offset=locate(int(np.flatnonzero(threes)[0])),
                )
            self.zeros += found.zeros
            self.plus += found.plus


def count_stream(source: Source, tensor: str, offset: int, size: int) -> Totals:
    """Count 2-bit codes, whatever their order.

    Parameters
    ----------
    source, tensor
        The file, and the matrix for messages.
    offset, size : int
        First byte and length of the codes.

    Raises
    ------
    InputError
        If a code is 3.
    """

    def count(first: int, length: int) -> Totals:
        counter = CodeCounter(source, tensor)
        for start, chunk in source.chunks(first, length):
            counter.add(chunk, start.__add__)
        return Totals(counter.zeros, counter.plus)

    return Totals.of(source.spans(offset, size, 8, count))


def count_rows(source: Source, tensor: str, offset: int, shape: tuple[int, int]) -> Totals:
    """Count 2-bit codes of a matrix of bytes, with zeros by row and column.

    Parameters
    ----------
    source, tensor, offset
        The file, the matrix for messages, and where its bytes begin.
    shape : (rows, bytes per row)
        Of the packed matrix.

    Returns
    -------
    Totals
        With `row_zeros` (4, rows), plane by plane, and `column_zeros` (bytes per row,).

    Raises
    ------
    InputError
        If a code is 3.
    """
    rows, width = shape

    def count(first: int, size: int) -> Totals:
        return _count_rows(source, tensor, first, (size // width, width))

    return Totals.of(source.spans(offset, rows * width, width, count))


def _count_rows(source: Source, tensor: str, offset: int, shape: tuple[int, int]) -> Totals:
    rows, width = shape
    padded = -(-width // 8) * 8
    counter, sums = CodeCounter(source, tensor), PlaneSums()
    row_zeros = np.empty((4, rows), np.int64)
    column_zeros = np.zeros(padded, np.int64)
    done = 0
    for start, chunk in source.chunks(offset, rows * width, width, LINE_CHUNK):
        block = chunk.reshape(-1, width)
        if padded > width:
            block = np.pad(block, ((0, 0), (0, padded - width)))

        def locate(place: int, start: int = start) -> int:
            row, column = divmod(place, padded)
            return start + row * width + column

        counter.add(block.reshape(-1), locate)
        words = block.view(np.uint64)
        row_zeros[:, done : done + len(block)] = sums.by_row(words)
        column_zeros += sums.by_column(words).sum(axis=0)
        done += len(block)
    return Totals(counter.zeros, counter.plus, row_zeros, column_zeros[:width])
