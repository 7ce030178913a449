"""Detection of ternary weights that a file stores as floats or as bytes of -1, 0 and +1."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from .counting.totals import Totals, fits_by_line
from .record import Scale
from .source import Bytes, Source

#: Magnitudes within this share of the largest are one scale, and below it zero: the
#: straight-through form w + (q - w) leaves rounding errors in every weight.
TOLERANCE = 0.02

#: dtypes that may hold {-s, 0, s}, with their bytes.
FLOATS = {"F16": 2, "BF16": 2, "F32": 4, "I8": 1}

#: Weights that share a scale, where it is neither one a tensor nor one a row.
GROUP = 256

#: Fewer weights than this to a scale of their own would let any numbers pass for ternary.
_LEAST_GROUP = 32


class FloatTernary(NamedTuple):
    """The counts of a ternary matrix in floats, and its scales: one a tensor, row or group."""

    totals: Totals
    scale: Scale


def _floats(raw: Bytes, dtype: str) -> npt.NDArray[np.float32]:
    if dtype == "BF16":
        widened = raw.view(np.uint16).astype(np.uint32)
        return np.left_shift(widened, np.uint32(16)).view(np.float32)
    kinds = {"F16": np.float16, "F32": np.float32, "I8": np.int8}
    return raw.view(kinds[dtype]).astype(np.float32)


class _Grouping:
    """One way to share scales; it lasts until a group shows more than one magnitude."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.low = np.inf
        self.high = 0.0
        self.groups = 0
        self.alive = True

    def take(self, magnitudes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32] | None:
        """Return the threshold above which a weight counts as non-zero, a group a row."""
        grouped = magnitudes.reshape(-1, self.length)
        top = grouped.max(axis=1, keepdims=True)
        is_zero = grouped <= TOLERANCE * top
        if not np.all(is_zero | (grouped >= (1 - TOLERANCE) * top)):
            self.alive = False
            return None
        used = top[top > 0]
        self.groups += len(top)
        if used.size:
            self.low = min(self.low, float(used.min()))
            self.high = max(self.high, float(used.max()))
        limit: npt.NDArray[np.float32] = TOLERANCE * top
        return limit


def count_floats(
    source: Source, tensor: str, dtype: str, offset: int, shape: tuple[int, int], sparsity: bool
) -> FloatTernary | None:
    """Count a matrix of floats if its values are {-s, 0, s}.

    Parameters
    ----------
    source, tensor, offset
        Where the values are.
    dtype : str
        A key of `FLOATS`.
    shape : (rows, columns)
        Of the matrix.
    sparsity : bool
        Whether to count zeros by row and column.

    Returns
    -------
    FloatTernary or None
        None for a matrix with other values: found out within the first chunk, as a rule.

    Raises
    ------
    InputError
        If the finite values are ternary and a value is not finite.
    """
    columns = shape[1]
    width = columns * FLOATS[dtype]
    lengths = [columns] if columns >= _LEAST_GROUP else []
    lengths += [GROUP] if columns % GROUP == 0 and columns > GROUP else []
    if width > 1 << 20 or not lengths:
        return _count_small(source, tensor, dtype, offset, shape, sparsity)
    for length in lengths:
        found = _count_by(source, tensor, dtype, offset, shape, length, sparsity)
        if found is not None:
            return found
    return None


def _count_by(
    source: Source, tensor: str, dtype: str, offset: int, shape: tuple[int, int], length: int,
    sparsity: bool,
) -> FloatTernary | None:  # fmt: skip
    rows, columns = shape
    width = columns * FLOATS[dtype]
    by_line = sparsity and fits_by_line((rows, width))
    grouping = _Grouping(length)
    zeros = plus = done = 0
    row_zeros = np.zeros(rows if by_line else 0, np.int64)
    column_zeros = np.zeros(columns if by_line else 0, np.int64)
    for start, chunk in source.chunks(offset, rows * width, width):
        values = _floats(chunk, dtype)
        magnitudes = np.abs(values)
        odd = np.flatnonzero(~np.isfinite(values))
        magnitudes[odd] = 0
        limit = grouping.take(magnitudes)
        if limit is None:
            return None
        if odd.size:
            raise source.fault(
                f"value {values[odd[0]]} among ternary weights", tensor=tensor,
                offset=start + int(odd[0]) * FLOATS[dtype],
            )  # fmt: skip
        grouped = values.reshape(-1, length)
        is_plus, is_minus = grouped > limit, grouped < -limit
        is_zero = ~(is_plus | is_minus)
        plus += int(np.count_nonzero(is_plus))
        zeros += int(np.count_nonzero(is_zero))
        if by_line:
            lines = is_zero.reshape(-1, columns)
            row_zeros[done : done + len(lines)] = np.count_nonzero(lines, axis=1)
            column_zeros += np.count_nonzero(lines, axis=0)
            done += len(lines)
    low, high, groups = grouping.low, grouping.high, grouping.groups
    if low > high:  # zeros alone
        low, high = 0.0, 0.0
    if low >= (1 - TOLERANCE) * high:
        low, groups = high, 1
    lines_found = (row_zeros, column_zeros) if by_line else (None, None)
    return FloatTernary(Totals(zeros, plus, *lines_found), Scale(low, high, groups))


def _count_small(
    source: Source, tensor: str, dtype: str, offset: int, shape: tuple[int, int], sparsity: bool
) -> FloatTernary | None:
    """Count a matrix whose rows are too short for a scale each, or too long for one chunk."""
    rows, columns = shape
    size = FLOATS[dtype]
    high = 0.0
    for _, chunk in source.chunks(offset, rows * columns * size):
        values = np.abs(_floats(chunk, dtype))
        finite = values[np.isfinite(values)]
        top = float(finite.max()) if finite.size else 0.0
        if np.any((finite > TOLERANCE * top) & (finite < (1 - TOLERANCE) * top)):
            return None
        high = max(high, top)
    zeros = plus = 0
    by_line = sparsity and fits_by_line((rows, columns * size)) and rows * columns <= 1 << 20
    flags = []
    for start, chunk in source.chunks(offset, rows * columns * size):
        values = _floats(chunk, dtype)
        magnitudes = np.abs(values)
        is_zero = magnitudes <= TOLERANCE * high
        odd = np.flatnonzero(~np.isfinite(values))
        if not np.all(is_zero | (magnitudes >= (1 - TOLERANCE) * high) | ~np.isfinite(values)):
            return None
        if odd.size:
            raise source.fault(
                f"value {values[odd[0]]} among ternary weights", tensor=tensor,
                offset=start + int(odd[0]) * size,
            )  # fmt: skip
        zeros += int(np.count_nonzero(is_zero))
        plus += int(np.count_nonzero(values > TOLERANCE * high))
        if by_line:
            flags.append(is_zero)
    scale = Scale(high, high, 1)
    if not flags:
        return FloatTernary(Totals(zeros, plus), scale)
    lines = np.concatenate(flags).reshape(rows, columns)
    by_row, by_column = np.count_nonzero(lines, axis=1), np.count_nonzero(lines, axis=0)
    return FloatTernary(
        Totals(zeros, plus, np.asarray(by_row, np.int64), np.asarray(by_column, np.int64)), scale
    )
