"""Parts of a machine besides its units and memories."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from ..errors import InputError
from ..files.records import Record, choices
from .codecs import find_codec
from .figures import NotNegative, Positive, at_least, at_most
from .unit import Count

#: What an energy covers, from the arithmetic alone to everything on the mains.
Covers = Literal[
    "core", "chip", "package", "chip and DRAM", "module", "GPU board", "board", "boards",
    "whole laptop", "system",
]  # fmt: skip
#: Boundaries that leave the DRAM out.
WITHOUT_DRAM = ("core", "chip", "package")
#: Parts of a machine that draw power when it is idle.
Part = Literal["core", "dram", "board"]
#: Codecs of an entry of `Machine.unpacking` that stands for all that no other entry names.
ANY_CODEC = "any"
#: A time that no pass through a model exceeds by itself.
Time = Annotated[NotNegative, at_most(10, "seconds", "40 us as 4.0e-5")]


class SourceWork(Record):
    """A work that gives figures, and whether it was read or is quoted second-hand."""

    title: Annotated[str, Field(min_length=1)]
    where: str = ""
    year: int | None = None
    read: bool = True
    note: str = ""


class Family(Record):
    """Groups that a machine belongs to, in which fits share what its own rows do not determine.

    Attributes
    ----------
    device : str
        ``asic``, ``fpga``, ``gpu`` (with memory of its own), ``soc-gpu`` (sharing that of the
        system) or ``cpu``.
    generation : str
        Architecture: ``Ada``, ``Apple M3``.
    stack : str
        Software with its age and back end, ``llama.cpp 2026 CUDA``; or the name of a design in
        RTL.
    """

    device: Literal["asic", "fpga", "gpu", "soc-gpu", "cpu"]
    generation: str
    stack: str


class Unpacking(Record):
    """The cost of turning a stored weight into an operand.

    Attributes
    ----------
    codecs : tuple of str
        Codecs to which it applies; ``any`` for all that no other entry names.
    seconds_per_weight : NotNegative, optional
        Time per weight, s.
    energy_pj_per_weight : NotNegative, optional
        Energy per weight, pJ.
    """

    codecs: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
    seconds_per_weight: (
        Annotated[NotNegative, at_most(1e-3, "seconds per weight", "0.1 ps as 1.0e-13")] | None
    ) = None
    energy_pj_per_weight: NotNegative | None = None

    @field_validator("codecs")
    @classmethod
    def _check_codecs(cls, codecs: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(name if name == ANY_CODEC else find_codec(name).name for name in codecs)


class Overheads(Record):
    """Time that no operator explains: kernel launches, synchronisation, the host.

    Attributes
    ----------
    seconds_per_step, seconds_per_layer : NotNegative, optional
        Per pass through the model, and per layer of each pass, s.
    """

    seconds_per_step: Time | None = None
    seconds_per_layer: Time | None = None


class Power(Record):
    """Power that does not follow from operations and traffic.

    Attributes
    ----------
    idle_w : mapping of str to NotNegative
        ``core``, ``dram``, ``board`` -> power when nothing runs, W.
    active_w : NotNegative, optional
        Power above idle while a model runs: clocks, schedulers, fabric, W.
    """

    idle_w: dict[Part, NotNegative] = Field(default_factory=dict)
    active_w: NotNegative | None = None


class Boundary(Record):
    """What the energy of a machine covers, and whether idle power is subtracted from it."""

    covers: Covers
    idle_subtracted: bool = False

    def __str__(self) -> str:
        """Return the boundary in words: ``chip and DRAM, idle subtracted``."""
        return self.covers + (", idle subtracted" if self.idle_subtracted else "")

    def is_that_of(self, stated: str) -> bool:
        """Return whether it is the boundary that a published energy states.

        The part before the first comma says what is covered; ``idle subtracted`` may follow.

        Examples
        --------
        >>> Boundary(covers="GPU board").is_that_of("GPU board, sustained run")
        True
        """
        covers, *rest = (part.strip() for part in stated.split(","))
        return covers == self.covers and ("idle subtracted" in rest) == self.idle_subtracted

    @property
    def has_dram(self) -> bool:
        """Whether the energy of DRAM is inside."""
        return self.covers not in WITHOUT_DRAM

    @property
    def parts(self) -> tuple[Part, ...]:
        """Parts inside, whose idle power the energy includes unless it is subtracted."""
        if not self.has_dram:
            return ("core",)
        return ("core", "dram") if self.covers == "chip and DRAM" else ("core", "dram", "board")


def check_boundary(stated: str) -> None:
    """Check the boundary that a published energy states; an empty one passes.

    Raises
    ------
    InputError
        If the part before the first comma is not one of those that a machine may cover.
    """
    covers = stated.partition(",")[0].strip()
    if stated and covers not in choices(Covers):
        known = ", ".join(choices(Covers))
        raise InputError(f"unknown boundary {covers!r}; known, before a comma: {known}")


class Chips(Record):
    """Several chips that share every matrix and the heads (tensor parallelism).

    Attributes
    ----------
    number : int
        Chips, each with the units and memories of the machine.
    link_bandwidth_bytes_per_s : Positive
        Bandwidth of a chip's links to the others, bytes per second.
    link_energy_pj_per_bit : NotNegative
        Energy per bit sent, pJ.
    """

    number: Count
    link_bandwidth_bytes_per_s: Annotated[
        Positive, at_least(1e3, "bytes per second", "16 GB/s as 1.6e+10")
    ]
    link_energy_pj_per_bit: NotNegative


class Calibration(Record):
    """Where the fitted figures of a machine come from.

    Attributes
    ----------
    rows_file, date : str
        File of the published measurements, and the day of the fit (ISO 8601).
    rows : tuple of str
        Names of the rows that were fitted.
    residuals : mapping of str to float
        Row and quantity -> predicted over published value after the fit.
    left_out : mapping of str to float
        Row and quantity -> the same, with the row left out of the fit; empty where too few rows
        remain without it.
    """

    rows_file: str
    date: str
    rows: Annotated[tuple[str, ...], Field(strict=False, min_length=1)]
    residuals: dict[str, float]
    left_out: dict[str, float] = Field(default_factory=dict)
