"""Every figure of a report, in order, with its words."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from matplotlib.figure import Figure

from . import energy_figures as energy
from . import ratio_figures as ratios
from .content import Report
from .style import in_style


class Plot(NamedTuple):
    """A figure that a report has.

    Attributes
    ----------
    name : str
        File name without its ending.
    title, caption : str
        Heading, and what is drawn and how it was computed.
    alternative : callable
        Report -> the figure in words.
    draw : callable
        Report -> the figure.
    """

    name: str
    title: str
    caption: str
    alternative: Callable[[Report], str]
    draw: Callable[[Report], Figure]


def drawn(plot: Plot, report: Report) -> Figure:
    """Draw a figure in the common style, with neither a window nor global state."""
    with in_style():
        return plot.draw(report)


#: Every figure, in the order of the report.
PLOTS = (
    Plot(
        "energy-savings",
        "Energy savings against model size",
        "Energy of the baseline over that of each scheme: curves over the b1.58 sizes, hollow "
        "marks for the reported models. "
        "Solid: system convention, the reported scenario and machine. Dashed: paper convention, "
        "512 tokens, arithmetic alone. Sizes that the machine's DRAM cannot hold are drawn all the "
        "same: capacity does not enter the energy.",
        ratios.say_energy_savings,
        ratios.draw_energy_savings,
    ),
    Plot(
        "memory-savings",
        "Memory savings against model size",
        "Bytes of the baseline over those of each scheme, curves and marks as above. Solid: "
        "weights, embeddings, LM head, KV cache and peak activations. Dashed: the projections and "
        "the FFN alone.",
        ratios.say_memory_savings,
        ratios.draw_memory_savings,
    ),
    Plot(
        "energy-by-part",
        "Energy a token by part",
        "System convention. Above everything, below the arithmetic alone on its own scale; the "
        "linears are the projections and the FFN. Error bars: the ranges of the prices.",
        energy.say_parts,
        energy.draw_parts,
    ),
    Plot(
        "factor-chain",
        "From the papers' ratio to the system's",
        "Each bar multiplies the ratio of those above it by the factor beside it. The order is "
        "fixed and a factor depends on it; the product is checked against the ratio of the two "
        "system estimates.",
        ratios.say_chain,
        ratios.draw_chain,
    ),
    Plot(
        "weight-sharing",
        "When the processing element matters",
        "Energy a token against the tokens that share a weight fetch, on chip and, as far as the "
        "activation buffer holds them, from DRAM. In decode every sequence keeps its own KV cache.",
        energy.say_sharing,
        energy.draw_sharing,
    ),
    Plot(
        "operations",
        "Additions against multiplications",
        "Arithmetic energy a token by kind of operation; other: comparisons, exponentials, "
        "divisions, roots and roundings, priced by the expansions.",
        energy.say_operations,
        energy.draw_operations,
    ),
    Plot(
        "conventions",
        "Paper and system side by side",
        "The same model: a forward pass over 512 tokens counted as the papers do, and the reported "
        "scenario with accumulator widths, every other step and memory.",
        ratios.say_conventions,
        ratios.draw_conventions,
    ),
    Plot(
        "unsaved-share",
        "What ternary weights cannot save",
        "Energy a token by what it is spent on, arithmetic and memory together. Linears: what "
        "ternary weights act on.",
        energy.say_unsaved,
        energy.draw_unsaved,
    ),
    Plot(
        "tornado",
        "How far each assumption moves the result",
        "The savings ratio at two values of one assumption, all others as reported.",
        ratios.say_tornado,
        ratios.draw_tornado,
    ),
)
