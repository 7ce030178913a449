"""``bitnet-hw validate``: predicted over published values, row by row and by class."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from ..calibration.rows import MEASUREMENTS
from ..calibration.validation import Checked, json_form, summary, validate
from ..inputs.track_record import Entry
from .options import output_form, output_options
from .output import Column, numbers, print_csv, print_json, print_table, print_text
from .paths import GivenPath

#: Class of a checked value -> its meaning, in the order in which the output explains them.
_MEANING = {
    "calibrated": "the machine's figures rest on other rows of the same machine",
    "family": "they are borrowed from rows of machines with the same software or generation",
    "blind": "they rest on data sheets, papers and the middle of all machines: a bound, not an "
    "estimate",
    "calibration": "the machine was fitted to this very row, which is not counted",
    "other boundary": "the published energy and the machine's cover different things; not counted",
}


@click.command()
@click.argument("file", type=GivenPath("a file"), required=False)
@output_options
def command(file: Path | None, as_json: bool, as_csv: bool) -> None:
    """Compare the cost model with published measurements.

    FILE holds measurements in the form that docs/validation.md describes; the measurements that
    ship with the project are used if it is absent. The machines were fitted to those, so each of
    them is predicted by a fit without it.

    The ratio is predicted over published. In the summary it is that of the speed or of the energy,
    so that above 1 the prediction is too fast or too costly.
    """
    form = output_form(as_json, as_csv)
    checked = validate(file)
    if form == "json":
        print_json(json_form(checked))
    elif form == "csv":
        print_csv([each.as_dict() for each in checked])
    else:
        _print(checked)


def _print(checked: Sequence[Checked]) -> None:
    columns: list[Column | str] = ["row", "machine", "model", "weights", "quantity"]
    rows = [
        (
            each.value.row.id, each.value.machine.name, each.value.model.name,
            each.value.scheme.name, each.value.quantity, f"{each.value.published:.4g}",
            f"{each.predicted:.4g}", f"{each.ratio:.2f}", each.kind,
        )
        for each in sorted(checked, key=lambda each: MEASUREMENTS.index(each.value.quantity))
    ]  # fmt: skip
    print_table([*columns, *numbers("published", "predicted", "ratio"), "class"], rows)
    click.echo()
    print_summary(summary(checked))
    used = {each.kind for each in checked}
    for kind, meaning in _MEANING.items():
        if kind in used:
            print_text(f"{kind}: {meaning}")
    misfits = dict.fromkeys(
        f"row {each.value.row.id}: {each.value.model.name} does not fit {each.value.machine.name}"
        for each in checked
        if not each.fits
    )
    for misfit in misfits:
        print_text(misfit)


def print_summary(entries: Sequence[Entry]) -> None:
    """Print the errors by class: predicted over published, and the factors by which it is off."""
    titles = ("rows", "machines", "median", "10 %", "90 %", "off by, median", "worst")
    rows = [
        (
            entry.quantity, entry.work, entry.status, entry.rows, entry.machines,
            f"{entry.median:.2f}", f"{entry.low:.2f}", f"{entry.high:.2f}",
            f"x{entry.typical_factor:.2f}", f"x{entry.worst_factor:.2f}",
        )
        for entry in entries
    ]  # fmt: skip
    print_table(["of", "work", "class", *numbers(*titles)], rows)
