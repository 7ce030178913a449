"""Counts of a matrix, put together from its parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]

#: A matrix with longer rows is counted as one stream, without zeros by row and column.
MAX_ROW_BYTES = 1 << 20


class Totals(NamedTuple):
    """Zeros and +1 of a matrix, with its zeros by row and column if asked for.

    The columns come in any order: only the distribution of their zeros is reported.
    """

    zeros: int
    plus: int
    row_zeros: Ints | None = None
    column_zeros: Ints | None = None

    @staticmethod
    def of(parts: Sequence[Totals]) -> Totals:
        """Combine consecutive groups of rows of one matrix."""
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


def fits_by_line(shape: tuple[int, int]) -> bool:
    """Return whether counters by row and column take at most a few times the matrix's memory.

    Parameters
    ----------
    shape : (rows, bytes per row)
        Of the stored matrix.
    """
    rows, width = shape
    counters = 4 * 8 * (rows + width)  # four planes of int64 by row and by byte
    return 0 < width <= MAX_ROW_BYTES and counters <= max(16 << 20, 4 * rows * width)
