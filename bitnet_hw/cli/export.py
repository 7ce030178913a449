"""``bitnet-hw export``: a workload and its energy prices as input files of another tool."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..cost.estimates import estimate
from ..errors import InputError
from ..inputs.model import load_model
from ..zigzag.export import README, write_zigzag
from .options import (
    build_machine,
    build_scenario,
    build_schemes,
    machine_options,
    scenario_options,
)
from .paths import GivenPath
from .prices import build_tables, table_options


@click.command()
@click.argument("config")
@click.option(
    "--format",
    "form",
    type=click.Choice(["zigzag"]),
    default="zigzag",
    help="Tool that will read the files. Default: zigzag.",
)
@click.option(
    "-o",
    "--output",
    type=GivenPath("a folder"),
    required=True,
    metavar="FOLDER",
    help="Folder to write the files to.",
)
@click.option("--force", is_flag=True, help="Replace an earlier export in that folder.")
@click.option(
    "--scheme",
    default="bitnet-b1.58",
    metavar="NAME_OR_FILE",
    help="Scheme: a name (see `bitnet-hw schemes`) or a YAML file. Default: bitnet-b1.58.",
)
@table_options(single=True)
@scenario_options()
@machine_options
def command(
    config: str,
    form: str,
    output: Path,
    force: bool,
    scheme: str,
    energy_tables: str | None,
    scale_node: str | None,
    codec: str | None,
    machine: str | None,
    lanes: int | None,
    float_accumulator: str | None,
    **given: Any,  # noqa: ANN401  the scenario options
) -> None:
    """Write a workload and its energy prices for another tool.

    For ZigZag, these are loop nests, an accelerator with the energy of a MAC and of a memory access
    in the scheme's formats, a mapping, and a README that says how to run them.

    CONFIG is a model: a name (see `bitnet-hw models`), a YAML file, a Hugging Face config.json, or
    the folder of one. The scenario must be a single pass: --decode CONTEXT, or --prefill S with
    --attention full.
    """
    schemes = build_schemes(scheme, codec)
    tables = build_tables(energy_tables, scale_node, single=True)
    for what, number in (("scheme", len(schemes)), ("energy table", len(tables))):
        if number > 1:
            raise InputError(f"export takes one {what}, found {number}")
    model = load_model(config)
    scenario = build_scenario("system", given, [model])
    if scenario.phase == "request":
        raise InputError("the export takes one pass: give --prefill or --decode, not --prompt")
    if scenario.phase == "prefill" and scenario.attention == "causal":
        raise InputError("loop nests are rectangular: give --attention full with --prefill")
    of = estimate(
        model,
        schemes[0],
        tables[0],
        scenario,
        "system",
        build_machine("system", machine, lanes),
        float_accumulator,
    )
    groups = write_zigzag(of, output, force=force)
    click.echo(
        f"{output}: {len(groups)} kinds of MAC for {form}; {output / README} says how to run them"
    )
