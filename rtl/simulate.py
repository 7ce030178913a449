"""Simulation of a processing element, compared with its reference."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .backends.interface import PATIENCE, Backend, Progress, Runner, RunRecord
from .pe import AnyArray, PESpec, check_spec, choose
from .stimulus import Stalls, Stimulus


@dataclass(frozen=True)
class Mismatch:
    """The first deviation of a run from the reference.

    Attributes
    ----------
    what : str
        ``sum`` for a wrong sum; otherwise a phrase that describes the deviation.
    cycle : int
        Cycle in which it was observed.
    row : int or None
        Index of the dot product, if the deviation belongs to one.
    expected, got : object
        Values of the sum; None for any other deviation.
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
class CounterReading:
    """Reading of a hardware counter, with its closed form.

    Attributes
    ----------
    counted : int or None
        Reading of the counter; None for a design without counters.
    closed_form : int
        Value that the counter must have.
    """

    counted: int | None
    closed_form: int

    @property
    def agrees(self) -> bool:
        """Whether both are equal; True for a design without counters."""
        return self.counted is None or self.counted == self.closed_form


@dataclass(frozen=True, repr=False)
class SimulationReport:
    """Outcome of one simulation.

    Attributes
    ----------
    spec : PESpec
        Element that was simulated.
    backend : Backend
        Simulator.
    rows, k : int
        Number and length of the dot products.
    mismatch : Mismatch or None
        The first deviation from the reference.
    run : RunRecord
        Sums, cycles and stalls.
    adder_slots, nonzero_terms : CounterReading
        Readings of the hardware's counters; their closed forms are
        ``rows * ceil(k / lanes) * lanes`` and the number of non-zero weights.
    """

    spec: PESpec
    backend: Backend
    rows: int
    k: int
    mismatch: Mismatch | None
    run: RunRecord
    adder_slots: CounterReading
    nonzero_terms: CounterReading

    def __repr__(self) -> str:
        verdict = "passed" if self.passed else f"FAILED ({self.mismatch or 'a counter is wrong'})"
        products = "1 dot product" if self.rows == 1 else f"{self.rows} dot products"
        return (
            f"SimulationReport({self.spec.name} PE, {self.spec.lanes} lanes: {products} of length "
            f"{self.k} in {self.run.cycles} cycles, {verdict})"
        )

    @property
    def bit_exact(self) -> bool:
        """Whether every sum arrived, in order, stable while waiting and equal to the reference."""
        return self.mismatch is None

    @property
    def passed(self) -> bool:
        """Whether the run is bit-exact and both counters equal their closed forms."""
        return self.bit_exact and self.adder_slots.agrees and self.nonzero_terms.agrees

    @property
    def macs(self) -> int:
        """Multiply-accumulates of the dot products: ``rows * k``, without padding."""
        return self.rows * self.k

    @property
    def macs_per_cycle(self) -> float:
        """Mean number of MACs per cycle; 0 for a run without cycles."""
        return self.macs / self.run.cycles if self.run.cycles else 0.0

    @property
    def stalled_cycles(self) -> int:
        """Number of cycles without an accepted step, before the last step was accepted."""
        return self.run.source_stalls + self.run.sink_stalls

    def as_dict(self) -> dict[str, object]:
        """Return the JSON form."""
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
            "cycles": self.run.cycles,
            "stalled_cycles": self.stalled_cycles,
            "stalled_by_source": self.run.source_stalls,
            "stalled_by_sink": self.run.sink_stalls,
            "macs_per_cycle": self.macs_per_cycle,
            "tally": {
                name: {"counted": count.counted, "closed_form": count.closed_form}
                for name, count in (
                    ("executed_adder_slots", self.adder_slots),
                    ("non_zero_terms", self.nonzero_terms),
                )
            },
            "error": self.run.error,
            "backend": self.backend.value,
            "parameters": self.spec.parameters(),
        }


def simulate(
    spec: PESpec,
    act: ArrayLike,
    wgt: ArrayLike,
    *,
    stalls: Stalls | None = None,
    backend: Backend | str = Backend.PYSIM,
    vcd: Path | str | None = None,
    progress: Progress | None = None,
) -> SimulationReport:
    """Simulate a processing element cycle by cycle and compare every sum with the reference.

    Parameters
    ----------
    spec : PESpec
        Element to simulate.
    act, wgt : array_like
        Shape (R, K): row r is the dot product of ``act[r]`` with ``wgt[r]``.
    stalls : Stalls, optional
        Stalls of the streams. Default: none.
    backend : Backend or str
        Simulator: ``pysim``, ``cxxrtl`` or ``verilator``.
    vcd : pathlib.Path or str, optional
        File to write the waveforms to, with ``pysim`` only.
    progress : callable, optional
        Called with the number of sums received so far.

    Returns
    -------
    SimulationReport
        The outcome. A deviation from the reference is reported here and raises no error.

    Raises
    ------
    InputError
        If the hardware does not accept the operands, the backend is unknown, or `vcd` is given
        for a backend that writes no waveforms.
    ToolMissingError
        If the backend's tools are not installed.

    Examples
    --------
    >>> import numpy as np
    >>> from bitnet_hw.rtl.family import make_spec
    >>> from bitnet_hw.rtl.simulate import simulate
    >>> spec = make_spec("ternary", lanes=4, k_max=16)
    >>> act, wgt = spec.random_operands(np.random.default_rng(1), rows=3, k=10)
    >>> report = simulate(spec, act, wgt)
    >>> report
    SimulationReport(ternary PE, 4 lanes: 3 dot products of length 10 in 12 cycles, passed)
    >>> [spec.decode(code) for code in report.run.sums] == (act * wgt).sum(axis=1).tolist()
    True
    """
    check_spec(spec)
    activations, weights = np.asarray(act), np.asarray(wgt)
    simulator = choose(Backend, "backend", backend)
    stimulus = Stimulus.from_rows(spec, activations, weights, stalls)
    expected = spec.compute(activations, weights)
    waveform = None if vcd is None else Path(vcd)
    run = _runner(simulator)(spec, stimulus, vcd=waveform, progress=progress)
    rows, k = activations.shape
    return SimulationReport(
        spec=spec,
        backend=simulator,
        rows=rows,
        k=k,
        mismatch=first_mismatch(spec, run, expected),
        run=run,
        adder_slots=CounterReading(run.slots, spec.adder_slots(k, rows)),
        nonzero_terms=CounterReading(run.nonzero, spec.nonzero_terms(weights)),
    )


def first_mismatch(spec: PESpec, run: RunRecord, expected: AnyArray) -> Mismatch | None:
    """Return the earliest deviation of a run from the reference, or None."""
    found: list[Mismatch] = []
    if run.unstable_at is not None:
        found.append(Mismatch("unstable output", run.unstable_at))
    for row, (code, cycle) in enumerate(zip(run.sums, run.sum_cycles, strict=True)):
        got = spec.decode(code)
        if not spec.agrees(got, expected[row]):
            found.append(Mismatch("sum", cycle, row, expected[row], got))
            break
    if len(run.sums) < len(expected):
        row = len(run.sums)
        what = f"no sum within {PATIENCE} cycles without a transfer"
        found.append(Mismatch(what, run.cycles, row, expected[row]))
    if run.error:
        found.append(Mismatch("error flag raised", run.cycles))
    return min(found, key=lambda mismatch: mismatch.cycle, default=None)


def _runner(backend: Backend) -> Runner:
    """Return the function that runs a stimulus on a backend, without loading the others."""
    if backend is Backend.PYSIM:
        from .backends import pysim

        return pysim.run
    from .backends import compiled

    return compiled.cxxrtl if backend is Backend.CXXRTL else compiled.verilator


def _plain(value: Any) -> int | float | str | None:  # noqa: ANN401  a sum of any format
    if value is None:
        return None
    number = value.item() if hasattr(value, "item") else value
    # JSON has no NaN and no infinity, and a rounded decimal would hide the exact bits.
    return number if isinstance(number, int) else str(number)
