"""Writing of machine files with other figures: the rest of a file stays as its author wrote it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ..errors import InputError
from ..files.document import Document, KeyPath
from ..files.reading import read
from ..inputs.figures import Figure
from ..inputs.machine_parts import Calibration

#: Longest line of a machine file.
_WIDTH = 118
_DIGITS = 4


def with_figures(path: str | Path, figures: Mapping[KeyPath, Figure]) -> str:
    """Return the text of a machine file in which some figures are replaced.

    Parameters
    ----------
    path : str or path
        The file.
    figures : mapping of path to Figure
        Path of a figure's key -> the new figure.

    Raises
    ------
    InputError
        If the file cannot be read, or a figure is not written in braces.
    """
    document = read(Path(path))
    lines = Path(path).read_text(encoding="utf-8").splitlines(keepends=True)
    for at in sorted(figures, key=lambda key: -document.lines[key]):
        _replace(lines, document, at, figures[at])
    return "".join(lines)


def _replace(lines: list[str], document: Document, at: KeyPath, figure: Figure) -> None:
    first = document.lines[at] - 1
    key = str(at[-1])
    found = re.match(rf"(?P<head>\s*(?:- )?{re.escape(key)}:\s*)\{{", lines[first])
    if found is None:
        raise InputError(
            f"{document.place(at)}: must be written in braces, {{value: ..., ...}}, to be replaced"
        )
    last = first
    while not _closes("".join(lines[first : last + 1])[found.end() - 1 :]):
        last += 1
    text = "".join(lines[first : last + 1])
    rest = text[found.end() - 1 + _length(text[found.end() - 1 :]) :]
    indent = len(found["head"]) - len(found["head"].lstrip()) + 2
    head = found["head"].rstrip() + " "
    lines[first : last + 1] = _wrapped(head, as_flow(figure), indent, rest)


def _closes(text: str) -> bool:
    return _length(text) > 0


def _length(text: str) -> int:
    """Return the length of the braces at the start of a text; 0 if they do not close."""
    depth, quote = 0, ""
    for i, char in enumerate(text):
        if quote:
            quote = "" if char == quote else quote
        elif char in "'\"" and text[i - 1] in " [{,":
            quote = char
        elif char in "{[":
            depth += 1
        elif char in "}]":
            depth -= 1
            if depth == 0:
                return i + 1
    return 0


def as_flow(figure: Figure) -> str:
    """Return a figure as YAML in braces, its numbers with four digits."""
    data: dict[str, Any] = {}
    for key, value in figure.model_dump(exclude_unset=True).items():
        if value in (None, "", False):
            continue
        data[key] = _rounded(value) if isinstance(value, float) else value
        if isinstance(value, tuple):
            data[key] = list(value)
    text: str = yaml.safe_dump(data, default_flow_style=True, sort_keys=False, width=10**6)
    return text.strip()


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _wrapped(head: str, text: str, indent: int, rest: str) -> list[str]:
    """Break a text at spaces after commas into lines that fit the width."""
    lines, now = [], head
    for i, piece in enumerate(text.split(", ")):
        part = piece if i == 0 else f", {piece}"
        if i and len(now) + len(part) + 1 > _WIDTH:
            lines.append(now + ",\n")
            now = " " * indent + piece
        else:
            now += part
    return [*lines, now + (rest if rest.endswith("\n") else rest + "\n")]


def renamed(text: str, name: str) -> str:
    """Return the text of a machine file with another name."""
    return re.sub(r"(?m)^name:.*$", f"name: {name}", text, count=1)


def with_calibration(text: str, calibration: Calibration) -> str:
    """Return the text of a machine file with its calibration, replacing an earlier one."""
    text = re.sub(r"(?ms)^calibration:\n(?:[ #].*?\n)*", "", text)
    data = calibration.model_dump(exclude_unset=True)
    data["rows"] = list(calibration.rows)
    for key in ("residuals", "left_out"):
        if key in data:
            data[key] = {row: _rounded(ratio) for row, ratio in data[key].items()}
    block: str = yaml.safe_dump(
        {"calibration": data}, default_flow_style=None, sort_keys=False, width=_WIDTH
    )
    return text.rstrip("\n") + "\n" + block
