"""Writing of machine files with changed figures: the rest of a file stays as its author wrote it.

The places of figures in the text are those that PyYAML's parser gives to the nodes of the document,
so that any way of writing a mapping is found: in braces, on one line or several, or as a block.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ..errors import InputError
from ..files.document import KeyPath
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
        The file, in YAML.
    figures : mapping of path to Figure
        Path of a figure's key -> the new figure.

    Raises
    ------
    InputError
        If the file cannot be read, is JSON, or repeats a figure from elsewhere, so that it has no
        text of its own.
    """
    document = read(Path(path))
    if Path(path).suffix == ".json":
        raise InputError(f"{path}: is JSON; give the machine as YAML, which can be rewritten")
    # Bytes, because reading as text would change the ends of the lines.
    text = Path(path).read_bytes().decode("utf-8-sig")
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    spans: dict[tuple[int, int], KeyPath] = {}
    for at in figures:
        node = _node(root, at)
        first, last = (-1, -1) if node is None else _span(node)
        if node is None or (first, last) in spans or text[first] == "&":
            raise InputError(
                f"{document.place(at)}: is written elsewhere in the file; write the figure out"
            )
        spans[first, last] = at
    for (first, last), at in sorted(spans.items(), reverse=True):
        text = _replaced(text, first, last, figures[at])
    return text


def _node(root: yaml.Node | None, path: KeyPath) -> yaml.Node | None:
    """Return the node of a value; None if the text has none, as for a merged key."""
    node = root
    for part in path:
        if isinstance(node, yaml.MappingNode):
            node = next((value for key, value in node.value if key.value == str(part)), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(part, int):
            node = node.value[part]
        else:
            return None
    return node


def _span(node: yaml.Node) -> tuple[int, int]:
    """Return where a node begins and ends in the text."""
    last = node
    # The parser ends a block where the next key begins, after comments that may precede it.
    while isinstance(last, yaml.CollectionNode) and not last.flow_style and last.value:
        last = last.value[-1]
        last = last[1] if isinstance(last, tuple) else last
    return node.start_mark.index, last.end_mark.index


def _replaced(text: str, first: int, last: int, figure: Figure) -> str:
    """Return a text with a figure between two places, broken into lines that fit the width."""
    line = text.rfind("\n", 0, first) + 1
    before = text[line:first]
    end = "\r\n" if text[:line].endswith("\r\n") else "\n"
    indent = len(before) - len(before.lstrip(" ")) + 2
    lines = _wrapped(before, as_flow(figure), indent)
    return text[:line] + end.join(lines) + text[last:]


def as_flow(figure: Figure) -> str:
    """Return a figure as YAML in braces, its numbers with four digits."""
    data: dict[str, Any] = {}
    for key, value in figure.model_dump(exclude_unset=True).items():
        if value is None or value is False or value == "":
            continue
        data[key] = _rounded(value) if isinstance(value, float) else value
        if isinstance(value, tuple):
            data[key] = list(value)
    text: str = yaml.safe_dump(
        data, default_flow_style=True, sort_keys=False, width=10**6, allow_unicode=True
    )
    return text.strip()


def _rounded(value: float) -> float:
    return float(f"{value:.{_DIGITS}g}")


def _wrapped(head: str, text: str, indent: int) -> list[str]:
    """Break a text at spaces after commas into lines that fit the width."""
    lines, now = [], head
    for i, piece in enumerate(text.split(", ")):
        part = piece if i == 0 else f", {piece}"
        # A space at the beginning of a line would be lost.
        if i and len(now) + len(part) + 1 > _WIDTH and not piece.startswith(" "):
            lines.append(now + ",")
            now = " " * indent + piece
        else:
            now += part
    return [*lines, now]


def renamed(text: str, name: str) -> str:
    """Return the text of a machine file with another name."""
    node = _node(yaml.compose(text, Loader=yaml.SafeLoader), ("name",))
    if node is None:
        raise InputError("the machine file has no name")
    first, last = _span(node)
    # As a key, because a lone scalar is dumped with an end of the document.
    written = yaml.safe_dump({"name": name}, width=10**6, allow_unicode=True).strip()
    return text[:first] + written.removeprefix("name: ") + text[last:]


def with_calibration(text: str, calibration: Calibration) -> str:
    """Return the text of a machine file with its calibration, replacing an earlier one."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    for key, value in reversed(root.value if isinstance(root, yaml.MappingNode) else []):
        if key.value == "calibration":
            first, last = key.start_mark.index, _span(value)[1]
            text = text[:first] + text[last:].partition("\n")[2]
    data = calibration.model_dump(exclude_unset=True)
    data["rows"] = list(calibration.rows)
    for key in ("residuals", "left_out"):
        if key in data:
            data[key] = {row: _rounded(ratio) for row, ratio in data[key].items()}
    block: str = yaml.safe_dump(
        {"calibration": data}, sort_keys=False, width=_WIDTH, allow_unicode=True
    )
    end = "\r\n" if "\r\n" in text else "\n"
    return text.rstrip() + end + block.replace("\n", end)
