"""Ternary weights that a safetensors file stores as floats, or as bytes of -1, 0 and +1."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ..reference.detection import find_ternary
from .packed import Totals, fits_by_line
from .record import Scale
from .source import Bytes, Source

#: dtypes that may hold {-s, 0, +s}, with their bytes.
FLOATS = {"F16": 2, "BF16": 2, "F32": 4, "I8": 1}


class FloatTernary(NamedTuple):
    """The counts of a ternary matrix in floats, and its scales: per tensor, row or group."""

    totals: Totals
    scale: Scale


def count_floats(
    source: Source, tensor: str, dtype: str, offset: int, shape: tuple[int, int], sparsity: bool
) -> FloatTernary | None:
    """Count a matrix of floats if its values are {-s, 0, +s}.

    Parameters
    ----------
    source, tensor, offset
        The file, the tensor's name for messages, and the first byte of its values.
    dtype : str
        A key of `FLOATS`.
    shape : (rows, columns)
        Of the matrix.
    sparsity : bool
        Whether to count zeros by row and column.

    Returns
    -------
    FloatTernary or None
        None for a matrix with other values: eight rows tell, as a rule.

    Raises
    ------
    InputError
        If the finite values are ternary and a value is not finite.
    """
    rows, columns = shape
    size = FLOATS[dtype]

    def stretch(first: int, count: int) -> npt.NDArray[np.float32]:
        return _floats(source.array(offset + first * size, count * size), dtype)

    def read(lines: slice, part: slice) -> npt.NDArray[np.float32]:
        width = part.stop - part.start
        if width == columns and lines.step == 1:
            count = lines.stop - lines.start
            return stretch(lines.start * columns, count * columns).reshape(count, columns)
        places = range(lines.start, lines.stop, lines.step)
        return np.stack([stretch(row * columns + part.start, width) for row in places])

    by_line = sparsity and fits_by_line((rows, columns * size))
    found = find_ternary(read, rows, columns, by_line=by_line)
    if found is None:
        return None
    if found.not_finite is not None:
        raise source.fault(
            f"value {stretch(found.not_finite, 1)[0]} among ternary weights", tensor=tensor,
            offset=offset + found.not_finite * size,
        )  # fmt: skip
    totals = Totals(found.zeros, found.plus, found.zeros_by_row, found.zeros_by_column)
    return FloatTernary(totals, Scale(*found.scales))


def _floats(raw: Bytes, dtype: str) -> npt.NDArray[np.float32]:
    if dtype == "BF16":
        widened = raw.view(np.uint16).astype(np.uint32)
        return np.left_shift(widened, np.uint32(16)).view(np.float32)
    kinds = {"F16": np.float16, "F32": np.float32, "I8": np.int8}
    return raw.view(kinds[dtype]).astype(np.float32, copy=False)
