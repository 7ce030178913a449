"""Run a processing element against its reference and report what happened."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .backends.trace import PATIENCE, Backend, Progress, Runner, Trace
from .pe import AnyArray, PESpec
from .stimulus import Stalls, Stimulus


@dataclass(frozen=True)
class Mismatch:
    """The first thing that is not as it should be.

    Attributes
    ----------
    what : str
        ``sum``, ``missing sum``, ``unstable output`` or ``error flag``.
    cycle : int
        When.
    row : int or None
        Which dot product.
    expected, got : object
        Values of the sum, None where there is none.
    """

    what: str
    cycle: int
    row: int | None = None
    expected: Any = None
    got: Any = None

    def __str__(self) -> str:
        where = f"cycle {self.cycle}" + (f", row {self.row}" if self.row is not None else "")
        if self.what == "sum":
            return f"{where}: expected {self.expected}, got {self.got}"
        return f"{where}: {self.what}"


@dataclass(frozen=True)
class Count:
    """A figure counted by the hardware, beside its closed form."""

    counted: int | None
    closed_form: int

    @property
    def agrees(self) -> bool:
        """Whether both are equal; a design without counters has nothing to disagree with."""
        return self.counted is None or self.counted == self.closed_form


@dataclass(frozen=True)
class SimulationReport:
    """Outcome of one run.

    Attributes
    ----------
    spec : PESpec
        What was simulated.
    backend : Backend
        With what.
    rows, k : int
        Dot products and their length.
    mismatch : Mismatch or None
        The first deviation from the reference.
    trace : Trace
        Cycles and stalls.
    adder_slots, nonzero_terms : Count
        From the hardware's counters; ``rows * ceil(k / lanes) * lanes``, and the non-zero weights.
    """

    spec: PESpec
    backend: Backend
    rows: int
    k: int
    mismatch: Mismatch | None
    trace: Trace
    adder_slots: Count
    nonzero_terms: Count

    @property
    def bit_exact(self) -> bool:
        """Whether every sum came, in order, stable while it waited, and equal to the reference."""
        return self.mismatch is None

    @property
    def passed(self) -> bool:
        """Bit-exact, and both counters equal to their closed forms."""
        return self.bit_exact and self.adder_slots.agrees and self.nonzero_terms.agrees

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the dot products: ``rows * k``, without padding."""
        return self.rows * self.k

    @property
    def macs_per_cycle(self) -> float:
        """Average over the run."""
        return self.macs / self.trace.cycles if self.trace.cycles else 0.0

    @property
    def stalled_cycles(self) -> int:
        """Cycles, while steps remained, in which none was accepted."""
        return self.trace.source_stalls + self.trace.sink_stalls

    def as_dict(self) -> dict[str, object]:
        """Return what ``--json`` prints."""
        mismatch = None
        if self.mismatch is not None:
            mismatch = {
                "what": self.mismatch.what,
                "cycle": self.mismatch.cycle,
                "row": self.mismatch.row,
                "expected": _plain(self.mismatch.expected),
                "got": _plain(self.mismatch.got),
            }
        return {
            "bit_exact": self.bit_exact,
            "mismatch": mismatch,
            "rows": self.rows,
            "k": self.k,
            "macs": self.macs,
            "cycles": self.trace.cycles,
            "stalled_cycles": self.stalled_cycles,
            "stalled_by_source": self.trace.source_stalls,
            "stalled_by_sink": self.trace.sink_stalls,
            "macs_per_cycle": self.macs_per_cycle,
            "tally": {
                name: {"counted": count.counted, "closed_form": count.closed_form}
                for name, count in (
                    ("executed_adder_slots", self.adder_slots),
                    ("non_zero_terms", self.nonzero_terms),
                )
            },
            "error": self.trace.error,
            "backend": self.backend.value,
            "parameters": self.spec.parameters(),
        }


def simulate(
    spec: PESpec,
    act: AnyArray,
    wgt: AnyArray,
    *,
    stalls: Stalls | None = None,
    backend: Backend = Backend.PYSIM,
    vcd: Path | None = None,
    progress: Progress | None = None,
) -> SimulationReport:
    """Simulate rows of operands and compare every sum with the reference.

    Parameters
    ----------
    spec : PESpec
        What to simulate.
    act, wgt : numpy.ndarray
        Shape (R, K): row r is the dot product of ``act[r]`` with ``wgt[r]``.
    stalls : Stalls, optional
        When the streams hold back; never by default.
    backend : Backend
        Simulator.
    vcd : pathlib.Path, optional
        Waveforms, `Backend.PYSIM` only.
    progress : callable, optional
        Called with the sums received so far.

    Raises
    ------
    InputError
        If the hardware does not take the operands, or the backend writes no waveforms.
    ToolMissingError
        If the backend's tools are not installed.
    """
    stimulus = Stimulus.from_rows(spec, act, wgt, stalls)
    expected = spec.compute(act, wgt)
    trace = _runner(backend)(spec, stimulus, vcd=vcd, progress=progress)
    rows, k = act.shape
    return SimulationReport(
        spec=spec,
        backend=backend,
        rows=rows,
        k=k,
        mismatch=first_mismatch(spec, trace, expected),
        trace=trace,
        adder_slots=Count(trace.slots, spec.adder_slots(k, rows)),
        nonzero_terms=Count(trace.nonzero, spec.nonzero_terms(wgt)),
    )


def first_mismatch(spec: PESpec, trace: Trace, expected: AnyArray) -> Mismatch | None:
    """Return the earliest deviation of a run from the reference, or None."""
    found: list[Mismatch] = []
    if trace.unstable_at is not None:
        found.append(Mismatch("unstable output", trace.unstable_at))
    for row, (code, cycle) in enumerate(zip(trace.sums, trace.sum_cycles, strict=True)):
        got = spec.decode(code)
        if not spec.agrees(got, expected[row]):
            found.append(Mismatch("sum", cycle, row, expected[row], got))
            break
    if len(trace.sums) < len(expected):
        row = len(trace.sums)
        what = f"no sum within {PATIENCE} cycles without a transfer"
        found.append(Mismatch(what, trace.cycles, row, expected[row]))
    if trace.error:
        found.append(Mismatch("error flag raised", trace.cycles))
    return min(found, key=lambda mismatch: mismatch.cycle, default=None)


def _runner(backend: Backend) -> Runner:
    """Return what runs a stimulus, loading only that backend."""
    if backend is Backend.PYSIM:
        from .backends import pysim

        return pysim.run
    from .backends import compiled

    return compiled.cxxrtl if backend is Backend.CXXRTL else compiled.verilator


def _plain(value: Any) -> int | float | str | None:  # noqa: ANN401  a sum of any format
    if value is None:
        return None
    number = value.item() if hasattr(value, "item") else value
    # JSON knows no NaN and no infinity, and a rounded decimal would hide the bits.
    return number if isinstance(number, int) else str(number)
