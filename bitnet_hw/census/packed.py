"""The census of matrices in two-bit codes: Hugging Face's packed uint8, TQ2_0 and I2_S."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType
from typing import NamedTuple

import numpy as np

from .kernels import CodeCounts, Counting, Ints, as_words, count_codes, plane_sums, zero_fields
from .record import Sparsity
from .source import CHUNK, LINE_CHUNK, Bytes, Source

#: A matrix with longer rows is counted as one stream, without sparsity.
MAX_ROW_BYTES = 1 << 20


class Totals(NamedTuple):
    """Zeros and +1 of a matrix, with its zeros by line where asked for: columns in any order."""

    zeros: int
    plus: int
    row_zeros: Ints | None = None
    column_zeros: Ints | None = None

    @staticmethod
    def of(parts: Sequence[Totals]) -> Totals:
        """Put together what parts hold that follow one another by rows."""
        if len(parts) == 1:
            return parts[0]
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
    loops : module, optional
        `bitnet_hw.compiled.loops`, to be used in place of numpy's own.
    """

    def __init__(self, source: Source, tensor: str, loops: ModuleType | None = None) -> None:
        self.source = source
        self.tensor = tensor
        self._loops = loops
        self.zeros = 0
        self.plus = 0
        if loops is None:
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
        if self._loops is not None:
            self.take(CodeCounts(*self._loops.count_codes(words)), codes, locate)
            return
        step = self._planes.size
        for first in range(0, words.size, step):
            part = words[first : first + step]
            self.take(count_codes(part, self._planes, self._counts), codes, locate)

    def add_rows(
        self,
        codes: Bytes,
        locate: Callable[[int], int],
        row_zeros: Ints,
        column_zeros: Ints,
        first_row: int,
    ) -> None:
        """Count codes of whole rows.

        Parameters
        ----------
        codes : (rows, 16 n) uint8
            Four codes each.
        locate : callable
            Place in the flat `codes` -> byte of the file, for the message.
        row_zeros : (4, at least first_row + rows) int64
            Written from `first_row` on: zeros of each row, plane by plane; plane k is bits 2k
            and 2k + 1.
        column_zeros : (16 n,) int64
            Added to: zeros of each byte column.
        first_row : int
            The place of the first row among all.

        Raises
        ------
        InputError
            If a code is 3.
        """
        flat = codes.reshape(-1)
        words = flat.view(np.uint64).reshape(len(codes), -1)
        if self._loops is None:
            self.add(flat, locate)
            fields = zero_fields(words)
            row_zeros[:, first_row : first_row + len(codes)] = plane_sums(fields, 1)
            column_zeros += plane_sums(fields, 0).sum(axis=0)
            return
        found = self._loops.count_code_rows(words, row_zeros, column_zeros, first_row)
        self.take(CodeCounts(*found), flat, locate)

    def take(self, found: CodeCounts, codes: Bytes, locate: Callable[[int], int]) -> None:
        """Add what was found in some codes, or say which of them is 3."""
        if found.invalid:
            codes = np.ascontiguousarray(codes).view(np.uint8).reshape(-1)
            threes = codes & (codes >> np.uint8(1)) & np.uint8(0x55)
            raise self.source.fault(
                "code 3 in a 2-bit field; 0, 1 and 2 stand for -1, 0 and +1",
                tensor=self.tensor,
                offset=locate(int(np.flatnonzero(threes)[0])),
            )
        self.zeros += found.zeros
        self.plus += found.plus


def count_stream(source: Source, tensor: str, offset: int, size: int, how: Counting) -> Totals:
    """Count two-bit codes in any order.

    Raises
    ------
    InputError
        If a code is 3.
    """

    def count(first: int, length: int) -> Totals:
        counter = CodeCounter(source, tensor, how.loops)
        for start, chunk in source.chunks(first, length, about=how.chunk(CHUNK)):
            counter.add(chunk, start.__add__)
        return Totals(counter.zeros, counter.plus)

    return Totals.of(source.spans(offset, size, 8, count))


def count_rows(
    source: Source, tensor: str, offset: int, shape: tuple[int, int], how: Counting
) -> Totals:
    """Count two-bit codes of a matrix of bytes, with zeros by line.

    Parameters
    ----------
    source, tensor, offset
        Where the bytes are.
    shape : (rows, bytes)
        Of the bytes.
    how : Counting
        By which loops.

    Returns
    -------
    Totals
        With `row_zeros` (4, rows), plane by plane, and `column_zeros` (bytes,).

    Raises
    ------
    InputError
        If a code is 3.
    """
    rows, width = shape

    def count(first: int, size: int) -> Totals:
        return _count_rows(source, tensor, first, (size // width, width), how)

    return Totals.of(source.spans(offset, rows * width, width, count))


def _count_rows(
    source: Source, tensor: str, offset: int, shape: tuple[int, int], how: Counting
) -> Totals:
    rows, width = shape
    padded = -(-width // 16) * 16
    counter = CodeCounter(source, tensor, how.loops)
    row_zeros = np.empty((4, rows), np.int64)
    column_zeros = np.zeros(padded, np.int64)
    done = 0
    for start, chunk in source.chunks(offset, rows * width, width, how.chunk(LINE_CHUNK)):
        block = chunk.reshape(-1, width)
        if padded > width:
            block = np.pad(block, ((0, 0), (0, padded - width)))

        def locate(place: int, start: int = start) -> int:
            row, column = divmod(place, padded)
            return start + row * width + column

        counter.add_rows(block, locate, row_zeros, column_zeros, done)
        done += len(block)
    return Totals(counter.zeros, counter.plus, row_zeros, column_zeros[:width])


def count_hf_packed(
    source: Source, tensor: str, offset: int, packed: tuple[int, int], rows: int, how: Counting
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
    how : Counting
        Whether by row and column, and by which loops.

    Returns
    -------
    Totals
        Of the R rows, with `row_zeros` (R,) and `column_zeros` (columns,) where asked for.
    """
    r, columns = packed
    by_line = how.sparsity and fits_by_line(packed)
    found = (
        count_rows(source, tensor, offset, packed, how)
        if by_line
        else count_stream(source, tensor, offset, r * columns, how)
    )
    zeros, plus = found.zeros, found.plus
    row_zeros = found.row_zeros.reshape(-1) if found.row_zeros is not None else None
    column_zeros = found.column_zeros
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


def sparsity_of(
    totals: Totals, rows: int, columns: int, how: Counting
) -> tuple[Sparsity | None, Sparsity | None]:
    """Return the sparsity of rows and of columns, where the totals have them."""
    by_row, by_column = totals.row_zeros, totals.column_zeros
    return (
        Sparsity.of(by_row, columns, how.loops) if by_row is not None else None,
        Sparsity.of(by_column, rows, how.loops) if by_column is not None else None,
    )
