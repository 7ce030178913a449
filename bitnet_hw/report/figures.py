"""The figures of a report: each draws what `Report` holds, and says it in words as well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..estimate import PARTS, Estimate
from ..units import percent, quantity, times
from .content import Report, SizePoint
from .style import COLOURS, COLUMN_WIDTH, HATCHES, LINES, MARKERS, in_style


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


def _panels(number: int, height: float, **options: Any) -> tuple[Figure, list[Axes]]:  # noqa: ANN401
    figure = Figure(figsize=(COLUMN_WIDTH, height * number))
    axes = figure.subplots(number, 1, squeeze=False, **options)
    return figure, list(axes[:, 0])


def _legend_below(figure: Figure, axes: Axes, columns: int) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=columns)


def _row_title(axes: Axes, row: int, text: str) -> None:
    """Write what a horizontal bar is above it, where a tick label would eat the column's width."""
    axes.annotate(
        text,
        (0, row),
        xycoords=("axes fraction", "data"),
        xytext=(2, 7),
        textcoords="offset points",
        va="center",
        fontsize=6.3,
    )


def _plain(value: float, _position: object = None) -> str:
    return f"{value:g}"


def _parameters(value: float, _position: object = None) -> str:
    return quantity(value, "", 2).replace(" ", "")


def _size_lines(
    axes: Axes, points: list[SizePoint], value: Callable[[SizePoint], float], style: str = "-"
) -> None:
    for i, scheme in enumerate(dict.fromkeys(point.scheme for point in points)):
        apart = [point for point in points if point.scheme == scheme and not point.on_curve]
        axes.plot(
            [point.parameters for point in apart],
            [value(point) for point in apart],
            linestyle="",
            marker=MARKERS[i],
            markersize=6,
            markerfacecolor="none",
            color=COLOURS[i],
        )
        mine = [point for point in points if point.scheme == scheme and point.on_curve]
        axes.plot(
            [point.parameters for point in mine],
            [value(point) for point in mine],
            style,
            color=COLOURS[i],
            marker=MARKERS[i] if style == "-" else "",
            label=scheme if style == "-" else None,
            alpha=1 if style == "-" else 0.8,
        )
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.xaxis.set_major_formatter(_parameters)
    axes.xaxis.set_minor_formatter("")
    axes.yaxis.set_major_formatter(lambda x, _: f"{x:g}×")
    axes.yaxis.set_minor_formatter(lambda x, _: f"{x:g}×" if str(x)[0] in "25" else "")


def _draw_energy_savings(report: Report) -> Figure:
    figure, panels = _panels(len(report.tables), 2.1, sharex=True)
    for axes, table in zip(panels, report.tables, strict=True):
        points = [point for point in report.sizes if point.table == table.short_name]
        _size_lines(axes, points, lambda point: point.hardware_ratio)
        _size_lines(axes, points, lambda point: point.paper_ratio, "--")
        axes.set_title(f"{table.short_name}: energy against {report.baseline.name}")
        axes.set_ylabel("saving")
    panels[0].plot([], [], "-", color="#444444", label="hardware convention")
    panels[0].plot([], [], "--", color="#444444", label="paper convention")
    panels[-1].set_xlabel("parameters")
    _legend_below(figure, panels[0], 2)
    return figure


def _say_energy_savings(report: Report) -> str:
    ends = [
        f"{point.scheme} at {point.table}, {quantity(point.parameters, '')} parameters: "
        f"{times(point.hardware_ratio)} hardware, {times(point.paper_ratio)} paper"
        for point in report.sizes
        if point.scheme == report.subject.name
    ]
    return "Savings against model size, a curve a scheme. " + "; ".join(ends) + "."


def _draw_memory_savings(report: Report) -> Figure:
    figure, (axes,) = _panels(1, 2.3)
    points = [point for point in report.sizes if point.table == report.tables[0].short_name]
    _size_lines(axes, points, lambda point: point.memory_ratio)
    _size_lines(axes, points, lambda point: point.weights_ratio, "--")
    axes.plot([], [], "-", color="#444444", label="everything in memory")
    axes.plot([], [], "--", color="#444444", label="projections and FFN alone")
    axes.set_title(f"memory against {report.baseline.name}")
    axes.set_xlabel("parameters")
    axes.set_ylabel("saving")
    _legend_below(figure, axes, 2)
    return figure


def _say_memory_savings(report: Report) -> str:
    last = [point for point in report.sizes if point.model == report.sizes[-1].model]
    seen = {point.scheme: point for point in last}
    return "Memory savings against model size. At the largest size: " + "; ".join(
        f"{name} {times(point.memory_ratio)} in all, {times(point.weights_ratio)} for the weights"
        for name, point in seen.items()
    )


#: Colour and hatch of each part: arithmetic in the palette's cool half, memory in its warm one.
_PART_STYLES = dict(
    zip(
        PARTS,
        (
            (COLOURS[0], ""),
            (COLOURS[5], "///"),
            (COLOURS[2], ""),
            (COLOURS[3], "xxx"),
            (COLOURS[7], ""),
            (COLOURS[6], ""),
            (COLOURS[4], ""),
            (COLOURS[1], "..."),
            (COLOURS[1], "\\\\\\"),
            (COLOURS[4], "///"),
            ("#000000", ""),
        ),
        strict=True,
    )
)


def _stack(axes: Axes, estimates: list[Estimate], parts: list[str], scale: float) -> None:
    names = [of.scheme.name for of in estimates]
    bottoms = [0.0] * len(estimates)
    for part in parts:
        colour, hatch = _PART_STYLES[part]
        heights = [of.parts()[part] / of.scenario.new_tokens * scale for of in estimates]
        axes.bar(
            names,
            heights,
            bottom=bottoms,
            label=part,
            color=colour,
            hatch=hatch,
            edgecolor="white",
            linewidth=0.3,
            width=0.65,
        )
        bottoms = [a + b for a, b in zip(bottoms, heights, strict=True)]
    axes.grid(visible=False, axis="x")


def _total_band(axes: Axes, estimates: list[Estimate], scale: float) -> None:
    bands = [of.energy_per_token for of in estimates]
    axes.errorbar(
        [of.scheme.name for of in estimates],
        [band.value * scale for band in bands],
        yerr=[
            [(band.value - band.low) * scale for band in bands],
            [(band.high - band.value) * scale for band in bands],
        ],
        fmt="none",
        ecolor="black",
        elinewidth=0.7,
        capsize=2,
    )


def _draw_parts(report: Report) -> Figure:
    tables = report.tables
    figure = Figure(figsize=(COLUMN_WIDTH, 4.6))
    grid = figure.subplots(2, len(tables), squeeze=False)
    for column, table in enumerate(tables):
        estimates = [report.hardware_of(scheme, table) for scheme in report.schemes]
        shown = [p for p in PARTS if any(of.parts()[p] > 0 for of in estimates)]
        arithmetic = [p for p in shown if not p.startswith(("DRAM", "SRAM", "static"))]
        _stack(grid[0][column], estimates, shown, 1e3)
        _total_band(grid[0][column], estimates, 1e3)
        _stack(grid[1][column], estimates, arithmetic, 1e3)
        grid[0][column].set_title(f"{table.short_name}: everything")
        grid[1][column].set_title("arithmetic alone")
        for row in grid:
            row[column].tick_params(axis="x", rotation=30)
    for row in grid:
        row[0].set_ylabel("mJ a token")
    _legend_below(figure, grid[0][0], 2)
    return figure


def _say_parts(report: Report) -> str:
    table = report.tables[0]
    sentences = []
    for scheme in report.schemes:
        of = report.hardware_of(scheme, table)
        tokens = of.scenario.new_tokens
        parts = sorted(of.parts().items(), key=lambda item: -item[1])[:4]
        said = ", ".join(f"{name} {quantity(joules / tokens, 'J')}" for name, joules in parts)
        sentences.append(f"{scheme.name}: {said}")
    return f"Energy a token by part at {table.short_name}. " + "; ".join(sentences) + "."


def _draw_chain(report: Report) -> Figure:
    figure, panels = _panels(len(report.chains), 2.9)
    for axes, (name, links) in zip(panels, report.chains.items(), strict=True):
        labels = [link.title for link in links] + ["ratio of the system"]
        before = 1.0
        for i, link in enumerate(links):
            low, high = sorted((before, link.ratio))
            colour = COLOURS[7] if i == 0 else COLOURS[2] if link.factor >= 1 else COLOURS[4]
            hatch = "" if i == 0 or link.factor >= 1 else "///"
            axes.barh(i, high - low, 0.42, left=low, color=colour, hatch=hatch, edgecolor="white")
            text = times(link.ratio) if i == 0 else f"× {link.factor:.3g}"
            axes.annotate(
                text, (high, i), xytext=(2, 0), textcoords="offset points", va="center", fontsize=6
            )
            before = link.ratio
        axes.barh(len(links), before - 1, 0.42, left=1, color=COLOURS[0])
        axes.annotate(
            times(before),
            (before, len(links)),
            xytext=(2, 0),
            textcoords="offset points",
            va="center",
            fontsize=6,
        )
        for i, label in enumerate(labels):
            _row_title(axes, i, label)
        axes.set_yticks([])
        axes.set_ylim(len(links) + 0.5, -0.9)
        axes.set_xscale("log")
        axes.set_xlim(1, max(link.ratio for link in links) * 2.2)
        axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}×")
        table = next(table for table in report.tables if table.name == name)
        axes.set_title(f"{table.short_name}: {report.subject.name} against {report.baseline.name}")
    return figure


def _say_chain(report: Report) -> str:
    links = report.chains[report.tables[0].name]
    steps = "; ".join(f"{link.title} × {link.factor:.3g}" for link in links[1:])
    return (
        f"From {times(links[0].ratio)}, {links[0].title}, to {times(links[-1].ratio)} at "
        f"{report.tables[0].short_name}, in this order: {steps}."
    )


def _draw_sharing(report: Report) -> Figure:
    figure, panels = _panels(2, 2.2, sharex=True)
    for axes, phase in zip(panels, ("decode", "prefill"), strict=True):
        for i, scheme in enumerate((report.baseline.name, report.subject.name)):
            mine = [p for p in report.sharing if p.scheme == scheme and p.phase == phase]
            tokens = [point.tokens for point in mine]
            for j, (what, values) in enumerate(
                (
                    ("total", [point.total_j for point in mine]),
                    ("DRAM", [point.dram_j for point in mine]),
                    ("linears' arithmetic", [point.linear_arithmetic_j for point in mine]),
                )
            ):
                axes.plot(
                    tokens,
                    [value * 1e3 for value in values],
                    LINES[j],
                    color=COLOURS[i],
                    marker=MARKERS[i] if j == 0 else "",
                    label=f"{scheme}: {what}",
                )
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.xaxis.set_major_formatter(_plain)
        axes.yaxis.set_major_formatter(_plain)
        axes.set_ylabel("mJ a token")
    panels[0].set_title(f"decode, sequences side by side ({report.tables[0].short_name})")
    panels[1].set_title("prefill: tokens of one sequence")
    panels[1].set_xlabel("tokens that share a weight fetch")
    _legend_below(figure, panels[0], 2)
    return figure


def _say_sharing(report: Report) -> str:
    parts = []
    for phase in ("decode", "prefill"):
        for scheme in (report.baseline.name, report.subject.name):
            mine = [p for p in report.sharing if p.scheme == scheme and p.phase == phase]
            ends = [
                f"{percent(point.linear_arithmetic_j / point.total_j)} at {point.tokens}"
                for point in (mine[0], mine[-1])
            ]
            parts.append(f"{phase}, {scheme}: {' and '.join(ends)} tokens")
    return "Share of the energy that the linears' arithmetic takes. " + "; ".join(parts) + "."


def _draw_operations(report: Report) -> Figure:
    figure, panels = _panels(len(report.tables), 1.9)
    kinds = (("multiplications", "mul_j"), ("additions", "add_j"), ("other", "other_j"))
    for axes, table in zip(panels, report.tables, strict=True):
        for j, (title, name) in enumerate(kinds):
            places = [i + (j - 1) * 0.27 for i in range(len(report.schemes))]
            values = [
                getattr(of, name) / of.scenario.new_tokens * 1e3
                for of in (report.hardware_of(scheme, table) for scheme in report.schemes)
            ]
            axes.bar(
                places, values, 0.25, label=title, color=COLOURS[j], hatch=HATCHES[j],
                edgecolor="white", linewidth=0.3,
            )  # fmt: skip
        axes.set_xticks(range(len(report.schemes)), [scheme.name for scheme in report.schemes])
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(_plain)
        axes.tick_params(axis="x", rotation=15)
        axes.set_ylabel("mJ a token")
        axes.set_title(f"{table.short_name}: arithmetic")
        axes.grid(visible=False, axis="x")
    _legend_below(figure, panels[0], 3)
    return figure


def _say_operations(report: Report) -> str:
    parts = []
    for table in report.tables:
        for scheme in report.schemes:
            of = report.hardware_of(scheme, table)
            n = of.scenario.new_tokens
            parts.append(
                f"{scheme.name} at {table.short_name}: multiplications "
                f"{quantity(of.mul_j / n, 'J')}, additions {quantity(of.add_j / n, 'J')}"
            )
    return "Arithmetic energy a token. " + "; ".join(parts) + "."


def _draw_conventions(report: Report) -> Figure:
    figure, panels = _panels(len(report.tables), 1.8)
    others = report.schemes[1:]
    for axes, table in zip(panels, report.tables, strict=True):
        bars = (
            ("paper", [report.paper_saving(scheme, table) for scheme in others]),
            ("hardware", [report.saving(scheme, table).value for scheme in others]),
        )
        for j, (title, values) in enumerate(bars):
            places = [i + (j - 0.5) * 0.4 for i in range(len(others))]
            drawn_bars = axes.bar(
                places, values, 0.38, label=title, color=COLOURS[j], hatch=HATCHES[j],
                edgecolor="white", linewidth=0.3,
            )  # fmt: skip
            axes.bar_label(drawn_bars, [times(value) for value in values], fontsize=6)
        axes.set_xticks(range(len(others)), [scheme.name for scheme in others])
        axes.set_ylabel("energy saving")
        axes.set_title(f"{table.short_name}: {report.model.name} against {report.baseline.name}")
        axes.grid(visible=False, axis="x")
        axes.margins(y=0.15)
    _legend_below(figure, panels[0], 2)
    return figure


def _say_conventions(report: Report) -> str:
    return "Energy savings by convention. " + "; ".join(
        f"{scheme.name} at {table.short_name}: paper {times(report.paper_saving(scheme, table))}, "
        f"hardware {times(report.saving(scheme, table).value)}"
        for table in report.tables
        for scheme in report.schemes[1:]
    )


def _draw_unsaved(report: Report) -> Figure:
    figure, panels = _panels(len(report.tables), 1.7)
    names = list(dict.fromkeys(name for one in report.unsaved for name in one.parts))
    for axes, table in zip(panels, report.tables, strict=True):
        rows = [one for one in report.unsaved if one.table == table.short_name]
        left = [0.0] * len(rows)
        for i, name in enumerate(names):
            widths = [100 * one.parts.get(name, 0.0) for one in rows]
            axes.barh(
                [one.scheme for one in rows], widths, left=left, label=name, color=COLOURS[i],
                hatch=HATCHES[i], edgecolor="white", linewidth=0.3, height=0.65,
            )  # fmt: skip
            left = [a + b for a, b in zip(left, widths, strict=True)]
        axes.invert_yaxis()
        axes.set_xlim(0, 100)
        axes.set_title(f"{table.short_name}: energy by what it is spent on")
        axes.grid(visible=False, axis="y")
    panels[-1].set_xlabel("percent of the energy a token")
    _legend_below(figure, panels[0], 3)
    return figure


def _say_unsaved(report: Report) -> str:
    return "Share that ternary weights cannot save. " + "; ".join(
        f"{one.scheme} at {one.table}: {percent(one.share)}" for one in report.unsaved
    )


def _draw_tornado(report: Report) -> Figure:
    rows = report.tornado
    figure, (axes,) = _panels(1, 0.8 + 0.3 * len(rows))
    middle = report.saving(report.subject, report.tables[0]).value
    for i, one in enumerate(rows):
        low, high = sorted((one.low, one.high))
        axes.barh(i, high - low, 0.42, left=low, color=COLOURS[5])
        ends = [(one.low, one.low_text), (one.high, one.high_text)]
        if one.low > one.high:
            ends.reverse()
        for (value, text), side in zip(ends, ("right", "left"), strict=True):
            axes.annotate(
                text,
                (value, i),
                xytext=(-2 if side == "right" else 2, 0),
                textcoords="offset points",
                va="center",
                ha=side,
                fontsize=5.5,
            )
    axes.axvline(middle, color="#444444", linewidth=0.8)
    for i, one in enumerate(rows):
        _row_title(axes, i, one.title)
    axes.set_yticks([])
    axes.set_ylim(len(rows) - 0.5, -0.9)
    axes.margins(x=0.2)
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}×")
    axes.set_xlabel(f"saving, {times(middle)} as reported")
    axes.grid(visible=False, axis="y")
    return figure


def _say_tornado(report: Report) -> str:
    return "The ratio at two values of each assumption. " + "; ".join(
        f"{one.title}: {times(one.low)} at {one.low_text}, {times(one.high)} at {one.high_text}"
        for one in report.tornado
    )


#: Every figure, in the order of the report.
PLOTS = (
    Plot(
        "energy-savings",
        "Energy savings against model size",
        "Energy of the baseline over that of each scheme: curves over the b1.58 sizes, hollow "
        "marks for the reported models. "
        "Solid: hardware convention, the reported scenario and machine. Dashed: paper convention, "
        "512 tokens, arithmetic alone.",
        _say_energy_savings,
        _draw_energy_savings,
    ),
    Plot(
        "memory-savings",
        "Memory savings against model size",
        "Bytes of the baseline over those of each scheme, curves and marks as above. Solid: "
        "weights, embeddings, LM head, KV cache and peak activations. Dashed: the projections and "
        "the FFN alone.",
        _say_memory_savings,
        _draw_memory_savings,
    ),
    Plot(
        "energy-by-part",
        "Energy a token by part",
        "Hardware convention. Above everything, below the arithmetic alone on its own scale; the "
        "linears are the projections and the FFN. Error bars: the ranges of the prices.",
        _say_parts,
        _draw_parts,
    ),
    Plot(
        "factor-chain",
        "From the papers' ratio to the system's",
        "Each bar multiplies the ratio of those above it by the factor beside it. The order is "
        "fixed and a factor depends on it; the product is checked against the ratio of the two "
        "hardware estimates.",
        _say_chain,
        _draw_chain,
    ),
    Plot(
        "weight-sharing",
        "When the processing element matters",
        "Energy a token against the tokens that share a weight fetch, on chip and, as far as the "
        "activation buffer holds them, from DRAM. In decode every sequence keeps its own KV cache.",
        _say_sharing,
        _draw_sharing,
    ),
    Plot(
        "operations",
        "Additions against multiplications",
        "Arithmetic energy a token by kind of operation; other: comparisons, exponentials, "
        "divisions, roots and roundings, priced by the expansions.",
        _say_operations,
        _draw_operations,
    ),
    Plot(
        "conventions",
        "Paper and hardware side by side",
        "The same model: a forward pass over 512 tokens counted as the papers do, and the reported "
        "scenario with accumulator widths, every other step and memory.",
        _say_conventions,
        _draw_conventions,
    ),
    Plot(
        "unsaved-share",
        "What ternary weights cannot save",
        "Energy a token by what it is spent on, arithmetic and memory together. Linears: what "
        "ternary weights act on.",
        _say_unsaved,
        _draw_unsaved,
    ),
    Plot(
        "tornado",
        "How far each assumption moves the result",
        "The savings ratio at two values of one assumption, all others as reported.",
        _say_tornado,
        _draw_tornado,
    ),
)
