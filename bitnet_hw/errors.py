"""The exceptions that a user of bitnet-hw sees.

Each carries one line that says what is wrong, where, and what would be right. The command
line prints that line and exits with `exit_code`; a library caller catches the class.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import ClassVar


class BitnetHwError(Exception):
    """Base class of every error that this package raises on purpose."""

    exit_code: ClassVar[int] = 1


class InputError(BitnetHwError, ValueError):
    """A file, key, value or flag that the user gave is not usable."""

    exit_code: ClassVar[int] = 2


class AccumulatorError(InputError):
    """An integer accumulator of a given width could overflow."""


class ContradictionError(InputError):
    """A setting has another value than the convention fixes.

    Attributes
    ----------
    setting, value : str
        What was set, by its name in Python, and to which value.
    convention, reason : str
        The convention, and what it fixes: "which fixes full attention".
    """

    def __init__(self, setting: str, value: object, convention: str, reason: str) -> None:
        self.setting, self.value = setting, str(value)
        self.convention, self.reason = convention, reason
        what = setting.replace("_", " ")
        super().__init__(f"{what} {value} contradicts the {convention} convention, {reason}")


class MissingPriceError(InputError):
    """An energy table and its expansions do not price an operation."""


class ToolMissingError(BitnetHwError, RuntimeError):
    """An external tool or an optional dependency is not installed."""

    exit_code: ClassVar[int] = 3


class MismatchError(BitnetHwError, RuntimeError):
    """Hardware and reference, or two ways of counting, disagree."""

    exit_code: ClassVar[int] = 4


def unknown_name(what: str, name: str, known: Iterable[str]) -> InputError:
    """Build the error for a name that is not among the known ones.

    Parameters
    ----------
    what : str
        The kind of thing, such as ``"scheme"``.
    name : str
        What the user wrote.
    known : iterable of str
        The names that would be right.

    Returns
    -------
    InputError
        With the nearest known name where one is close, and with all of them otherwise.
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if near:
        return InputError(f"unknown {what} {name!r}; did you mean {near[0]!r}?")
    return InputError(f"unknown {what} {name!r}; known: {', '.join(names)}")
