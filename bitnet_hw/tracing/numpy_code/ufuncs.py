"""Operations of numpy's ufuncs, from the shapes of plain arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..formulas import (
    DIVISION_BY_CONSTANT,
    ELEMENTWISE,
    NUMPY_NAMES,
    POWER_OF_CONSTANT,
    Counts,
    clamp,
    power,
    reduction,
    times,
)
from .products import count_matmul
from .site import Array, Site, format_of

_PRODUCTS = {"matmul", "vecdot", "matvec", "vecmat"}


def count_ufunc(
    site: Site,
    ufunc: np.ufunc,
    method: str,
    inputs: Sequence[Any],
    stored: Sequence[bool],
    axis: Any,  # noqa: ANN401  a number, several, or None
    result: Any,  # noqa: ANN401  an array, a scalar, a tuple of them, or None
) -> None:
    """Count one call of a ufunc.

    Parameters
    ----------
    site : Site
        Place of the call.
    ufunc, method : ufunc and str
        The function, and its method that is called.
    inputs : sequence
        Operands, as plain arrays.
    stored : sequence of bool
        Whether each operand is the same for every input.
    axis : int or tuple of int, optional
        Axis of a method that works along an axis.
    result : array or scalar
        Result of the call.
    """
    name = NUMPY_NAMES.get(ufunc.__name__, ufunc.__name__)
    if name in _PRODUCTS and method == "__call__":
        count_matmul(site, name, [np.asarray(value) for value in inputs[:2]], stored)
        return
    each = _each(name, inputs, stored) if method == "__call__" else _combining(name)
    if each is None or isinstance(result, tuple):
        site.unknown(f"numpy.{ufunc.__name__}")
        return
    if method == "at":
        number = np.size(inputs[0][inputs[1]])
    elif method in ("reduce", "reduceat"):
        number = max(np.size(inputs[0]) - np.size(result), 0)
    elif method == "accumulate":
        # The first element along the axis takes no operation.
        number = result.size - result.size // max(result.shape[axis], 1)
    else:
        number = np.size(result)
    site.steps(name, _operand_format(inputs, result), times(each, number))


def count_index(site: Site, name: str, array: Array, results: int) -> None:
    """Count ``np.argmax`` or ``np.argmin``."""
    site.steps(name, format_of(array.dtype), reduction(name, array.size, results))


def _each(name: str, inputs: Sequence[Any], stored: Sequence[bool]) -> Counts | None:
    """Return the operations per element of a plain call, or None without a formula."""
    if name == "div" and isinstance(inputs[1], int | float):
        return DIVISION_BY_CONSTANT
    if name in ("power", "float_power"):
        base, exponent = inputs[:2]
        if isinstance(base, int | float):
            return POWER_OF_CONSTANT
        constant = np.ndim(exponent) == 0 and stored[1] and np.isrealobj(exponent)
        return power(float(exponent)) if constant else None
    if name == "clip":
        return clamp(sum(bound is not None for bound in inputs[1:3]))
    return ELEMENTWISE.get(name)


def _combining(name: str) -> Counts | None:
    """Return the operations that combine two elements, as reduce, accumulate, outer and at do."""
    return None if name in ("power", "float_power", "clip") else ELEMENTWISE.get(name)


def _operand_format(inputs: Sequence[Any], result: Any) -> str:  # noqa: ANN401  array or scalar
    found = np.asarray(result).dtype if result is not None else np.asarray(inputs[0]).dtype
    if found != np.bool_:
        return format_of(found)
    types = [value.dtype for value in inputs if isinstance(value, np.ndarray | np.generic)]
    return format_of(max(types, key=lambda each: (each.kind == "f", each.itemsize), default=found))
