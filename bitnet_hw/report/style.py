"""How every figure looks: column width, colours that survive colour blindness and print."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Any

import matplotlib as mpl

#: Width of one column of a two-column paper, inches.
COLUMN_WIDTH = 3.5

#: Okabe and Ito's palette, which stays apart for the common forms of colour blindness
#: (Color Universal Design, 2008); the order also alternates light and dark for grey print.
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
    # A model's name may hold a dollar sign, which is not the start of a formula.
    "text.parse_math": False,
    # The same report twice is the same files.
    "svg.hashsalt": "bitnet-hw",
    # Outlines rather than fonts, so that the page needs none.
    "svg.fonttype": "path",
    "pdf.fonttype": 42,
}


def in_style() -> AbstractContextManager[None]:
    """Return a context in which figures are drawn and written in this style."""
    return mpl.rc_context(_STYLE)
