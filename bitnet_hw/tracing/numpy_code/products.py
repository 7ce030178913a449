"""What numpy's ufuncs, matrix products and reductions count, by the shapes of plain arrays."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..compiled import loops_for
from ..tally import Operation
from . import values
from .formulas import ELEMENTWISE, NUMPY_NAMES, REDUCTIONS, ROLES, product_role, reduction, times
from .record import Operand, Place, TracedTally

Array = NDArray[Any]

_FORMATS = {
    "float64": "fp64",
    "float32": "fp32",
    "float16": "fp16",
    "bool": "int8",
    **{f"{sign}int{bits}": f"int{bits}" for bits in (8, 16, 32, 64) for sign in ("", "u")},
}
_POWERS: dict[float, dict[Operation, int]] = {
    0.5: {"rsqrt": 1, "mul": 1}, -1: {"div": 1}, 1: {}, 2: {"mul": 1}, 3: {"mul": 2},
}  # fmt: skip
_PRODUCTS = {"matmul", "vecdot", "matvec", "vecmat"}


class Site:
    """Where something is counted: a tally, a path, and whether the result is fixed."""

    def __init__(self, tally: TracedTally, path: str, fixed: bool) -> None:
        self.tally = tally
        self.path = path
        self.fixed = fixed

    def steps(self, name: str, form: str, counts: Mapping[Operation, int]) -> None:
        """Count elementwise operations."""
        self.tally.steps(self._place(ROLES.get(name, "elementwise")), form, counts)

    def product(
        self, role: str, m: int, k: int, outputs: int, first: Operand, second: Operand
    ) -> None:
        """Count dot products."""
        self.tally.product(self._place(role), m, k, outputs, first, second)

    def unknown(self, name: str) -> None:
        """Note what has no formula."""
        self.tally.unknown[self.path, name] += 1

    def _place(self, role: str) -> Place:
        return Place(self.path, role, "weight" if self.fixed else "token")


def format_of(dtype: np.dtype[Any]) -> str:
    """Return the name of a type's number format: ``fp32``, ``int8``, ``complex64``."""
    return _FORMATS.get(dtype.name, dtype.name)


def count_ufunc(
    site: Site,
    ufunc: np.ufunc,
    method: str,
    inputs: Sequence[Any],
    stored: Sequence[bool],
    result: Any,  # noqa: ANN401  an array, a scalar, a tuple of them, or None
) -> None:
    """Count one call of a ufunc.

    Parameters
    ----------
    site : Site
        Where.
    ufunc, method : ufunc and str
        What was called, and how.
    inputs : sequence
        Plain operands.
    stored : sequence of bool
        Which of them are the same for every input.
    result : array or scalar
        What came out.
    """
    name = NUMPY_NAMES.get(ufunc.__name__, ufunc.__name__)
    if name in _PRODUCTS and method == "__call__":
        _matmul(site, name, [np.asarray(value) for value in inputs[:2]], stored)
        return
    each = _each(name, inputs)
    if each is None or isinstance(result, tuple):
        site.unknown(f"numpy.{ufunc.__name__}")
        return
    if method == "at":
        number = np.size(inputs[0][inputs[1]])
    elif method in ("reduce", "reduceat"):
        number = max(np.size(inputs[0]) - np.size(result), 0)
    elif method == "accumulate":
        number = np.size(result)  # one too many a vector, which the call does not tell
    else:
        number = np.size(result)
    site.steps(name, _operand_format(inputs, result), times(each, number))


def _each(name: str, inputs: Sequence[Any]) -> Mapping[Operation, int] | None:
    if name == "div" and isinstance(inputs[1], int | float):
        return {"mul": 1}  # a constant's reciprocal is a constant
    if name in ("power", "float_power"):
        exponent = inputs[1]
        return _POWERS.get(float(exponent)) if np.ndim(exponent) == 0 else None
    if name == "clip":
        bounds = [bound for bound in inputs[1:3] if bound is not None]
        return {"compare": len(bounds)}
    return ELEMENTWISE.get(name)


def _operand_format(inputs: Sequence[Any], result: Any) -> str:  # noqa: ANN401  array or scalar
    found = np.asarray(result).dtype if result is not None else np.asarray(inputs[0]).dtype
    if found != np.bool_:
        return format_of(found)
    types = [value.dtype for value in inputs if isinstance(value, np.ndarray | np.generic)]
    return format_of(max(types, key=lambda each: (each.kind == "f", each.itemsize), default=found))


def _matmul(site: Site, name: str, operands: list[Array], stored: Sequence[bool]) -> None:
    a, b = operands
    if name == "matmul":
        a = a if a.ndim > 1 else a[None, :]
        b = np.swapaxes(b, -1, -2) if b.ndim > 1 else b[None, :]
        m = a.shape[-2]
    else:
        m = a.shape[-2] if name == "matvec" else 1
        b = np.swapaxes(b, -1, -2) if name == "vecmat" else b[..., None, :]
        a = a if name == "matvec" else a[..., None, :]
    batch = prod(np.broadcast_shapes(a.shape[:-2], b.shape[:-2]))
    count_rows(site, a, b, stored, batch * m * b.shape[-2])


def count_rows(site: Site, a: Array, b: Array, stored: Sequence[bool], dots: int) -> None:
    """Count `dots` dot products between rows of `a` and rows of `b`, both (..., K)."""
    k = a.shape[-1]
    if not dots or not k:
        return
    if stored[0] and not stored[1]:
        a, b = b, a
    rows = b.size // k
    if stored[0] == stored[1]:
        role = product_role(site.path) if stored[0] else "matmul"
        site.product(role, dots // rows, k, rows, _own(a), _own(b))
        return
    weight = _operand(b.reshape(-1, k), ternary=True)
    activation = _own(a) if weight.is_float else _operand(a.reshape(-1, k), ternary=False)
    site.product(product_role(site.path), dots // rows, k, rows, activation, weight)


def _own(array: Array) -> Operand:
    return Operand(format_of(array.dtype))


def _operand(matrix: Array, ternary: bool) -> Operand:
    if matrix.dtype.kind not in "fiub":
        return _own(matrix)

    def rows(which: slice) -> values.Floats:
        part = matrix[which]
        kind = np.float64 if part.dtype.itemsize > 4 else np.float32
        found: values.Floats = part.astype(kind, copy=False)
        return found

    count, k = matrix.shape
    loops = loops_for(matrix.nbytes)
    found = values.find_ternary(rows, count, k, loops) if ternary else None
    roundoff = float(np.finfo(matrix.dtype).eps) / 2 if matrix.dtype.kind == "f" else 0.0
    return found or values.find_integers(rows, len(matrix), roundoff) or _own(matrix)


def count_dot(site: Site, a: Array, b: Array, stored: Sequence[bool]) -> None:
    """Count ``np.dot``: the last axis of `a` with the last but one of `b`."""
    if not a.ndim or not b.ndim:
        site.steps("mul", format_of(np.result_type(a, b)), {"mul": a.size * b.size})
        return
    b = np.swapaxes(b, -1, -2) if b.ndim > 1 else b
    count_inner(site, a, b, stored)


def count_inner(site: Site, a: Array, b: Array, stored: Sequence[bool]) -> None:
    """Count ``np.inner``: every row of `a` with every row of `b`."""
    k = max(a.shape[-1], 1)
    count_rows(site, a, b, stored, (a.size // k) * (b.size // k))


def count_tensordot(site: Site, a: Array, b: Array, axes: Any, stored: Sequence[bool]) -> None:  # noqa: ANN401  a number or two lists
    """Count ``np.tensordot``."""
    if isinstance(axes, int):
        axes = range(a.ndim - axes, a.ndim), range(axes)
    first, second = ([axes_of] if isinstance(axes_of, int) else [*axes_of] for axes_of in axes)
    k = prod(a.shape[axis] for axis in first)
    rows = [
        np.moveaxis(array, summed, range(-len(summed), 0)).reshape(-1, max(k, 1))
        for array, summed in ((a, first), (b, second))
    ]
    count_inner(site, rows[0], rows[1], stored)


def count_einsum(site: Site, subscripts: Any, operands: list[Array], stored: list[bool]) -> None:  # noqa: ANN401  a list in numpy's other calling form
    """Count ``np.einsum`` of one or two operands without repeated or elided indices."""
    spec = subscripts.replace(" ", "") if isinstance(subscripts, str) else "..."
    terms, _arrow, result = spec.partition("->")
    labels = terms.split(",")
    plain = all(len(set(term)) == len(term) for term in labels)
    if "." in spec or len(labels) != len(operands) or len(labels) > 2 or not plain:
        site.unknown("numpy.einsum")
        return
    if not _arrow:
        seen = Counter("".join(labels))
        result = "".join(label for label in sorted(seen) if seen[label] == 1)
    sizes = {
        label: size
        for term, operand in zip(labels, operands, strict=True)
        for label, size in zip(term, operand.shape, strict=True)
    }
    summed = [label for label in sizes if label not in result]
    outputs = prod(sizes[label] for label in result)
    if len(operands) == 1:
        form = format_of(operands[0].dtype)
        site.steps("sum", form, reduction("sum", operands[0].size, outputs))
        return
    if any(label not in term for label in summed for term in labels):
        site.unknown("numpy.einsum")  # a sum over one operand alone comes first
        return
    rows = [
        operand.transpose(
            [term.index(label) for label in [*(c for c in term if c not in summed), *summed]]
        ).reshape(-1, prod(sizes[label] for label in summed))
        for term, operand in zip(labels, operands, strict=True)
    ]
    count_rows(site, rows[0], rows[1], stored, outputs)


def count_index(site: Site, name: str, array: Array, results: int) -> None:
    """Count ``np.argmax`` or ``np.argmin``."""
    if name in REDUCTIONS:
        site.steps(name, format_of(array.dtype), reduction(name, array.size, results))
