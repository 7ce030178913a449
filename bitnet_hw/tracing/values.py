"""Number formats by value: ternary matrices and scaled integers among floats.

A model computes in floats whatever it emulates: a straight-through BitLinear multiplies by
``w + (q - w)``, whose magnitudes differ from the scale by rounding; a quantized activation is an
integer times a scale. So the format that hardware would need is read off the values.
"""

from __future__ import annotations

from collections.abc import Callable
from math import log

import numpy as np
from numpy.typing import NDArray

from .record import Operand

#: Relative to the largest magnitude: what counts as zero, and as the scale. The straight-through
#: form in bf16 stays well within it; Gaussian weights fall outside with 90 % of their values.
TOLERANCE = 2e-2
#: Weights that share a scale in group-quantized files.
GROUP = 256
#: More values than scales by at least this number: fewer agree by chance.
_EVIDENCE = 8
_BLOCK_ELEMENTS = 1 << 17  # a block and its like stay in a core's cache
_SAMPLE_ROWS = 8
_FEW = 64

Floats = NDArray[np.floating]
#: (start, stop, step) -> those rows of a matrix, as float32 or float64.
Rows = Callable[[slice], Floats]


def find_ternary(rows: Rows, count: int, k: int) -> Operand | None:
    """Return a matrix as ternary or binary, where its values are.

    They are if every magnitude lies within 2 % of zero or of the scale, relative to the scale:
    the largest magnitude of the matrix, of the row, or of the group of 256 along the row.

    Parameters
    ----------
    rows : callable
        Gives rows of the (count, k) matrix, whose rows are the outputs.
    count, k : int
        Outputs and reduction length.

    Returns
    -------
    Operand or None
        With its non-zero weights; None for any other matrix, for one too small to
        tell, and for one of zeros alone, which has no scale.
    """
    if count * k < 1 + _EVIDENCE:
        return None
    sample = np.abs(rows(_spread(count)))
    top = float(sample.max())
    if top == 0:
        top = max(float(np.abs(rows(block)).max()) for block in _blocks(count, k))
    if not 0 < top < np.inf:
        return None
    groups = [group for group in (0, k, GROUP) if not group or k % group == 0]
    groups = [group for group in groups if not group or count * k - count * k // group >= _EVIDENCE]
    for part in (sample[:1], sample):  # most matrices fail in their first row
        groups = [group for group in groups if _fits(part, group, top, 2 * TOLERANCE)]
    non_zeros = used_outputs = 0
    for block in _blocks(count, k):
        values = rows(block)
        if groups and groups[0] == 0:
            # Exactly ternary, which costs half of what a check within 2 % does.
            level = values.dtype.type(top)
            *found, exact = _count_two_levels(values, level)
            if exact:
                non_zeros += found[0]
                used_outputs += found[1]
                continue
        magnitudes = np.abs(values)
        # A wider scale that fails leaves the narrower ones; rows that it held pass those too.
        while groups and not _fits(magnitudes, groups[0], top, TOLERANCE):
            groups.pop(0)
        if not groups:
            return None
        used = magnitudes > 0.5 * _scales(magnitudes, groups[0], top)
        non_zeros += int(np.count_nonzero(used))
        used_outputs += int(np.count_nonzero(used.any(axis=1)))
    binary = non_zeros == count * k and _both_signs(rows, count, k)
    return Operand("binary" if binary else "ternary", 1, non_zeros, used_outputs)


def _count_two_levels(values: Floats, top: np.floating) -> tuple[int, int, bool]:
    """Return non-zeros, rows that hold any, and whether every magnitude is 0 or `top`."""
    magnitudes = np.abs(values)
    at_top = magnitudes == top
    non_zeros = int(np.count_nonzero(at_top))
    exact = non_zeros == np.count_nonzero(magnitudes != 0)
    return non_zeros, int(np.count_nonzero(at_top.any(axis=1))), exact


def _both_signs(rows: Rows, count: int, k: int) -> bool:
    lows, highs = zip(
        *((float(part.min()), float(part.max())) for part in map(rows, _blocks(count, k))),
        strict=True,
    )
    return bool(min(lows) < 0 < max(highs))


def find_integers(rows: Rows, count: int, roundoff: float) -> Operand | None:
    """Return a matrix as int4 or int8, where its values are integers times a scale.

    The scale is 1, or such that the largest magnitude of the row, or of what is looked at, becomes
    127, 128, 7 or 8: what absmax quantizers leave. A value may miss its integer by what two
    roundings of the array's type explain. Eight rows, spread evenly, are looked at.

    Parameters
    ----------
    rows : callable
        Gives rows of the matrix, each of which has one scale.
    count : int
        Rows.
    roundoff : float
        Unit roundoff of the array's own type.

    Returns
    -------
    Operand or None
        None where no such grid fits, or a random one would fit as well.
    """
    if not count:
        return None
    values = rows(_spread(count)).astype(np.float64)
    magnitudes = np.abs(values)
    top = float(magnitudes.max(initial=0.0))
    if not 0 < top < np.inf:
        return None
    if top <= 128 and np.array_equal(values, np.rint(values)) and values.size > _EVIDENCE:
        low, high = float(values.min()), float(values.max())
        name, bound = ("int4", 8) if low >= -8 and high < 8 else ("int8", 128)
        return Operand(name, bound if -low == bound or high == bound else bound - 1)
    row_tops = magnitudes.max(axis=1, keepdims=True)
    per_row = magnitudes / np.where(row_tops, row_tops, 1)
    for largest, name in ((127, "int8"), (128, "int8"), (7, "int4"), (8, "int4")):
        for shares in (per_row, magnitudes / top):
            few = shares[0, :_FEW] * largest  # enough to refuse what is on no grid
            if not bool((np.abs(few - np.rint(few)) <= _allowed(few, roundoff)).all()):
                continue
            if _on_grid(shares * largest, roundoff, largest):
                return Operand(name, largest)
    return None


def _allowed(codes: Floats, roundoff: float) -> Floats:
    """Return how far from an integer two roundings may have moved a code."""
    moved: Floats = 1e-3 + 3 * roundoff * codes
    return moved


def _on_grid(codes: Floats, roundoff: float, largest: int) -> bool:
    """Whether numbers are integers, within roundings, more surely than chance would have it."""
    inner = codes[(codes > 0) & (codes < largest - 0.25)]
    allowed = _allowed(inner, roundoff)
    nearest = np.rint(inner)
    if not bool((nearest > 0).all() and (np.abs(inner - nearest) <= allowed).all()):
        return False
    # A random number passes with probability 2 x allowed: below 1 in a billion over all of them.
    return float(np.log(np.minimum(2 * allowed, 1)).sum()) < log(1e-9)


def _fits(magnitudes: Floats, group: int, top: float, tolerance: float) -> bool:
    grouped = magnitudes if not group else magnitudes.reshape(-1, group)
    scale = _scales(grouped, group, top)
    # The distance to the middle is half the scale at both ends.
    distance = np.abs(grouped - 0.5 * scale)
    if isinstance(scale, float):
        low, high = float(distance.min()), float(distance.max())
        return (0.5 - tolerance) * scale <= low and high <= (0.5 + tolerance) * scale
    within = bool((distance >= (0.5 - tolerance) * scale).all())
    return within and bool((distance <= (0.5 + tolerance) * scale).all())


def _scales(magnitudes: Floats, group: int, top: float) -> Floats | float:
    if not group:
        return top
    width = magnitudes.shape[-1]
    tops = magnitudes.reshape(-1, group).max(axis=1, keepdims=True)
    return tops if width == group else np.repeat(tops, group).reshape(magnitudes.shape)


def _spread(count: int) -> slice:
    return slice(0, count, -(-count // _SAMPLE_ROWS))


def _blocks(count: int, k: int) -> list[slice]:
    step = max(_BLOCK_ELEMENTS // k, 1)
    return [slice(start, min(start + step, count), 1) for start in range(0, count, step)]
