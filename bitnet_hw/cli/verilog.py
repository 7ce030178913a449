"""``bitnet-hw verilog``: a processing element as a file."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import click

from ..errors import InputError
from .elements import ElementCommand
from .paths import GivenPath
from .usage import refuse_without

_OUT = GivenPath("a file")


@click.command(cls=ElementCommand)
@click.option("-o", "--output", type=_OUT, required=True, help="Verilog file to write.")
@click.option("--prefix", default="", help="Prefix of the module's name. Default: none.")
@click.option(
    "--clear-port",
    is_flag=True,
    help="Add the port clear, which resets the error flag and the counters.",
)
@click.option(
    "--reset",
    type=click.Choice(["sync", "async-low"]),
    default="sync",
    help="Kind of reset: synchronous (sync, port rst) or asynchronous and active low (async-low, "
    "port rst_n). Default: sync.",
)
@click.option(
    "--testbench",
    type=_OUT,
    help="Verilog file for a self-checking test bench. Default: no test bench.",
)
@click.option(
    "--rows", type=int, default=8, help="Number of dot products in the test bench. Default: 8."
)
@click.option(
    "--k",
    type=int,
    help="Length of each dot product in the test bench. Default: four steps, at most k_max.",
)
@click.option(
    "--stalls",
    type=float,
    default=0.3,
    help="Probability that a stream of the test bench stalls in a cycle. Default: 0.3.",
)
@click.option(
    "--seed",
    type=int,
    default=1,
    help="Seed of the test bench's operands and stalls. Default: 1.",
)
@click.option(
    "--ecp5",
    is_flag=True,
    help="Also synthesise for Lattice ECP5 and print the resources (needs the extra fpga). The "
    "very first run compiles Yosys, which takes a few minutes.",
)
@click.option("--no-dsp", is_flag=True, help="With --ecp5: build multipliers from lookup tables.")
@click.option("--force", is_flag=True, help="Replace files that exist.")
def command(
    pe: str, output: Path, prefix: str, clear_port: bool, reset: str, testbench: Path | None,
    rows: int, k: int | None, stalls: float, seed: int, ecp5: bool, no_dsp: bool, force: bool,
    **parameters: object,
) -> int:  # fmt: skip
    """Export a processing element as one Verilog module with plain port names."""
    from ..files.writing import refuse_existing, whole_file
    from ..rtl.family import make_spec
    from ..rtl.stimulus import Stalls
    from ..rtl.testbench import export_testbench
    from ..rtl.verilog import export_verilog, module_name

    spec = make_spec(pe, **parameters)
    if testbench is not None and testbench == output:
        raise InputError(f"{output}: the test bench needs a file of its own")
    if not ecp5:
        refuse_without("--ecp5", "no_dsp")
    if testbench is None:
        refuse_without("--testbench", "rows", "k", "stalls", "seed")
    for path in (output, testbench):
        if path is not None:
            refuse_existing(path, force=force)
    text = export_verilog(spec, prefix=prefix, reset=reset, clear_port=clear_port)
    checks = None
    if testbench is not None:
        checks = export_testbench(
            spec, prefix=prefix, reset=reset, clear_port=clear_port, rows=rows, k=k,
            stalls=Stalls(stalls, seed),
        )  # fmt: skip
    resources = None
    if ecp5:
        from ..rtl.synth import synthesise_verilog

        resources = synthesise_verilog(text, module_name(spec, prefix), spec.lanes, dsp=not no_dsp)
    with ExitStack() as stack:
        # Either both files are written or neither is.
        stack.enter_context(whole_file(output, force=force)).write_text(text, encoding="utf-8")
        if testbench is not None and checks is not None:
            bench_file = stack.enter_context(whole_file(testbench, force=force))
            bench_file.write_text(checks, encoding="utf-8")
    click.echo(f"{output}: {spec.name} PE, {spec.lanes} lanes")
    if testbench is not None:
        click.echo(f"{testbench}: test bench, {rows} rows")
    if resources is not None:
        click.echo(f"ECP5, synthesis only: {resources}")
    return 0
