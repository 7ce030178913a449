"""What every simulator takes and gives: a stimulus in, a trace out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

from ..pe import PESpec
from ..stimulus import Stimulus

#: Cycles without any transfer after which a run is given up. With a stall probability of 0.99
#: on both streams the chance of waiting this long is below 1e-80.
PATIENCE = 20_000

#: Called with the number of sums received so far.
Progress = Callable[[int], None]


class Backend(Enum):
    """The simulators."""

    PYSIM = "pysim"
    CXXRTL = "cxxrtl"
    VERILATOR = "verilator"


@dataclass(frozen=True)
class Trace:
    """What came out of a run. Cycle 0 is the first in which a step may be taken.

    Attributes
    ----------
    sums : list of int
        Bit patterns, in the order of their leaving.
    sum_cycles : list of int
        The cycle in which each was taken.
    cycles : int
        Cycles until the last sum was taken, that one included.
    steps_taken : int
        Steps accepted.
    source_stalls, sink_stalls : int
        Cycles before the last step was accepted that accepted none, because none was offered,
        or because the element was not ready.
    unstable_at : int or None
        First cycle in which a waiting sum was withdrawn or changed.
    error : bool
        ``out_error`` at the end.
    slots, nonzero : int or None
        The hardware's counters at the end, if it has any.
    """

    sums: list[int]
    sum_cycles: list[int]
    cycles: int
    steps_taken: int
    source_stalls: int
    sink_stalls: int
    unstable_at: int | None
    error: bool
    slots: int | None
    nonzero: int | None


class Runner(Protocol):
    """Runs one stimulus."""

    def __call__(
        self,
        spec: PESpec,
        stimulus: Stimulus,
        *,
        vcd: Path | None = None,
        progress: Progress | None = None,
    ) -> Trace:
        """Run and return the trace."""
        ...
