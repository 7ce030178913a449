"""An analysis as a command: its options, its tables or its JSON, and its exit code.

Each script in this folder compares figures from a publication with those that bitnet-hw computes.
It passes its docstring to :func:`run`, together with a function from
:class:`comparison.Published` to :class:`comparison.Findings`.

Exit codes: 0, every comparison is within its tolerance or a known miss; 2, bad input; 3, a tool
that the analysis needs is not installed; 4, a comparison is outside its tolerance, or a known miss
has disappeared or changed.
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Callable
from pathlib import Path

import click
from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table as RichTable

from bitnet_hw.cli import run as run_command
from bitnet_hw.errors import MismatchError
from comparison import FOLDER, Cell, Findings, Published, Verdict

Compare = Callable[[Published], Findings]


def run(script: str, doc: str | None, compare: Compare, args: list[str] | None = None) -> int:
    """Run an analysis as a command.

    Parameters
    ----------
    script : str
        ``__file__`` of the analysis.
    doc : str
        Docstring of the analysis; its first line is the title.
    compare : callable
        Function that computes our figures and compares them.
    args : list of str, optional
        Command-line arguments. Default: those of the process.

    Returns
    -------
    int
        Exit code.
    """
    name = Path(script).stem
    title, _, description = inspect.cleandoc(doc or name).partition("\n")

    @click.command(help=doc, context_settings={"help_option_names": ["-h", "--help"]})
    @click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
    @click.option(
        "--published", "folder", metavar="FOLDER", default=FOLDER,
        type=click.Path(exists=True, file_okay=False, path_type=Path),
        help="Folder of the published figures. Default: published/ in the script's folder.",
    )  # fmt: skip
    def command(as_json: bool, folder: Path) -> None:
        published = Published(folder)
        findings = compare(published)
        failed = [c for c in findings.comparisons if c.verdict == "FAIL"]
        if as_json:
            text = json.dumps(
                {
                    "schema": 1,
                    "analysis": name,
                    "title": title,
                    "description": description.strip(),
                    "verdict": "FAIL" if failed else "ok",
                    "sources": published.citations(),
                    "reference": findings.reference,
                    "comparisons": [c.as_dict() for c in findings.comparisons],
                    "tables": [table.as_dict() for table in findings.tables],
                    "charts": [chart.as_dict() for chart in findings.charts],
                    "notes": findings.notes,
                },
                indent=1,
            )
            click.echo(text)
        else:
            _show(title, published.citations(), findings)
        if failed:
            first = failed[0]
            raise MismatchError(
                f"{len(failed)} of {len(findings.comparisons)} comparisons fail; the first "
                f"is {first.name}: {findings.reference} {first.printed}, ours {first.ours:g} "
                f"{first.unit} (tolerance {first.tolerance}): {first.remark}"
            )

    return run_command(command, args, name)


def shown(value: Cell) -> str:
    """Return a cell as text; a float is rounded to four significant digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


_STYLES: dict[Verdict, str] = {
    "ok": "green",
    "fitted": "cyan",
    "known miss": "yellow",
    "FAIL": "bold red",
}


def _show(title: str, citations: list[str], findings: Findings) -> None:
    on_terminal = sys.stdout.isatty()
    # A pipe has no width; 200 columns keep every row on one line.
    console = Console(width=None if on_terminal else 200, highlight=False)
    frame = box.SIMPLE_HEAD if on_terminal else None
    console.print(f"[bold]{escape(title)}[/]")
    for citation in citations:
        console.print(escape(citation), style="dim")
    if findings.comparisons:
        table = RichTable(box=frame, pad_edge=False)
        for column in ("", findings.reference, "ours", "ratio"):
            table.add_column(column, justify="right" if column else "left")
        for column in ("unit", "tolerance", "verdict"):
            table.add_column(column, no_wrap=True)
        for c in findings.comparisons:
            printed = c.printed if len(c.printed) <= 8 else shown(c.published)
            cells = [c.name, printed, shown(c.ours), f"{c.ratio:.4f}", c.unit]
            cells.append(str(c.tolerance))
            verdict = f"[{_STYLES[c.verdict]}]{c.verdict}[/]"
            table.add_row(*map(escape, cells), verdict)
        console.print(table)
        for c in findings.comparisons:
            if c.remark:
                console.print(f"[{_STYLES[c.verdict]}]{c.verdict}[/]: {escape(c.name)}: {c.remark}")
    for extra in findings.tables:
        console.print(f"\n{escape(extra.title)}")
        table = RichTable(box=frame, pad_edge=False)
        for i, column in enumerate(extra.columns):
            numeric = any(not isinstance(row[i], str) for row in extra.rows)
            table.add_column(escape(column), justify="right" if numeric else "left")
        for row in extra.rows:
            table.add_row(*(escape(shown(cell)) for cell in row))
        console.print(table)
    for note in findings.notes:
        console.print(f"- {escape(note)}")
    counts = ((n, v) for v in _STYLES if (n := findings.count(v)))
    console.print(", ".join(f"[{_STYLES[v]}]{n} {v}[/]" for n, v in counts))
