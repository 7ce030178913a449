"""Files in and out: YAML and JSON with line numbers, validated records, whole-file writes.

Every file that a user can hand in passes through :func:`read` and :func:`validate`, so that a
mistake in any of them is reported the same way: file, line, key, what is wrong, what is right.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from ..errors import InputError
from .records import RecordT

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]  # PyYAML's C loader has no type
    """PyYAML's safe loader, with ``1e9`` a number as in YAML 1.2 and everywhere else."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)[eE][-+]?[0-9]{1,3}"),
    list("-+0123456789."),
)

#: Larger files are refused: a config is a few kilobytes.
MAX_DOCUMENT_BYTES = 4 << 20

#: More keys and items, with every alias written out, are refused: a few lines of YAML whose
#: aliases repeat each other stand for more than any memory holds.
MAX_DOCUMENT_ITEMS = 200_000

#: Deeper nesting is refused before a node tree is built: the parser's C code recurses, and a stack
#: that overflows there ends the process. Shorter texts cannot nest deep enough to do so.
MAX_DEPTH = 200
_SHORT_TEXT = 16 << 10

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """The content of one file.

    Attributes
    ----------
    data : mapping
        The top-level mapping.
    origin : str
        What to call the file in messages.
    lines : mapping of key path to int
        The line, counted from 1, on which each key stands; empty where it is not known.
    written : mapping of str to str
        Top-level key of `data` -> what the file calls it, where a reader renamed it.
    """

    data: dict[str, Any]
    origin: str
    lines: Mapping[KeyPath, int] = field(default_factory=dict)
    written: Mapping[str, str] = field(default_factory=dict)

    def place(self, path: KeyPath) -> str:
        """Return ``file:line: key`` for a key path, with as much as is known."""
        line = next(
            (self.lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self.lines), None
        )
        where = self.origin if line is None else f"{self.origin}:{line}"
        key = self.as_written(".".join(str(part) for part in path))
        return f"{where}: {key}" if key else where

    def as_written(self, text: str) -> str:
        """Return a text in which every renamed key stands as the file has it."""
        return re.sub(r"[A-Za-z_]\w*", lambda word: self.written.get(word[0], word[0]), text)

    def error(self, path: KeyPath, message: str) -> InputError:
        """Build the error for one key of this document."""
        return InputError(f"{self.place(path)}: {self.as_written(message)}")


def read(path: str | Path) -> Document:
    """Read a YAML or JSON file whose top level is a mapping.

    Parameters
    ----------
    path : str or path
        A file that ends in ``.json`` is read as JSON, any other as YAML.

    Raises
    ------
    InputError
        If the file is missing, unreadable, too large, not valid (with the line), has a key
        twice, or is not a mapping.
    """
    path = Path(path)
    try:
        if path.is_dir():
            raise InputError(f"{path}: is a folder; a file was expected")
        with path.open("rb") as file:  # a device may claim any size, so the read is bounded
            content = file.read(MAX_DOCUMENT_BYTES + 1)
        if len(content) > MAX_DOCUMENT_BYTES:
            raise InputError(f"{path}: larger than {MAX_DOCUMENT_BYTES >> 20} MiB; not a config")
        text = content.decode("utf-8-sig")
    except InputError:
        raise
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start})") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    except ValueError as error:  # a NUL in the name
        raise InputError(f"{str(path)!r}: not a file name: {error}") from None
    parse = _parse_json if path.suffix == ".json" else _parse_yaml
    return parse(text, str(path))


def _parse_yaml(text: str, origin: str) -> Document:
    try:
        if len(text) > _SHORT_TEXT:
            _check_depth(text, origin)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            lines: dict[KeyPath, int] = {}
            if node is not None:
                _index(node, (), lines, origin, set())
            data = None if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        at = getattr(error, "position", None)  # of a character that YAML does not allow
        line = f":{mark.line + 1}" if mark is not None else ""
        line = f":{text.count(chr(10), 0, at) + 1}" if isinstance(at, int) else line
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise InputError(f"{origin}{line}: not valid YAML: {problem}") from None
    except RecursionError:
        raise InputError(f"{origin}: nested too deeply") from None
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"{origin}: not valid YAML: {error}") from None
    return _mapping(data, origin, lines)


def _check_depth(text: str, origin: str) -> None:
    depth = line = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            line = event.start_mark.line + 1 if event.start_mark else line
            if depth > MAX_DEPTH:
                raise InputError(f"{origin}:{line}: nested too deeply")
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _index(
    node: yaml.Node, path: KeyPath, lines: dict[KeyPath, int], origin: str, open_nodes: set[int]
) -> None:
    # An anchor may point back into its own node; such a loop has no plain form.
    if id(node) in open_nodes:
        raise InputError(f"{origin}:{node.start_mark.line + 1}: the document contains itself")
    if len(lines) > MAX_DOCUMENT_ITEMS:
        raise InputError(f"{origin}: more than {MAX_DOCUMENT_ITEMS} keys and items; not a config")
    open_nodes.add(id(node))
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in seen and name != "<<":
                raise InputError(f"{origin}:{key.start_mark.line + 1}: key {name!r} stands twice")
            seen.add(name)
            lines[(*path, name)] = key.start_mark.line + 1
            _index(value, (*path, name), lines, origin, open_nodes)
    elif isinstance(node, yaml.SequenceNode):
        for i, value in enumerate(node.value):
            lines[(*path, i)] = value.start_mark.line + 1
            _index(value, (*path, i), lines, origin, open_nodes)
    open_nodes.discard(id(node))


def _parse_json(text: str, origin: str) -> Document:
    twice: list[str] = []

    def note_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        data = dict(pairs)
        if len(data) != len(pairs):
            keys = [key for key, _ in pairs]
            twice.append(next(key for key in keys if keys.count(key) > 1))
        return data

    def refuse_constant(name: str) -> None:
        raise ValueError(f"{name} is not a number")

    try:
        data = json.loads(text, object_pairs_hook=note_twice, parse_constant=refuse_constant)
    except json.JSONDecodeError as error:
        raise InputError(f"{origin}:{error.lineno}: not valid JSON: {error.msg}") from None
    except RecursionError:
        raise InputError(f"{origin}: nested too deeply") from None
    except ValueError as error:  # NaN, an integer of thousands of digits
        raise InputError(f"{origin}: not valid JSON: {error}") from None
    # JSON without tabs is YAML, whose parser knows the lines.
    lines: Mapping[KeyPath, int] = {}
    try:
        lines = _parse_yaml(text.replace("\t", " "), origin).lines
    except InputError as error:
        if twice and "stands twice" in str(error):
            raise
    if twice:
        raise InputError(f"{origin}: key {twice[0]!r} stands twice")
    return _mapping(data, origin, lines)


def _mapping(data: Any, origin: str, lines: Mapping[KeyPath, int]) -> Document:  # noqa: ANN401
    if not isinstance(data, dict):
        found = "nothing" if data is None else f"a {type(data).__name__}"
        raise InputError(f"{origin}: the top level must be a mapping of keys, found {found}")
    return Document(data, origin, lines)


def validate(record: type[RecordT], document: Document) -> RecordT:
    """Turn a document into a record.

    Parameters
    ----------
    record : type
        The record to build.
    document : Document
        What a file says.

    Raises
    ------
    InputError
        For the first thing that is wrong: an unknown key (with the nearest known one), a missing
        key, a wrong type, a value out of range.
    """
    try:
        return record.model_validate(document.data)
    except ValidationError as error:
        # A mistyped key also makes the right one missing: name the cause, not its effect.
        problems = sorted(error.errors(), key=lambda e: e["type"] == "missing")
        raise _explain(problems[0], document) from None


def _explain(problem: Any, document: Document) -> InputError:  # noqa: ANN401  pydantic's ErrorDetails
    path: KeyPath = tuple(part for part in problem["loc"] if _is_key(part))
    message = problem["msg"].removeprefix("Value error, ")
    kind = problem["type"]
    if kind == "missing":
        return document.error(path[:-1], f"key {path[-1]!r} is missing")
    if kind == "unknown_key":
        key = problem["ctx"]["key"].strip("'\"")
        near = (*path, key)
        place = document.place(near) if near in document.lines else document.place(path)
        return InputError(f"{place.removesuffix(': ' + '.'.join(map(str, near)))}: {message}")
    if kind == "wrong_value":
        return document.error((*path, *problem["ctx"]["key"].split(".")), message)
    if kind != "value_error":
        message = f"{message[0].lower()}{message[1:]}, found {shorten(problem['input'])}"
    return document.error(path, message)


def _is_key(part: str | int) -> bool:
    # Pydantic adds the tag of a union's member, such as "function-after[...]" or "Model".
    return isinstance(part, int) or not ("[" in part or part[:1].isupper())


def shorten(value: Any) -> str:  # noqa: ANN401  any value may be wrong
    """Return a value as a message shows it."""
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."
