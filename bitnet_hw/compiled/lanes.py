"""Counters side by side: a lane each, as narrow as the data, widened before they can overflow."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .jit import inline

Words = npt.NDArray[np.uint64]
Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]

#: What a lane of a byte counts up to.
MOST = 255


@inline
def flush(lanes: Words | Bytes, counters: Ints) -> None:
    """Move what the bytes of lanes hold to counters that do not overflow."""
    narrow = lanes.view(np.uint8)
    for j in range(narrow.size):
        counters[j] += narrow[j]
    lanes[:] = 0
