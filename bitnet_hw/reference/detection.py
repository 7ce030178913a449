"""Detection of ternary and binary matrices among floats, by value.

A file or a model may store ternary weights as floats {-s, 0, +s}, and a straight-through BitLinear,
``w + (q - w)``, adds rounding errors to each of them. The census of a checkpoint and the trace of a
model both use `find_ternary`, so that they agree on which matrices are ternary.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import isfinite
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

#: Largest distance of a magnitude from zero or from the scale, relative to the scale. The two
#: roundings of the straight-through form in bf16 (8 significant bits) change a weight of up to four
#: scales by less than 1 % of the scale, and 90 % of Gaussian weights lie outside 2 %.
TOLERANCE = 2e-2

#: Number of weights along a row that share a scale, if it is neither per tensor nor per row.
GROUP = 256

#: Least number of weights in a row with its own scale. Without this limit, tables with few columns,
#: such as the scale and zero point of each row, would be classified as ternary.
LEAST_ROW = 32

#: A tensor must have more values than this. By chance, 8 Gaussian values agree with a ninth in one
#: case of 3e11 (3.6 % each).
_EVIDENCE = 8

_SAMPLE_ROWS = 8
#: Number of elements per block. A block and its masks fit into the cache of a core.
_BLOCK_ELEMENTS = 1 << 17
#: Longest row that is read as a whole and can have its own scale. A multiple of `GROUP`.
_LONGEST_ROW = 1 << 19
_EIGHT_ZEROS = np.uint64(0x0101_0101_0101_0101)  # eight Booleans, one byte each

Floats = NDArray[np.floating]
Counts = NDArray[np.int64]
#: (rows, columns) -> that part of a matrix, as float32 or float64. Both slices have a start, a
#: stop and a step; the step of the column slice is 1.
Read = Callable[[slice, slice], Floats]


class Scales(NamedTuple):
    """The scales of a ternary matrix.

    Attributes
    ----------
    lowest, highest : float
        Lowest and highest scale. `lowest` excludes rows and groups that consist of zeros.
    number : int
        Number of scales: 1 for a scale per tensor, otherwise the number of rows or groups.
    """

    lowest: float
    highest: float
    number: int


class TernaryMatrix(NamedTuple):
    """The counts of a ternary or binary matrix.

    Attributes
    ----------
    zeros, plus, minus : int
        Number of weights that are zero, positive and negative.
    used_rows : int
        Number of rows with a non-zero weight.
    scales : Scales
        The scales.
    zeros_by_row, zeros_by_column : (rows,) and (columns,) int64, optional
        Number of zeros in each row and in each column, if requested.
    not_finite : int, optional
        Position (row x columns + column) of the first value that is NaN or infinite. Such values
        count as zeros.
    """

    zeros: int
    plus: int
    minus: int
    used_rows: int
    scales: Scales
    zeros_by_row: Counts | None = None
    zeros_by_column: Counts | None = None
    not_finite: int | None = None

    @property
    def binary(self) -> bool:
        """Whether the weights are -s and +s: no zeros, and both signs."""
        return not self.zeros and self.plus > 0 and self.minus > 0


class _Block(NamedTuple):
    """A part of a matrix: whole rows, or a piece of a very long row."""

    rows: slice
    columns: slice


def find_ternary(
    read: Read, rows: int, columns: int, *, by_line: bool = False
) -> TernaryMatrix | None:
    """Count the weights of a matrix if its values are {-s, 0, +s}.

    Every magnitude must lie within `TOLERANCE` of zero or of the scale, relative to the scale. The
    scale is that of the tensor, of the row, or of a group of 256 along the row, tried in this
    order. The scale of a row or a group is its largest magnitude; that of the tensor is the largest
    magnitude of eight evenly spaced rows. Most other matrices are rejected by their first row.

    Parameters
    ----------
    read : callable
        Function that returns a part of the matrix.
    rows, columns : int
        Shape of the matrix. Rows are outputs, columns are inputs.
    by_line : bool
        Whether to count the zeros of each row and column.

    Returns
    -------
    TernaryMatrix or None
        None for a matrix with other values, with at most eight values, or with only zeros, which
        has no scale.

    Examples
    --------
    >>> import numpy as np
    >>> weights = np.tile([[0.5, 0.0, -0.5, 0.5]], (4, 8))
    >>> found = find_ternary(lambda rows, columns: weights[rows, columns], *weights.shape)
    >>> found.zeros, found.plus, found.minus, found.scales
    (32, 64, 32, Scales(lowest=0.5, highest=0.5, number=1))
    """
    if rows * columns <= _EVIDENCE:
        return None
    spread = slice(0, rows, -(-rows // _SAMPLE_ROWS))
    sample = _finite(read(spread, slice(0, min(columns, _LONGEST_ROW), 1)))[0]
    top = _largest(sample)
    if not top:
        top = max(_largest(_finite(read(*block))[0]) for block in _blocks(rows, columns))
    if not top:
        return None
    first = np.abs(sample[:1])
    for length in _scale_lengths(columns):
        # Most other matrices are rejected by their first row.
        if _fits(first, length, top):
            found = _Counter(rows, columns, length, top, by_line).count(read)
            if found is not None:
                return found
    return None


def _largest(values: Floats) -> float:
    return max(float(values.max()), -float(values.min()))


def _scale_lengths(columns: int) -> list[int]:
    """Return the numbers of weights that may share a scale, with 0 for the whole tensor."""
    lengths = [0]
    if LEAST_ROW <= columns <= _LONGEST_ROW:
        lengths.append(columns)
    if columns > GROUP and columns % GROUP == 0:
        lengths.append(GROUP)
    return lengths


class _Counter:
    """Count a matrix block by block, until a block turns out not to be ternary.

    Parameters
    ----------
    rows, columns : int
        Shape of the matrix.
    length : int
        Number of weights that share a scale; 0 for the whole tensor.
    top : float
        The scale of the tensor.
    by_line : bool
        Whether to count the zeros of each row and column.
    """

    def __init__(self, rows: int, columns: int, length: int, top: float, by_line: bool) -> None:
        self._shape = rows, columns
        self._length = length
        self._top = top
        self._plus = self._minus = self._used_rows = self._scales = 0
        self._low, self._high = np.inf, 0.0
        self._row_zeros = np.zeros(rows, np.int64) if by_line else None
        self._column_zeros = np.zeros(columns, np.int64) if by_line else None
        self._not_finite: int | None = None
        self._exact = not length
        self._last_used = -1

    def count(self, read: Read) -> TernaryMatrix | None:
        """Return the counts, or None if the matrix is not ternary."""
        rows, columns = self._shape
        for block in _blocks(rows, columns):
            values = read(*block)
            is_zero = self._count_exact(values) if self._exact else None
            if is_zero is None:
                self._exact = False  # the other blocks have rounding errors too
                is_zero = self._count_within(values, block)
            if is_zero is None:
                return None
            self._count_lines(is_zero, block)
        zeros = rows * columns - self._plus - self._minus
        scales = Scales(self._low, self._high, self._scales if self._length else 1)
        return TernaryMatrix(
            zeros, self._plus, self._minus, self._used_rows, scales,
            self._row_zeros, self._column_zeros, self._not_finite,
        )  # fmt: skip

    def _count_exact(self, values: Floats) -> NDArray[np.bool_] | None:
        """Count a block that holds exactly the scale, its negative and zero, which is quicker.

        Returns
        -------
        array of bool or None
            Mask of the zeros; None, without counting anything, if there are other values.
        """
        scale = values.dtype.type(
            self._top
        )  # the type of the values, or else numpy converts them all
        plus = int(np.count_nonzero(values == scale))
        minus = int(np.count_nonzero(values == -scale))
        is_zero: NDArray[np.bool_] = values == 0
        if plus + minus + int(np.count_nonzero(is_zero)) != values.size:
            return None
        self._plus += plus
        self._minus += minus
        if plus or minus:
            self._note_scales(float(scale), float(scale))
        return is_zero

    def _count_within(self, values: Floats, block: _Block) -> NDArray[np.bool_] | None:
        """Count a block whose values are ternary within the tolerance, or return None."""
        values, first = _finite(values)
        if first is not None and self._not_finite is None:
            row, column = divmod(first, values.shape[1])
            start = (block.rows.start + row) * self._shape[1]
            self._not_finite = start + block.columns.start + column
        magnitudes = np.abs(values)
        if not _fits(magnitudes, self._length, self._top):
            return None
        if self._length:
            tops = magnitudes.reshape(-1, self._length).max(axis=1)
            self._scales += tops.size
            used = tops[tops > 0]
            if used.size:
                self._note_scales(float(used.min()), float(used.max()))
        else:
            self._note_scales(self._top, float(magnitudes.max()))
        limit = 0.5 * _scale_of(magnitudes, self._length, self._top)
        is_plus, is_zero = values > limit, magnitudes <= limit
        plus = int(np.count_nonzero(is_plus))
        self._plus += plus
        self._minus += values.size - int(np.count_nonzero(is_zero)) - plus
        return is_zero

    def _note_scales(self, low: float, high: float) -> None:
        self._low, self._high = min(self._low, low), max(self._high, high)
        if not self._length:
            self._low = self._high

    def _count_lines(self, is_zero: NDArray[np.bool_], block: _Block) -> None:
        if self._row_zeros is not None and self._column_zeros is not None:
            self._row_zeros[block.rows] += np.count_nonzero(is_zero, axis=1)
            self._column_zeros[block.columns] += np.count_nonzero(is_zero, axis=0)
        used = _rows_with_a_weight(is_zero)
        if block.columns.stop - block.columns.start < self._shape[1]:
            # A row in pieces counts once, at its first piece with a weight.
            used *= self._last_used != block.rows.start
            self._last_used = block.rows.start if used else self._last_used
        self._used_rows += used


def _rows_with_a_weight(is_zero: NDArray[np.bool_]) -> int:
    rows = len(is_zero)
    if is_zero.shape[1] >= 8:
        # The first eight weights decide for almost every row; they are compared as one word.
        doubtful = np.ascontiguousarray(is_zero[:, :8]).view(np.uint64)[:, 0] == _EIGHT_ZEROS
        if not np.count_nonzero(doubtful):
            return rows
        is_zero = is_zero[doubtful]
    return rows - int(np.count_nonzero(is_zero.all(axis=1)))


def _fits(magnitudes: Floats, length: int, top: float) -> bool:
    """Return whether every magnitude is near zero or near its scale."""
    scale = _scale_of(magnitudes, length, top)
    # Zero and the scale are both half the scale away from the middle.
    distance = np.abs(magnitudes - 0.5 * scale)
    if isinstance(scale, float):
        low, high = float(distance.min()), float(distance.max())
        return (0.5 - TOLERANCE) * scale <= low and high <= (0.5 + TOLERANCE) * scale
    within = bool((distance >= (0.5 - TOLERANCE) * scale).all())
    return within and bool((distance <= (0.5 + TOLERANCE) * scale).all())


def _scale_of(magnitudes: Floats, length: int, top: float) -> Floats | float:
    """Return the scale of each weight, in a shape that broadcasts with the weights."""
    if not length:
        return top
    rows, columns = magnitudes.shape
    tops: Floats = magnitudes.reshape(-1, length).max(axis=1)
    if length == columns:
        return tops[:, None]
    return np.repeat(tops, length).reshape(rows, columns)


def _finite(values: Floats) -> tuple[Floats, int | None]:
    """Return values with zeros for those that are not finite, and the index of the first."""
    # NaN and infinity both show in the extremes, so most arrays are checked quickly.
    if isfinite(float(values.max())) and isfinite(float(values.min())):
        return values, None
    odd = ~np.isfinite(values)
    return np.where(odd, values.dtype.type(0), values), int(odd.argmax())


def _blocks(rows: int, columns: int) -> Iterator[_Block]:
    if columns <= _LONGEST_ROW:
        step = max(_BLOCK_ELEMENTS // columns, 1)
        for start in range(0, rows, step):
            yield _Block(slice(start, min(start + step, rows), 1), slice(0, columns, 1))
        return
    for row in range(rows):
        for start in range(0, columns, _LONGEST_ROW):
            piece = slice(start, min(start + _LONGEST_ROW, columns), 1)
            yield _Block(slice(row, row + 1, 1), piece)
