"""The content of one file, with the line of every key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..errors import RecordError

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """The content of one file.

    Attributes
    ----------
    data : mapping
        The top-level mapping.
    origin : str
        Name of the file in messages.
    lines : mapping of key path to int
        The line, counted from 1, on which each key is written; empty where it is not known.
    written : mapping of str to str
        Top-level key of `data` -> its name in the file, for keys that a reader renamed.
    """

    data: dict[str, Any]
    origin: str
    lines: Mapping[KeyPath, int] = field(default_factory=dict)
    written: Mapping[str, str] = field(default_factory=dict)

    def place(self, path: KeyPath) -> str:
        """Return ``file:line: key`` for a key path, without what is unknown."""
        line = next(
            (self.lines[path[:n]] for n in range(len(path), 0, -1) if path[:n] in self.lines), None
        )
        where = self.origin if line is None else f"{self.origin}:{line}"
        key = self.as_written(".".join(str(part) for part in path))
        return f"{where}: {key}" if key else where

    def as_written(self, text: str) -> str:
        """Return a text with every renamed key under its name in the file."""
        return re.sub(r"[A-Za-z_]\w*", lambda word: self.written.get(word[0], word[0]), text)

    def error(self, path: KeyPath, message: str) -> RecordError:
        """Build the error for one key of this document."""
        reason = self.as_written(message)
        return RecordError(f"{self.place(path)}: {reason}", path, reason)

    def key_error(self, path: KeyPath, message: str) -> RecordError:
        """Build the error for an unexpected key, which the message itself names."""
        parent = path[:-1]
        line = self.lines.get(path, self.lines.get(parent))
        origin = self.origin if line is None else f"{self.origin}:{line}"
        inside = self.as_written(".".join(str(part) for part in parent))
        where = f"{origin}: {inside}" if inside else origin
        return RecordError(f"{where}: {message}", path, message)
