"""Track record: how far estimates of a class have been off where others have measured."""

from __future__ import annotations

from functools import cache
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ..files.document import KeyPath
from ..files.reading import read
from ..files.records import Record, validate, wrong_value
from . import catalogue
from .formats import Kind
from .machine import Machine
from .scenario import Scenario
from .scheme import Scheme

#: What is estimated: tokens per second and time to first token, or energy per token.
Quantity = Literal["speed", "energy"]
#: What a machine's figures rest on: measurements of itself, of relatives, or neither.
Status = Literal["calibrated", "family", "blind"]
#: Work whose estimates have errors of the same size.
WorkClass = Literal["decode, wide weights", "decode, narrow weights", "prefill", "batched requests"]

#: Widest integer weight that counts as narrow.
_NARROW_BITS = 3


class Entry(Record):
    """Errors of the estimates of one class, as predicted over published values.

    Attributes
    ----------
    quantity, work, status : str
        The class.
    rows, machines : int
        Number of published values, and of machines that they come from.
    median, low, high : float
        Median of predicted over published, and its 10th and 90th percentile.
    typical_factor, worst_factor : float
        Median and largest of max(ratio, 1 / ratio): how far off, in either direction.
    """

    quantity: Quantity
    work: WorkClass
    status: Status
    rows: Annotated[int, Field(gt=0)]
    machines: Annotated[int, Field(gt=0)]
    median: Annotated[float, Field(gt=0)]
    low: Annotated[float, Field(gt=0)]
    high: Annotated[float, Field(gt=0)]
    typical_factor: Annotated[float, Field(ge=1)]
    worst_factor: Annotated[float, Field(ge=1)]

    @property
    def in_words(self) -> str:
        """The error in a few words."""
        return (
            f"off by x{self.typical_factor:.2f} in the median and x{self.worst_factor:.2f} at "
            f"worst, over {self.rows} published value{'s' if self.rows > 1 else ''}"
        )


class TrackRecord(Record):
    """The file of errors by class.

    Attributes
    ----------
    entries : tuple of Entry
        One per class that has published values.
    """

    version: Annotated[Literal[1], Field(alias="schema")]
    entries: Annotated[tuple[Entry, ...], Field(strict=False)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        seen = [(e.quantity, e.work, e.status) for e in self.entries]
        for i, key in enumerate(seen):
            if key in seen[:i]:
                raise wrong_value(f"entries.{i}", f"{', '.join(key)} is listed twice")
        return self

    def find(self, quantity: Quantity, work: WorkClass, status: Status) -> Entry | None:
        """Return the errors of a class; None where nobody has published a value."""
        return next(
            (e for e in self.entries if (e.quantity, e.work, e.status) == (quantity, work, status)),
            None,
        )


def work_class(scenario: Scenario, scheme: Scheme) -> WorkClass:
    """Return the class of a workload.

    Weights are narrow if they are ternary, binary, or integers of at most 3 bits.

    Examples
    --------
    >>> from bitnet_hw.inputs.scheme import load_scheme
    >>> work_class(Scenario("decode", context=64), load_scheme("q2_0"))
    'decode, narrow weights'
    """
    if scenario.phase == "prefill":
        return "prefill"
    if scenario.batch > 1:
        return "batched requests"
    weight = scheme.linear.weight_format
    integer = weight.kind is Kind.INTEGER and weight.bits <= _NARROW_BITS
    narrow = weight.add_only or integer
    return "decode, narrow weights" if narrow else "decode, wide weights"


def status(machine: Machine, quantity: Quantity) -> Status:
    """Return what the figures of a machine that decide a quantity rest on.

    A design that was never built is blind, even if it is a variant of a machine that was measured.
    """
    if machine.hypothetical:
        return "blind"
    bases = {
        figure.basis
        for path, figure in machine.figures()
        if (decides_energy(path) if quantity == "energy" else not decides_energy(path))
    }
    if "fitted" in bases:
        return "calibrated"
    return "family" if "borrowed" in bases else "blind"


def decides_energy(path: KeyPath) -> bool:
    """Return whether a figure decides the energy alone: a power, or an energy."""
    key = str(path[-1])
    return path[0] == "power" or key.endswith("_w") or "energy_pj" in "".join(map(str, path))


@cache
def load_track_record() -> TrackRecord:
    """Return the shipped track record."""
    return validate(TrackRecord, read(catalogue.shared_file("track-record.yaml")))
