"""Figures: bars add up to the energies that they show; texts neither overlap nor are cut off."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations

import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.text import Text

from bitnet_hw.report.content import Report
from bitnet_hw.report.figures import PLOTS, Plot, drawn
from bitnet_hw.report.style import in_style

BY_NAME = {plot.name: plot for plot in PLOTS}


def _labels(axes: Axes) -> list[str]:
    return [str(bars.get_label()) for bars in axes.containers]


def test_operations_show_whole_macs_and_add_up_to_the_arithmetic(report: Report) -> None:
    figure = drawn(BY_NAME["operations"], report)
    assert len(figure.axes) == len(report.tables)
    for axes, table in zip(figure.axes, report.tables, strict=True):
        kinds = ["multiplications", "additions", "whole MACs", "other operations"]
        assert _labels(axes) == kinds
        for i, scheme in enumerate(report.schemes):
            heights = [bars[i].get_height() for bars in axes.containers]
            mj = report.system_of(scheme, table).arithmetic_j * 1e3
            assert sum(heights) == pytest.approx(mj)
            if table.short_name == "7nm":
                assert heights[2] == 0
            elif scheme.name == "fp16":
                assert heights[2] > 0.99 * mj
    words = BY_NAME["operations"].alternative(report)
    for scheme in report.schemes:
        of_scheme = words.split(f"{scheme.name} at asap7-prelayout: ")[1].split(";")[0]
        assert "whole MACs" in of_scheme


def test_parts_add_up_to_the_energy(warm_report: Report) -> None:
    figure = drawn(BY_NAME["energy-by-part"], warm_report)
    tables = warm_report.tables
    for axes, table in zip(figure.axes[: len(tables)], tables, strict=True):
        stacked = [bars for bars in axes.containers if str(bars.get_label())[0] != "_"]
        assert "static" in [bars.get_label() for bars in stacked]
        bottom, top = axes.get_ylim()
        assert bottom == 0
        assert top > 1e3 * max(
            warm_report.system_of(scheme, table).energy_per_token.high
            for scheme in warm_report.schemes
        )
        for i, scheme in enumerate(warm_report.schemes):
            mj = warm_report.system_of(scheme, table).energy_per_token.value * 1e3
            assert sum(bars[i].get_height() for bars in stacked) == pytest.approx(mj)


def test_unsaved_shares_show_static_energy_and_add_up(warm_report: Report) -> None:
    figure = drawn(BY_NAME["unsaved-share"], warm_report)
    for axes in figure.axes:
        assert _labels(axes)[0] == "projections and FFN"
        assert _labels(axes)[-1] == "static"
        for i in range(len(warm_report.schemes)):
            assert sum(bars[i].get_width() for bars in axes.containers) == pytest.approx(100)


def test_each_assumption_has_a_bar_or_is_named_below(report: Report) -> None:
    figure = drawn(BY_NAME["tornado"], report)
    (axes,) = figure.axes
    middle = report.saving(report.subject, report.tables[0]).value
    assert middle is not None
    visible = [one for one in report.tornado if abs(one.high - one.low) >= 0.01 * middle]
    assert 3 <= len(visible) < len(report.tornado)
    assert [bar.get_width() for bar in axes.patches] == pytest.approx(
        [max(one.low, one.high, middle) - min(one.low, one.high, middle) for one in visible]
    )
    titles = [label.get_text().replace("\n", " ") for label in axes.get_yticklabels()]
    assert titles == [one.title for one in visible]
    below = " ".join(text.get_text().replace("\n", " ") for text in figure.texts)
    for one in report.tornado:
        assert (one.title in below) is (one not in visible)


def _texts(figure: Figure) -> Iterator[Text]:
    """Yield every text except tick labels, because those outside the view are not drawn."""
    for axes in figure.axes:
        yield from (axes.title, axes.xaxis.label, axes.yaxis.label, *axes.texts)
    yield from figure.texts
    for legend in figure.legends:
        yield from legend.get_texts()


@pytest.mark.parametrize("plot", PLOTS, ids=lambda plot: plot.name)
def test_texts_lie_within_the_figure_and_do_not_overlap(plot: Plot, warm_report: Report) -> None:
    with in_style():
        figure = drawn(plot, warm_report)
        figure.draw_without_rendering()
        whole = figure.bbox
        for text in _texts(figure):
            box = text.get_window_extent()
            if text.get_text():
                assert whole.x0 <= box.x0 < box.x1 <= whole.x1, text
                assert whole.y0 <= box.y0 < box.y1 <= whole.y1, text
        for axes in figure.axes:
            for one, other in combinations(axes.texts, 2):
                assert not one.get_window_extent().overlaps(other.get_window_extent()), (one, other)


@pytest.mark.parametrize("name", ["energy-by-part", "operations"])
def test_turned_names_of_schemes_end_at_their_own_tick(name: str, warm_report: Report) -> None:
    with in_style():
        figure = drawn(BY_NAME[name], warm_report)
        figure.draw_without_rendering()
        for axes in figure.axes:
            for tick, label in zip(axes.get_xticks(), axes.get_xticklabels(), strict=True):
                place = axes.transData.transform((tick, 0))[0]
                # A label about its centre would reach half of its length to the right of the tick.
                size = label.get_fontsize() * figure.dpi / 72
                assert label.get_window_extent().x1 < place + size


@pytest.mark.parametrize("name", ["factor-chain", "tornado"])
def test_figures_of_ratios_say_why_they_are_empty(name: str, large_report: Report) -> None:
    with in_style():
        figure = drawn(BY_NAME[name], large_report)
        words = " ".join(text.get_text().replace("\n", " ") for text in figure.texts)
    assert "No ratio: fp16 does not fit edge: 131 GB too large" in words
    assert not figure.axes
    assert "does not fit" in BY_NAME[name].alternative(large_report)


def test_bars_of_models_that_do_not_fit_have_a_star(large_report: Report, report: Report) -> None:
    for of, star in ((large_report, True), (report, False)):
        for name in ("energy-by-part", "operations"):
            labels = [
                label.get_text() for label in drawn(BY_NAME[name], of).axes[0].get_xticklabels()
            ]
            assert [label.endswith(" *") for label in labels] == [star] * len(of.schemes)


def test_sizes_that_do_not_fit_have_no_mark(report: Report) -> None:
    (axes, *_) = drawn(BY_NAME["energy-savings"], report).axes
    # FP16 takes 6.6 GB at 3.3 billion parameters, and 13 GB at the next size.
    solid = next(line for line in axes.lines if line.get_label() == "bitnet-b1.58")
    assert max(solid.get_xdata()) == pytest.approx(3.32e9, rel=0.01)
