"""Syntax of the Liberty format: a tree of groups with simple and complex attributes.

A single regular expression matches a whole statement, so that reading a library of ten megabytes
takes about a second. `bitnet_hw.gates.library` and `bitnet_hw.gates.cells` interpret the tree.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import zlib
from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from ..errors import InputError

#: Size limit in bytes; that of a compressed file applies to its uncompressed content.
MAX_LIBERTY_BYTES = 512 << 20

_MAX_DEPTH = 40

_STATEMENT = re.compile(
    r"""\s*(?:
        (?P<close>\})\s*;?
      | (?P<empty>;)
      | (?P<name>[A-Za-z_][\w.]*)\s*
        (?: :\s*(?P<value>"(?:[^"\\]|\\.)*"|[^;{}"\n]+)\s*;?
          | \((?P<args>(?:[^()"]|"(?:[^"\\]|\\.)*")*)\)\s*(?P<open>\{)?\s*;?
        )
    )""",
    re.VERBOSE | re.DOTALL,
)
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_ARGUMENT = re.compile(r'"((?:[^"\\]|\\.)*)"|([^\s,"\\]+)', re.DOTALL)


@dataclass(frozen=True)
class Text:
    """Text of one file, from which errors take their line numbers."""

    origin: str
    content: str

    @cached_property
    def _starts(self) -> list[int]:
        return [match.end() for match in re.finditer("\n", self.content)]

    def error(self, at: int, message: str) -> InputError:
        """Build the error for a position in the file."""
        return InputError(f"{self.origin}:{bisect_right(self._starts, at) + 1}: {message}")


@dataclass
class Group:
    """One group: ``kind (args) { ... }``.

    Attributes
    ----------
    kind : str
        ``library``, ``cell``, ``pin``, ``timing`` ...
    args : str
        Text between the parentheses.
    at : int
        Position in the text.
    text : Text
        Text of the file.
    simple : dict
        Name of a simple attribute -> its value without quotes, and its position. If there are
        several, the last one is used.
    complex : dict
        Name of a complex attribute -> the text of the arguments and the position of each
        occurrence.
    groups : list of Group
        Inner groups, in order.
    """

    kind: str
    args: str
    at: int
    text: Text
    simple: dict[str, tuple[str, int]] = field(default_factory=dict)
    complex: dict[str, list[tuple[str, int]]] = field(default_factory=dict)
    groups: list[Group] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """Arguments as words."""
        return words(self.args)

    @property
    def name(self) -> str:
        """First argument, or an empty string."""
        names = self.names
        return names[0] if names else ""

    def of(self, kind: str) -> list[Group]:
        """Return the inner groups of one kind."""
        return [group for group in self.groups if group.kind == kind]

    def get(self, key: str, default: str = "") -> str:
        """Return the text of a simple attribute."""
        found = self.simple.get(key)
        return default if found is None else found[0]

    def number(self, key: str) -> float | None:
        """Return a simple attribute as a number, or None if it is absent.

        Raises
        ------
        InputError
            If it is not a number.
        """
        found = self.simple.get(key)
        if found is None:
            return None
        try:
            return float(found[0])
        except ValueError:
            raise self.text.error(found[1], f"{key}: {found[0]!r} is not a number") from None

    def error(self, message: str) -> InputError:
        """Build the error for this group."""
        return self.text.error(self.at, message)


def words(arguments: str) -> list[str]:
    """Split the arguments of a complex attribute or a group."""
    return [quoted or bare for quoted, bare in _ARGUMENT.findall(arguments)]


def numbers(group: Group, arguments: str, at: int) -> list[float]:
    """Return the numbers of an ``index_n`` or ``values`` attribute, row by row.

    Raises
    ------
    InputError
        If a value is not a number.
    """
    plain = arguments.replace('"', " ").replace("\\", " ").replace(",", " ")
    try:
        return [float(word) for word in plain.split()]
    except ValueError as error:
        raise group.text.error(at, f"{group.kind}: {error}") from None


def load(path: Path) -> tuple[Group, str]:
    """Read a Liberty file, compressed or not.

    Parameters
    ----------
    path : pathlib.Path
        A ``.lib`` or ``.lib.gz`` file. Compression is detected by content, not by name.

    Returns
    -------
    tuple of Group and str
        The library group, and the SHA-256 of the uncompressed text.

    Raises
    ------
    InputError
        If the file cannot be read, is truncated, or is not Liberty. The message states the line.
    """
    content = _bytes(path)
    return parse(content.decode("latin-1"), str(path)), hashlib.sha256(content).hexdigest()


def load_text(path: Path) -> str:
    """Return the uncompressed text of a Liberty file; see `load` for the errors."""
    return _bytes(path).decode("latin-1")


def _bytes(path: Path) -> bytes:
    try:
        content = _content(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None
    except (EOFError, zlib.error):
        raise InputError(f"{path}: the compressed file is truncated or damaged") from None
    if len(content) > MAX_LIBERTY_BYTES:
        raise InputError(f"{path}: unpacks to more than {MAX_LIBERTY_BYTES >> 20} MiB")
    return content


def _content(path: Path) -> bytes:
    with path.open("rb") as file:
        packed = file.read(2) == b"\x1f\x8b"
    if not packed:
        with path.open("rb") as file:
            return file.read(MAX_LIBERTY_BYTES + 1)
    with gzip.open(path, "rb") as unpacked:
        return unpacked.read(MAX_LIBERTY_BYTES + 1)


def parse(content: str, origin: str) -> Group:
    """Read Liberty text; see `load`."""
    # Comments become spaces, so that positions and line numbers stay the same.
    if "/*" in content:
        content = _COMMENT.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), content)
    text = Text(origin, content)
    root = Group("", "", 0, text)
    stack = [root]
    at = 0
    match = _STATEMENT.match
    end = len(content.rstrip())
    while at < end:
        found = match(content, at)
        if found is None:
            raise _not_liberty(text, at)
        kind = found.lastgroup
        if kind == "close":
            if len(stack) == 1:
                raise text.error(found.start("close"), "a closing brace without an opening one")
            stack.pop()
        elif kind != "empty":
            name, value, arguments, brace = found.group("name", "value", "args", "open")
            place = found.start("name")
            top = stack[-1]
            if brace:
                group = Group(name, arguments, place, text)
                top.groups.append(group)
                stack.append(group)
                if len(stack) > _MAX_DEPTH:
                    raise text.error(place, "groups are nested too deeply")
            elif value is not None:
                if value[:1] == '"':
                    value = value[1:-1]
                top.simple[name] = (value.strip(), place)
            else:
                top.complex.setdefault(name, []).append((arguments, place))
        at = found.end()
    if len(stack) > 1:
        left = stack[-1]
        raise left.error(f"the file ends inside {left.kind} ({left.args.strip()}): truncated")
    libraries = root.of("library")
    if len(libraries) != 1 or len(root.groups) != 1:
        raise InputError(f"{origin}: not a Liberty file: no group `library (name) {{ ... }}`")
    return libraries[0]


def _not_liberty(text: Text, at: int) -> InputError:
    rest = text.content[at:].lstrip()
    start = len(text.content) - len(rest)
    line = rest.partition("\n")[0].strip()
    shown = line if len(line) <= 40 else f"{line[:37]}..."
    if re.match(r'(?:[A-Za-z_][\w.]*\s*(?:\([^)]*|:\s*)?)?(?:"[^"]*)?$', rest):
        return text.error(start, f"the file ends inside {shown!r}: truncated")
    return text.error(start, f"not a Liberty statement: {shown!r}")
