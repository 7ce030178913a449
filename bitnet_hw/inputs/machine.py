"""Machines: PE array, buffers, DRAM and static power."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from ..files.records import Record, wrong_value
from .load import Loader, read_record

Count = Annotated[int, Field(gt=0, le=1 << 20)]
#: Terms that an adder tree takes at once.
MAX_LANES = 1 << 16
Lanes = Annotated[int, Field(gt=0, le=MAX_LANES)]
Bytes = Annotated[int, Field(gt=0, le=1 << 50)]
Positive = Annotated[float, Field(gt=0)]
Watts = Annotated[float, Field(ge=0)]


class Machine(Record):
    """A PE array with its memories and static power.

    Attributes
    ----------
    name, description, source : str
        Name, one line of description, and source of the figures.
    rows : int
        Outputs computed in parallel; an activation fetched once serves all of them.
    lanes : int
        Terms of a dot product that a PE adds per cycle; any number from 1 to 65536.
    tokens : int
        Tokens that share one fetch of a weight from the weight buffer.
    clock_hz : float
        Clock frequency, Hz.
    activation_buffer_bytes, weight_buffer_bytes : int
        Size of each on-chip buffer, bytes.
    dram : str
        Kind of DRAM, by its name in the DRAM price list, which also says which kinds there are:
        an estimate with another one is refused when it is priced.
    bandwidth_bytes_per_s : float
        Peak DRAM bandwidth, bytes per second.
    efficiency : float
        Fraction of the peak bandwidth that is reached.
    capacity_bytes : int, optional
        DRAM size, which bounds the batch.
    static_w, dram_static_w : float, optional
        Static power of the logic and of the DRAM, W; both or neither. Without them the static
        energy is unknown, and estimates say so.
    weight_zero_saving : float
        Relative saving of an add-only MAC whose weight is zero: e(z) = e(0) (1 - saving z).
    skips_inactive_weights : bool
        Whether weights that a zero activation leaves unused are neither fetched nor computed.
    """

    name: Annotated[str, Field(min_length=1, max_length=80)]
    description: str = ""
    source: str = ""
    rows: Count
    lanes: Lanes
    tokens: Count
    clock_hz: Positive
    activation_buffer_bytes: Bytes
    weight_buffer_bytes: Bytes
    dram: Annotated[str, Field(min_length=1, max_length=40)]
    bandwidth_bytes_per_s: Positive
    efficiency: Annotated[float, Field(gt=0, le=1)] = 0.7
    capacity_bytes: Bytes | None = None
    static_w: Watts | None = None
    dram_static_w: Watts | None = None
    weight_zero_saving: Annotated[float, Field(ge=0, le=1)] = 0.0
    skips_inactive_weights: bool = False

    @model_validator(mode="after")
    def _both_powers_or_none(self) -> Self:
        if (self.static_w is None) != (self.dram_static_w is None):
            absent = "static_w" if self.static_w is None else "dram_static_w"
            present = "dram_static_w" if self.static_w is None else "static_w"
            raise wrong_value(present, f"needs {absent} as well; 0 where there is none")
        return self

    def macs_per_second(self) -> float:
        """Return the peak rate in MACs per second: rows x lanes x clock."""
        return self.rows * self.lanes * self.clock_hz


#: Machine of an estimate that names none.
DEFAULT_MACHINE = "edge"
_LOADER = Loader("machines", Machine, read_record(Machine))


def load_machine(name: str | Path = DEFAULT_MACHINE) -> Machine:
    """Return a machine by its catalogue name, or from a YAML file.

    Parameters
    ----------
    name : str or path
        A catalogue name, or the path of a file.

    Raises
    ------
    InputError
        If there is no such machine, or the file is not valid.

    Examples
    --------
    >>> load_machine("server").dram
    'HBM2'
    """
    return _LOADER.load(name)


def as_machine(machine: Machine | str | Path) -> Machine:
    """Return a machine as it is, or load it by its name or path; see `load_machine`.

    Examples
    --------
    >>> as_machine("edge") is as_machine(load_machine("edge"))
    True
    """
    return _LOADER.resolve(machine)
