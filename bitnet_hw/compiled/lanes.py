"""Counters side by side: a lane each, as narrow as the data, widened before they can overflow."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .jit import inline

Words = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]

#: Rows that a byte can count: of one code or digit each, and of five.
ROWS, ROWS_OF_FIVE = 255, 51


@inline
def flush(lanes: Words | Bytes, column_zeros: Ints) -> None:
    """Move what the bytes of lanes hold to counters that do not overflow."""
    narrow = lanes.view(np.uint8)
    for plane in range(len(lanes)):
        here = narrow[plane]
        there = column_zeros[plane]
        for j in range(here.size):
            there[j] += here[j]
    lanes[:] = 0
