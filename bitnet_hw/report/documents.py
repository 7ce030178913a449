"""Writing of a report: HTML, Markdown, CSV, JSON, and every figure in three formats."""

from __future__ import annotations

import csv
import io
import json
import re
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from ..cost.forms import error_in_short, range_in_words, speeds
from ..files.writing import whole_folder
from ..prices.loading import load_expansions
from ..units import percent, quantity, times
from .content import EXCLUDED, Report
from .figures import PLOTS, Plot, drawn
from .headline import behind, conditions, headline
from .json_form import as_dict
from .provenance import bibtex, cited_sources, price_row
from .style import in_style

FORMATS = ("svg", "png", "pdf")
FIGURES = "figures"
PAGE = "report.html"


def write_report(
    report: Report,
    folder: str | Path,
    *,
    force: bool = False,
    progress: Callable[[str], None] | None = None,
) -> list[Path]:
    """Write every file of a report.

    Parameters
    ----------
    report : Report
        Content of the files.
    folder : str or path
        Folder to write to, created if necessary. All files appear together at the end.
    force : bool
        Replace the files of an earlier report; other files stay untouched.
    progress : callable, optional
        Function that is called with a few words at the beginning of each stage.

    Returns
    -------
    list of Path
        The files written.

    Raises
    ------
    InputError
        If one of the files exists and `force` is false, or the folder cannot be written.
    """
    folder = Path(folder)
    with whole_folder(folder, PAGE, force=force) as temporary:
        _write_all(report, temporary, progress or (lambda _text: None))
        names = [path.relative_to(temporary) for path in temporary.rglob("*") if path.is_file()]
    return [folder / name for name in sorted(names)]


def _write_all(report: Report, folder: Path, say: Callable[[str], None]) -> None:
    (folder / FIGURES).mkdir()
    pictures: dict[str, Markup] = {}
    for plot in PLOTS:
        say(f"figure {plot.name}")
        pictures[plot.name] = _write_figure(plot, report, folder / FIGURES)
    say("documents")
    content = as_dict(report)
    _write(folder / "report.json", json.dumps(content, indent=1, allow_nan=False))
    _write(folder / "estimates.csv", _csv([of.as_row() for of in report.estimates()]))
    _write(folder / "sizes.csv", _csv([point._asdict() for point in report.sizes]))
    _write(folder / "prices.csv", _csv([price_row(use) for use in report.prices]))
    for template, name in (("report.html.j2", PAGE), ("report.md.j2", "report.md")):
        _write(folder / name, _render(template, report, pictures))


def _write_figure(plot: Plot, report: Report, folder: Path) -> Markup:
    figure = drawn(plot, report)
    with in_style(), warnings.catch_warnings():
        # The font of the figures lacks the characters of some languages; the page itself has them.
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        layout = figure.get_layout_engine()
        if layout is not None:
            # The layout is computed once for all formats, because it takes as long as drawing.
            layout.execute(figure)
            figure.set_layout_engine("none")
        for form in FORMATS:
            # Without a date, the same report always gives the same file.
            date = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}.get(form)
            figure.savefig(folder / f"{plot.name}.{form}", metadata=date)
    text = (folder / f"{plot.name}.svg").read_text(encoding="utf-8")
    return _inline(text, plot, report)


def _inline(text: str, plot: Plot, report: Report) -> Markup:
    """Return an SVG file as an element of the page, with a description and unique ids."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\b(id="|href="#|url\(#)', rf"\g<1>{plot.name}-", text)
    label = Markup.escape(f"{plot.title}. {plot.alternative(report)}")
    opening = f'<svg role="img" aria-label="{label}" class="plot"'
    return Markup(text.replace("<svg", opening, 1))  # noqa: S704  our own figure, with its texts escaped


def _write(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")


def _csv(rows: Sequence[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _markdown_escape(text: object) -> Markup:
    """Escape the characters that have a special meaning in Markdown, its tables, or HTML."""
    escaped = re.sub(r"([\\`*_\[\]|~#])", r"\\\1", str(text))
    return Markup(escaped.replace("<", "&lt;").replace("\n", " "))  # noqa: S704  escaped just here


def _render(template: str, report: Report, pictures: dict[str, Markup]) -> str:
    environment = Environment(
        loader=PackageLoader("bitnet_hw.report", "templates"),
        autoescape=template.endswith(".html.j2"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "quantity": quantity,
        "times": lambda value: "-" if value is None else times(value),
        "prices": lambda band: (
            range_in_words(band.low, band.high, lambda end: quantity(end, "J")) or "-"
        ),
        "percent": percent,
        "md": _markdown_escape,
    }
    return environment.get_template(template).render(
        report=report,
        headlines=[
            (
                headline(report, model, report.tables[0]),
                [*behind(report, model, report.tables[0]), *conditions(report, model)],
            )
            for model in report.models
        ],
        misfits=" ".join(f"{text}." for text in report.misfits()),
        plots={plot.name: plot for plot in PLOTS},
        error=error_in_short,
        speeds=speeds,
        pictures=pictures,
        excluded=EXCLUDED,
        expansions=load_expansions(),
        sources=cited_sources(report.prices),
        bibtex=bibtex(report.prices, report.version),
    )
