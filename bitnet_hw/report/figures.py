"""The list of figures of a report, with titles, captions and descriptions."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from matplotlib.figure import Figure

from . import energy_figures as energy
from . import ratio_figures as ratios
from .content import Report
from .style import in_style


class Plot(NamedTuple):
    """A figure of a report.

    Attributes
    ----------
    name : str
        File name without its extension.
    title, caption : str
        Heading, and a few sentences about the content of the figure and how it was computed.
    alternative : callable
        Report -> description of the figure, for readers who cannot see it.
    draw : callable
        Report -> matplotlib figure.
    """

    name: str
    title: str
    caption: str
    alternative: Callable[[Report], str]
    draw: Callable[[Report], Figure]


def drawn(plot: Plot, report: Report) -> Figure:
    """Draw a figure in the common style, without a window or changes to global state."""
    with in_style():
        return plot.draw(report)


#: Every figure, in the order of the report.
PLOTS = (
    Plot(
        "energy-savings",
        "Energy savings against model size",
        "Energy of the baseline divided by that of each scheme: curves over the b1.58 model sizes, "
        "hollow marks for the models of this report. "
        "Solid: system convention, with the scenario and machine of this report. Dashed: paper "
        "convention, 512 tokens, arithmetic only, at published prices of operations. Sizes that do "
        "not fit the machine in either scheme have no mark for the system convention, unless "
        "savings of oversized models were asked for.",
        ratios.say_energy_savings,
        ratios.draw_energy_savings,
    ),
    Plot(
        "memory-savings",
        "Memory savings against model size",
        "Bytes of the baseline divided by those of each scheme, curves and marks as above. Solid: "
        "weights, embeddings, LM head, KV cache and peak activations. Dashed: projections and FFN "
        "only.",
        ratios.say_memory_savings,
        ratios.draw_memory_savings,
    ),
    Plot(
        "energy-by-part",
        "Energy per token by part",
        "System convention. Top: all parts. Bottom: arithmetic only, on a scale of its own. Error "
        "bars: the range of prices, not the error of the estimate.",
        energy.say_parts,
        energy.draw_parts,
    ),
    Plot(
        "factor-chain",
        "From the papers' ratio to the system's",
        "Each bar multiplies the ratio reached so far by the factor next to it. The first bars "
        "lead to the matrix products of projections and FFN as the machine executes them; each "
        "further one adds a group of costs, arithmetic and memory together. The order is fixed, "
        "and each factor depends on it; the product of all factors is checked against the ratio of "
        "the two system estimates.",
        ratios.say_chain,
        ratios.draw_chain,
    ),
    Plot(
        "weight-sharing",
        "When the processing element matters",
        "Energy per token against the number of tokens that share each weight fetch. All of them "
        "share a fetch from the weight buffer; as many as the activation buffer holds share a "
        "fetch from DRAM. In decode, every sequence reads its own KV cache. White marks: the batch "
        "does not fit the machine's memory.",
        energy.say_sharing,
        energy.draw_sharing,
    ),
    Plot(
        "operations",
        "Additions against multiplications",
        "Arithmetic energy per token by kind of operation. Whole MACs: multiplication and addition "
        "with a single price, from a table of processing elements. Other operations: comparisons, "
        "exponentials, divisions, roots and roundings, priced through the expansions.",
        energy.say_operations,
        energy.draw_operations,
    ),
    Plot(
        "conventions",
        "Paper and system compared",
        "The same model under both conventions. Paper: a forward pass over 512 tokens, counted as "
        "the papers do, at published prices of operations. System: the scenario of this report, "
        "with accumulator widths, every step and memory.",
        ratios.say_conventions,
        ratios.draw_conventions,
    ),
    Plot(
        "unsaved-share",
        "What ternary weights cannot save",
        "Shares of the energy per token, arithmetic and memory together. Ternary weights reduce "
        "the energy of the projections and FFN; static energy shrinks with the time per token.",
        energy.say_unsaved,
        energy.draw_unsaved,
    ),
    Plot(
        "tornado",
        "How far each assumption moves the result",
        "Savings ratio at two values of one assumption, with all others as reported. Assumptions "
        "that change it by less than 1 % are named below the axis.",
        ratios.say_tornado,
        ratios.draw_tornado,
    ),
)
