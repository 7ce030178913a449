"""``bitnet-hw measure``: gate-level energy of the processing elements on standard cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from datetime import date
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import InputError
from ..files.writing import refuse_existing, whole_file
from ..measurement import DEFAULT_ELEMENTS, DEFAULT_LANES
from ..prices.loading import load_table, read_table
from ..units import percent, times
from .elements import BOTH, ComparisonCommand
from .options import output_form, output_options, split_names
from .output import numbers, print_csv, print_json, print_table, print_text
from .paths import GivenPath
from .progress import stages
from .usage import refuse_without

if TYPE_CHECKING:
    from ..measurement.record import Measurement
    from ..measurement.variant import Variant
    from ..rtl.pe import PESpec

_FILE = GivenPath("a file")


@click.command(
    cls=ComparisonCommand,
    elements=DEFAULT_ELEMENTS,
    lanes=DEFAULT_LANES,
    without=("counters",),  # the measured circuit leaves the ports of the counters open
)
@click.option(
    "--liberty",
    "liberties",
    type=_FILE,
    multiple=True,
    required=True,
    help="Liberty file, .lib or .lib.gz. Repeat the option for further libraries.",
)
@click.option(
    "--booth",
    type=click.Choice(["no", "yes", BOTH]),
    default=BOTH,
    show_default=True,
    help="Whether integer multipliers use Booth recoding.",
)
@click.option(
    "--activations",
    type=click.Choice(["gaussian", "uniform"]),
    default="gaussian",
    help="Distribution of the activations. Default: gaussian.",
)
@click.option(
    "--recorded",
    type=_FILE,
    help="File of recorded activations, .npy or .npz. Default: random activations.",
)
@click.option(
    "--zeros",
    type=float,
    default=round(1 / 3, 4),
    show_default=True,
    help="Share of zeros among ternary weights, at least 0 and below 1.",
)
@click.option(
    "--hold",
    "held",
    type=int,
    default=1,
    show_default=True,
    help="Number of cycles, one per token, for which a weight is held.",
)
@click.option("--rows", type=int, default=16, help="Number of dot products per seed. Default: 16.")
@click.option("--steps", type=int, default=8, help="Number of cycles per dot product. Default: 8.")
@click.option(
    "--seeds",
    type=int,
    default=3,
    show_default=True,
    help="Number of runs, each with its own operands.",
)
@click.option(
    "--period",
    type=float,
    metavar="PS",
    help="Clock period in ps. Default: the longest critical path plus 5 %.",
)
@click.option(
    "--input-transition",
    type=float,
    default=20.0,
    metavar="PS",
    help="Transition time of inputs and clock in ps. Default: 20.",
)
@click.option(
    "--wire-load",
    type=float,
    default=0.0,
    metavar="FF",
    help="Wire capacitance per fan-out in fF. Default: 0.",
)
@click.option(
    "--clock-tree",
    type=float,
    default=1.0,
    metavar="FACTOR",
    help="Factor on the energy of clock pins, to account for a clock tree. Default: 1.",
)
@click.option(
    "--default-power",
    type=click.Choice(["remaining", "added"]),
    default="remaining",
    show_default=True,
    help="Meaning of power groups without a condition: the states that the other groups do not "
    "cover, or an addition in every state, as in OpenSTA.",
)
@click.option(
    "--zero-delay", is_flag=True, help="Simulate without delays, and therefore without glitches."
)
@click.option(
    "--jobs",
    type=int,
    default=2,
    show_default=True,
    help="Number of simulations that run at the same time.",
)
@click.option(
    "--table",
    "table_path",
    type=_FILE,
    help="File to which the results are also written as an energy table (YAML). Default: no file.",
)
@click.option(
    "--node",
    type=click.FloatRange(0, 1000, min_open=True),
    metavar="NM",
    help="Process node of the energy table in nm; needed with --table.",
)
@click.option(
    "--base",
    default="jouppi-2021-7nm",
    help="Base of the energy table: the table that prices everything but MACs. Default: "
    "jouppi-2021-7nm.",
)
@click.option("--force", is_flag=True, help="Replace the energy table if the file exists.")
@output_options
def command(
    pe: str, liberties: tuple[Path, ...], booth: str, activations: str, recorded: Path | None,
    zeros: float, held: int, rows: int, steps: int, seeds: int, period: float | None,
    input_transition: float, wire_load: float, clock_tree: float, default_power: str,
    zero_delay: bool, jobs: int, table_path: Path | None, node: float | None, base: str,
    force: bool, as_json: bool, as_csv: bool, **parameters: object,
) -> None:  # fmt: skip
    """Measure energy and area per operation of processing elements on standard cells.

    Each element is synthesised to the cells of a Liberty library and simulated with the library's
    delays on realistic operands; every output word is compared with the reference. Energies are
    pre-layout: only --wire-load accounts for wires, and only --clock-tree for the clock tree. They
    exclude leakage, which is listed separately. The first run compiles Yosys, which takes a few
    minutes.
    """
    from ..gates.library import read_library
    from ..measurement.measure import measure
    from ..measurement.operands import Operands
    from ..measurement.settings import Settings

    form = output_form(as_json, as_csv)
    if table_path is not None:
        if node is None or len(liberties) != 1:
            raise InputError("--table needs --node NM and exactly one --liberty")
        refuse_existing(table_path, force=force)
        load_table(base)
    else:
        refuse_without("--table", "node", "base")
    variants = _variants(pe, booth, parameters)
    operands = Operands(
        activations="uniform" if activations == "uniform" else "gaussian",
        recorded=recorded, zeros=zeros, held=held, rows=rows, steps=steps,
    )  # fmt: skip
    settings = Settings(
        operands=operands, seeds=seeds, period_ps=period, input_transition_ps=input_transition,
        wire_load_ff=wire_load, clock_tree=clock_tree,
        default_groups="added" if default_power == "added" else "remaining",
        timed=False if zero_delay else None, jobs=jobs,
    )  # fmt: skip
    libraries = [read_library(path) for path in liberties]
    today = date.today()
    with stages("measuring") as say:
        found = [measure(library, variants, settings, progress=say) for library in libraries]
    if table_path is not None and node is not None:
        from ..measurement.energy_table import build_table, to_yaml

        name = table_path.name.removesuffix(table_path.suffix)
        records = [each.as_dict() for each in found[0]]
        table = build_table(name, node, base, records, measured_on=today)
        with whole_file(table_path, force=force) as temporary:
            temporary.write_text(to_yaml(table), encoding="utf-8")
            read_table(temporary)  # a table that does not load is not written
    if form == "json":
        print_json([each.as_dict() for group in found for each in group])
    elif form == "csv":
        print_csv([_flat(each) for group in found for each in group])
    else:
        for group in found:
            _print(group)


def _variants(pe: str, booth: str, parameters: Mapping[str, object]) -> list[Variant]:
    from ..measurement.variant import Variant

    recodings = {"no": [False], "yes": [True], BOTH: [False, True]}[booth]
    return [
        Variant(spec, recoded)
        for name in split_names("--pe", "processing element", pe)
        for spec in _specs(name, parameters)
        for recoded in (recodings if spec.integer_multipliers else [False])
    ]


def _specs(name: str, parameters: Mapping[str, object]) -> list[PESpec]:
    """Return the specifications of one element, with those of the parameters that it has.

    A parameter given as `BOTH` takes each of its choices in turn.
    """
    from ..rtl.family import FAMILY, make_spec

    values: dict[str, Sequence[object]] = {}
    for entry in fields(FAMILY[name]) if name in FAMILY else ():
        if entry.name == "zero_gating" and not FAMILY[name].zero_weights:
            continue  # there is nothing to gate
        given = parameters.get(entry.name)
        values[entry.name] = entry.metadata["choices"] if given == BOTH else [given]
    return [
        make_spec(name, **dict(zip(values, chosen, strict=True)))
        for chosen in product(*values.values())
    ]


def _flat(of: Measurement) -> dict[str, Any]:
    row = of.as_dict()
    registers, operands = row.pop("registers_fj"), row.pop("stimuli")
    return {**row, **{f"{part}_fj": value for part, value in registers.items()}, **operands}


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
        f"{first.lanes} lanes, clock period {first.period * 1e12:.0f} ps; pre-layout",
    )
    operands = settings.operands
    activations = operands.recorded.name if operands.recorded else operands.activations
    print_text(
        f"wire load {settings.wire_load_ff:g} fF per fan-out, clock tree × "
        f"{settings.clock_tree:g}; {activations} activations, ternary zeros "
        f"{percent(operands.zeros)}, weights held for {operands.held}; {settings.seeds} seeds; "
        "every word checked"
    )
    if first.simulator is None:
        print_text("simulated without delays: glitches are missing, so logic is understated")
