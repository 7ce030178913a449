"""``bitnet-hw simulate``: a processing element compared with the numeric reference."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import InputError
from .elements import ElementCommand
from .output import print_json
from .paths import GivenPath
from .progress import steps

if TYPE_CHECKING:
    from numpy.random import Generator

    from ..rtl.pe import AnyArray, PESpec
    from ..rtl.simulate import SimulationReport

_FILE = GivenPath("a file", exists=True)
_MAX_ROWS = 1 << 24
#: Largest number of terms per run, so that operands and vectors fit in a few gigabytes.
_MAX_TERMS = 1 << 26
_DEFAULT_K = 2560
_DEFAULT_ROWS = 100


@click.command(cls=ElementCommand, without=("k_max", "counters"))
@click.option(
    "--k-max",
    type=int,
    help="Longest row that the hardware takes. Default: 4096, or K if that is larger.",
)
@click.option(
    "--k",
    type=int,
    help=f"Length of each dot product. Default: that of the files, or {_DEFAULT_K}.",
)
@click.option(
    "--rows",
    type=int,
    help=f"Number of dot products. Default: {_DEFAULT_ROWS}, or all that the files contain.",
)
@click.option(
    "--zeros",
    type=float,
    help="Fraction of the random weights that are zero, 0 to 1. Default: 0.33, or 0 if no "
    "weight can be zero.",
)
@click.option(
    "--stalls",
    type=float,
    default=0.0,
    help="Probability that a stream stalls in a cycle, below 1. Default: 0.",
)
@click.option(
    "--seed", type=int, default=1, help="Seed of the random operands and stalls. Default: 1."
)
@click.option(
    "--weights",
    type=_FILE,
    help="File of weights, .npy or .npz, shape (N, K). Default: random weights.",
)
@click.option(
    "--activations",
    type=_FILE,
    help="File of activations, .npy or .npz, shape (T, K). Default: random activations.",
)
@click.option(
    "--backend",
    type=click.Choice(["pysim", "cxxrtl", "verilator"]),
    default="pysim",
    help="Simulator. pysim comes with Amaranth; the other two compile the exported Verilog and run "
    "it far faster. The very first run of cxxrtl also compiles Yosys, which takes a few minutes. "
    "Default: pysim.",
)
@click.option(
    "--vcd",
    type=GivenPath("a file"),
    help="File to write the waveforms to; pysim only. Default: no waveforms.",
)
@click.option("--force", is_flag=True, help="Replace the waveform file if it exists.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    pe: str, k_max: int | None, k: int | None, rows: int | None, zeros: float | None,
    stalls: float, seed: int, weights: Path | None, activations: Path | None, backend: str,
    vcd: Path | None, force: bool, as_json: bool, **parameters: object,
) -> int:  # fmt: skip
    """Simulate a processing element cycle by cycle and compare it with the reference.

    Operands are random over their whole range, or read from files; every row of weights is then
    multiplied by every row of activations. The exit code is 4 if a sum or a counter of the hardware
    is wrong.
    """
    import numpy as np

    from ..files.writing import whole_file
    from ..rtl.family import make_spec
    from ..rtl.operands import load_array
    from ..rtl.pe import PESpec
    from ..rtl.simulate import simulate
    from ..rtl.stimulus import Stalls

    coin = Stalls(stalls, seed)
    _check(rows=rows, zeros=zeros, weights=weights, k=k, backend=backend, vcd=vcd)

    def spec_for(longest: int) -> PESpec:
        return make_spec(pe, k_max=longest, counters=True, **parameters)

    checker = spec_for(k_max or PESpec.k_max)
    wgt = load_array(weights, "weights", checker.check_weights) if weights else None
    act = load_array(activations, "activations", checker.check_activations) if activations else None
    for path, array in ((weights, wgt), (activations, act)):
        if array is not None and k is not None and array.shape[1] != k:
            raise InputError(f"{path}: rows of length {array.shape[1]}, but --k is {k}")
    given = wgt if wgt is not None else act
    length = given.shape[1] if given is not None else k or _DEFAULT_K
    if k_max is not None and length > k_max:
        raise InputError(f"K is {length}, above --k-max {k_max}")
    spec = spec_for(k_max or max(PESpec.k_max, length))
    act, wgt = _operands(spec, np.random.default_rng(seed), act, wgt, rows, length, zeros)

    with (
        whole_file(vcd, force=force) if vcd else nullcontext() as waveform,
        steps(
            "dot products" if backend == "pysim" else f"building and running ({backend})", len(act)
        ) as progress,
    ):
        report = simulate(
            spec, act, wgt, stalls=coin, backend=backend, vcd=waveform, progress=progress
        )
    if as_json:
        print_json(report.as_dict())
    else:
        click.echo(_text(report))
    return 0 if report.passed else 4


def _check(
    *, rows: int | None, zeros: float | None, weights: Path | None, k: int | None, backend: str,
    vcd: Path | None,
) -> None:  # fmt: skip
    """Check what can be checked from the options alone."""
    if rows is not None and not 1 <= rows <= _MAX_ROWS:
        raise InputError(f"--rows must be 1 to {_MAX_ROWS}, found {rows}")
    if zeros is not None and weights is not None:
        raise InputError("--zeros applies to random weights only; give it or --weights, not both")
    if zeros is not None and not 0 <= zeros <= 1:
        raise InputError(f"--zeros must be 0 to 1, found {zeros}")
    if k is not None and k < 1:
        raise InputError(f"--k must be at least 1, found {k}")
    if backend != "pysim" and vcd is not None:
        raise InputError(f"--vcd needs the backend pysim, found {backend}")


def _operands(
    spec: PESpec, rng: Generator, act: AnyArray | None, wgt: AnyArray | None, rows: int | None,
    length: int, zeros: float | None,
) -> tuple[AnyArray, AnyArray]:  # fmt: skip
    """Return the rows to simulate, drawing operands that no file gave."""
    from ..rtl.operands import pair_rows

    from_files = act is not None or wgt is not None
    tokens, outputs = (1 if array is None else array.shape[0] for array in (act, wgt))
    count = min(rows or tokens * outputs, tokens * outputs) if from_files else rows or _DEFAULT_ROWS
    if count * length > _MAX_TERMS:
        raise InputError(
            f"{count} dot products of length {length} are more than {_MAX_TERMS} terms; "
            "give fewer --rows"
        )
    drawn = spec.random_operands(rng, 1 if from_files else count, length, zeros)
    if not from_files:
        return drawn
    return pair_rows(drawn[0] if act is None else act, drawn[1] if wgt is None else wgt, rows)


def _text(report: SimulationReport) -> str:
    spec, run = report.spec, report.run
    verdict = "yes" if report.bit_exact else f"NO: {report.mismatch}"
    lines = [
        f"{spec.name} PE, {spec.lanes} lanes, {report.rows} dot products of length {report.k}, "
        f"backend {report.backend.value}",
        f"  bit-exact        {verdict}",
        f"  cycles           {run.cycles:,}",
        f"  stalled cycles   {report.stalled_cycles:,} "
        f"(source {run.source_stalls:,}, sink {run.sink_stalls:,})",
        f"  MACs             {report.macs:,}, {report.macs_per_cycle:.2f} per cycle",
    ]
    for name, reading in (
        ("adder slots", report.adder_slots),
        ("non-zero terms", report.nonzero_terms),
    ):
        equal = "equal to" if reading.agrees else "NOT"
        lines.append(f"  {name:<16} {reading.counted:,} counted, {equal} {reading.closed_form:,}")
    return "\n".join(lines)
