"""Packed uint8 of Hugging Face transformers, in safetensors: four 2-bit codes w + 1 per byte.

Bits 2k and 2k + 1 of P[i, j] hold w[i + k r, j] + 1, where r = ceil(R / 4); rows from R on are
padding (transformers, integrations/bitnet.py). The file holds r; R comes from the model.
"""

from __future__ import annotations

from math import prod

import numpy as np

from ...errors import InputError
from ...inputs.roles import rows_of
from ..containers import Tensor
from ..counting.totals import Totals, fits_by_line
from ..counting.two_bit_codes import count_rows, count_stream
from ..source import Bytes, Source
from .layout import Found, Task, is_one_float, scale_tensor, separate_scale

FORMAT = "hf-packed"

#: Names, after the module's, of tensors that other quantizers store with byte-valued weights.
_FOREIGN = ("absmax", "quant_map", "quant_state", "SCB", "zeros", "zero_point", "scales", "scale_2")


def count(task: Task) -> Found | None:
    """Count a packed matrix, or return None if the bytes are something else.

    Raises
    ------
    InputError
        If a code is 3 in a tensor that its name or a scale marks as a weight, or the scale is not
        finite.
    """
    scale, stored = separate_scale(task), scale_tensor(task)
    if not _is_packed(task, stored):
        return None
    try:
        shape, totals = _count(task)
    except InputError as error:
        if stored is not None or task.tensor.name.endswith("weight"):
            raise
        task.warn(f"{error}; it has no scale tensor, so it is not counted as weights")
        return None
    return Found.of(totals, scale)._replace(shape=shape, format=FORMAT)


def _is_packed(task: Task, scale: Tensor | None) -> bool:
    """Return whether bytes are packed weights, judging by the tensors stored with them."""
    if scale is not None:
        # Scales of blocks, with more than one number, belong to another quantizer.
        return is_one_float(scale)
    name = task.tensor.name
    foreign = (f"{name}.", f"{name}_", name.removesuffix("weight"))
    return len(task.tensor.shape) == 2 and not any(
        f"{prefix}{mark}" in task.tensors for prefix in foreign for mark in _FOREIGN
    )


def _count(task: Task) -> tuple[tuple[int, ...], Totals]:
    """Return the shape of the unpacked matrix, and its counts."""
    tensor = task.tensor
    r, rest = (tensor.shape[0], tensor.shape[1:]) if tensor.shape else (0, ())
    columns = prod(rest)
    known = _known_rows(task, r) if r else None
    rows = 4 * r if known is None else known
    if r == 0 or columns == 0:
        return (rows, *rest), Totals(0, 0)
    totals = _packed_totals(task, (r, columns), rows)
    # A row that contains a zero cannot be padding.
    if known is None and (totals.row_zeros is None or not totals.row_zeros[-1]):
        padding = _padding(task, (r, columns))
        if padding:
            task.warn_at(
                f"{4 * r - 3} to {4 * r} rows: the last {padding} of {4 * r} hold -1 only, as "
                f"padding does, and no config.json gives the number of rows; counted as {4 * r}"
            )
    return (rows, *rest), totals


def _packed_totals(task: Task, packed: tuple[int, int], rows: int) -> Totals:
    """Count the first `rows` rows of a matrix of r x columns bytes."""
    source, tensor = task.source, task.tensor
    r, columns = packed
    if task.by_line and fits_by_line(packed):
        found = count_rows(source, tensor.name, tensor.offset, packed)
    else:
        found = count_stream(source, tensor.name, tensor.offset, r * columns)
    zeros, plus = found.zeros, found.plus
    row_zeros = found.row_zeros.reshape(-1) if found.row_zeros is not None else None
    column_zeros = found.column_zeros
    for row in range(rows, 4 * r):  # padding is code 0, unless another program wrote the file
        codes = _row(source, tensor.offset, packed, row)
        zeros -= int((codes == 1).sum())
        plus -= int((codes == 2).sum())
        if column_zeros is not None:
            column_zeros -= codes == 1
    return Totals(zeros, plus, None if row_zeros is None else row_zeros[:rows], column_zeros)


def _row(source: Source, offset: int, packed: tuple[int, int], row: int) -> Bytes:
    """Return the codes of one row."""
    r, columns = packed
    plane, i = divmod(row, r)
    codes: Bytes = source.array(offset + i * columns, columns) >> np.uint8(2 * plane)
    return codes & np.uint8(3)


def _known_rows(task: Task, r: int) -> int | None:
    """Return the rows that the model gives the matrix, if they fit it."""
    rows = rows_of(task.tensor.name, task.model) if task.model is not None else None
    if rows is None or -(-rows // 4) == r:
        return rows
    task.warn_at(f"{r} rows of packed bytes hold {4 * r - 3} to {4 * r}; the config says {rows}")
    return None


def _padding(task: Task, packed: tuple[int, int]) -> int:
    """Return the number of last rows, at most three, that look like padding: code 0 throughout."""
    r = packed[0]
    padding = 0
    while padding < min(3, 4 * r - 1):
        row = _row(task.source, task.tensor.offset, packed, 4 * r - 1 - padding)
        if np.any(row):
            break
        padding += 1
    return padding
