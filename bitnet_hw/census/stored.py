"""The census of one tensor of a safetensors file."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from math import isfinite, prod

import numpy as np

from ..errors import InputError
from ..inputs.model import ModelSpec
from ..inputs.roles import rows_of
from .kernels import Counting
from .packed import Totals, count_hf_packed, packed_row, sparsity_of
from .record import MatrixCensus, Scale
from .safetensors import StoredTensor
from .source import Source
from .ternary_floats import FLOATS, count_floats

Warn = Callable[[str], None]
Tensors = Mapping[str, StoredTensor]

HF_PACKED = "hf-packed"

#: What other quantizers put beside a weight of bytes, after its module's name.
_FOREIGN = ("absmax", "quant_map", "quant_state", "SCB", "zeros", "zero_point", "scales", "scale_2")


def stored_census(
    source: Source,
    tensor: StoredTensor,
    tensors: Tensors,
    model: ModelSpec | None,
    how: Counting,
    warn: Warn,
) -> MatrixCensus:
    """Count one tensor of a safetensors file.

    Parameters
    ----------
    source, tensor
        The file, and the tensor's place in it.
    tensors : mapping
        All tensors of the file, for the scale beside the weight.
    model : ModelSpec or None
        Tells the rows of a packed matrix.
    how : Counting
        Whether by row and column, and by which loops.
    warn : callable
        Takes a line about what is odd and yet countable.

    Raises
    ------
    InputError
        If a code or a scale is invalid.
    """
    beside = tensors.get(f"{tensor.name}_scale")
    scale = _scale(source, beside) if beside is not None else None
    if tensor.dtype == "U8" and _is_packed(tensor, tensors, beside):
        try:
            shape, totals = _packed(source, tensor, model, how, warn)
        except InputError as error:
            if beside is not None or tensor.name.endswith("weight"):
                raise
            warn(f"{error}; no scale stands beside it, so that it is not taken for weights")
        else:
            return _record(how, source, tensor, HF_PACKED, shape, totals, scale)
    if tensor.dtype in FLOATS and len(tensor.shape) >= 2:
        columns = tensor.shape[-1]
        rows = prod(tensor.shape[:-1])
        if rows == 0 or columns == 0:
            return _record(how, source, tensor, tensor.dtype.lower(), tensor.shape, None, None)
        floats = count_floats(
            source, tensor.name, tensor.dtype, tensor.offset, (rows, columns), how.sparsity
        )
        if floats is not None:
            if scale is not None and floats.scale.low == floats.scale.high == 1:
                floats = floats._replace(scale=scale)
            return _record(
                how, source, tensor, tensor.dtype.lower(), tensor.shape, floats.totals, floats.scale
            )
    return _record(how, source, tensor, tensor.dtype.lower(), tensor.shape, None, None)


def _record(
    how: Counting,
    source: Source,
    tensor: StoredTensor,
    kind: str,
    shape: tuple[int, ...],
    totals: Totals | None,
    scale: Scale | None,
) -> MatrixCensus:
    rows, columns = prod(shape[:-1]), shape[-1] if shape else 1
    by_row, by_column = sparsity_of(totals, rows, columns, how) if totals else (None, None)
    return MatrixCensus(
        name=tensor.name,
        shape=shape,
        format=kind,
        bytes=tensor.bytes,
        file=source.path.name,
        offset=tensor.offset,
        ternary=totals is not None,
        zeros=totals.zeros if totals else None,
        plus=totals.plus if totals else None,
        minus=rows * columns - totals.zeros - totals.plus if totals else None,
        scale=scale,
        rows=by_row,
        columns=by_column,
    )


def _is_packed(tensor: StoredTensor, tensors: Tensors, scale: StoredTensor | None) -> bool:
    """Return whether bytes are packed weights: by the scale beside them, and nobody else's."""
    if scale is not None:
        # Block scales, one for each few weights, are another quantizer's.
        return scale.dtype in ("F32", "F16", "BF16") and prod(scale.shape) == 1
    stem = tensor.name.removesuffix("weight")
    foreign = (f"{tensor.name}.", f"{tensor.name}_", stem)
    return len(tensor.shape) == 2 and not any(
        f"{prefix}{mark}" in tensors for prefix in foreign for mark in _FOREIGN
    )


def _scale(source: Source, tensor: StoredTensor) -> Scale | None:
    """Return the scale beside a weight; one number of its own, or None."""
    size = {"F32": 4, "F16": 2, "BF16": 2}.get(tensor.dtype)
    if size is None or tensor.bytes != size:
        return None
    raw = source.read(tensor.offset, size)
    if tensor.dtype == "BF16":
        raw = b"\0\0" + raw
    value: float = struct.unpack("<e" if tensor.dtype == "F16" else "<f", raw)[0]
    if not isfinite(value):
        raise source.fault(
            f"scale {value}; a finite one is right", tensor=tensor.name, offset=tensor.offset
        )
    return Scale(value, value, 1)


def _packed(
    source: Source,
    tensor: StoredTensor,
    model: ModelSpec | None,
    how: Counting,
    warn: Warn,
) -> tuple[tuple[int, ...], Totals]:
    """Count what transformers packed; return its unpacked shape and the totals."""
    r = tensor.shape[0] if tensor.shape else 0
    columns = prod(tensor.shape[1:])
    rest = tensor.shape[1:]
    if r == 0 or columns == 0:
        rows = _rows(source, tensor, r, model, warn) if r else 0
        return (4 * r if rows is None else rows, *rest), Totals(0, 0)
    rows = _rows(source, tensor, r, model, warn)
    whole = 4 * r if rows is None else rows
    totals = count_hf_packed(source, tensor.name, tensor.offset, (r, columns), whole, how)
    # A row with a zero in it is no padding.
    if rows is None and (totals.row_zeros is None or not totals.row_zeros[-1]):
        padding = _padding(source, tensor, r, columns)
        if padding:
            warn(
                source.describe(
                    f"{4 * r - 3} to {4 * r} rows: the last {padding} of {4 * r} hold -1 only, as "
                    "padding does, and no config.json tells the number; counted as "
                    f"{4 * r}",
                    tensor=tensor.name,
                    offset=tensor.offset,
                )
            )
    return (whole, *rest), totals


def _rows(
    source: Source, tensor: StoredTensor, r: int, model: ModelSpec | None, warn: Warn
) -> int | None:
    """Return the rows that the model gives a packed matrix, if they fit it."""
    rows = rows_of(tensor.name, model) if model is not None else None
    if rows is None or -(-rows // 4) == r:
        return rows
    warn(
        source.describe(
            f"{r} rows of packed bytes hold {4 * r - 3} to {4 * r}; the config says {rows}",
            tensor=tensor.name,
            offset=tensor.offset,
        )
    )
    return None


def _padding(source: Source, tensor: StoredTensor, r: int, columns: int) -> int:
    """Return how many of the last rows, at most three, look like padding: code 0 throughout."""
    padding = 0
    while padding < min(3, 4 * r - 1):
        row = packed_row(source, tensor.offset, (r, columns), 4 * r - 1 - padding)
        if np.any(row):
            break
        padding += 1
    return padding
