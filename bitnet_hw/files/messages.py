"""Validation errors in our own words, by the type of error that pydantic reports."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from ..errors import RecordError, suggestion
from .document import Document, KeyPath

Context = Mapping[str, Any]

#: Error type -> the sentence, from the error's own context. ``found ...`` is added to each.
SENTENCES: Mapping[str, Callable[[Context], str]] = {
    "bool_type": lambda _: "must be true or false",
    "bytes_type": lambda _: "must be bytes",
    "date_type": lambda _: "must be a date",
    "dict_type": lambda _: "must be a mapping of keys",
    "finite_number": lambda _: "must be a finite number",
    "float_type": lambda _: "must be a number",
    "greater_than": lambda ctx: f"must be greater than {_number(ctx['gt'])}",
    "greater_than_equal": lambda ctx: f"must be at least {_number(ctx['ge'])}",
    "int_type": lambda _: "must be an integer",
    "int_from_float": lambda _: "must be an integer",
    "less_than": lambda ctx: f"must be less than {_number(ctx['lt'])}",
    "less_than_equal": lambda ctx: f"must be at most {_number(ctx['le'])}",
    "list_type": lambda _: "must be a list",
    "literal_error": lambda ctx: f"must be {_choices(ctx['expected'])}",
    "mapping_type": lambda _: "must be a mapping of keys",
    "model_attributes_type": lambda _: "must be a mapping of keys",
    "model_type": lambda _: "must be a mapping of keys",
    "multiple_of": lambda ctx: f"must be a multiple of {_number(ctx['multiple_of'])}",
    "none_required": lambda _: "must be null",
    "string_pattern_mismatch": lambda ctx: f"must match the pattern {ctx['pattern']}",
    "string_too_long": lambda ctx: f"must have at most {ctx['max_length']} characters",
    "string_too_short": lambda ctx: _at_least(ctx["min_length"], "characters"),
    "string_type": lambda _: "must be text",
    "too_long": lambda ctx: f"must have at most {ctx['max_length']} items",
    "too_short": lambda ctx: _at_least(ctx["min_length"], "items"),
    "tuple_type": lambda _: "must be a list",
}
#: The sentence for any other error type, from a newer pydantic or a new kind of field.
FALLBACK = "cannot have this value"


def explain(error: ValidationError, document: Document) -> RecordError:
    """Return the error for the first thing that is wrong with a document.

    Parameters
    ----------
    error : ValidationError
        The error that pydantic raised.
    document : Document
        The document that was validated.
    """
    # A mistyped key also makes the right one missing: name the cause, not its effect.
    problems: Sequence[Any] = sorted(error.errors(), key=lambda e: e["type"] == "missing")
    problem = problems[0]
    kind, ctx = problem["type"], problem.get("ctx", {})
    path = _keys(problem["loc"], document.data, missing=kind == "missing")
    if kind == "missing":
        return document.error(path[:-1], f"key {path[-1]!r} is missing")
    if kind == "unknown_key":
        return document.key_error(
            (*path, str(ctx["key"])), f"unknown key {ctx['key']!r}; {ctx['hint']}"
        )
    if kind == "extra_forbidden":
        return document.key_error(path, f"unknown key {path[-1]!r}")
    if kind == "wrong_value":
        earlier = document.lines.get((*path, *_parts(ctx["earlier"]))) if ctx["earlier"] else None
        first = "" if earlier is None else f", first on line {earlier}"
        return document.error((*path, *_parts(ctx["key"])), ctx["message"] + first)
    if kind in ("value_error", "assertion_error"):
        return document.error(path, str(ctx["error"]))
    if problem["loc"] and problem["loc"][-1] == "[key]" and kind == "literal_error":
        hint = suggestion(str(problem["input"]), re.findall(r"'([^']*)'", ctx["expected"]))
        return document.key_error(path, f"unknown key {path[-1]!r}; {hint}")
    sentence = SENTENCES[kind](ctx) if kind in SENTENCES else FALLBACK
    return document.error(path, f"{sentence}, found {shorten(problem['input'])}")


def _keys(loc: Sequence[str | int], data: object, *, missing: bool) -> KeyPath:
    """Return a location without pydantic's additions: tags of union members, ``[key]``."""
    path: list[str | int] = []
    for i, part in enumerate(loc):
        is_key = isinstance(data, Mapping) and part in data
        is_index = isinstance(data, Sequence) and isinstance(part, int) and part < len(data)
        # A field that a record derives from others does not appear in the file.
        if is_key or is_index or i == 0 or (missing and i == len(loc) - 1):
            path.append(part)
            data = data[part] if is_key or is_index else None  # type: ignore[index]  # either has it
        elif data is None and part != "[key]":
            path.append(part)
    return tuple(path)


def _parts(key: str) -> KeyPath:
    """Return the parts of a key that a record's own check names: ``operations.0.source``."""
    return tuple(int(part) if part.isdecimal() else part for part in key.split("."))


def _number(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:g}"


def _at_least(length: int, what: str) -> str:
    return "must not be empty" if length == 1 else f"must have at least {length} {what}"


def _choices(expected: str) -> str:
    values = re.findall(r"'[^']*'|[^\s,']+", expected.replace(" or ", ", "))
    return values[0] if len(values) == 1 else f"one of {', '.join(values)}"


def shorten(value: object) -> str:
    """Return a value as messages show it, at most 40 characters long; ``nothing`` for None.

    Examples
    --------
    >>> shorten("fp16")
    "'fp16'"
    """
    if value is None:
        return "nothing"
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
