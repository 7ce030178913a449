"""Reading of YAML and JSON, with the line of every key.

Every file from a user passes through :func:`read` and
:func:`~bitnet_hw.files.records.validate`, so a mistake in any of them is reported in the same way:
file, line, key, what is wrong, what would be right.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ..errors import InputError
from .document import Document, KeyPath
from .messages import shorten
from .records import validate

__all__ = ["Document", "KeyPath", "read", "shorten", "validate"]

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]  # PyYAML's C loader has no type
    """PyYAML's safe loader, which here reads ``1e9`` as a number, as YAML 1.2 does."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"[-+]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)[eE][-+]?[0-9]{1,3}"),
    list("-+0123456789."),
)

#: Larger files are refused: a configuration takes a few kilobytes.
MAX_DOCUMENT_BYTES = 4 << 20

#: Most keys and items after aliases are expanded: a few lines of YAML with nested aliases can
#: expand beyond any memory.
MAX_DOCUMENT_ITEMS = 200_000

#: Deeper nesting is refused before a node tree is built: the parser's C code recurses, and a stack
#: overflow there ends the process. Texts up to `_SHORT_TEXT` cannot nest deeply enough for that.
MAX_DEPTH = 200
_SHORT_TEXT = 16 << 10


def read(path: str | Path) -> Document:
    """Read a YAML or JSON file whose top level is a mapping.

    Parameters
    ----------
    path : str or path
        A file that ends in ``.json`` is read as JSON, any other as YAML.

    Raises
    ------
    InputError
        If the file is missing, unreadable, too large or not valid, contains a key twice, or is not
        a mapping; the message gives the line where it is known.

    Examples
    --------
    >>> from bitnet_hw.inputs import catalogue
    >>> document = read(catalogue.path_of("machines", "edge"))
    >>> document.data["name"], document.lines["name",]
    ('edge', 2)
    """
    path = Path(path)
    text = _text(path)
    parse = _parse_json if path.suffix == ".json" else _parse_yaml
    return parse(text, str(path))


def _text(path: Path) -> str:
    if path.is_dir():
        raise InputError(f"{path}: is a folder; a file was expected")
    try:
        with path.open("rb") as file:  # a device may claim any size, so the read is bounded
            content = file.read(MAX_DOCUMENT_BYTES + 1)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    except ValueError:  # a NUL in the name
        raise InputError(f"{str(path)!r}: not a file name") from None
    if len(content) > MAX_DOCUMENT_BYTES:
        raise InputError(
            f"{path}: larger than {MAX_DOCUMENT_BYTES >> 20} MiB, the limit for a configuration"
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start})") from None


def _parse_yaml(text: str, origin: str) -> Document:
    lines: dict[KeyPath, int] = {}
    try:
        if len(text) > _SHORT_TEXT:
            _check_depth(text, origin)
        loader = _Loader(text)
        try:
            node = loader.get_single_node()
            if node is not None:
                _index(node, (), lines, origin, set())
            data = None if node is None else loader.construct_document(node)
        finally:
            loader.dispose()
    except yaml.YAMLError as error:
        raise _yaml_error(error, text, origin) from None
    except RecursionError:
        raise InputError(f"{origin}: nested too deeply") from None
    except InputError:
        raise
    except ValueError:  # a thirteenth month, an integer of thousands of digits
        raise InputError(f"{origin}: not valid YAML: a date or a number is impossible") from None
    return _mapping(data, origin, lines)


def _yaml_error(error: yaml.YAMLError, text: str, origin: str) -> InputError:
    """Describe the error at the place where the parser stopped, whose own wording varies."""
    at = getattr(error, "position", None)  # of a character that YAML does not allow
    if isinstance(at, int):
        line = text.count("\n", 0, at) + 1
        return InputError(f"{origin}:{line}: not valid YAML: a character that is not allowed")
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return InputError(f"{origin}: not valid YAML")
    before, rest = text[: mark.index], text[mark.index :]
    where = f"{origin}:{mark.line + 1}"
    if _open_brackets(before) > MAX_DEPTH or _indicators(before) > MAX_DEPTH:
        return InputError(f"{where}: nested too deeply")
    return InputError(f"{where}: not valid YAML: {_yaml_reason(error, rest)}")


def _yaml_reason(error: yaml.YAMLError, rest: str) -> str:
    if isinstance(error, yaml.constructor.ConstructorError):
        return "a key or a tag that is not supported"
    if isinstance(error, yaml.composer.ComposerError):
        if rest.startswith("*"):
            return f"alias {rest.split()[0]} refers to nothing above it"
        return "a second document in the same file, or an anchor that is used twice"
    if not rest.strip():
        return "the file ends inside a bracket, a quotation or a key"
    if rest.startswith("\t"):
        return "a tab; indent with spaces"
    if rest.startswith(":"):
        return "a colon that is out of place; put the text in quotation marks"
    word = rest.split()[0]
    return f"the text from {shorten(word)} on does not follow from what precedes it"


def _open_brackets(text: str) -> int:
    return sum(text.count(each) for each in "[{") - sum(text.count(each) for each in "]}")


def _indicators(text: str) -> int:
    """Count the list items and keys that begin on the last line."""
    line = text.rpartition("\n")[2]
    return line.count("- ") + line.count("? ")


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
    # An alias may point back to a node that contains it; a loop cannot be written out.
    if id(node) in open_nodes:
        raise InputError(f"{origin}:{node.start_mark.line + 1}: the document contains itself")
    if len(lines) > MAX_DOCUMENT_ITEMS:
        raise InputError(
            f"{origin}: more than {MAX_DOCUMENT_ITEMS} keys and items, the limit of a configuration"
        )
    open_nodes.add(id(node))
    if isinstance(node, yaml.MappingNode):
        seen: set[str] = set()
        for key, value in node.value:
            name = str(key.value)
            if name in seen and name != "<<":
                raise InputError(f"{origin}:{key.start_mark.line + 1}: key {name!r} is given twice")
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
        line = _line_of_constant(text, name)
        raise InputError(f"{origin}:{line}: not valid JSON: {name} is not a number")

    try:
        data = json.loads(text, object_pairs_hook=note_twice, parse_constant=refuse_constant)
    except json.JSONDecodeError as error:
        rest = text[error.pos :].split()
        reason = f"cannot be read from {shorten(rest[0])} on" if rest else "the file ends too early"
        raise InputError(f"{origin}:{error.lineno}: not valid JSON: {reason}") from None
    except RecursionError:
        raise InputError(f"{origin}: nested too deeply") from None
    except InputError:
        raise
    except ValueError:
        raise InputError(f"{origin}: not valid JSON: an integer with too many digits") from None
    # JSON without tabs is YAML, and the YAML parser gives the lines.
    lines: Mapping[KeyPath, int] = {}
    try:
        lines = _parse_yaml(text.replace("\t", " "), origin).lines
    except InputError as error:
        if twice and "is given twice" in str(error):
            raise
    if twice:
        raise InputError(f"{origin}: key {twice[0]!r} is given twice")
    return _mapping(data, origin, lines)


def _line_of_constant(text: str, name: str) -> int:
    """Return the first line on which a word is written outside quotation marks."""
    words = re.finditer(r'"(?:\\.|[^"\\])*"|-?[A-Za-z]+', text)
    at = next((word.start() for word in words if word[0] == name), 0)
    return text.count("\n", 0, at) + 1


def _mapping(data: Any, origin: str, lines: Mapping[KeyPath, int]) -> Document:  # noqa: ANN401
    if not isinstance(data, dict):
        words = {str: "text", list: "a list", type(None): "nothing"}
        found = words.get(type(data), "a single value")
        raise InputError(f"{origin}: the top level must be a mapping of keys, found {found}")
    return Document(data, origin, lines)
