"""``bitnet-hw simulate``: a processing element against the numeric reference."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import InputError
from .output import print_json

if TYPE_CHECKING:
    from ..rtl.backends.trace import Progress
    from ..rtl.pe import PESpec
    from ..rtl.simulate import SimulationReport

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_MAX_ROWS = 1 << 24
#: Terms of one run, so that operands and vectors stay within a few gigabytes.
_MAX_TERMS = 1 << 26


@click.command()
@click.option(
    "--pe", default="ternary", show_default=True, help="ternary, binary, int8, int4 or fp16."
)
@click.option("--lanes", type=int, default=32, show_default=True, help="Products a cycle.")
@click.option("--k", type=int, help="Length of a row; 2560 unless the files say otherwise.")
@click.option("--rows", type=int, help="Dot products: 100, or with files at most so many.")
@click.option(
    "--zeros",
    type=float,
    default=None,
    help="Share of zero weights, 0 to 1: 0.33; none for binary.",
)
@click.option(
    "--stalls",
    type=float,
    default=0.0,
    show_default=True,
    help="Probability, a cycle and a stream, of holding back.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of operands and stalls.")
@click.option("--weights", type=_FILE, help="A .npy or .npz array of shape (N, K).")
@click.option("--activations", type=_FILE, help="A .npy or .npz array of shape (T, K).")
@click.option("--k-max", type=int, help="Longest row of the hardware: 4096, or K if larger.")
@click.option("--act-bits", type=int, help="Width of an integer activation.")
@click.option("--acc-bits", type=int, help="Width of an integer accumulator; derived if absent.")
@click.option("--accumulate", help="Of the FP16 PE: fp32 or fp16.")
@click.option("--pipeline", type=int, help="Adder-tree levels between registers; 0 for none.")
@click.option("--zero-gating", is_flag=True, help="Hold the operands of a lane with zero weight.")
@click.option(
    "--backend",
    type=click.Choice(["pysim", "cxxrtl", "verilator"]),
    default="pysim",
    show_default=True,
    help="pysim needs nothing but pip; the others run the exported Verilog compiled. The very "
    "first run of cxxrtl also compiles Yosys, which takes a few minutes.",
)
@click.option(
    "--vcd", type=click.Path(dir_okay=False, path_type=Path), help="Write waveforms (pysim)."
)
@click.option("--force", is_flag=True, help="Replace the waveform file if it exists.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
def command(
    pe: str, lanes: int, k: int | None, rows: int | None, zeros: float | None, stalls: float,
    seed: int, weights: Path | None, activations: Path | None, k_max: int | None,
    act_bits: int | None, acc_bits: int | None, accumulate: str | None, pipeline: int | None,
    zero_gating: bool, backend: str, vcd: Path | None, force: bool, as_json: bool,
) -> int:  # fmt: skip
    """Simulate a processing element cycle by cycle and compare it with the reference.

    Operands are random over their whole range, or come from files: every row of weights with
    every row of activations. Exit code 4 if a sum, or a counter of the hardware, is wrong.
    """
    import numpy as np

    from ..files.writing import whole_file
    from ..rtl.backends.trace import Backend
    from ..rtl.family import make_spec
    from ..rtl.operands import load_array, pair_rows
    from ..rtl.simulate import simulate
    from ..rtl.stimulus import Stalls

    coin = Stalls(stalls, seed)
    if rows is not None and not 1 <= rows <= _MAX_ROWS:
        raise InputError(f"--rows must be 1 to {_MAX_ROWS}, found {rows}")
    if zeros is not None and weights is not None:
        raise InputError("--zeros says nothing of weights from a file; give one of the two")
    if zeros is not None and not 0 <= zeros <= 1:
        raise InputError(f"--zeros must be 0 to 1, found {zeros}")
    if k is not None and k < 1:
        raise InputError(f"--k must be at least 1, found {k}")
    if backend != "pysim" and vcd is not None:
        raise InputError(f"--vcd comes from the backend pysim, not from {backend}")

    def spec_for(longest: int) -> PESpec:
        return make_spec(
            pe, lanes=lanes, k_max=longest, act_bits=act_bits, acc_bits=acc_bits,
            accumulate=accumulate, pipeline=pipeline, zero_gating=zero_gating or None,
            counters=True,
        )  # fmt: skip

    checker = spec_for(k_max or 4096)
    wgt = load_array(weights, "weights", checker.check_weights) if weights else None
    act = load_array(activations, "activations", checker.check_activations) if activations else None
    for path, array in ((weights, wgt), (activations, act)):
        if array is not None and k is not None and array.shape[1] != k:
            raise InputError(f"{path}: rows of length {array.shape[1]}, but --k is {k}")
    given = wgt if wgt is not None else act
    length = given.shape[1] if given is not None else k or 2560
    if k_max is not None and length > k_max:
        raise InputError(f"K is {length}, above --k-max {k_max}")
    spec = spec_for(k_max or max(4096, length))
    if zeros is None:
        zeros = 0.0 if pe == "binary" else 0.33
    tokens, outputs = (1 if array is None else array.shape[0] for array in (act, wgt))
    count = (rows or 100) if given is None else min(rows or tokens * outputs, tokens * outputs)
    if count * length > _MAX_TERMS:
        raise InputError(
            f"{count} dot products of length {length} are more than {_MAX_TERMS} terms; "
            "give fewer --rows"
        )
    drawn = spec.random_operands(
        np.random.default_rng(seed), 1 if given is not None else count, length, zeros
    )
    if given is None:
        act, wgt = drawn
    else:
        act, wgt = pair_rows(
            drawn[0] if act is None else act, drawn[1] if wgt is None else wgt, rows
        )

    with (
        whole_file(vcd, force=force) if vcd else nullcontext() as waveform,
        _progress(len(act), backend) as progress,
    ):
        report = simulate(
            spec, act, wgt, stalls=coin, backend=Backend(backend), vcd=waveform, progress=progress
        )
    if as_json:
        print_json(report.as_dict())
    else:
        click.echo(_text(report))
    return 0 if report.passed else 4


@contextmanager
def _progress(rows: int, backend: str) -> Iterator[Progress]:
    """Show a bar on a terminal, and nothing in a pipe."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
               TimeElapsedColumn())  # fmt: skip
    with Progress(*columns, console=console, disable=not console.is_terminal) as bar:
        what = "dot products" if backend == "pysim" else f"building and running ({backend})"
        task = bar.add_task(what, total=rows)
        yield lambda done: bar.update(task, completed=done)


def _text(report: SimulationReport) -> str:
    spec, trace = report.spec, report.trace
    verdict = "yes" if report.bit_exact else f"NO: {report.mismatch}"
    lines = [
        f"{spec.name} PE, {spec.lanes} lanes, {report.rows} dot products of length {report.k}, "
        f"backend {report.backend.value}",
        f"  bit-exact        {verdict}",
        f"  cycles           {trace.cycles:,}",
        f"  stalled cycles   {report.stalled_cycles:,} "
        f"(source {trace.source_stalls:,}, sink {trace.sink_stalls:,})",
        f"  MACs             {report.macs:,}, {report.macs_per_cycle:.2f} a cycle",
    ]
    for name, count in (
        ("adder slots", report.adder_slots),
        ("non-zero terms", report.nonzero_terms),
    ):
        equal = "equal to" if count.agrees else "NOT"
        lines.append(f"  {name:<16} {count.counted:,} counted, {equal} {count.closed_form:,}")
    return "\n".join(lines)
