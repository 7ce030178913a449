"""Figures that show energies, each with a description in words."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..cost.band import NO_COST
from ..cost.estimates import Estimate
from ..cost.parts import KINDS, PARTS
from ..units import percent, quantity
from .content import Report
from .style import (
    COLOURS,
    COLUMN_WIDTH,
    HATCHES,
    LINES,
    MARKERS,
    legend_below,
    panels,
    plain,
    turn_labels,
)

#: Colour and hatch of each part of an estimate.
_PART_STYLES = dict(
    zip(
        PARTS,
        (
            (COLOURS[0], ""),
            (COLOURS[5], "///"),
            (COLOURS[2], ""),
            (COLOURS[3], "xxx"),
            (COLOURS[7], ""),
            (COLOURS[7], "ooo"),
            (COLOURS[6], ""),
            (COLOURS[4], ""),
            (COLOURS[1], "..."),
            ("#8B5A2B", "\\\\\\"),
            (COLOURS[4], "///"),
            (COLOURS[5], "++"),
            ("#CCCCCC", "---"),  # light, so that the error bars are visible on it
        ),
        strict=True,
    )
)


def _label(of: Estimate) -> str:
    """Return the scheme's name, with a star, which captions explain, if the model does not fit."""
    return of.scheme.name + ("" if of.fits else " *")


def _stack(axes: Axes, estimates: list[Estimate], parts: list[str], scale: float) -> None:
    names = list(map(_label, estimates))
    bottoms = [0.0] * len(estimates)
    for part in parts:
        colour, hatch = _PART_STYLES[part]
        heights = [of.by("part")[part].joules / of.scenario.new_tokens * scale for of in estimates]
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
        list(map(_label, estimates)),
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


def draw_parts(report: Report) -> Figure:
    """Draw the energy per token by part."""
    tables = report.tables
    figure = Figure(figsize=(COLUMN_WIDTH, 4.6))
    grid = figure.subplots(2, len(tables), squeeze=False)
    for column, table in enumerate(tables):
        estimates = [report.system_of(scheme, table) for scheme in report.schemes]
        shown = [p for p in PARTS if any(of.by("part")[p].joules > 0 for of in estimates)]
        logic = {part for of in estimates for part in of.by("part", level="logic")}
        arithmetic = [part for part in shown if part in logic]
        _stack(grid[0][column], estimates, shown, 1e3)
        _total_band(grid[0][column], estimates, 1e3)
        _stack(grid[1][column], estimates, arithmetic, 1e3)
        grid[0][column].set_title(f"{table.short_name}: total")
        grid[1][column].set_title("arithmetic only")
        for row in grid:
            turn_labels(row[column], 30)
            # Otherwise the axis can start at the top of a part that is too small to see.
            row[column].set_ylim(bottom=0)
    for row in grid:
        row[0].set_ylabel("mJ per token")
    legend_below(figure, grid[0][0], 2)
    return figure


def say_parts(report: Report) -> str:
    """Return a description of the largest parts of each scheme's energy."""
    table = report.tables[0]
    sentences = []
    for scheme in report.schemes:
        of = report.system_of(scheme, table)
        tokens = of.scenario.new_tokens
        energies = [(name, cost.joules) for name, cost in of.by("part").items()]
        parts = sorted(energies, key=lambda item: -item[1])[:4]
        text = ", ".join(f"{name} {quantity(joules / tokens, 'J')}" for name, joules in parts)
        sentences.append(f"{scheme.name}: {text}")
    return f"Energy per token by part at {table.short_name}. " + "; ".join(sentences) + "."


def draw_sharing(report: Report) -> Figure:
    """Draw energy per token against the tokens that share a weight fetch."""
    figure, rows = panels([2.4, 2.4], sharex=True)
    for axes, phase in zip(rows, ("decode", "prefill"), strict=True):
        for i, scheme in enumerate((report.baseline.name, report.subject.name)):
            points = [p for p in report.sharing if p.scheme == scheme and p.phase == phase]
            tokens = [point.tokens for point in points]
            for j, (name, values) in enumerate(
                (
                    ("total", [point.total_j for point in points]),
                    ("DRAM", [point.dram_j for point in points]),
                    (
                        "arithmetic of projections and FFN",
                        [point.linear_arithmetic_j for point in points],
                    ),
                )
            ):
                axes.plot(
                    tokens,
                    [value * 1e3 for value in values],
                    LINES[j],
                    color=COLOURS[i],
                    marker=MARKERS[i] if j == 0 else "",
                    label=f"{scheme}: {name}",
                )
            large = [point for point in points if not point.fits]
            axes.plot(
                [point.tokens for point in large],
                [point.total_j * 1e3 for point in large],
                linestyle="",
                marker=MARKERS[i],
                markerfacecolor="white",
                color=COLOURS[i],
            )
        axes.set_xscale("log", base=2)
        axes.set_yscale("log")
        axes.xaxis.set_major_formatter(plain)
        axes.yaxis.set_major_formatter(plain)
        axes.set_ylabel("mJ per token")
    rows[0].set_title(f"decode of a batch ({report.tables[0].short_name})")
    rows[1].set_title("prefill of one sequence")
    rows[1].set_xlabel("tokens that share a weight fetch")
    legend_below(figure, rows[0], 1)
    return figure


def say_sharing(report: Report) -> str:
    """Return a description of the share of arithmetic, at the fewest and at the most tokens."""
    parts = []
    for phase in ("decode", "prefill"):
        for scheme in (report.baseline.name, report.subject.name):
            points = [p for p in report.sharing if p.scheme == scheme and p.phase == phase]
            ends = [
                f"{percent(point.linear_arithmetic_j / point.total_j)} at {point.tokens}"
                for point in (points[0], points[-1])
            ]
            parts.append(f"{phase}, {scheme}: {' and '.join(ends)} tokens")
    return "Arithmetic of projections and FFN, share of the energy. " + "; ".join(parts) + "."


def draw_operations(report: Report) -> Figure:
    """Draw arithmetic energy per token by kind of operation."""
    figure, rows = panels([1.9] * len(report.tables))
    shown = [
        kind
        for kind in KINDS
        if any(kind in of.by("kind", level="logic") for of in report.system_estimates.values())
    ]
    width = 0.8 / len(shown)
    for axes, table in zip(rows, report.tables, strict=True):
        for j, kind in enumerate(shown):
            places = [i + (j - (len(shown) - 1) / 2) * width for i in range(len(report.schemes))]
            values = [
                _of_kind(of, kind) / of.scenario.new_tokens * 1e3
                for of in (report.system_of(scheme, table) for scheme in report.schemes)
            ]
            axes.bar(
                places, values, 0.93 * width, label=kind, color=COLOURS[j], hatch=HATCHES[j],
                edgecolor="white", linewidth=0.3,
            )  # fmt: skip
        estimates = [report.system_of(scheme, table) for scheme in report.schemes]
        axes.set_xticks(range(len(estimates)), list(map(_label, estimates)))
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(plain)
        turn_labels(axes, 15)
        axes.set_ylabel("mJ per token")
        axes.set_title(f"{table.short_name}: arithmetic")
        axes.grid(visible=False, axis="x")
    legend_below(figure, rows[0], 3)
    return figure


def _of_kind(of: Estimate, kind: str) -> float:
    return of.by("kind", level="logic").get(kind, NO_COST).joules


def say_operations(report: Report) -> str:
    """Return a description of the arithmetic energy per token by kind of operation."""
    parts = []
    for table in report.tables:
        for scheme in report.schemes:
            of = report.system_of(scheme, table)
            text = ", ".join(
                f"{kind} {quantity(cost.joules / of.scenario.new_tokens, 'J')}"
                for kind, cost in of.by("kind", level="logic").items()
            )
            parts.append(f"{scheme.name} at {table.short_name}: {text}")
    return "Arithmetic energy per token. " + "; ".join(parts) + "."


def draw_unsaved(report: Report) -> Figure:
    """Draw the share of each part of the energy."""
    figure, rows = panels([1.7] * len(report.tables))
    names = list(dict.fromkeys(name for one in report.unsaved for name in one.parts))
    for axes, table in zip(rows, report.tables, strict=True):
        shares = [one for one in report.unsaved if one.table == table.short_name]
        left = [0.0] * len(shares)
        for i, name in enumerate(names):
            widths = [100 * one.parts.get(name, 0.0) for one in shares]
            labels = [_label(report.system_of(scheme, table)) for scheme in report.schemes]
            axes.barh(
                labels, widths, left=left, label=name, color=COLOURS[i],
                hatch=HATCHES[i], edgecolor="white", linewidth=0.3, height=0.65,
            )  # fmt: skip
            left = [a + b for a, b in zip(left, widths, strict=True)]
        axes.invert_yaxis()
        axes.set_xlim(0, 100)
        axes.set_title(f"{table.short_name}: shares of the energy")
        axes.grid(visible=False, axis="y")
    rows[-1].set_xlabel("percent of the energy per token")
    legend_below(figure, rows[0], 3)
    return figure


def say_unsaved(report: Report) -> str:
    """Return a description of the shares outside the projections and FFN."""
    return "Share of the energy outside the projections and FFN. " + "; ".join(
        f"{one.scheme} at {one.table}: {percent(one.share)}" for one in report.unsaved
    )
