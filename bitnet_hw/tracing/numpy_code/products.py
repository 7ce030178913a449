"""Matrix products of numpy: shapes, and the formats of their operands."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np

from ...reference.detection import Floats
from ..formulas import product_role, reduction
from ..record import Operand
from ..values import integer_operand, stored_operand
from .site import Array, Site, format_of


def count_matmul(site: Site, name: str, operands: list[Array], stored: Sequence[bool]) -> None:
    """Count ``np.matmul``, ``np.vecdot``, ``np.matvec`` or ``np.vecmat``."""
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
    weight = _operand(b.reshape(-1, k), stored=True)
    activation = _own(a) if weight.is_float else _operand(a.reshape(-1, k), stored=False)
    site.product(product_role(site.path), dots // rows, k, rows, activation, weight)


def _own(array: Array) -> Operand:
    return Operand(format_of(array.dtype))


def _operand(matrix: Array, stored: bool) -> Operand:
    if matrix.dtype.kind not in "fiub":
        return _own(matrix)

    def read(rows: slice, columns: slice) -> Floats:
        part = matrix[rows, columns]
        kind = np.float64 if part.dtype.itemsize > 4 else np.float32
        found: Floats = part.astype(kind, copy=False)
        return found

    roundoff = float(np.finfo(matrix.dtype).eps) / 2 if matrix.dtype.kind == "f" else 0.0
    look = stored_operand if stored else integer_operand
    return look(read, (len(matrix), matrix.shape[1]), roundoff) or _own(matrix)


def count_dot(site: Site, a: Array, b: Array, stored: Sequence[bool]) -> None:
    """Count ``np.dot``, over the last axis of `a` and the second-to-last axis of `b`."""
    if not a.ndim or not b.ndim:
        site.steps("mul", format_of(np.result_type(a, b)), {"mul": a.size * b.size})
        return
    b = np.swapaxes(b, -1, -2) if b.ndim > 1 else b
    count_inner(site, a, b, stored)


def count_inner(site: Site, a: Array, b: Array, stored: Sequence[bool]) -> None:
    """Count ``np.inner``, the products of every row of `a` with every row of `b`."""
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
        site.unknown("numpy.einsum")  # one operand alone is summed first
        return
    rows = [
        operand.transpose(
            [term.index(label) for label in [*(c for c in term if c not in summed), *summed]]
        ).reshape(-1, prod(sizes[label] for label in summed))
        for term, operand in zip(labels, operands, strict=True)
    ]
    count_rows(site, rows[0], rows[1], stored, outputs)
