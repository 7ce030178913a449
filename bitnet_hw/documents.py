"""Files in and out: YAML and JSON with line numbers, validated records, whole-file writes.

Every file that a user can hand in passes through :func:`read` and :func:`validate`, so that a
mistake in any of them is reported the same way: file, line, key, what is wrong, what is right.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator
from pydantic_core import PydanticCustomError

from .errors import InputError

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


class Record(BaseModel):
    """A frozen, strictly typed record that a file describes; unknown keys are errors."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid", allow_inf_nan=False)

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown_keys(cls, data: Any) -> Any:  # noqa: ANN401  any document may come in
        if not isinstance(data, Mapping):
            return data
        known = {f.alias or name for name, f in cls.model_fields.items()}
        for key in data:
            if key not in known:
                near = difflib.get_close_matches(str(key), known, n=1, cutoff=0.6)
                hint = (
                    f"did you mean {near[0]!r}?" if near else f"known: {', '.join(sorted(known))}"
                )
                raise PydanticCustomError(
                    "unknown_key", "unknown key {key}; {hint}", {"key": repr(key), "hint": hint}
                )
        return data


def wrong_value(key: str, message: str) -> PydanticCustomError:
    """Build what a record's own check raises, so that the message names the key and its line."""
    return PydanticCustomError("wrong_value", "{message}", {"key": key, "message": message})


RecordT = TypeVar("RecordT", bound=BaseModel)


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


def choices(literal: object) -> tuple[str, ...]:
    """Return the strings of a ``Literal`` type, which is where such a list is written once."""
    return tuple(str(value) for value in get_args(literal))


@contextmanager
def whole_file(path: str | Path, *, force: bool = False) -> Iterator[Path]:
    """Let a caller write a file that appears whole or not at all.

    Parameters
    ----------
    path : str or path
        The file to make.
    force : bool
        Replace a file that is there.

    Yields
    ------
    Path
        A temporary name in the same folder, renamed when the block ends without an error.

    Raises
    ------
    InputError
        If the file exists and `force` is not given, or the folder cannot be written.
    """
    path = Path(path)
    if path.exists() and not force:
        raise InputError(f"{path}: exists already; give --force to replace it, or another name")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent
        )
        os.close(handle)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from None
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str, *, force: bool = False) -> None:
    """Write a text file whole, or not at all; see :func:`whole_file`."""
    with whole_file(path, force=force) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def whole_folder(folder: str | Path, landmark: str, *, force: bool = False) -> Iterator[Path]:
    """Let a caller write a folder's files, which appear together or not at all.

    Parameters
    ----------
    folder : str or path
        The folder; made if it is not there.
    landmark : str
        A file that is always among those written: where it stands, the folder is taken.
    force : bool
        Replace the files of an earlier call; others are left alone.

    Yields
    ------
    Path
        A temporary folder beside it, whose files are moved when the block ends without an error.

    Raises
    ------
    InputError
        If the folder is taken and `force` is not given, is a file, or cannot be written.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder}: is a file; give a folder")
    if (folder / landmark).exists() and not force:
        raise InputError(
            f"{folder}: holds {landmark} already; give --force to replace it, or another folder"
        )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        if folder.exists() and not os.access(folder, os.W_OK | os.X_OK):
            raise InputError(f"{folder}: cannot be written: the folder is not writable")
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror or error}") from None
    try:
        yield temporary
        written = [path for path in sorted(temporary.rglob("*")) if path.is_file()]
        targets = [folder / path.relative_to(temporary) for path in written]
        _check_targets(folder, targets, force=force)
        for path, target in zip(written, targets, strict=True):
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _check_targets(folder: Path, targets: list[Path], *, force: bool) -> None:
    """Refuse before the first file is moved what would stop a later one."""
    for target in targets:
        between = [parent for parent in target.parents if folder in parent.parents]
        for parent in between:
            if parent.exists() and not parent.is_dir():
                raise InputError(f"{parent}: is a file; a folder must go there")
        if target.is_dir():
            raise InputError(f"{target}: is a folder; a file must go there")
        if target.exists() and not force:
            raise InputError(
                f"{target}: exists already; give --force to replace it, or another folder"
            )
