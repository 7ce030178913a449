"""``bitnet-hw measure``: gate-level energy of the processing elements on standard cells."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError
from ..files.writing import write_text
from ..prices.loading import load_table
from ..units import percent, times
from .options import output_form, output_options, split_names
from .output import numbers, print_csv, print_json, print_table
from .progress import stages

if TYPE_CHECKING:
    from ..measure.measurement import Measurement, Settings, Variant

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.command()
@click.option(
    "--pe",
    default="ternary,binary,int8,fp16",
    show_default=True,
    help="Elements, separated by commas: ternary, binary, int8, int4, fp16.",
)
@click.option(
    "--liberty",
    "liberties",
    type=_FILE,
    multiple=True,
    required=True,
    help="A .lib or .lib.gz file; may be given again for another library.",
)
@click.option("--lanes", type=int, default=8, show_default=True, help="Products a cycle.")
@click.option(
    "--pipeline",
    type=int,
    default=1,
    show_default=True,
    help="Adder-tree levels between registers; 0 for none.",
)
@click.option(
    "--k-max",
    type=int,
    default=4096,
    show_default=True,
    help="Longest row, which sets the integer accumulators' width.",
)
@click.option("--act-bits", type=int, help="Width of an integer activation: 8, or 4 for int4.")
@click.option("--acc-bits", type=int, help="Width of the integer accumulators; derived if absent.")
@click.option(
    "--accumulate",
    type=click.Choice(["fp16", "fp32", "both"]),
    default="both",
    show_default=True,
    help="Accumulator of FP16.",
)
@click.option(
    "--booth",
    type=click.Choice(["no", "yes", "both"]),
    default="both",
    show_default=True,
    help="Booth recoding of the integer multipliers.",
)
@click.option("--zero-gating", is_flag=True, help="Hold the operands of a lane with zero weight.")
@click.option(
    "--activations",
    type=click.Choice(["gaussian", "uniform"]),
    default="gaussian",
    show_default=True,
    help="Distribution of the activations.",
)
@click.option("--recorded", type=_FILE, help="A .npy array of activations in place of drawn ones.")
@click.option(
    "--zeros",
    type=float,
    default=round(1 / 3, 4),
    show_default=True,
    help="Share of zeros among ternary weights, 0 to 0.66 in practice.",
)
@click.option(
    "--hold",
    "held",
    type=int,
    default=1,
    show_default=True,
    help="Tokens B that a weight stays for; 1 is a new one each cycle.",
)
@click.option("--rows", type=int, default=16, show_default=True, help="Dot products a seed.")
@click.option("--steps", type=int, default=8, show_default=True, help="Cycles a dot product.")
@click.option("--seeds", type=int, default=3, show_default=True, help="Runs with other operands.")
@click.option(
    "--period",
    type=float,
    metavar="PS",
    help="Of the clock; the longest critical path and 5 % if absent.",
)
@click.option(
    "--input-transition",
    type=float,
    default=20.0,
    show_default=True,
    metavar="PS",
    help="Transition of inputs and clock.",
)
@click.option(
    "--wire-load",
    type=float,
    default=0.0,
    show_default=True,
    metavar="FF",
    help="Wire capacitance of each fan-out.",
)
@click.option(
    "--clock-tree",
    type=float,
    default=1.0,
    show_default=True,
    metavar="FACTOR",
    help="Multiplier on clock-pin energy, for the tree that is not there.",
)
@click.option(
    "--default-power",
    type=click.Choice(["remaining", "added"]),
    default="remaining",
    show_default=True,
    help="Power groups without condition: for the states that the "
    "others leave, or on top of them as in OpenSTA.",
)
@click.option("--zero-delay", is_flag=True, help="Simulate without delays: glitches are missing.")
@click.option("--jobs", type=int, default=2, show_default=True, help="Simulations at once.")
@click.option("--table", "table_path", type=_FILE, help="Also write an energy table (YAML).")
@click.option("--node", type=float, metavar="NM", help="Of the table: process node.")
@click.option(
    "--base",
    default="jouppi-2021-7nm",
    show_default=True,
    help="Of the table: the table that prices everything but MACs.",
)
@click.option("--force", is_flag=True, help="Replace the table if it exists.")
@output_options
def command(
    pe: str, liberties: tuple[Path, ...], lanes: int, pipeline: int, k_max: int,
    act_bits: int | None, acc_bits: int | None, accumulate: str, booth: str, zero_gating: bool,
    zero_delay: bool, table_path: Path | None, node: float | None, base: str, force: bool,
    as_json: bool, as_csv: bool, **given: Any,  # noqa: ANN401  what `_settings` takes
) -> None:  # fmt: skip
    """Measure what one operation of each processing element costs on standard cells.

    Each element is synthesised to the cells of a Liberty library, simulated with the library's
    delays on realistic operands, and checked against the reference in every output word. Energies
    are pre-layout: no wires but --wire-load, no clock tree but --clock-tree. They exclude leakage,
    which stands beside them. The first run compiles Yosys, which takes a few minutes.
    """
    from ..measure.library import read_library
    from ..measure.measurement import measure

    form = output_form(as_json, as_csv)
    if table_path is not None:
        if node is None or len(liberties) != 1:
            raise InputError("--table needs --node NM and exactly one --liberty")
        if table_path.exists() and not force:
            raise InputError(f"{table_path}: exists already; give --force to replace it")
        load_table(base)
    variants = _variants(
        pe, accumulate, booth, lanes=lanes, pipeline=pipeline, k_max=k_max, act_bits=act_bits,
        acc_bits=acc_bits, zero_gating=zero_gating or None,
    )  # fmt: skip
    settings = _settings(timed=False if zero_delay else None, **given)
    libraries = [read_library(path) for path in liberties]
    with stages("measuring") as say:
        found = [measure(variants, library, settings, say=say) for library in libraries]
    if table_path is not None and node is not None:
        from ..measure.energy_table import build_table, to_yaml

        name = table_path.name.removesuffix(table_path.suffix)
        rows = [each.as_dict() for each in found[0]]
        write_text(table_path, to_yaml(build_table(name, node, base, rows)), force=force)
    if form == "json":
        print_json([each.as_dict() for group in found for each in group])
    elif form == "csv":
        print_csv([_flat(each) for group in found for each in group])
    else:
        for group in found:
            _print(group)


def _variants(pe: str, accumulate: str, booth: str, **parameters: int | None) -> list[Variant]:
    from ..measure.measurement import Variant
    from ..rtl.family import make_spec
    from ..rtl.multiply import MultiplySpec

    found = []
    for name in split_names("processing element", pe):
        own = dict(parameters)
        if name == "binary":  # no weight is zero, so there is nothing to gate
            own.pop("zero_gating")
        if name == "fp16":
            own.pop("acc_bits")
            own.pop("act_bits")
            formats = ["fp16", "fp32"] if accumulate == "both" else [accumulate]
            found += [Variant(make_spec(name, accumulate=fmt, **own)) for fmt in formats]
            continue
        spec = make_spec(name, **own)
        recodings = {"no": [False], "yes": [True], "both": [False, True]}[booth]
        if not isinstance(spec, MultiplySpec):
            recodings = [False]
        found += [Variant(spec, recoded) for recoded in recodings]
    return found


def _settings(
    *, timed: bool | None, activations: str, recorded: Path | None, zeros: float, held: int,
    rows: int, steps: int, seeds: int, period: float | None, input_transition: float,
    wire_load: float, clock_tree: float, default_power: str, jobs: int,
) -> Settings:  # fmt: skip
    from ..measure.measurement import Settings
    from ..measure.stimuli import Stimuli

    for name, value, low, high in (
        ("--seeds", seeds, 1, 1000),
        ("--jobs", jobs, 1, 256),
        ("--period", 1e3 if period is None else period, 1, 1e9),
        ("--input-transition", input_transition, 0, 1e6),
        ("--wire-load", wire_load, 0, 1e4),
        ("--clock-tree", clock_tree, 1, 100),
    ):
        if not (math.isfinite(value) and low <= value <= high):
            raise InputError(f"{name} must be {low:g} to {high:g}, found {value:g}")
    stimuli = Stimuli(
        activations="uniform" if activations == "uniform" else "gaussian",
        recorded=recorded, zeros=zeros, held=held, rows=rows, steps=steps,
    )  # fmt: skip
    return Settings(
        stimuli=stimuli, seeds=seeds, period=None if period is None else period * 1e-12,
        input_transition=input_transition * 1e-12, wire=wire_load * 1e-15, clock_tree=clock_tree,
        default_groups="added" if default_power == "added" else "remaining",
        timed=timed, jobs=jobs,
    )  # fmt: skip


def _flat(of: Measurement) -> dict[str, Any]:
    row = of.as_dict()
    registers, stimuli = row.pop("registers_fj"), row.pop("stimuli")
    return {**row, **{f"{part}_fj": value for part, value in registers.items()}, **stimuli}


def _print(group: list[Measurement]) -> None:
    first = group[0]
    library, settings = first.library, first.settings
    rows = []
    for each in group:
        data = each.as_dict()
        rows.append(
            [
                each.variant.label,
                f"{data['fj_per_op']:.4g} ± {data['fj_per_op_spread']:.2g}",
                times(each.energy / first.energy),
                f"{data['combinational_fj']:.4g}",
                f"{data['flip_flop_fj']:.4g}",
                f"{data['clock_pin_fj']:.4g}",
                percent(1 - each.without_glitches / each.energy) if each.simulator else "missing",
                f"{data['leakage_fj']:.2g}",
                f"{data['um2_per_op']:.4g}",
                f"{data['critical_path_ps']:.0f}",
                f"{each.words_checked}",
            ]
        )
    columns = numbers(
        "fJ/op", f"× {first.variant.spec.name}", "logic", "flip-flops", "clock pins", "glitches",
        "leakage", "um2/lane", "critical ps", "words",
    )  # fmt: skip
    print_table(
        ["element", *columns],
        rows,
        title=f"{library.name}, {library.voltage:g} V, {library.temperature:g} C, "
        f"{first.lanes} lanes, one period of {first.period * 1e12:.0f} ps; pre-layout",
    )
    stimuli = settings.stimuli.as_dict()
    click.echo(
        f"wire load {settings.wire * 1e15:g} fF a fan-out, clock tree × {settings.clock_tree:g}; "
        f"{stimuli['activations']} activations, ternary zeros {percent(settings.stimuli.zeros)}, "
        f"weights held for {settings.stimuli.held}; {settings.seeds} seeds; every word checked"
    )
    if first.simulator is None:
        click.echo("simulated without delays: glitches are missing, so logic is understated")
