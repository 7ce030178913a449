"""Exceptions that a user of bitnet-hw sees.

Each carries one line that says what is wrong, where, and what would be right. The command
line prints that line and exits with `exit_code`; a library caller catches the class.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import ClassVar


class BitnetHwError(Exception):
    """Base class of every error that this package raises on purpose."""

    exit_code: ClassVar[int] = 1


class InputError(BitnetHwError, ValueError):
    """A file, key or value given by the user cannot be used."""

    exit_code: ClassVar[int] = 2


class RecordError(InputError):
    """A key of a record is unknown, missing or has a wrong value.

    Parameters
    ----------
    message : str
        The whole line: file or record, key, what is wrong.
    path : tuple of str and int
        Keys that lead to the wrong value.
    reason : str
        The last part of the line, without file and key.
    """

    def __init__(self, message: str, path: tuple[str | int, ...] = (), reason: str = "") -> None:
        super().__init__(message)
        self.path = path
        self.reason = reason or message


class ExistsError(InputError):
    """A file to be written already exists."""


class AccumulatorError(InputError):
    """An integer accumulator of a given width could overflow."""


class ContradictionError(InputError):
    """A setting contradicts the value that the convention fixes.

    Attributes
    ----------
    setting, value : str
        What was set, by its name in Python, and to which value.
    convention, reason : str
        The convention, and the reason as a clause: "which fixes full attention".
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


class UnknownNameError(InputError):
    """A name is not among the known ones.

    Attributes
    ----------
    what, name : str
        The kind of thing, and the name that the user wrote.
    known : tuple of str
        The names that would be right, sorted.
    """

    def __init__(self, what: str, name: str, known: Iterable[str]) -> None:
        self.what, self.name, self.known = what, name, tuple(sorted(known))
        super().__init__(f"unknown {what} {name!r}; {suggestion(name, self.known)}")


def unknown_name(what: str, name: str, known: Iterable[str]) -> UnknownNameError:
    """Build the error for a name that is not among the known ones.

    Parameters
    ----------
    what : str
        The kind of thing, such as ``"scheme"``.
    name : str
        The name that the user wrote.
    known : iterable of str
        The names that would be right.

    Returns
    -------
    UnknownNameError
        Its message suggests the nearest known name, or lists all of them if none is close.

    Examples
    --------
    >>> print(unknown_name("table", "jouppi", ["7nm", "45nm"]))
    unknown table 'jouppi'; known: 45nm, 7nm
    """
    return UnknownNameError(what, name, known)


def named(argument: object) -> str:
    """Return an argument as messages show it: text and numbers as written, others by their class.

    Examples
    --------
    >>> named("decode"), named({}), named(None)
    ("'decode'", 'a dict', 'None')
    """
    if argument is None or isinstance(argument, (str, int, float)):
        return repr(argument)
    kind = type(argument).__name__
    return f"{'an' if kind[0] in 'AEIOUaeiou' else 'a'} {kind}"


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return ``did you mean 'x'?`` if a known name is close, otherwise all known names."""
    names = sorted(known)
    near = nearest(name, names)
    return f"known: {', '.join(names)}" if near is None else f"did you mean {near!r}?"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that a mistyped one was probably meant to be.

    Case is ignored. Names with different numbers mean different things, such as sizes or process
    nodes, unless the numbers have at least three digits and differ in one.

    Parameters
    ----------
    name : str
        The name that the user wrote.
    known : iterable of str
        The names that would be right.

    Returns
    -------
    str or None
        None if no name is close.

    Examples
    --------
    >>> nearest("bitnet-b158", ["bitnet-b1.58", "fp16"])
    'bitnet-b1.58'
    >>> nearest("5nm", ["7nm", "45nm"]) is None
    True
    """
    by_folded = {each.casefold(): each for each in known}
    folded = name.casefold()
    fitting = [each for each in by_folded if _same_number(_digits(folded), _digits(each))]
    near = difflib.get_close_matches(folded, fitting, n=1, cutoff=0.6)
    return by_folded[near[0]] if near else None


def _digits(name: str) -> str:
    return "".join(re.findall(r"\d", name))


def _same_number(one: str, other: str) -> bool:
    if len(one) != len(other):
        return False
    differing = sum(a != b for a, b in zip(one, other, strict=True))
    return differing == 0 or (differing == 1 and len(one) >= 3)
