"""What ggml's ternary blocks have in common: an FP16 scale at their end."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from .jit import inline

Halves = npt.NDArray[np.uint16]

#: The range of no scales: of unsigned patterns, so that any scale is within.
NO_RANGE = 0xFFFF, 0


@inline
def range_of_scales(
    data: Halves, first: int, last: int, size: int, known: tuple[int, int]
) -> tuple[int, int]:
    """Return the least and the largest pattern of the scales of blocks, and of those known.

    Blocks from `first` to before `last` are looked at; `size` counts words of 16 bits of each.
    """
    least, most = known
    at = np.uint64(first * size + size - 1)  # a signed place might count from the end
    for _ in range(last - first):
        scale = int(data[at])
        least, most = min(least, scale), max(most, scale)
        at += np.uint64(size)
    return least, most
