"""Validation: predicted over published values, row by row and by class."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import Field

from ..cost.lowering import lower
from ..cost.residency import residency
from ..files import records
from ..files.reading import read
from ..files.records import Record
from ..inputs.track_record import Entry, Quantity, Status, WorkClass, status
from ..validation import RESULTS, ROWS
from .prediction import predict
from .rows import Measurement, Value, load_values

#: Classes of a checked value; those of rows that a machine was calibrated with are not counted.
Class = Literal["calibrated", "family", "blind", "calibration", "other boundary"]


class Result(Record):
    """A recorded prediction with the row left out of the fit.

    Attributes
    ----------
    id, quantity : str
        Row and its key.
    status : str
        Class of the prediction.
    predicted : float
        In the unit of the key.
    """

    id: str
    quantity: Measurement
    status: Status
    predicted: Annotated[float, Field(gt=0)]


class ResultFile(Record):
    """Predictions of the shipped rows, each by a fit without it.

    Attributes
    ----------
    rows : tuple of Result
        With rows of the same machine where there are any.
    machines : tuple of Result
        Without any row of the machine.
    """

    version: Annotated[Literal[1], Field(alias="schema")]
    rows: Annotated[tuple[Result, ...], Field(strict=False)]
    machines: Annotated[tuple[Result, ...], Field(strict=False)]


class Checked(NamedTuple):
    """A published value with its prediction.

    Attributes
    ----------
    value : Value
        The published value.
    predicted : float
        Prediction, in its unit.
    kind : str
        Its class.
    left_out : bool
        Whether the prediction is by a fit of shipped rows without this one.
    """

    value: Value
    predicted: float
    kind: Class
    left_out: bool

    @property
    def ratio(self) -> float:
        """Predicted over published."""
        return self.predicted / self.value.published

    @property
    def fits(self) -> bool:
        """Whether the model fits the memories of the machine; if not, no machine ran it so."""
        value = self.value
        placed = residency(lower(value.model, value.scenario, value.scheme, value.machine))
        return placed.excess_bytes <= 0

    def as_dict(self) -> dict[str, Any]:
        """Return the row of the JSON form."""
        value = self.value
        return {
            "id": value.row.id,
            "class": self.kind,
            "work": value.work,
            "quantity": value.quantity,
            "published": value.published,
            "predicted": self.predicted,
            "ratio": self.ratio,
            "machine": value.machine.name,
            "model": value.model.name,
            "weights": value.scheme.name,
            "source": value.row.source,
            "boundary": value.row.boundary,
            "left_out": self.left_out,
            "fits": self.fits,
        }


def load_results() -> ResultFile:
    """Return the recorded predictions of the shipped rows."""
    return records.validate(ResultFile, read(RESULTS))


def validate(rows: str | Path | None = None) -> list[Checked]:
    """Predict every published value of a file.

    A row that ships with the project was used to fit the machines; its prediction is then the
    recorded one, by a fit without it. A row that a user's machine was calibrated with has the class
    ``calibration`` and is not counted.

    Parameters
    ----------
    rows : str or path, optional
        File of published measurements; those that ship if absent.

    Raises
    ------
    InputError
        If the file is not valid, or a machine cannot run a row, naming file, line and row.

    Examples
    --------
    >>> checked = validate()
    >>> checked[0].value.row.id, checked[0].value.published
    ('gpt-fast-a100-llama-2-7b-bf16', 104.9)
    """
    shipped = {_identity(value): value for value in load_values(ROWS)}
    recorded = {(result.id, result.quantity): result for result in load_results().rows}
    found = []
    for value in load_values(ROWS if rows is None else rows):
        known = shipped.get(_identity(value))
        result = recorded.get((known.row.id, known.quantity)) if known is not None else None
        if not value.is_comparable:
            found.append(Checked(value, predict(value), "other boundary", left_out=False))
        elif result is not None:
            found.append(Checked(value, result.predicted, result.status, left_out=True))
        else:
            found.append(Checked(value, predict(value), _class(value), left_out=False))
    return found


def _identity(value: Value) -> tuple[object, ...]:
    return (
        value.machine.name, value.model.name, value.scheme.name, value.scenario, value.quantity,
        value.published,
    )  # fmt: skip


def _class(value: Value) -> Class:
    calibration = value.machine.calibration
    if value.is_input or (calibration is not None and value.row.id in calibration.rows):
        return "calibration"
    return status(value.machine, value.kind)


def summary(checked: Iterable[Checked]) -> list[Entry]:
    """Return the errors by quantity, class of work and status, of the values that count."""
    groups: dict[tuple[Quantity, WorkClass, Status], list[Checked]] = {}
    for each in checked:
        if each.kind in ("calibrated", "family", "blind"):
            key = (each.value.kind, each.value.work, each.kind)
            groups.setdefault(key, []).append(each)
    return [_entry(key, of) for key, of in sorted(groups.items())]


def _entry(key: tuple[Quantity, WorkClass, Status], of: Sequence[Checked]) -> Entry:
    # A time that is predicted too long is a speed predicted too low.
    ratios = sorted(
        1 / each.ratio if each.value.quantity == "time_to_first_token_s" else each.ratio
        for each in of
    )
    factors = [max(ratio, 1 / ratio) for ratio in ratios]
    low, high = ratios[0], ratios[-1]
    if len(ratios) > 1:
        tenths = quantiles(ratios, n=10, method="inclusive")
        low, high = tenths[0], tenths[-1]
    quantity, work, kind = key
    return Entry(
        quantity=quantity, work=work, status=kind, rows=len(of),
        machines=len({each.value.machine.name for each in of}),
        median=median(ratios), low=low, high=high,
        typical_factor=median(factors), worst_factor=max(factors),
    )  # fmt: skip


def json_form(checked: Sequence[Checked]) -> dict[str, Any]:
    """Return the JSON form, ``rows`` and ``summary``; docs/schema/validate-1.json describes it."""
    return {
        "schema": 1,
        "rows": [each.as_dict() for each in checked],
        "summary": [entry.model_dump() for entry in summary(checked)],
    }
