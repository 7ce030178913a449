"""The common interface of the simulators: a stimulus in, a record of the run out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

from ..pe import PESpec
from ..stimulus import Stimulus

#: Cycles without a transfer after which a run is abandoned. With a stall probability of 0.99 on
#: both streams, the chance of waiting this long is below 1e-80.
PATIENCE = 20_000

#: Called with the number of sums received so far.
Progress = Callable[[int], None]


class Backend(Enum):
    """The simulators."""

    PYSIM = "pysim"
    CXXRTL = "cxxrtl"
    VERILATOR = "verilator"


@dataclass(frozen=True)
class RunRecord:
    """Sums, cycles and stalls of one run.

    Cycle 0 is the first in which a step may be accepted.

    Attributes
    ----------
    sums : list of int
        Bit patterns of the sums, in the order in which they left the element.
    sum_cycles : list of int
        The cycle in which each sum was taken.
    cycles : int
        Cycles up to and including the one in which the last sum was taken.
    source_stalls, sink_stalls : int
        Number of cycles without an accepted step, before the last step was accepted: because the
        source offered none, or because the element was not ready.
    unstable_at : int or None
        First cycle in which a waiting sum was withdrawn or changed.
    error : bool
        Value of ``out_error`` at the end.
    slots, nonzero : int or None
        Readings of the hardware's counters at the end; None without counters.
    """

    sums: list[int]
    sum_cycles: list[int]
    cycles: int
    source_stalls: int
    sink_stalls: int
    unstable_at: int | None
    error: bool
    slots: int | None
    nonzero: int | None


class Runner(Protocol):
    """Function that runs one stimulus."""

    def __call__(
        self,
        spec: PESpec,
        stimulus: Stimulus,
        *,
        vcd: Path | None = None,
        progress: Progress | None = None,
    ) -> RunRecord:
        """Run and return the record."""
        ...
