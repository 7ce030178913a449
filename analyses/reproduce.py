"""Run every analysis and write one page with the results.

Each analysis in this folder runs as a separate command, as a reader would run it. Two files are
written: ``index.html``, a self-contained page, and ``results.json``, the output of each analysis
with ``--json``.

Exit codes: 0, every analysis passes; 4, a comparison is outside its tolerance, or an analysis ends
with an error. An analysis that needs a tool which is not installed is listed as not run and does
not count as a failure.
"""

from __future__ import annotations

import inspect
import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from analysis import shown
from bitnet_hw.cli import run
from bitnet_hw.errors import MismatchError, ToolMissingError
from bitnet_hw.files.writing import whole_folder

FOLDER = Path(__file__).resolve().parent
NOT_ANALYSES = {"analysis", "comparison", "fit_machines", "peer_rules", "reproduce"}
PAGE = "index.html"
#: Version of ``results.json``.
SCHEMA = 1
TIME_LIMIT_S = 600

#: Strip of ratios: its width in pixels, and the ratios at its ends.
STRIP_WIDTH, STRIP_LOW, STRIP_HIGH = 600, 0.8, 1.25
#: Characters of the longest cell beyond which the lines of a column of text are broken.
LONG = 60


def scripts() -> list[Path]:
    """Return the scripts of the analyses, sorted by name."""
    return [path for path in sorted(FOLDER.glob("*.py")) if path.stem not in NOT_ANALYSES]


def run_analysis(script: Path) -> dict[str, Any]:
    """Run one analysis, and return its output, or the reason why there is none.

    Parameters
    ----------
    script : path
        Script of the analysis.

    Returns
    -------
    dict
        Its JSON output, with ``verdict`` set to ``ok``, ``FAIL`` or ``not run``, and ``error`` to
        the last line on standard error if the exit code is not 0.
    """
    command = [sys.executable, str(script), "--json"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TIME_LIMIT_S, check=False
        )
        said = done.stderr.strip().splitlines()
        code, output = done.returncode, done.stdout
    except subprocess.TimeoutExpired:
        said, code, output = [f"no result within {TIME_LIMIT_S} s"], 1, ""
    error = said[-1] if code and said else ""
    try:
        found: dict[str, Any] = json.loads(output)
    except ValueError:
        found = {
            "analysis": script.stem,
            "title": script.stem,
            "description": "",
            "sources": [],
            "comparisons": [],
            "tables": [],
            "charts": [],
            "notes": [],
            "reference": "published",
            "verdict": "FAIL",
        }
    if code == ToolMissingError.exit_code:
        found["verdict"] = "not run"
    elif code:
        found["verdict"] = "FAIL"
    return found | {"error": error}


def strip_place(ratio: float) -> float:
    """Return the position of a ratio on the strip, in pixels; those beyond it lie at its ends."""
    inside = min(max(ratio, STRIP_LOW), STRIP_HIGH)
    return 10 + (STRIP_WIDTH - 20) * (inside - STRIP_LOW) / (STRIP_HIGH - STRIP_LOW)


def column_classes(table: dict[str, Any]) -> list[str]:
    """Return the CSS class of each column of a table: ``n`` of numbers, ``long`` of sentences."""
    classes = []
    for cells in zip(*table["rows"], strict=True):
        long = max(len(cell) if isinstance(cell, str) else 0 for cell in cells) > LONG
        numeric = any(isinstance(cell, (int, float)) for cell in cells)
        classes.append("n" if numeric else "long" if long else "")
    return classes or [""] * len(table["columns"])


class ChartFrame:
    """The square in which a chart is drawn, in pixels, with ticks at powers of ten."""

    side = 420
    left, top = 60, 10
    colours = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
    #: As many as colours, so that print without colour tells the series apart as well.
    shapes = (
        "M -4 -4 h 8 v 8 h -8 z",
        "M 0 -5 l 5 9 h -10 z",
        "M 0 -5 l 5 5 l -5 5 l -5 -5 z",
        "M -5 0 a 5 5 0 1 0 10 0 a 5 5 0 1 0 -10 0 z",
        "M 0 5 l 5 -9 h -10 z",
        "M -1.5 -5 h 3 v 3.5 h 3.5 v 3 h -3.5 v 3.5 h -3 v -3.5 h -3.5 v -3 h 3.5 z",
    )

    def __init__(self, chart: dict[str, Any]) -> None:
        values = [p[key] for p in chart["points"] for key in ("published", "predicted")]
        self.low = math.floor(math.log10(min(values)))
        self.high = max(math.ceil(math.log10(max(values))), self.low + 1)
        self.series = list(dict.fromkeys(point["series"] for point in chart["points"]))

    def x(self, value: float) -> float:
        """Return the distance of a value from the left."""
        share = (math.log10(value) - self.low) / (self.high - self.low)
        return round(self.left + share * self.side, 1)

    def y(self, value: float) -> float:
        """Return the distance of a value from the top."""
        return round(self.top + self.side - (self.x(value) - self.left), 1)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """The powers of ten, and their text."""
        return [(10.0**n, f"{10.0**n:g}") for n in range(self.low, self.high + 1)]

    def colour(self, series: str) -> str:
        """Return the colour of a series."""
        return self.colours[self.series.index(series) % len(self.colours)]

    def shape(self, series: str) -> str:
        """Return the shape of a series: a path around the origin."""
        return self.shapes[self.series.index(series) % len(self.shapes)]


def render(results: list[dict[str, Any]], version: str) -> str:
    """Return the page as HTML."""
    environment = Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["shown"] = shown
    environment.globals["place"] = strip_place
    environment.globals["frame"] = ChartFrame
    environment.globals["column_classes"] = column_classes
    counts = {
        verdict: sum(c["verdict"] == verdict for r in results for c in r["comparisons"])
        for verdict in ("ok", "fitted", "known miss", "FAIL")
    }
    template = environment.get_template("reproduced.html.j2")
    return template.render(results=results, version=version, counts=counts, width=STRIP_WIDTH)


@click.command(
    help=inspect.getdoc(sys.modules[__name__]),
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("reproduced"),
    metavar="FOLDER",
    help="Folder to write the page to. Default: reproduced.",
)
@click.option("--force", is_flag=True, help="Replace an earlier page in that folder.")
def main(output: Path, force: bool) -> None:
    """Run the analyses, write the page, and report failures."""
    from importlib.metadata import version

    results: list[dict[str, Any]] = []
    own_version = version("bitnet-hw")
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with (
        whole_folder(output, PAGE, force=force) as temporary,
        Progress(*columns, console=console, disable=not console.is_terminal) as progress,
    ):
        task = progress.add_task("", total=len(scripts()))
        for script in scripts():
            progress.update(task, description=script.stem)
            results.append(run_analysis(script))
            progress.advance(task)
        everything = {"schema": SCHEMA, "version": own_version, "analyses": results}
        text = json.dumps(everything, indent=1)
        (temporary / "results.json").write_text(text + "\n", encoding="utf-8")
        page = render(results, own_version)
        (temporary / PAGE).write_text(page, encoding="utf-8")
    for result in results:
        verdicts = [c["verdict"] for c in result["comparisons"]]
        kinds = [f"{verdicts.count(v)} {v}" for v in dict.fromkeys(verdicts)]
        detail = ", ".join(kinds) or result["error"]
        click.echo(f"{result['verdict']:8} {result['analysis']:26} {detail}")
    click.echo(f"{output / PAGE}")
    failed = [r["analysis"] for r in results if r["verdict"] == "FAIL"]
    if failed:
        raise MismatchError(f"{len(failed)} of {len(results)} analyses fail: {', '.join(failed)}")


if __name__ == "__main__":
    sys.exit(run(main, None, "reproduce"))
