"""How the loops are compiled: by numba, whose cache may fail without a loss."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from numba import config, njit

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
