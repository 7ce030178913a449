"""Energy and area of the ternary element by lanes, accumulator width, zeros and zero gating.

Writes one CSV file and one figure per sweep, measured on a Liberty library with the default
settings of ``bitnet-hw measure``. All points of a comparison run at one clock period.

Exit codes: 0, success; 2, bad input, such as a library that cannot be used; 3, Yosys is not
installed; 4, an output word is wrong.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import click
import matplotlib as mpl
from matplotlib.figure import Figure

from bitnet_hw.cli import run
from bitnet_hw.files.writing import whole_file
from bitnet_hw.gates.library import Library, read_library
from bitnet_hw.measurement.measure import measure
from bitnet_hw.measurement.operands import Operands
from bitnet_hw.measurement.record import Measurement
from bitnet_hw.measurement.settings import Settings
from bitnet_hw.rtl.family import make_spec

ZEROS = (0.0, 0.17, 0.33, 0.5, 0.66)
LANES = (1, 2, 4, 8, 16, 32, 64)
ACCUMULATORS = (21, 24, 28, 32)

Point = tuple[str, float, Measurement]


class Sweep(NamedTuple):
    """A sweep: name of its files, title, label of the x axis, and the function that measures it.

    The function returns the points as (series, x, measurement).
    """

    name: str
    title: str
    label: str
    points: Callable[[Library], list[Point]]


def _lanes(library: Library) -> list[Point]:
    found = measure(library, [make_spec("ternary", lanes=n) for n in LANES])
    return [("ternary", n, one) for n, one in zip(LANES, found, strict=True)]


def _accumulators(library: Library) -> list[Point]:
    found = measure(library, [make_spec("ternary", lanes=8, acc_bits=n) for n in ACCUMULATORS])
    return [("ternary, 8 lanes", n, one) for n, one in zip(ACCUMULATORS, found, strict=True)]


def _gating(library: Library) -> list[Point]:
    points: list[Point] = []
    for lanes in (8, 32):
        specs = [make_spec("ternary", lanes=lanes, zero_gating=g) for g in (False, True)]
        found = measure(library, specs)
        points += [(f"{lanes} lanes", on, one) for on, one in enumerate(found)]
    return points


def _zeros(library: Library) -> list[Point]:
    points: list[Point] = []
    specs = [make_spec("ternary", lanes=8, zero_gating=g) for g in (False, True)]
    for zeros in ZEROS:
        plain, gated = measure(library, specs, Settings(operands=Operands(zeros=zeros)))
        points += [("no gating", zeros, plain), ("zero gating", zeros, gated)]
    return sorted(points, key=lambda point: point[0])


SWEEPS = (
    Sweep("lanes", "A wider element shares its accumulator and control", "lanes", _lanes),
    Sweep("accumulator", "Width of the accumulator", "bits", _accumulators),
    Sweep("gating", "Zero gating, a third of the weights zero", "0: off, 1: on", _gating),
    Sweep("zeros", "Zeros among the weights, with and without gating", "share of zeros", _zeros),
)


def draw(sweep: Sweep, points: list[Point], library: Library, path: Path) -> None:
    """Draw energy above area, and write the figure as SVG."""
    figure = Figure(figsize=(6, 6), layout="constrained")
    energy, area = figure.subplots(2, 1, sharex=True)
    for series in dict.fromkeys(name for name, _, _ in points):
        own = [(x, one) for name, x, one in points if name == series]
        xs = [x for x, _ in own]
        energy.errorbar(
            xs,
            [one.energy * 1e15 for _, one in own],
            [one.spread * 1e15 for _, one in own],
            marker="o",
            capsize=3,
            label=series,
        )
        area.plot(xs, [one.area / one.lanes for _, one in own], marker="o", label=series)
    if sweep.name == "gating":
        area.set_xticks([0, 1], ["off", "on"])
    if sweep.name == "lanes":
        area.set_xscale("log", base=2)
    energy.set(ylabel="fJ per operation", title=f"{sweep.title}\n{library.name}, pre-layout")
    area.set(ylabel="um2 per lane", xlabel=sweep.label)
    for axes in (energy, area):
        axes.set_ylim(0, 1.05 * axes.get_ylim()[1])
    energy.legend()
    with mpl.rc_context({"svg.hashsalt": "bitnet-hw"}):
        figure.savefig(path, format="svg", metadata={"Date": None})


@click.command(help=__doc__, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--liberty",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="Liberty file, .lib or .lib.gz.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("reproduced-energy"),
    metavar="FOLDER",
    help="Folder to write the files to; earlier files are replaced. Default: reproduced-energy.",
)
@click.option(
    "--only",
    type=click.Choice([sweep.name for sweep in SWEEPS]),
    help="Sweep to run. Default: all sweeps.",
)
def main(liberty: Path, output: Path, only: str | None) -> None:
    """Run the sweeps."""
    library = read_library(liberty)
    for sweep in SWEEPS:
        if only is not None and sweep.name != only:
            continue
        points = sweep.points(library)
        rows = [
            {
                "series": series,
                sweep.label: x,
                "fj_per_op": round(one.energy * 1e15, 4),
                "spread_fj": round(one.spread * 1e15, 4),
                "combinational_fj": round(one.combinational * 1e15, 4),
                "um2_per_op": round(one.area / one.lanes, 4),
                "period_ps": round(one.period * 1e12, 1),
                "words_checked": one.words_checked,
            }
            for series, x, one in points
        ]
        with (
            whole_file(output / f"{sweep.name}.csv", force=True) as path,
            path.open("w", newline="") as file,
        ):
            writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)
        with whole_file(output / f"{sweep.name}.svg", force=True) as path:
            draw(sweep, points, library, path)
        click.echo(f"{output / sweep.name}.csv and .svg: {len(rows)} points")


if __name__ == "__main__":
    sys.exit(run(main, None, "sweep"))
