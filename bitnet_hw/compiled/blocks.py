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
    for block in range(first, last):
        scale = int(data[block * size + size - 1])
        least, most = min(least, scale), max(most, scale)
    return least, most
