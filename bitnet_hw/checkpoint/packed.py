"""The census of matrices in two-bit codes: Hugging Face's packed uint8, TQ2_0 and I2_S."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from .census import Sparsity
from .kernels import Ints, Words, count_codes, plane_sums, zero_fields
from .source import CHUNK, LINE_CHUNK, Bytes, Source

#: A matrix with longer rows is counted as one stream, without sparsity.
MAX_ROW_BYTES = 1 << 20


class Totals(NamedTuple):
    """Zeros and +1 of a matrix, with its zeros by line where asked for."""

    zeros: int
    plus: int
    row_zeros: Ints | None = None
    column_zeros: Ints | None = None

    @staticmethod
    def of(parts: Sequence[Totals]) -> Totals:
        """Put together what parts hold that follow one another by rows."""
        rows = [part.row_zeros for part in parts if part.row_zeros is not None]
        columns = [part.column_zeros for part in parts if part.column_zeros is not None]
        return Totals(
            sum(part.zeros for part in parts),
            sum(part.plus for part in parts),
            np.concatenate(rows, axis=-1) if rows else None,
            np.sum(columns, axis=0) if columns else None,
        )


class CodeCounter:
    """Counts chunks of two-bit codes.

    Parameters
    ----------
    source : Source
        The file, for messages.
    tensor : str
        The matrix.
    """

    def __init__(self, source: Source, tensor: str) -> None:
        self.source = source
        self.tensor = tensor
        self.zeros = 0
        self.plus = 0
        self._planes = np.empty(CHUNK // 8, np.uint64)
        self._counts = np.empty(CHUNK // 8, np.uint8)

    def add(self, codes: Bytes, locate: Callable[[int], int]) -> Words:
        """Count codes, padding the last word with code 0.

        Parameters
        ----------
        codes : (n,) uint8
            Four codes each.
        locate : callable
            Place in `codes` -> byte of the file, for the message.

        Returns
        -------
        (ceil(n / 8),) uint64
            The codes as words.

        Raises
        ------
        InputError
            If a code is 3.
        """
        rest = -codes.size % 8
        words = (np.pad(codes, (0, rest)) if rest else codes).view(np.uint64)
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
        return words


def count_stream(source: Source, tensor: str, offset: int, size: int) -> Totals:
    """Count two-bit codes in any order.

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
    """Count two-bit codes of a matrix of bytes, with zeros by plane and line.

    Parameters
    ----------
    source, tensor, offset
        Where the bytes are.
    shape : (rows, bytes)
        Of the bytes.

    Returns
    -------
    Totals
        With `row_zeros` (4, rows) and `column_zeros` (4, bytes), plane by plane.

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
    counter = CodeCounter(source, tensor)
    row_zeros = np.zeros((4, rows), np.int64)
    column_zeros = np.zeros((4, padded), np.int64)
    done = 0
    for start, chunk in source.chunks(offset, rows * width, width, LINE_CHUNK):
        block = chunk.reshape(-1, width)
        if padded > width:
            block = np.pad(block, ((0, 0), (0, padded - width)))

        def locate(place: int, start: int = start) -> int:
            row, column = divmod(place, padded)
            return start + row * width + column

        words = counter.add(block.reshape(-1), locate).reshape(len(block), -1)
        fields = zero_fields(words)
        row_zeros[:, done : done + len(block)] = plane_sums(fields, 1)
        column_zeros += plane_sums(fields, 0)
        done += len(block)
    return Totals(counter.zeros, counter.plus, row_zeros, column_zeros[:, :width])


def count_hf_packed(
    source: Source, tensor: str, offset: int, packed: tuple[int, int], rows: int, sparsity: bool
) -> Totals:
    """Count a matrix that transformers packed.

    Bits 2k and 2k + 1 of P[i, j] hold w[i + k r, j] + 1, where r = ceil(R / 4); rows from R on are
    padding (transformers, integrations/bitnet.py).

    Parameters
    ----------
    source, tensor, offset
        Where the bytes are.
    packed : (r, columns)
        Shape of the bytes.
    rows : int
        R, at most 4 r.
    sparsity : bool
        Whether to count by row and column.

    Returns
    -------
    Totals
        Of the R rows, with `row_zeros` (R,) and `column_zeros` (columns,) where asked for.
    """
    r, columns = packed
    by_line = sparsity and fits_by_line(packed)
    found = (
        count_rows(source, tensor, offset, packed)
        if by_line
        else count_stream(source, tensor, offset, r * columns)
    )
    zeros, plus = found.zeros, found.plus
    row_zeros = found.row_zeros.reshape(-1) if found.row_zeros is not None else None
    column_zeros = found.column_zeros.sum(axis=0) if found.column_zeros is not None else None
    for row in range(rows, 4 * r):  # padding is code 0, unless somebody else wrote the file
        codes = packed_row(source, offset, packed, row)
        zeros -= int((codes == 1).sum())
        plus -= int((codes == 2).sum())
        if column_zeros is not None:
            column_zeros -= codes == 1
    return Totals(zeros, plus, None if row_zeros is None else row_zeros[:rows], column_zeros)


def packed_row(source: Source, offset: int, packed: tuple[int, int], row: int) -> Bytes:
    """Return the codes of one row of a matrix that transformers packed."""
    r, columns = packed
    plane, i = divmod(row, r)
    codes: Bytes = source.array(offset + i * columns, columns) >> np.uint8(2 * plane)
    return codes & np.uint8(3)


def fits_by_line(shape: tuple[int, int]) -> bool:
    """Return whether the counters of a matrix of bytes stay within a few times the matrix."""
    rows, width = shape
    counters = 4 * 8 * (rows + width)  # four planes of int64 by row and by byte
    return 0 < width <= MAX_ROW_BYTES and counters <= max(16 << 20, 4 * rows * width)


def sparsity_of(totals: Totals, rows: int, columns: int) -> tuple[Sparsity | None, Sparsity | None]:
    """Return the sparsity of rows and of columns, where the totals have them."""
    by_row, by_column = totals.row_zeros, totals.column_zeros
    return (
        Sparsity.of(by_row, columns) if by_row is not None else None,
        Sparsity.of(by_column, rows) if by_column is not None else None,
    )
