"""Cycles per second of each simulator on the same design, vectors and stalls.

Run ``python benchmarks/simulators.py``. The simulators run one after another in one process; a
simulator whose tools are missing is skipped with the reason. Building is timed separately. Compare
ratios within a run rather than figures of different runs.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from bitnet_hw.errors import ToolMissingError
from bitnet_hw.rtl.backends.compiled import build
from bitnet_hw.rtl.backends.interface import Backend, RunRecord
from bitnet_hw.rtl.backends.pysim import run as run_pysim
from bitnet_hw.rtl.family import make_spec
from bitnet_hw.rtl.pe import PESpec
from bitnet_hw.rtl.stimulus import Stalls, Stimulus

K = 2560
#: Element, lanes, dot products for pysim, and the factor on them for the compiled simulators.
DESIGNS = [
    ("ternary", 8, 24, 75),
    ("ternary", 32, 80, 75),
    ("ternary", 64, 120, 75),
    ("int8", 32, 80, 75),
    ("fp16", 1, 4, 75),
]


def timed(backend: Backend, spec: PESpec, stimulus: Stimulus) -> tuple[float, float, RunRecord]:
    """Return the build time and the run time in seconds, and the record of the run."""
    start = time.perf_counter()
    if backend is Backend.PYSIM:
        record = run_pysim(spec, stimulus)
        return 0.0, time.perf_counter() - start, record
    with tempfile.TemporaryDirectory() as folder:
        design = build(spec, backend, Path(folder))
        built = time.perf_counter()
        record = design.run(stimulus)
        return built - start, time.perf_counter() - built, record


def repeated(stimulus: Stimulus, times: int) -> Stimulus:
    """Return a stimulus with the vectors repeated `times` times."""
    return Stimulus(
        act=np.tile(stimulus.act, (times, 1)),
        wgt=np.tile(stimulus.wgt, (times, 1)),
        first=np.tile(stimulus.first, times),
        last=np.tile(stimulus.last, times),
        rows=stimulus.rows * times,
        stalls=stimulus.stalls,
    )


def main() -> int:
    """Time every simulator on every design; return 1 if two of them disagree."""
    print(
        f"{'design':>12} {'simulator':>10} {'build s':>8} {'cycles':>10} {'cycles/s':>12} {'x':>7}"
    )
    for name, lanes, rows, times in DESIGNS:
        spec = make_spec(name, lanes=lanes, k_max=4096, counters=True)
        act, wgt = spec.random_operands(np.random.default_rng(1), rows, K, 0.33)
        stimulus = Stimulus.from_rows(spec, act, wgt, Stalls(0.3, 1))
        sums: list[int] = []
        slowest = 0.0
        for backend in Backend:
            factor = 1 if backend is Backend.PYSIM else times
            try:
                building, running, record = timed(backend, spec, repeated(stimulus, factor))
            except ToolMissingError as error:
                print(f"{name + ' ' + str(lanes):>12} {backend.value:>10} skipped: {error}")
                continue
            sums = sums or record.sums
            if record.sums != sums * (len(record.sums) // len(sums)):
                print(f"{backend.value} disagrees on {name} {lanes}", file=sys.stderr)
                return 1
            speed = record.cycles / running
            slowest = slowest or speed
            print(
                f"{name + ' ' + str(lanes):>12} {backend.value:>10} {building:>8.1f} "
                f"{record.cycles:>10,} {speed:>12,.0f} {speed / slowest:>7.0f}"
            )
    return 0


if __name__ == "__main__":
    sys.exit(main())
