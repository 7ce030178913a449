"""Traced arrays: numpy arrays that report the operations on them.

A `TracedArray` is an ndarray, so array code accepts it unchanged. numpy's ufunc and array-function
protocols report every operation on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..record import TracedTally
from .products import count_dot, count_einsum, count_inner, count_tensordot
from .site import Site
from .ufuncs import count_index, count_ufunc

#: Functions of numpy that compute nothing.
_FREE = frozenset({
    "append", "array2string", "array_repr", "array_split", "array_str", "atleast_1d",
    "atleast_2d", "atleast_3d", "broadcast_arrays", "broadcast_to", "can_cast", "common_type",
    "concatenate", "copy", "copyto", "delete", "diag", "diagonal", "dsplit", "dstack",
    "empty_like", "expand_dims", "flip", "fliplr", "flipud", "full_like", "hsplit", "hstack",
    "imag", "insert", "iscomplexobj", "isrealobj", "matrix_transpose", "may_share_memory",
    "meshgrid", "min_scalar_type", "moveaxis", "ndim", "ones_like", "pad", "place", "put",
    "put_along_axis", "putmask", "ravel", "real", "repeat", "reshape", "resize", "result_type",
    "roll", "rollaxis", "rot90", "shape", "shares_memory", "size", "split", "squeeze", "stack",
    "swapaxes", "take", "take_along_axis", "tile", "transpose", "tril", "triu", "unstack",
    "vsplit", "vstack", "where", "zeros_like",
})  # fmt: skip
_DOTS = {"dot": count_dot, "inner": count_inner}


class ArrayTally(TracedTally):
    """The tally of a block of numpy code.

    Attributes
    ----------
    calls : int
        Number of calls of ufuncs and functions.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0
        self._scopes: list[str] = []

    def input(self, array: ArrayLike) -> TracedArray:
        """Mark an array, without a copy, as depending on the input, so that work on it counts."""
        return _marked(np.asarray(array), self, fixed=False)

    def weight(self, array: ArrayLike) -> TracedArray:
        """Mark an array, without a copy, as stored.

        Work on stored arrays alone goes to `weight_work`. An unmarked array counts as stored in an
        operation with a marked one, but work on unmarked arrays alone is not traced.
        """
        return _marked(np.asarray(array), self, fixed=True)

    @contextmanager
    def scope(self, name: str) -> Iterator[None]:
        """Name a block of code; dots join the names of nested blocks."""
        self._scopes.append(name)
        try:
            yield
        finally:
            self._scopes.pop()

    def site(self, fixed: bool) -> Site:
        """Return the place of the current operation."""
        return Site(self, ".".join(self._scopes) or "(outside)", fixed)


@contextmanager
def trace_arrays(strict: bool) -> Iterator[ArrayTally]:
    """Trace numpy code within a block; see `bitnet_hw.trace_numpy`."""
    tally = ArrayTally()
    yield tally
    if strict:
        tally.refuse_unknown()


class TracedArray(np.ndarray[Any, Any]):
    """An ndarray whose operations are counted. Its values are those of an ordinary array."""

    _tally: ArrayTally | None = None
    _fixed: bool = True

    def __array_finalize__(self, source: Any) -> None:  # noqa: ANN401  numpy's signature
        """Inherit the marks of the array that this one is a view or a copy of."""
        self._tally = getattr(source, "_tally", None)
        self._fixed = getattr(source, "_fixed", True)

    def __array_ufunc__(
        self,
        ufunc: np.ufunc,
        method: str,
        *inputs: Any,  # noqa: ANN401  numpy's signature
        out: Any = None,  # noqa: ANN401
        **kwargs: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        """Run a ufunc on plain arrays, and count it."""
        found = [*_traced(inputs), *_traced(out or ()), *_traced(kwargs.values())]
        # In a += b the array a is also an input; a pure target is only written.
        fixed = all(array._fixed for array in _traced([*inputs, *kwargs.values()]))
        plain = [_plain(value) for value in inputs]
        kwargs = {key: _plain(value) for key, value in kwargs.items()}
        if out is not None:
            kwargs["out"] = _plain(out)
        result = getattr(ufunc, method)(*plain, **kwargs)
        tally = next((array._tally for array in found if array._tally is not None), None)
        if tally is None:
            return result
        tally.calls += 1
        stored = [_is_stored(value) for value in inputs]
        axis = kwargs.get("axis", 0)
        count_ufunc(tally.site(fixed), ufunc, method, plain, stored, axis, result)
        if method == "at" and isinstance(inputs[0], TracedArray) and not fixed:
            inputs[0].depend_on_input()
        if out is None:
            return _mark(result, tally, fixed)
        for target in _traced(out):
            if not fixed:
                target.depend_on_input()
        return out[0] if len(out) == 1 else out

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:  # noqa: ANN401  numpy's signature
        """Run one of numpy's functions, and count it."""
        found = _traced([*args, *kwargs.values()])
        tally = next((array._tally for array in found if array._tally is not None), None)
        fixed = all(array._fixed for array in found)
        name = func.__name__
        if tally is None:
            return super().__array_function__(func, types, args, kwargs)
        if name in _COUNTED:
            result = func(*_plain(args), **{key: _plain(value) for key, value in kwargs.items()})
            tally.calls += 1
            _COUNTED[name](tally.site(fixed), name, args, kwargs, result)
            return _mark(result, tally, fixed)
        # Most functions consist of ufuncs and other functions, which are reported themselves.
        before = tally.calls, len(tally.unknown)
        result = super().__array_function__(func, types, args, kwargs)
        if name not in _FREE and (tally.calls, len(tally.unknown)) == before:
            tally.site(fixed).unknown(f"numpy.{name}")
        return _mark(result, tally, fixed)

    # Methods of arrays that bypass both protocols.

    def dot(self, other: ArrayLike, out: Any = None) -> Any:  # noqa: ANN401  numpy has overloads
        """Return the product, counted."""
        return np.dot(self, other, out)

    def argmax(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  numpy has overloads
        """Return the index of the largest element, counted."""
        return np.argmax(self, *args, **kwargs)

    def argmin(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  numpy has overloads
        """Return the index of the smallest element, counted."""
        return np.argmin(self, *args, **kwargs)

    def sort(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  numpy has overloads
        """Sort in place, which has no formula."""
        self._without_formula("sort", *args, **kwargs)

    def argsort(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  numpy has overloads
        """Return the order of the elements, which has no formula."""
        return self._without_formula("argsort", *args, **kwargs)

    def partition(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401  numpy has overloads
        """Sort partially in place, which has no formula."""
        self._without_formula("partition", *args, **kwargs)

    def argpartition(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  numpy has overloads
        """Return the partial order of the elements, which has no formula."""
        return self._without_formula("argpartition", *args, **kwargs)

    def searchsorted(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  numpy has overloads
        """Return indices in a sorted array, which has no formula."""
        return self._without_formula("searchsorted", *args, **kwargs)

    def trace(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  numpy has overloads
        """Return the sum of the diagonal, which has no formula."""
        return self._without_formula("trace", *args, **kwargs)

    def _without_formula(self, name: str, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401  any method's
        plain = {key: _plain(value) for key, value in kwargs.items()}
        result = getattr(self.view(np.ndarray), name)(*_plain(args), **plain)
        if self._tally is None:
            return result
        self._tally.calls += 1
        self._tally.site(self._fixed).unknown(f"numpy.{name}")
        return _mark(result, self._tally, self._fixed)

    def __setitem__(self, key: Any, value: Any) -> None:  # noqa: ANN401  numpy has overloads
        super().__setitem__(_plain(key), _plain(value))
        if any(not array._fixed for array in _traced([value])):
            self.depend_on_input()

    def depend_on_input(self) -> None:
        """Record that this array and the arrays that it is a view of depend on the input."""
        array: Any = self
        while isinstance(array, TracedArray):
            array._fixed = False
            array = array.base


def _traced(values: Iterable[Any]) -> list[TracedArray]:
    found = []
    for value in values:
        if isinstance(value, TracedArray):
            found.append(value)
        elif isinstance(value, list | tuple):
            found.extend(_traced(value))
    return found


def _plain(value: Any) -> Any:  # noqa: ANN401  any argument
    if isinstance(value, TracedArray):
        return value.view(np.ndarray)
    if isinstance(value, list | tuple) and _traced(value):
        return type(value)(_plain(item) for item in value)
    return value


def _is_stored(value: Any) -> bool:  # noqa: ANN401  any operand
    return all(array._fixed for array in _traced([value]))


def _marked(array: Any, tally: ArrayTally, fixed: bool) -> TracedArray:  # noqa: ANN401  array or scalar
    found: TracedArray = np.asarray(array).view(TracedArray)
    found._tally, found._fixed = tally, fixed
    return found


def _mark(result: Any, tally: ArrayTally, fixed: bool) -> Any:  # noqa: ANN401  any result
    """Mark the arrays in a result; a numpy scalar becomes an array without axes."""
    if isinstance(result, np.ndarray | np.generic):
        return _marked(result, tally, fixed)
    if isinstance(result, list | tuple) and type(result) in (list, tuple):
        return type(result)(_mark(item, tally, fixed) for item in result)
    return result


def _argument(args: Any, kwargs: Any, position: int, name: str) -> Any:  # noqa: ANN401  any function's
    return args[position] if position < len(args) else kwargs[name]


def _dot(site: Site, name: str, args: Any, kwargs: Any, _result: Any) -> None:  # noqa: ANN401  any function's
    given = [_argument(args, kwargs, position, key) for position, key in enumerate("ab")]
    first, second = (np.asarray(_plain(value)) for value in given)
    if name == "vdot":
        first, second, name = first.reshape(-1), second.reshape(-1), "inner"
    _DOTS[name](site, first, second, [_is_stored(value) for value in given])


def _einsum(site: Site, _name: str, args: Any, _kwargs: Any, _result: Any) -> None:  # noqa: ANN401
    operands = [np.asarray(_plain(value)) for value in args[1:]] if len(args) > 1 else []
    count_einsum(site, args[0], operands, [_is_stored(value) for value in args[1:]])


def _index(site: Site, name: str, args: Any, kwargs: Any, result: Any) -> None:  # noqa: ANN401
    array = np.asarray(_plain(_argument(args, kwargs, 0, "a")))
    count_index(site, name, array, int(np.size(result)))


def _tensordot(site: Site, _name: str, args: Any, kwargs: Any, _result: Any) -> None:  # noqa: ANN401
    given = [_argument(args, kwargs, position, key) for position, key in enumerate("ab")]
    first, second = (np.asarray(_plain(value)) for value in given)
    axes = args[2] if len(args) > 2 else kwargs.get("axes", 2)
    count_tensordot(site, first, second, axes, [_is_stored(value) for value in given])


_COUNTED: dict[str, Callable[[Site, str, Any, Any, Any], None]] = {
    "dot": _dot, "inner": _dot, "vdot": _dot, "einsum": _einsum, "tensordot": _tensordot,
    "argmax": _index, "argmin": _index,
}  # fmt: skip
