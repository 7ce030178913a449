"""Ternary weights by value: -s, 0, +s in F32, F16 and BF16, and -1, 0, +1 in I8 (safetensors)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ...reference.detection import find_ternary
from ..containers.safetensors import DTYPE_BITS
from ..counting.totals import Totals, fits_by_line
from ..record import Scale
from ..source import Bytes
from .layout import Found, Task, separate_scale


def count(task: Task) -> Found | None:
    """Count a matrix of floats, or return None if its values are not ternary.

    If the values are -1, 0 and +1, the scale in a separate tensor is reported.

    Raises
    ------
    InputError
        If the finite values are ternary but others, or the scale, are not finite.
    """
    separate = separate_scale(task)
    if len(task.tensor.shape) < 2 or task.rows == 0 or task.columns == 0:
        return None
    found = _count_values(task)
    if found is None:
        return None
    is_plain = found.scale.low == found.scale.high == 1
    return Found.of(found.totals, separate if is_plain and separate is not None else found.scale)


class _Counted(NamedTuple):
    """The counts of a ternary matrix in floats, and its scales: per tensor, row or group."""

    totals: Totals
    scale: Scale


def _count_values(task: Task) -> _Counted | None:
    source, tensor, rows, columns = task.source, task.tensor, task.rows, task.columns
    dtype = tensor.format.upper()
    size = DTYPE_BITS[dtype] // 8

    def stretch(first: int, number: int) -> npt.NDArray[np.float32]:
        return _floats(source.array(tensor.offset + first * size, number * size), dtype)

    def read(lines: slice, part: slice) -> npt.NDArray[np.float32]:
        width = part.stop - part.start
        if width == columns and lines.step == 1:
            number = lines.stop - lines.start
            return stretch(lines.start * columns, number * columns).reshape(number, columns)
        places = range(lines.start, lines.stop, lines.step)
        return np.stack([stretch(row * columns + part.start, width) for row in places])

    by_line = task.by_line and fits_by_line((rows, columns * size))
    found = find_ternary(read, rows, columns, by_line=by_line)
    if found is None:
        return None
    if found.not_finite is not None:
        raise source.fault(
            f"value {stretch(found.not_finite, 1)[0]} among ternary weights", tensor=tensor.name,
            offset=tensor.offset + found.not_finite * size,
        )  # fmt: skip
    totals = Totals(found.zeros, found.plus, found.zeros_by_row, found.zeros_by_column)
    return _Counted(totals, Scale(*found.scales))


def _floats(raw: Bytes, dtype: str) -> npt.NDArray[np.float32]:
    if dtype == "BF16":
        widened = raw.view(np.uint16).astype(np.uint32)
        return np.left_shift(widened, np.uint32(16)).view(np.float32)
    kinds = {"F16": np.float16, "F32": np.float32, "I8": np.int8}
    return raw.view(kinds[dtype]).astype(np.float32, copy=False)
