"""``bitnet-hw calibrate``: a machine file with figures fitted to published measurements."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from statistics import median

import click

from ..calibration.single import SingleCalibration, calibrate
from ..calibration.writing import renamed, with_calibration, with_figures
from ..errors import InputError
from ..files.document import KeyPath
from ..files.writing import refuse_existing, whole_file
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
    new = output.stem if name is None else name
    if output.suffix not in (".yaml", ".yml"):
        raise InputError(f"--output {output}: a machine file ends in .yaml")
    if new in catalogue.names("machines"):
        raise InputError(f"{new!r} is a shipped machine; give the new one another --name")
    with stages("calibrate") as say:
        found = calibrate(machine, rows_file, say)
    shipped = machine in catalogue.names("machines")
    path = catalogue.path_of("machines", machine) if shipped else Path(machine)
    figures: dict[KeyPath, Figure] = {
        each.parameter.path: each.figure for each in found.fitted if each.figure is not None
    }
    calibration = Calibration(
        rows_file=rows_file.name,
        date=date.today().isoformat(),
        rows=tuple(dict.fromkeys(value.row.id for value in found.values)),
        residuals=found.residuals,
        left_out=found.left_out,
    )
    text = with_calibration(renamed(with_figures(path, figures), new), calibration)
    with whole_file(output, force=force) as temporary:
        temporary.write_bytes(text.encode("utf-8"))
        # A name that no machine may have, for example, is found before the file appears.
        _check(temporary, output)
    if as_json:
        print_json({**found.as_dict(), "machine": new, "file": str(output)})
    else:
        _print(found, output)


def _check(written: Path, output: Path) -> None:
    try:
        load_machine(written)
    except InputError as error:
        raise InputError(str(error).replace(str(written), str(output))) from None


def _print(found: SingleCalibration, output: Path) -> None:
    rows = [
        (
            each.parameter.label, *(_short(value) for value in (
                each.parameter.figure.value, figure.value, figure.low, figure.high
            )),
            "yes" if each.identified else "no",
        )
        for each in found.fitted if (figure := each.figure) is not None
    ]  # fmt: skip
    titles = numbers("before", "fitted", "low", "high")
    print_table([Column("figure"), *titles, "identified"], rows)
    click.echo()
    idle = [each.parameter.label for each in found.fitted if each.figure is None]
    if idle:
        print_text(f"no row depends on these, which stay as they are: {', '.join(idle)}")
        click.echo()
    shown = [
        (name, f"{ratio:.3f}", f"{found.left_out[name]:.3f}" if name in found.left_out else "-")
        for name, ratio in found.residuals.items()
    ]
    print_table(["predicted over published", *numbers("fitted", "row left out")], shown)
    factors = found.left_out_factors
    if factors:
        print_text(
            f"with its row left out, a value is off by x{median(factors):.2f} in the median and "
            f"x{max(factors):.2f} at worst"
        )
    else:
        print_text("too few rows to leave one out: the error of predictions is not known")
    print_text(f"wrote {output}")


def _short(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
