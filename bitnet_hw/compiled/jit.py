"""How the loops are compiled: by numba, whose cache may fail without a loss."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from numba import config, njit
from numba.core import cgutils, types
from numba.extending import intrinsic

Loop = TypeVar("Loop", bound=Callable[..., Any])

#: Whether numba is allowed to do what it is here for (NUMBA_DISABLE_JIT).
CAN_COMPILE = not config.DISABLE_JIT


def loop(function: Loop) -> Loop:
    """Compile a function on its first call, to run without the interpreter's lock."""
    return _compiled(function, nogil=True)


def short_loop(function: Loop) -> Loop:
    """Compile a function that takes less time than threads need to pass the lock on."""
    return _compiled(function, nogil=False)


def _compiled(function: Loop, nogil: bool) -> Loop:
    plain = njit(nogil=nogil)(function)
    try:
        in_use = [njit(nogil=nogil, cache=True)(function)]
    except RuntimeError:  # no place to keep compiled code
        return cast("Loop", plain)

    @wraps(function)
    def call(*arguments: object) -> object:
        try:
            return in_use[0](*arguments)
        except Exception:
            # Nothing in a loop fails: what is kept is damaged, or there is no room to keep more.
            if in_use[0] is plain:
                raise
            in_use[0] = plain
            return plain(*arguments)

    return cast("Loop", call)


#: For a function that loops call: its code stands in theirs.
inline = njit(inline="always")


@intrinsic
def ones(typing: Any, word: Any) -> Any:  # noqa: ANN401, ARG001  numba's own signature
    """Return the number of bits set: the instruction, which numpy's function is not compiled to."""

    def build(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), build


@intrinsic
def copy_bytes(typing: Any, to: Any, there: Any, source: Any, here: Any, size: Any) -> Any:  # noqa: ANN401, ARG001
    """Copy bytes between arrays: an instruction or two, where so many are known when compiling."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:  # noqa: ANN401
        places = []
        for array, at in ((0, 1), (2, 3)):
            data = context.make_array(signature.args[array])(context, builder, arguments[array])
            first = builder.bitcast(data.data, cgutils.voidptr_t)
            places.append(builder.gep(first, [arguments[at]]))
        cgutils.raw_memcpy(builder, *places, arguments[4], 1)
        return context.get_dummy_value()

    return types.void(to, types.intp, source, types.intp, types.intp), build
