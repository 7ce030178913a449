"""Counting loops that numba compiles, where the extra `fast` is installed.

Each loop has a form in numpy beside its caller, which counts the same where numba is missing or the
work is too small to be worth loading it.
"""

from __future__ import annotations

from functools import cache
from types import ModuleType

#: Bytes from which on the loops are worth it: numba and what it has compiled take up to half a
#: second to load, in which numpy counts 130 MB of base 3 by row and column, its slowest form, and
#: 450 MB of 2-bit codes.
WORTH = 192 << 20


def loops_for(size: int) -> ModuleType | None:
    """Return the module `loops`, where it is there and so many bytes are worth it.

    The first call of each loop compiles it, in about a second, and keeps the result beside the
    module or, where that cannot be written, in the user's cache.
    """
    return _loops() if size >= WORTH else None


@cache
def _loops() -> ModuleType | None:
    try:
        from . import jit, loops
    except (ImportError, OSError, AttributeError):
        return None  # missing, too old or too new for numpy, or an installation that is damaged
    return loops if jit.CAN_COMPILE else None
