"""Loops over plain numbers: zeros of lines, weights in floats."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .jit import loop, short_loop
from .lanes import Ints


@short_loop
def spread(zeros: Ints) -> tuple[int, int, int, int, int]:
    """Return where the zeros of lines lie.

    Parameters
    ----------
    zeros : (lines,) int64
        Of each line, at least one.

    Returns
    -------
    least, below, above, most : int
        Of the line with the fewest, of the two in the middle, of the one with the most.
    number : int
        Lines with the most.
    """
    least = most = zeros[0]
    for i in range(zeros.size):
        least, most = min(least, zeros[i]), max(most, zeros[i])
    lines = np.zeros(most - least + 1, np.int64)
    for i in range(zeros.size):
        lines[zeros[i] - least] += 1
    below = above = 0
    before = 0
    for i in range(lines.size):
        if before <= (zeros.size - 1) // 2:
            below = i
        if before <= zeros.size // 2:
            above = i
        before += lines[i]
    return least, least + below, least + above, most, lines[-1]


@loop
def count_two_levels(values: npt.NDArray[np.floating], top: np.floating) -> tuple[int, int, bool]:
    """Count the non-zeros of a matrix whose magnitudes should be 0 and one other.

    Parameters
    ----------
    values : (rows, k) float
        The matrix.
    top : float
        The other magnitude, of the same type.

    Returns
    -------
    non_zeros, used_rows : int
        Values of magnitude `top`, and rows that hold any.
    exact : bool
        Whether every other value is 0.
    """
    non_zeros = used_rows = others = 0
    for i in range(values.shape[0]):
        row = values[i]
        here, there = np.int32(0), np.int32(0)  # as wide as the values, to stay beside them
        for j in range(row.size):
            magnitude = abs(row[j])
            here = np.int32(here + np.int32(magnitude == top))
            there = np.int32(there + np.int32(magnitude != 0))
        non_zeros += int(here)
        used_rows += int(here > 0)
        others += int(there - here)
    return non_zeros, used_rows, others == 0
