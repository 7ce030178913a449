"""``bitnet-hw report``: the energy-savings report."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import click

from .options import (
    build_machine,
    build_models,
    build_scenario,
    build_schemes,
    checkpoint_option,
    machine_options,
    measure_zeros,
    oversized_option,
    scenario_options,
)
from .paths import GivenPath
from .prices import build_tables, table_options


@click.command()
@click.argument("configs", nargs=-1, required=True)
@click.option(
    "-o",
    "--output",
    type=GivenPath("a folder"),
    default=Path("report"),
    metavar="FOLDER",
    help="Folder to write the files to, created if necessary. Default: report.",
)
@click.option("--force", is_flag=True, help="Replace the files of an earlier report in the folder.")
@click.option(
    "--scheme",
    default="fp16,w8a8,w4a16,bitnet-b1.58",
    metavar="NAMES_OR_FILES",
    help="Schemes to compare, separated by commas: names (see `bitnet-hw schemes`) or YAML files. "
    "The first is the baseline; the report is about the last one with ternary or binary weights, "
    "or else about the last. Default: fp16,w8a8,w4a16,bitnet-b1.58.",
)
@table_options()
@scenario_options()
@machine_options
@checkpoint_option
@oversized_option
def command(
    configs: tuple[str, ...],
    output: Path,
    force: bool,
    scheme: str,
    energy_tables: str | None,
    scale_node: str | None,
    codec: str | None,
    machine: str | None,
    lanes: int | None,
    float_accumulator: str | None,
    checkpoint: Path | None,
    oversized: bool,
    **given: Any,  # noqa: ANN401  the scenario options
) -> None:
    """Write the energy-savings report.

    CONFIGS are models: names (see `bitnet-hw models`), YAML files, Hugging Face config.json files,
    or the folders of such files. The report shows the first model in detail, and every model under
    both the paper and the system convention; the options below apply to the system convention.
    """
    models = build_models(configs)
    schemes = measure_zeros(build_schemes(scheme, codec), checkpoint, models[0])
    if float_accumulator is not None:
        schemes = [one.with_float_accumulator(float_accumulator) for one in schemes]
    tables = build_tables(energy_tables, scale_node)
    scenario = build_scenario("system", given, models)
    described = build_machine("system", machine, lanes)

    # matplotlib takes a second to load; a wrong argument should not wait for it.
    from ..report.build import build_report
    from ..report.documents import PAGE, write_report
    from .progress import stages

    with stages("report") as say:
        report = build_report(
            models,
            schemes,
            tables,
            scenario,
            described,
            oversized=oversized,
            command=_command(click.get_current_context()),
            progress=say,
        )
        written = write_report(report, output, force=force, progress=say)
    click.echo(f"{output / PAGE}: {len(written)} files written")


def _command(context: click.Context) -> str:
    """Return the command line that repeats the report: the given options in their order of help."""
    parts = ["bitnet-hw", "report"]
    for parameter in context.command.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        value = context.params.get(name)
        if source is not click.core.ParameterSource.COMMANDLINE or name == "force":
            continue
        if isinstance(parameter, click.Argument):
            parts += [str(part) for part in value or ()]
        elif isinstance(parameter, click.Option) and parameter.is_flag:
            parts.append(parameter.opts[-1])
        else:
            parts += [parameter.opts[-1], str(value)]
    return shlex.join(parts)
