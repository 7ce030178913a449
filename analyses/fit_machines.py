"""Fit the free figures of all shipped machines to validation/rows.yaml, and record the errors.

Machines that are related share figures as validation/pools.yaml says. Three things are written: the
free figures of every machine file, each with the rows that it was fitted to or the machines that it
is borrowed from; validation/results.yaml, the prediction of every row by a fit without it; and the
track record that estimates show. Run it after a change to the rows, the pools or the cost model.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import yaml

from bitnet_hw.calibration.families import FamilyFit, LeftOut
from bitnet_hw.calibration.pools import load_pools
from bitnet_hw.calibration.rows import Value, load_values
from bitnet_hw.calibration.validation import Checked, summary
from bitnet_hw.calibration.writing import with_figures
from bitnet_hw.cli import run
from bitnet_hw.cli.progress import stages
from bitnet_hw.files.writing import write_text
from bitnet_hw.inputs import catalogue
from bitnet_hw.inputs.machine import load_machine
from bitnet_hw.inputs.track_record import Entry
from bitnet_hw.validation import POOLS, RESULTS, ROWS

TRACK_RECORD = catalogue.shared_file("track-record.yaml")
_HEAD = "# Written by analyses/fit_machines.py.\n"


def rows_to_fit() -> list[Value]:
    """Return the published values that can be predicted without themselves."""
    return [v for v in load_values(ROWS) if v.is_comparable and not v.is_circular]


def track_record(rows: Sequence[LeftOut], machines: Sequence[LeftOut]) -> list[Entry]:
    """Return the errors by class.

    The class ``calibrated`` holds predictions by a fit without the row; ``family`` and ``blind``,
    by a fit without any row of the machine.
    """
    checked = [_checked(each) for each in rows if each.status == "calibrated"]
    checked += [_checked(each) for each in machines if each.status != "calibrated"]
    return summary(checked)


def _checked(each: LeftOut) -> Checked:
    return Checked(each.value, each.predicted, each.status, left_out=True)


def _results(found: Sequence[LeftOut]) -> list[dict[str, Any]]:
    return [
        {
            "id": each.value.row.id,
            "quantity": each.value.quantity,
            "status": each.status,
            "predicted": _rounded(each.predicted),
        }
        for each in found
    ]


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def _write(path: Path, content: dict[str, Any]) -> None:
    text = yaml.safe_dump(content, default_flow_style=None, sort_keys=False, width=118)
    write_text(path, _HEAD + text, force=True)


@click.command(
    help=inspect.getdoc(sys.modules[__name__]),
    context_settings={"help_option_names": ["-h", "--help"]},
)
def main() -> None:
    """Fit, and write the machine files, the results and the track record."""
    with stages("fit") as say:
        fit = FamilyFit(rows_to_fit(), load_pools(POOLS))
        rows, machines = fit.left_out(say), fit.machines_left_out(say)
    for name in catalogue.names("machines"):
        path = catalogue.path_of("machines", name)
        figures = fit.figures(load_machine(name))
        if figures:
            write_text(path, with_figures(path, figures), force=True)
            click.echo(f"{path}: {len(figures)} figures")
    _write(RESULTS, {"schema": 1, "rows": _results(rows), "machines": _results(machines)})
    entries = [
        {
            key: _rounded(value) if isinstance(value, float) else value
            for key, value in entry.model_dump().items()
        }
        for entry in track_record(rows, machines)
    ]
    _write(TRACK_RECORD, {"schema": 1, "entries": entries})
    click.echo(f"{RESULTS}\n{TRACK_RECORD}")


if __name__ == "__main__":
    sys.exit(run(main, None, "fit_machines"))
