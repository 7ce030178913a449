"""Style of the figures: column width, and colours for colour-blind readers and grey print."""

from __future__ import annotations

import textwrap
from contextlib import AbstractContextManager
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

#: Width of one column of a two-column paper, inches.
COLUMN_WIDTH = 3.5

#: Okabe and Ito's palette, distinct under the common forms of colour blindness (Color Universal
#: Design, 2008), in an order that also alternates light and dark for grey print.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#F0E442", "#999999")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
HATCHES = ("", "///", "...", "xxx", "\\\\\\", "ooo", "++", "---", "|||", "**", "//..")
LINES = ("-", "--", "-.", ":")

_STYLE: Any = {
    "figure.constrained_layout.use": True,
    "figure.dpi": 150,
    "savefig.dpi": 300,
    "font.size": 7.5,
    "axes.titlesize": 8,
    "axes.labelsize": 7.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.alpha": 0.3,
    "grid.linewidth": 0.4,
    "lines.linewidth": 1.2,
    "lines.markersize": 3.5,
    "hatch.linewidth": 0.4,
    # A dollar sign in a model's name is plain text, not the start of a formula.
    "text.parse_math": False,
    # Makes ids depend only on the content, so that the same report gives the same files.
    "svg.hashsalt": "bitnet-hw",
    # Draws text as outlines, so that the page needs no font.
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
}


def in_style() -> AbstractContextManager[None]:
    """Return a context in which figures are drawn and written in this style."""
    return mpl.rc_context(_STYLE)


def panels(heights: list[float], *, sharex: bool = False) -> tuple[Figure, list[Axes]]:
    """Return a figure one column wide, with stacked panels of the given heights in inches."""
    figure = Figure(figsize=(COLUMN_WIDTH, sum(heights)))
    axes = figure.subplots(len(heights), 1, squeeze=False, sharex=sharex, height_ratios=heights)
    return figure, list(axes[:, 0])


def legend_below(figure: Figure, axes: Axes, columns: int) -> None:
    """Draw the legend of one panel below the whole figure."""
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=columns)


def turn_labels(axes: Axes, degrees: float) -> None:
    """Turn the labels of the x axis about their ends, so that long names do not run together."""
    for label in axes.get_xticklabels():
        label.set(rotation=degrees, ha="right", rotation_mode="anchor")


def without_ratio(reason: str) -> Figure:
    """Return a figure that says why there is no ratio to draw."""
    figure = Figure(figsize=(COLUMN_WIDTH, 0.9))
    figure.set_layout_engine("none")
    lines = textwrap.wrap(f"No ratio: {reason}", 60)
    figure.text(0.5, 0.5, "\n".join(lines), ha="center", va="center", fontsize=7)
    return figure


def row_title(axes: Axes, row: int, text: str) -> None:
    """Write the title of a horizontal bar above it, to save the width of tick labels."""
    axes.annotate(
        text,
        (0, row),
        xycoords=("axes fraction", "data"),
        xytext=(2, 8),
        textcoords="offset points",
        va="center",
        fontsize=6.3,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.3},
    )


def plain(value: float, _position: object = None) -> str:
    """Return a tick label in plain digits, without powers of ten."""
    return f"{value:g}"
