"""What the commands print: tables on a terminal, plain text in a pipe, CSV and JSON."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

import click


def print_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    title: str = "",
    right: Sequence[str] = (),
) -> None:
    """Print a table: drawn on a terminal, aligned columns without lines in a pipe.

    Parameters
    ----------
    columns : sequence of str
        Headings.
    rows : iterable of sequences
        Cells, shown as text.
    title : str
        A line above.
    right : sequence of str
        The headings of the columns that are aligned to the right.
    """
    texts = [["" if cell is None else str(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        from rich.console import Console
        from rich.table import Table

        table = Table(title=title or None, title_justify="left")
        for name in columns:
            table.add_column(name, justify="right" if name in right else "left", overflow="fold")
        for row in texts:
            table.add_row(*row)
        Console(highlight=False, markup=False).print(table)
        return
    widths = [
        max(len(name), *(len(row[i]) for row in texts)) if texts else len(name)
        for i, name in enumerate(columns)
    ]
    if title:
        click.echo(title)
    for line in [list(columns), *texts]:
        cells = [
            cell.rjust(width) if name in right else cell.ljust(width)
            for cell, width, name in zip(line, widths, columns, strict=True)
        ]
        click.echo("  ".join(cells).rstrip())


def print_json(value: Any) -> None:  # noqa: ANN401  anything that JSON holds
    """Print JSON; numbers that are no numbers are refused rather than written as ``NaN``."""
    click.echo(json.dumps(value, indent=2, allow_nan=False, ensure_ascii=False))


def print_csv(rows: Sequence[dict[str, Any]]) -> None:
    """Print mappings with the same keys as CSV with a heading."""
    if not rows:
        return
    writer = csv.DictWriter(sys.stdout, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
