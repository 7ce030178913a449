"""``bitnet-hw calibrate``: a machine file with figures fitted to published measurements."""

from __future__ import annotations

import math
from datetime import date
from pathlib import Path
from statistics import median

import click

from ..calibration.rows import load_values
from ..calibration.single import SingleCalibration, calibrate
from ..calibration.writing import renamed, with_calibration, with_figures
from ..errors import InputError
from ..files.document import KeyPath
from ..files.writing import refuse_existing, write_text
from ..inputs import catalogue
from ..inputs.figures import Figure
from ..inputs.machine import load_machine
from ..inputs.machine_parts import Calibration
from .output import Column, numbers, print_json, print_table, print_text
from .paths import GivenPath
from .progress import stages


@click.command()
@click.argument("machine")
@click.option(
    "--rows", "rows_file", type=GivenPath("a file"), required=True,
    help="Published measurements, in the form that docs/validation.md describes; those of MACHINE "
    "are used.",
)  # fmt: skip
@click.option(
    "-o", "--output", type=GivenPath("a file"), required=True, help="Machine file to write."
)
@click.option("--name", help="Name of the new machine. Default: the name of the output file.")
@click.option("--force", is_flag=True, help="Replace an existing file.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of tables.")
def command(
    machine: str, rows_file: Path, output: Path, name: str | None, force: bool, as_json: bool
) -> None:
    """Fit the free figures of a machine to published measurements of it.

    MACHINE is a shipped machine or a YAML file. Figures that it marks with `free: true` are fitted
    by least squares in logarithms; the rest of the file stays as it is. The new file says for each
    figure which rows it was fitted to and the interval that they leave.
    """
    refuse_existing(output, force=force)
    described = load_machine(machine)
    new = output.stem if name is None else name
    if new in catalogue.names("machines"):
        raise InputError(f"{new!r} is a shipped machine; give the new one another --name")
    # A file's rows may name a shipped machine of which this is a variant.
    values = [
        value._replace(machine=described)
        for value in load_values(rows_file)
        if value.row.machine in (machine, described.name)
    ]
    if not values:
        raise InputError(f"{rows_file}: no row names machine {described.name}")
    with stages("calibrate") as say:
        found = calibrate(described, values, say)
    path = Path(machine)
    if machine in catalogue.names("machines"):
        path = catalogue.path_of("machines", machine)
    figures: dict[KeyPath, Figure] = {
        each.parameter.path: each.figure for each in found.fitted if each.figure is not None
    }
    calibration = Calibration(
        rows_file=rows_file.name,
        date=date.today().isoformat(),
        rows=tuple(dict.fromkeys(value.row.id for value in values)),
        residuals=found.residuals,
        left_out=found.left_out,
    )
    text = with_calibration(renamed(with_figures(path, figures), new), calibration)
    write_text(output, text, force=force)
    if as_json:
        print_json(_as_json(found, new, output))
    else:
        _print(found, output)


def _print(found: SingleCalibration, output: Path) -> None:
    rows = [
        (
            each.parameter.label, f"{each.parameter.figure.value:.4g}",
            *(
                (f"{each.figure.value:.4g}", f"{each.figure.low:.4g}", f"{each.figure.high:.4g}",
                 "yes" if each.identified else "no")
                if each.figure is not None
                else ("-", "-", "-", "no row depends on it")
            ),
        )
        for each in found.fitted
    ]  # fmt: skip
    titles = numbers("before", "fitted", "low", "high")
    print_table([Column("figure"), *titles, "identified"], rows)
    click.echo()
    shown = [
        (name, f"{ratio:.3f}", f"{found.left_out[name]:.3f}" if name in found.left_out else "-")
        for name, ratio in found.residuals.items()
    ]
    print_table(["predicted over published", *numbers("fitted", "row left out")], shown)
    if found.left_out:
        factors = [max(ratio, 1 / ratio) for ratio in found.left_out.values()]
        print_text(
            f"with its row left out, a value is off by x{median(factors):.2f} in the median and "
            f"x{max(factors):.2f} at worst"
        )
    else:
        print_text("too few rows to leave one out: the error of predictions is not known")
    print_text(f"wrote {output}")


def _as_json(found: SingleCalibration, name: str, output: Path) -> dict[str, object]:
    factors = [math.exp(abs(math.log(ratio))) for ratio in found.left_out.values()]
    return {
        "machine": name,
        "file": str(output),
        "figures": [
            {
                "figure": each.parameter.label,
                "before": each.parameter.figure.value,
                "value": each.figure.value if each.figure else None,
                "low": each.figure.low if each.figure else None,
                "high": each.figure.high if each.figure else None,
                "identified": each.identified,
            }
            for each in found.fitted
        ],
        "residuals": found.residuals,
        "left_out": found.left_out,
        "left_out_median_factor": median(factors) if factors else None,
        "left_out_worst_factor": max(factors, default=None),
    }
