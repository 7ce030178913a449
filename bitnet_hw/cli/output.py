"""Output of the commands: text and tables for people, JSON and CSV for programs."""

from __future__ import annotations

import csv
import json
import shutil
import sys
import textwrap
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
    "print_text",
    "print_yaml",
    "warn",
]


def print_text(text: str) -> None:
    """Print a line of text, which a terminal shows broken between words."""
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns
        text = textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)
    click.echo(text)


def print_table(
    columns: Sequence[Column | str],
    rows: Iterable[Sequence[object]],
    *,
    title: str = "",
    note: str = "",
) -> None:
    """Print a table.

    In a pipe, a table is plain aligned text, one line per row, with two spaces between columns. On
    a terminal, it is fitted to the width: text is wrapped or cut first, and if the numbers still do
    not fit, each row becomes a block of lines.

    Parameters
    ----------
    columns : sequence of Column or str
        Headings; a plain string is the title of a left-aligned column.
    rows : iterable of sequences
        Cells, one per column. ``None`` prints as ``-``, a bool as ``yes`` or ``no``, and any other
        value as its ``str``.
    title, note : str
        Line above the table, and line below it.
    """
    headings = [Column(column) if isinstance(column, str) else column for column in columns]
    cells = [[_text(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        draw(headings, cells, title, note)
        return
    if title:
        print_text(title)
    lines = [[column.title for column in headings], *cells]
    widths = [max(len(line[i]) for line in lines) for i in range(len(headings))]
    for line in lines:
        click.echo("  ".join(map(_pad, line, widths, headings)).rstrip())
    if note:
        print_text(note)


def _text(cell: object) -> str:
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    return "-" if cell is None else str(cell)


def _pad(text: str, width: int, column: Column) -> str:
    return text.rjust(width) if column.align == "right" else text.ljust(width)


def print_json(value: Any) -> None:  # noqa: ANN401  whatever json can write
    """Print a value as indented JSON.

    Raises
    ------
    ValueError
        If a number is not finite, which JSON cannot express.
    """
    try:
        text = json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False)
    except ValueError:
        raise ValueError("JSON has no form for a number that is not finite") from None
    click.echo(text)


def print_csv(rows: Sequence[dict[str, Any]]) -> None:
    """Print mappings that have the same keys as CSV with a header, or nothing if there are none."""
    if not rows:
        return
    writer = csv.DictWriter(sys.stdout, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def print_yaml(kind: str, name: str) -> None:
    """Print the YAML file of a catalogue entry, or a file of the user's."""
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
