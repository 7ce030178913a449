"""What commands print: a table for people, plain text in a pipe, JSON for programs."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import click

from ..errors import InputError
from ..inputs import catalogue


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    title : str
        Its heading.
    align : str
        ``left`` for words, ``right`` for numbers.
    long : str
        What a terminal does where the table is wider than itself: ``keep`` the cells whole,
        ``wrap`` them over lines, or ``cut`` them. In a pipe every cell is whole.
    """

    title: str
    align: Literal["left", "right"] = "left"
    long: Literal["keep", "wrap", "cut"] = "keep"


def print_table(
    columns: Sequence[Column | str],
    rows: Iterable[Sequence[object]],
    *,
    title: str = "",
    note: str = "",
) -> None:
    """Print a table.

    On a terminal it is drawn to the terminal's width; in a pipe it is plain aligned text, a row a
    line, with two spaces between columns.

    Parameters
    ----------
    columns : sequence of Column or str
        The headings; a plain string is a left-aligned column.
    rows : iterable of sequences
        Cells, one a column. ``None`` prints as ``-``; any other value as ``str`` has it.
    title, note : str
        A line above and below.
    """
    headings = [Column(column) if isinstance(column, str) else column for column in columns]
    cells = [["-" if cell is None else str(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        _draw(headings, cells, title, note)
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


def _draw(columns: Sequence[Column], cells: Iterable[Sequence[str]], title: str, note: str) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=Text(title) if title else None,
        caption=Text(note) if note else None,
        title_justify="left",
        caption_justify="left",
        box=SIMPLE_HEAD,
        pad_edge=False,
    )
    for column in columns:
        table.add_column(Text(column.title), justify=column.align, no_wrap=column.long == "keep")
    for row in cells:
        # As text, not as rich's markup: a name may hold square brackets.
        table.add_row(
            *(
                Text(
                    cell,
                    no_wrap=column.long == "cut",
                    overflow="fold" if column.long == "wrap" else "ellipsis",
                )
                for cell, column in zip(row, columns, strict=True)
            )
        )
    Console().print(table)


def print_json(value: Any) -> None:  # noqa: ANN401  whatever json can write
    """Print a value as JSON, indented; a number that is not finite is refused."""
    click.echo(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False))


def print_csv(rows: Sequence[dict[str, Any]]) -> None:
    """Print mappings with the same keys as CSV with a heading; nothing where there are none."""
    if not rows:
        return
    writer = csv.DictWriter(sys.stdout, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)


def print_yaml(kind: str, name: str) -> None:
    """Print the file of a catalogue entry, or a file itself, which a user can copy and change."""
    own = Path(name)
    path = own if own.suffix in {".yaml", ".yml"} else catalogue.path_of(kind, name)
    try:
        click.echo(path.read_text(encoding="utf-8"), nl=False)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None


def warn(text: str) -> None:
    """Print a warning, one line, on standard error."""
    click.echo(f"bitnet-hw: warning: {' '.join(text.split())}", err=True)


def numbers(*titles: str) -> list[Column]:
    """Return right-aligned columns."""
    return [Column(title, "right") for title in titles]
