"""Number formats of the operands of matrix products, by value.

A model that emulates quantization computes in floats: a quantized activation is an integer times a
scale, and a straight-through BitLinear multiplies by floats of three values. The format that
hardware would need is therefore detected from the values.
"""

from __future__ import annotations

from math import log

import numpy as np

from ..reference.detection import Floats, Read, find_ternary
from .record import Operand

#: A matrix of whole numbers must have more values than this; fewer could be whole by chance.
_EVIDENCE = 8
_SAMPLE_ROWS = 8
_FEW = 64
#: Largest codes of absmax quantizers.
_LARGEST = np.array([[127.0], [128.0], [7.0], [8.0]])


def stored_operand(read: Read, shape: tuple[int, int], roundoff: float) -> Operand | None:
    """Describe a stored matrix whose values are ternary, binary or integers.

    Parameters
    ----------
    read : callable
        (rows, columns) -> that part of the matrix; its rows are the outputs.
    shape : (rows, columns)
        Number of outputs and reduction length.
    roundoff : float
        Unit roundoff of the array's data type.

    Returns
    -------
    Operand or None
        None for a matrix of other values, which has the format of its data type.
    """
    found = find_ternary(read, *shape)
    if found is None or found.not_finite is not None:
        return integer_operand(read, shape, roundoff)
    form = "binary" if found.binary else "ternary"
    return Operand(form, 1, found.plus + found.minus, found.used_rows)


def integer_operand(read: Read, shape: tuple[int, int], roundoff: float) -> Operand | None:
    """Describe a matrix whose values are integers of 4 or 8 bits times a scale.

    The scale is 1, or maps the largest magnitude of the row, or of all rows that are read, to 127,
    128, 7 or 8, as in absmax quantizers. A value may deviate from its integer by as much as two
    roundings of the array's data type explain. Eight evenly spaced rows are read.

    Parameters
    ----------
    read : callable
        (rows, columns) -> that part of the matrix.
    shape : (rows, columns)
        Shape of the matrix. A row has one scale.
    roundoff : float
        Unit roundoff of the array's data type.

    Returns
    -------
    Operand or None
        None if no such grid fits, or if random values could fit as well.
    """
    rows, columns = shape
    if not rows * columns:
        return None
    spread = slice(0, rows, -(-rows // _SAMPLE_ROWS))
    sample = read(spread, slice(0, columns, 1))
    top = float(np.abs(sample).max())
    if not 0 < top < np.inf:
        return None
    few = np.abs(sample[0, :_FEW]).astype(np.float64)
    if top <= 128 and _whole(few):
        values = sample.astype(np.float64)
        if _whole(values) and values.size > _EVIDENCE:
            low, high = float(values.min()), float(values.max())
            name, bound = ("int4", 8) if low >= -8 and high < 8 else ("int8", 128)
            return Operand(name, bound if -low == bound or high == bound else bound - 1)
    # The first values of a row exclude most grids, and all grids are tested at once.
    row_top = float(np.abs(sample[0]).max()) or 1.0
    codes = few * (_LARGEST / np.array([row_top, top]))[..., None]
    near = np.abs(codes - np.rint(codes)) <= _allowed(codes, roundoff)
    possible = near.all(axis=-1)
    if not possible.any():
        return None
    magnitudes = np.abs(sample.astype(np.float64))
    row_tops = magnitudes.max(axis=1, keepdims=True)
    per_row = magnitudes / np.where(row_tops, row_tops, 1)
    for i, largest in enumerate(_LARGEST[:, 0].tolist()):
        for j, shares in enumerate((per_row, magnitudes / top)):
            if possible[i, j] and _on_grid(shares * largest, roundoff, largest):
                return Operand("int8" if largest > 8 else "int4", int(largest))
    return None


def _whole(values: Floats) -> bool:
    return np.array_equal(values, np.rint(values))


def _allowed(codes: Floats, roundoff: float) -> Floats:
    """Return the largest deviation from an integer that two roundings of a code can cause."""
    moved: Floats = 1e-3 + 3 * roundoff * codes
    return moved


def _on_grid(codes: Floats, roundoff: float, largest: float) -> bool:
    """Return whether numbers are integers within roundings, and unlikely to be so by chance."""
    inner = codes[(codes > 0) & (codes < largest - 0.25)]
    allowed = _allowed(inner, roundoff)
    nearest = np.rint(inner)
    if not bool((nearest > 0).all() and (np.abs(inner - nearest) <= allowed).all()):
        return False
    # A random number passes with probability 2 x allowed: below 1 in a billion over all of them.
    return float(np.log(np.minimum(2 * allowed, 1)).sum()) < log(1e-9)
