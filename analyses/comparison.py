"""Published figures, and comparisons of ours with them, each with a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from bitnet_hw.errors import InputError, unknown_name
from bitnet_hw.files.reading import read, validate
from bitnet_hw.files.records import Record
from bitnet_hw.prices.entries import Source

FOLDER = Path(__file__).resolve().parent / "published"

#: Largest relative change of the computed value at which a known miss is still the same miss.
MISS_DRIFT = 0.005

Verdict = Literal["ok", "fitted", "known miss", "FAIL"]
Cell = str | float | int


class KnownMiss(Record):
    """Record of a published figure that is known not to be reproduced.

    Attributes
    ----------
    ours : float
        Value that is computed instead, in the figure's unit.
    why : str
        What is known about the cause.
    """

    ours: float
    why: Annotated[str, Field(min_length=1)]


class Figure(Record):
    """One published number.

    Attributes
    ----------
    id : str
        Name by which scripts look it up.
    value : str
        Number as printed; its digits show its precision.
    unit : str
        Unit; ``x`` for a ratio.
    source : str
        Key in the file's `sources`.
    locator : str
        Table, figure or section of the source.
    confidence : str
        How the number was obtained, unless it was read in the source itself.
    known_miss : KnownMiss, optional
        Value that is computed instead, if the figure is known not to be reproduced.
    """

    id: str
    value: Annotated[str, Field(pattern=r"^\d+(\.\d+)?$")]
    unit: str
    source: str
    locator: str
    confidence: str = ""
    known_miss: KnownMiss | None = None

    @property
    def number(self) -> float:
        """Value as a number."""
        return float(self.value)


class FigureFile(Record):
    """A file of published figures."""

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    sources: dict[str, Source]
    figures: list[Figure]


class Published:
    """Published figures of a folder, by id.

    Parameters
    ----------
    folder : path
        Folder of YAML files, all of which are read.

    Raises
    ------
    InputError
        If a file is not valid, an id occurs twice, or a source is missing.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        self._figures: dict[str, Figure] = {}
        self._sources: dict[str, Source] = {}
        self._used: dict[str, None] = {}
        for path in sorted(folder.glob("*.yaml")):
            file = validate(FigureFile, read(path))
            self._sources |= file.sources
            for figure in file.figures:
                if figure.id in self._figures:
                    raise InputError(f"{path}: figure {figure.id!r} occurs twice")
                if figure.source not in file.sources:
                    raise InputError(
                        f"{path}: {figure.id}: "
                        f"{unknown_name('source', figure.source, file.sources)}"
                    )
                self._figures[figure.id] = figure

    def __getitem__(self, name: str) -> Figure:
        """Return a figure, and record its source as used."""
        if name not in self._figures:
            raise unknown_name("published figure", name, self._figures)
        figure = self._figures[name]
        self._used[figure.source] = None
        return figure

    def citations(self) -> list[str]:
        """Return the citations of all figures that were looked up."""
        sources = [self._sources[key] for key in self._used]
        return [s.cite() + (f" (read in {s.read_in})" if s.read_in else "") for s in sources]


class Tolerance(NamedTuple):
    """Largest accepted difference between our figure and the published one.

    Attributes
    ----------
    kind : str
        ``digits``: ours must round to the printed digits. ``relative``: a share of the published
        value. ``absolute``: a difference in the figure's unit. ``exact``: equal to one part in 1e9.
    amount : float
        Share or difference; unused for ``digits`` and ``exact``.
    """

    kind: Literal["digits", "relative", "absolute", "exact"]
    amount: float = 0.0

    def holds(self, printed: str, ours: float) -> bool:
        """Return whether our figure is close enough to a printed number."""
        published = float(printed)
        allowed = {
            "digits": 0.5 * 10.0 ** -len(printed.partition(".")[2]),
            "relative": self.amount * abs(published),
            "absolute": self.amount,
            "exact": 0.0,
        }[self.kind]
        return abs(ours - published) <= allowed + 1e-9 * abs(published)

    def __str__(self) -> str:
        """Return the text that tables show."""
        return {
            "digits": "printed digits",
            "relative": f"{100 * self.amount:g} %",
            "absolute": f"± {self.amount:g}",
            "exact": "exact",
        }[self.kind]


DIGITS = Tolerance("digits")
EXACT = Tolerance("exact")


@dataclass(frozen=True)
class Comparison:
    """Comparison of a published figure with ours.

    Attributes
    ----------
    name : str
        Name of the compared quantity.
    printed : str
        Published number as printed, or a number computed from published ones, with its digits.
    ours : float
        Computed value.
    unit, locator : str
        Unit of both, and location of the published figure in its source.
    tolerance : Tolerance
        Largest accepted difference.
    known_miss : KnownMiss or None
        Set if the two are known to disagree.
    fitted : bool
        Whether ours was made to agree; agreement then confirms only the fit.
    """

    name: str
    printed: str
    ours: float
    unit: str
    locator: str
    tolerance: Tolerance
    known_miss: KnownMiss | None = None
    fitted: bool = False

    @classmethod
    def of(
        cls,
        figure: Figure,
        name: str,
        ours: float,
        tolerance: Tolerance = DIGITS,
        *,
        fitted: bool = False,
    ) -> Comparison:
        """Compare a computed value with a published figure."""
        known = figure.known_miss
        return cls(name, figure.value, ours, figure.unit, figure.locator, tolerance, known, fitted)

    @property
    def published(self) -> float:
        """Published number."""
        return float(self.printed)

    @property
    def ratio(self) -> float:
        """Ours over published."""
        return self.ours / self.published

    @property
    def verdict(self) -> Verdict:
        """``ok``, ``fitted``, ``known miss``, or ``FAIL``."""
        return self._judgement[0]

    @property
    def remark(self) -> str:
        """Explanation of any verdict but ``ok``; empty for that."""
        return self._judgement[1]

    @property
    def _judgement(self) -> tuple[Verdict, str]:
        within = self.tolerance.holds(self.printed, self.ours)
        miss = self.known_miss
        if miss is None:
            if not within:
                return "FAIL", "outside the tolerance"
            return ("fitted", "by construction") if self.fitted else ("ok", "")
        if within:
            return "FAIL", "a known miss has disappeared: remove it from the published figures"
        if abs(self.ours - miss.ours) > MISS_DRIFT * abs(miss.ours):
            return "FAIL", f"a known miss has changed: it was {miss.ours:g}"
        return "known miss", miss.why

    def as_dict(self) -> dict[str, Any]:
        """Return the fields of the JSON output."""
        return {
            "name": self.name,
            "published": self.published,
            "printed": self.printed,
            "ours": self.ours,
            "ratio": self.ratio,
            "unit": self.unit,
            "locator": self.locator,
            "tolerance": str(self.tolerance),
            "verdict": self.verdict,
            "remark": self.remark,
        }


@dataclass(frozen=True)
class Table:
    """Further table of an analysis, without verdicts."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]

    def as_dict(self) -> dict[str, Any]:
        """Return the fields of the JSON output."""
        return {
            "title": self.title,
            "columns": list(self.columns),
            "rows": [list(row) for row in self.rows],
        }


class Point(NamedTuple):
    """A point of a chart: published and predicted value, its series, and its name."""

    published: float
    predicted: float
    series: str
    name: str


@dataclass(frozen=True)
class Chart:
    """A chart of predicted against published values, both axes logarithmic.

    Attributes
    ----------
    title, unit : str
        Title, and unit of both axes.
    points : sequence of Point
        The points; the series are told apart by shape and colour.
    """

    title: str
    unit: str
    points: Sequence[Point]

    def as_dict(self) -> dict[str, Any]:
        """Return the fields of the JSON output."""
        return {
            "title": self.title,
            "unit": self.unit,
            "points": [point._asdict() for point in self.points],
        }


@dataclass(frozen=True)
class Findings:
    """Results of an analysis.

    Attributes
    ----------
    comparisons : list of Comparison
        Comparisons, which decide the exit code.
    tables : list of Table
        Further tables.
    notes : list of str
        Remarks, printed as a list.
    charts : list of Chart
        Charts, which the page shows.
    reference : str
        Heading of the figures that ours are compared with: ``published``, or the name of a tool.
    """

    comparisons: list[Comparison]
    tables: list[Table] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    charts: list[Chart] = field(default_factory=list)
    reference: str = "published"

    def count(self, verdict: Verdict) -> int:
        """Return the number of comparisons with a verdict."""
        return sum(c.verdict == verdict for c in self.comparisons)
