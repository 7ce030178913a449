"""Tables on a terminal, drawn so that no number is ever cut or wrapped."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from rich.console import Console

#: Columns of text are narrowed to this many characters, unless the heading is longer.
_NARROWEST = 12
_GAP = 2
_INDENT = "  "


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes
    ----------
    title : str
        Heading of the column.
    align : str
        ``left`` for words, ``right`` for numbers.
    long : str
        Treatment of cells that are too long for the terminal: ``keep`` leaves them whole, ``wrap``
        breaks them between words, ``cut`` shortens them. If each row is a block of lines, ``cut``
        breaks them too. In a pipe, every cell is whole.
    """

    title: str
    align: Literal["left", "right"] = "left"
    long: Literal["keep", "wrap", "cut"] = "keep"


def draw(
    columns: Sequence[Column], cells: Sequence[Sequence[str]], title: str = "", note: str = ""
) -> None:
    """Draw a table that fits the width of the terminal.

    Parameters
    ----------
    columns : sequence of Column
        Headings.
    cells : sequence of sequences of str
        Rows, with one cell per column.
    title, note : str
        Line above the table, and line below it.
    """
    from rich.console import Console
    from rich.text import Text

    console = Console()
    if title:
        console.print(Text(title, style="italic"))
    widths = fit(columns, cells, console.width)
    if widths is None:
        _draw_blocks(console, columns, cells)
    else:
        _draw_table(console, columns, cells, widths)
    if note:
        console.print(Text(note, style="dim italic"))


def fit(
    columns: Sequence[Column], cells: Sequence[Sequence[str]], available: int
) -> list[int] | None:
    """Return the widths of the columns, or None if the table is too wide.

    Columns that may be cut or wrapped share the width that the others leave.

    Examples
    --------
    >>> fit([Column("n", "right"), Column("text", long="wrap")], [["123", "a" * 50]], 40)
    [3, 35]
    >>> fit([Column("n", "right"), Column("m", "right")], [["1" * 30, "2" * 30]], 40) is None
    True
    """
    widths = [
        max([len(column.title), *(len(row[i]) for row in cells)])
        for i, column in enumerate(columns)
    ]
    excess = sum(widths) + _GAP * (len(columns) - 1) - available
    # The widest column is narrowed first, so that short texts stay whole.
    while excess > 0:
        room = {
            i: widths[i] - max(_NARROWEST, len(column.title))
            for i, column in enumerate(columns)
            if column.long != "keep"
        }
        widest = max(room, key=lambda i: widths[i] if room[i] > 0 else 0, default=None)
        if widest is None or room[widest] <= 0:
            return None
        widths[widest] -= 1
        excess -= 1
    return widths


def _draw_table(
    console: Console,
    columns: Sequence[Column],
    cells: Sequence[Sequence[str]],
    widths: Sequence[int],
) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table
    from rich.text import Text

    # The gap is a padding of one and the divider of the box, also one wide.
    table = Table(box=SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, _GAP - 1, 0, 0))
    for column, width in zip(columns, widths, strict=True):
        table.add_column(Text(column.title), justify=column.align, width=width)
    for row in cells:
        # As text, not as rich's markup: a name may hold square brackets.
        table.add_row(
            *(
                Text(
                    cell,
                    no_wrap=column.long != "wrap",
                    overflow="fold" if column.long == "wrap" else "ellipsis",
                )
                for cell, column in zip(row, columns, strict=True)
            )
        )
    console.print(table)


def _draw_blocks(
    console: Console, columns: Sequence[Column], cells: Sequence[Sequence[str]]
) -> None:
    """Print each row as a block: its first cell, then one line per remaining column."""
    from rich.text import Text

    label = max((len(column.title) for column in columns[1:]), default=0)
    for row in cells:
        console.print(Text(row[0], style="bold"), no_wrap=True, overflow="ignore", crop=False)
        for column, cell in zip(columns[1:], row[1:], strict=True):
            for line in _block_lines(column, cell, label, console.width):
                console.print(Text(line), no_wrap=True, overflow="ignore", crop=False)


def _block_lines(column: Column, cell: str, label: int, available: int) -> list[str]:
    start = f"{_INDENT}{column.title:{label}}{' ' * _GAP}"
    if len(start) + len(cell) <= available:
        return [start + cell]
    if column.long == "keep":
        return [start.rstrip(), f"{_INDENT * 2}{cell}"]
    wrapped = textwrap.wrap(cell, max(_NARROWEST, available - len(start)), break_on_hyphens=False)
    return [start + wrapped[0], *(" " * len(start) + line for line in wrapped[1:])]
