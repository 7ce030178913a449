"""``bitnet-hw verilog``: a processing element as a file."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import click

from ..errors import InputError

_OUT = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.option(
    "--pe", default="ternary", show_default=True, help="ternary, binary, int8, int4 or fp16."
)
@click.option("--lanes", type=int, default=32, show_default=True, help="Products a cycle.")
@click.option("--k-max", type=int, default=4096, show_default=True, help="Longest row.")
@click.option("-o", "--output", type=_OUT, required=True, help="The Verilog file to write.")
@click.option("--prefix", default="", help="Put before the module's name.")
@click.option("--act-bits", type=int, help="Width of an integer activation.")
@click.option("--acc-bits", type=int, help="Width of an integer accumulator; derived if absent.")
@click.option("--accumulate", help="Of the FP16 PE: fp32 or fp16.")
@click.option("--pipeline", type=int, help="Adder-tree levels between registers; 0 for none.")
@click.option("--zero-gating", is_flag=True, help="Hold the operands of a lane with zero weight.")
@click.option(
    "--counters",
    is_flag=True,
    help="Add the ports tally_slots and tally_nonzero with their counters.",
)
@click.option(
    "--clear-port",
    is_flag=True,
    help="Add the port clear, which resets the error and the counters.",
)
@click.option(
    "--reset",
    type=click.Choice(["sync", "async-low"]),
    default="sync",
    show_default=True,
    help="Port rst, or rst_n.",
)
@click.option("--testbench", type=_OUT, help="Also write a self-checking test bench.")
@click.option("--rows", type=int, default=8, show_default=True, help="Rows in the test bench.")
@click.option("--k", type=int, help="Length of its rows; up to 4 steps if absent.")
@click.option("--stalls", type=float, default=0.3, show_default=True, help="Its stalls.")
@click.option("--seed", type=int, default=1, show_default=True, help="Of its operands and stalls.")
@click.option(
    "--ecp5",
    is_flag=True,
    help="Also synthesise for Lattice ECP5 and print the resources (extra fpga). The very first "
    "run compiles Yosys, which takes a few minutes.",
)
@click.option("--no-dsp", is_flag=True, help="With --ecp5: multipliers in lookup tables.")
@click.option("--force", is_flag=True, help="Replace files that exist.")
def command(
    pe: str, lanes: int, k_max: int, output: Path, prefix: str, act_bits: int | None,
    acc_bits: int | None, accumulate: str | None, pipeline: int | None, zero_gating: bool,
    counters: bool, clear_port: bool, reset: str, testbench: Path | None, rows: int,
    k: int | None, stalls: float, seed: int, ecp5: bool,
    no_dsp: bool, force: bool,
) -> int:  # fmt: skip
    """Export a processing element as one Verilog module with plain port names."""
    from ..files.writing import whole_file
    from ..rtl.family import make_spec
    from ..rtl.ports import Reset
    from ..rtl.stimulus import Stalls
    from ..rtl.testbench import bench
    from ..rtl.verilog import export, module_name

    spec = make_spec(
        pe, lanes=lanes, k_max=k_max, act_bits=act_bits, acc_bits=acc_bits, accumulate=accumulate,
        pipeline=pipeline, zero_gating=zero_gating or None, counters=counters or None,
    )  # fmt: skip
    if testbench is not None and testbench == output:
        raise InputError(f"{output}: the test bench needs a file of its own")
    if no_dsp and not ecp5:
        raise InputError("--no-dsp needs --ecp5, whose synthesis it is for")
    for path in (output, testbench):
        if path is not None and path.exists() and not force:
            raise InputError(f"{path}: exists already; give --force to replace it")
    kind = Reset(reset)
    text = export(spec, prefix=prefix, reset=kind, clear_port=clear_port)
    checks = None
    if testbench is not None:
        checks = bench(
            spec, prefix=prefix, reset=kind, clear_port=clear_port, rows=rows, k=k,
            stalls=Stalls(stalls, seed),
        )  # fmt: skip
    resources = None
    if ecp5:
        from ..rtl.synth import synthesise_verilog

        resources = synthesise_verilog(text, module_name(spec, prefix), spec.lanes, dsp=not no_dsp)
    with ExitStack() as stack:
        # Both can be written, or neither is.
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
