"""Output of the commands: tables, plain text in a pipe, JSON and CSV for programs."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click

from ..errors import InputError
from ..inputs import catalogue
from .layout import Column, draw

__all__ = [
    "Column",
    "numbers",
    "print_csv",
    "print_json",
    "print_table",
    "print_yaml",
    "warn",
]


def print_table(
    columns: Sequence[Column | str],
    rows: Iterable[Sequence[object]],
    *,
    title: str = "",
    note: str = "",
) -> None:
    """Print a table.

    In a pipe it is plain aligned text, one line per row, with two spaces between columns. On a
    terminal it is drawn to the terminal's width: text is wrapped or cut first, and a table whose
    numbers still do not fit becomes one block of lines per row.

    Parameters
    ----------
    columns : sequence of Column or str
        The headings; a plain string is a left-aligned column.
    rows : iterable of sequences
        Cells, one per column. ``None`` prints as ``-``, any other value as its ``str``.
    title, note : str
        A line above and a line below.
    """
    headings = [Column(column) if isinstance(column, str) else column for column in columns]
    cells = [["-" if cell is None else str(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        draw(headings, cells, title, note)
        return
    if title:
        click.echo(title)
    lines = [[column.title for column in headings], *cells]
    widths = [max(len(line[i]) for line in lines) for i in range(len(headings))]
    for line in lines:
        click.echo("  ".join(map(_pad, line, widths, headings)).rstrip())
    if note:
        click.echo(note)


def _pad(text: str, width: int, column: Column) -> str:
    return text.rjust(width) if column.align == "right" else text.ljust(width)


def print_json(value: Any) -> None:  # noqa: ANN401  whatever json can write
    """Print a value as indented JSON.

    Raises
    ------
    ValueError
        If a number is not finite, which JSON has no form for.
    """
    try:
        text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    except ValueError:
        raise ValueError("JSON has no form for a number that is not finite") from None
    click.echo(text)


def print_csv(rows: Sequence[dict[str, Any]]) -> None:
    """Print mappings with the same keys as CSV with a heading, or nothing if there are none."""
    if not rows:
        return
    writer = csv.DictWriter(sys.stdout, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def print_yaml(kind: str, name: str) -> None:
    """Print the file of a catalogue entry, or a user's own file, for copying and changing."""
    own = Path(name)
    path = own if own.suffix in {".yaml", ".yml"} else catalogue.path_of(kind, name)
    try:
        click.echo(path.read_text(encoding="utf-8"), nl=False)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None


def warn(text: str) -> None:
    """Print a warning as one line on standard error."""
    click.echo(f"bitnet-hw: warning: {' '.join(text.split())}", err=True)


def numbers(*titles: str) -> list[Column]:
    """Return right-aligned columns."""
    return [Column(title, "right") for title in titles]
