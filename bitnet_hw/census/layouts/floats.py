"""Ternary weights by value: -s, 0, +s in F32, F16 and BF16, and -1, 0, +1 in I8 (safetensors)."""

from __future__ import annotations

from ..ternary_floats import count_floats
from .layout import Found, Task, scale_beside


def count(task: Task) -> Found | None:
    """Count a matrix of floats if its values are ternary; None if they are not.

    A scale in a tensor of its own is reported where the values are -1, 0 and +1.

    Raises
    ------
    InputError
        If the finite values are ternary and another one, or the scale, is not finite.
    """
    tensor, rows, columns = task.tensor, task.rows, task.columns
    beside = scale_beside(task)
    if len(tensor.shape) < 2 or rows == 0 or columns == 0:
        return None
    found = count_floats(
        task.source, tensor.name, tensor.format.upper(), tensor.offset, (rows, columns),
        task.by_line,
    )  # fmt: skip
    if found is None:
        return None
    is_plain = found.scale.low == found.scale.high == 1
    return Found.of(found.totals, beside if is_plain and beside is not None else found.scale)
