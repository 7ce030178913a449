"""Figures that show savings ratios, each with a description in words."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..units import percent, quantity, times
from .content import Report, SizePoint
from .style import COLOURS, HATCHES, MARKERS, legend_below, panels, row_title, without_ratio

#: Smallest change of the savings ratio that a bar shows, relative to the ratio.
_VISIBLE = 0.01


def _parameters(value: float, _position: object = None) -> str:
    return quantity(value, "", 2).replace(" ", "")


def _coordinates(points: list[tuple[int, float]]) -> tuple[list[int], list[float]]:
    return [x for x, _ in points], [y for _, y in points]


def _size_lines(
    axes: Axes,
    points: list[SizePoint],
    value: Callable[[SizePoint], float | None],
    style: str = "-",
) -> None:
    for i, scheme in enumerate(dict.fromkeys(point.scheme for point in points)):
        found = [(point, value(point)) for point in points if point.scheme == scheme]
        shown = [(point, ratio) for point, ratio in found if ratio is not None]
        single = [(point.parameters, ratio) for point, ratio in shown if not point.on_curve]
        axes.plot(
            *_coordinates(single),
            linestyle="",
            marker=MARKERS[i],
            markersize=6,
            markerfacecolor="none",
            color=COLOURS[i],
        )
        curve = [(point.parameters, ratio) for point, ratio in shown if point.on_curve]
        axes.plot(
            *_coordinates(curve),
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


def _saving(value: float | None) -> str:
    return "none, does not fit," if value is None else times(value)


def draw_energy_savings(report: Report) -> Figure:
    """Draw energy savings against model size."""
    figure, rows = panels([2.1] * len(report.tables), sharex=True)
    for axes, table in zip(rows, report.tables, strict=True):
        points = [point for point in report.sizes if point.table == table.short_name]
        _size_lines(axes, points, lambda point: point.system_ratio)
        _size_lines(axes, points, lambda point: point.paper_ratio, "--")
        axes.set_title(f"{table.short_name}: energy against {report.baseline.name}")
        axes.set_ylabel("savings")
    rows[0].plot([], [], "-", color="#444444", label="system convention")
    rows[0].plot([], [], "--", color="#444444", label="paper convention")
    rows[-1].set_xlabel("parameters")
    legend_below(figure, rows[0], 2)
    return figure


def say_energy_savings(report: Report) -> str:
    """Return a description of the energy savings at each model size."""
    ends = [
        f"{point.scheme} at {point.table}, {quantity(point.parameters, '')} parameters: "
        f"{_saving(point.system_ratio)} system, {times(point.paper_ratio)} paper"
        for point in report.sizes
        if point.scheme == report.subject.name
    ]
    return "Energy savings against model size. " + "; ".join(ends) + "."


def draw_memory_savings(report: Report) -> Figure:
    """Draw memory savings against model size."""
    figure, (axes,) = panels([2.3])
    points = [point for point in report.sizes if point.table == report.tables[0].short_name]
    _size_lines(axes, points, lambda point: point.memory_ratio)
    _size_lines(axes, points, lambda point: point.weights_ratio, "--")
    axes.plot([], [], "-", color="#444444", label="everything in memory")
    axes.plot([], [], "--", color="#444444", label="projections and FFN only")
    axes.set_title(f"memory against {report.baseline.name}")
    axes.set_xlabel("parameters")
    axes.set_ylabel("savings")
    legend_below(figure, axes, 2)
    return figure


def say_memory_savings(report: Report) -> str:
    """Return a description of the memory savings at the largest size."""
    last = [point for point in report.sizes if point.model == report.sizes[-1].model]
    seen = {point.scheme: point for point in last}
    return "Memory savings against model size. At the largest size: " + "; ".join(
        f"{name} {times(point.memory_ratio)} overall, {times(point.weights_ratio)} in projections "
        "and FFN"
        for name, point in seen.items()
    )


def draw_chain(report: Report) -> Figure:
    """Draw the chain of factors as bars on a logarithmic axis."""
    if not report.chains:
        return without_ratio(_reason(report))
    figure, rows = panels([0.8 + 0.24 * len(links) for links in report.chains.values()])
    for axes, (name, links) in zip(rows, report.chains.items(), strict=True):
        labels = [link.title for link in links] + ["system ratio"]
        before = 1.0
        for i, link in enumerate(links):
            low, high = sorted((before, link.ratio))
            colour = COLOURS[7] if i == 0 else COLOURS[2] if link.factor >= 1 else COLOURS[4]
            hatch = "" if i == 0 or link.factor >= 1 else "///"
            axes.barh(i, high - low, 0.42, left=low, color=colour, hatch=hatch, edgecolor="white")
            # A factor near 1 leaves a bar too thin to see.
            axes.vlines(link.ratio, i - 0.21, i + 0.21, color=colour, linewidth=0.8)
            text = times(link.ratio) if i == 0 else f"× {link.factor:#.3g}"
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
            row_title(axes, i, label)
        axes.set_yticks([])
        axes.set_ylim(len(links) + 0.5, -0.9)
        axes.set_xscale("log")
        axes.set_xlim(1, max(link.ratio for link in links) * 2.2)
        axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}×")
        table = next(table for table in report.tables if table.name == name)
        axes.set_title(f"{table.short_name}: {report.subject.name} against {report.baseline.name}")
    return figure


def say_chain(report: Report) -> str:
    """Return a description of the chain of factors."""
    if not report.chains:
        return f"No ratio: {_reason(report)}."
    name = next(iter(report.chains))
    links = report.chains[name]
    table = next(table for table in report.tables if table.name == name)
    steps = "; ".join(f"{link.title} × {link.factor:.3g}" for link in links[1:])
    return (
        f"From {times(links[0].ratio)} ({links[0].title}) to {times(links[-1].ratio)} at "
        f"{table.short_name}, in this order: {steps}."
    )


def _reason(report: Report) -> str:
    """Return why there is no saving, or no chain of factors, to show."""
    reason = report.saving(report.subject, report.tables[0]).reason
    return reason or f"{report.machine.name} gives MACs no energy of their own"


def draw_conventions(report: Report) -> Figure:
    """Draw energy savings under both conventions."""
    figure, rows = panels([1.8] * len(report.tables))
    others = report.schemes[1:]
    for axes, table in zip(rows, report.tables, strict=True):
        bars = (
            ("paper", [report.paper_saving(scheme, table) for scheme in others]),
            ("system", [report.saving(scheme, table).value or 0.0 for scheme in others]),
        )
        for j, (title, values) in enumerate(bars):
            places = [i + (j - 0.5) * 0.4 for i in range(len(others))]
            drawn_bars = axes.bar(
                places, values, 0.38, label=title, color=COLOURS[j], hatch=HATCHES[j],
                edgecolor="white", linewidth=0.3,
            )  # fmt: skip
            labels = [times(value) if value else "no saving" for value in values]
            axes.bar_label(drawn_bars, labels, fontsize=6)
        axes.set_xticks(range(len(others)), [scheme.name for scheme in others])
        axes.set_ylabel("energy savings")
        axes.set_title(f"{table.short_name}: {report.model.name} against {report.baseline.name}")
        axes.grid(visible=False, axis="x")
        axes.margins(y=0.15)
    legend_below(figure, rows[0], 2)
    return figure


def say_conventions(report: Report) -> str:
    """Return a description of the energy savings under both conventions."""
    return "Energy savings by convention. " + "; ".join(
        f"{scheme.name} at {table.short_name}: paper {times(report.paper_saving(scheme, table))}, "
        f"system {_saving(report.saving(scheme, table).value)}"
        for table in report.tables
        for scheme in report.schemes[1:]
    )


def draw_tornado(report: Report) -> Figure:
    """Draw the savings ratio at both values of each assumption that changes it by 1 % or more."""
    middle = report.saving(report.subject, report.tables[0]).value
    if middle is None:
        return without_ratio(_reason(report))
    rows = [one for one in report.tornado if one.span >= _VISIBLE * middle]
    rest = [one.title for one in report.tornado if one.span < _VISIBLE * middle]
    note = textwrap.wrap(f"less than {percent(_VISIBLE)}: {', '.join(rest)}", 78) if rest else []
    figure, (axes,) = panels([0.8 + 0.29 * len(rows) + 0.12 * len(note)])
    for i, one in enumerate(rows):
        low, high = min(one.low, one.high, middle), max(one.low, one.high, middle)
        axes.barh(i, high - low, 0.5, left=low, color=COLOURS[5])
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
    titles = ["\n".join(textwrap.wrap(one.title, 24)) for one in rows]
    axes.set_yticks(range(len(rows)), titles, fontsize=6.3)
    axes.tick_params(axis="y", length=0)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.use_sticky_edges = False
    axes.margins(x=0.25)
    axes.xaxis.set_major_formatter(lambda x, _: f"{x:g}×")
    axes.set_xlabel(f"energy savings ({times(middle)} as reported)")
    axes.grid(visible=False, axis="y")
    if note:
        figure.supxlabel("\n".join(note), x=0.02, ha="left", fontsize=5.8)
    return figure


def say_tornado(report: Report) -> str:
    """Return a description of the savings ratio at both values of each assumption."""
    if not report.tornado:
        return f"No ratio: {_reason(report)}."
    return "Savings ratio at two values of each assumption. " + "; ".join(
        f"{one.title}: {times(one.low)} at {one.low_text}, {times(one.high)} at {one.high_text}"
        for one in report.tornado
    )
