"""``bitnet-hw footprint``: bytes of weights, embeddings, KV cache and activations."""

from __future__ import annotations

from typing import Any

import click

from ..formats import CODECS
from ..memory import Footprint, footprint, largest_batch, parse_capacity
from ..model import ModelSpec, load_model
from ..scheme import Scheme
from ..units import quantity
from ..workload import Scenario
from .options import (
    build_scenario,
    build_schemes,
    output_form,
    output_options,
    scenario_options,
)
from .output import Column, numbers, print_csv, print_json, print_table

_FIELDS = ("weights", "lm_head", "embedding", "norms_and_biases", "kv_cache", "activations")


@click.command()
@click.argument("configs", nargs=-1, required=True)
@click.option(
    "--scheme",
    default="fp16,w8a8,bitnet-b1.58",
    show_default=True,
    help="Schemes or files, separated by commas; add-only ones are shown in every codec.",
)
@scenario_options
@click.option("--memory", "capacity", metavar="SIZE", help="DRAM size for the largest batch.")
@output_options
def command(
    configs: tuple[str, ...],
    scheme: str,
    capacity: str | None,
    as_json: bool,
    as_csv: bool,
    **given: Any,  # noqa: ANN401  the scenario options
) -> None:
    """Show the bytes of weights, embeddings, KV cache and activations.

    CONFIGS are as for `bitnet-hw estimate`. Gains and biases take the elementwise format.
    """
    form = output_form(as_json, as_csv)
    models = [load_model(config) for config in configs]
    stored = [each for one in build_schemes(scheme, None) for each in _in_every_codec(one)]
    scenario = build_scenario("hardware", given)
    size = parse_capacity(capacity) if capacity else None
    rows = [_row(model, one, scenario, size) for model in models for one in stored]
    if form == "json":
        print_json(rows)
    elif form == "csv":
        print_csv(rows)
    else:
        click.echo(f"{scenario.describe()}; 1 kB = 1000 bytes")
        columns: list[str | Column] = ["model", "scheme", "codec", *numbers(*_FIELDS, "total")]
        columns += numbers("largest batch") if size else []
        table = [
            [
                row["model"], row["scheme"], row["codec"],
                *(quantity(row[f"{name}_bytes"], "B") for name in (*_FIELDS, "total")),
                *([row["largest_batch"]] if size else []),
            ]
            for row in rows
        ]  # fmt: skip
        print_table(columns, table)


def _in_every_codec(scheme: Scheme) -> list[Scheme]:
    if not scheme.add_only:
        return [scheme]
    kind = scheme.linear.weight_format.kind
    return [scheme.with_codec(name) for name, codec in CODECS.items() if kind in codec.kinds]


def _row(model: ModelSpec, scheme: Scheme, scenario: Scenario, size: int | None) -> dict[str, Any]:
    found: Footprint = footprint(model, scheme, scenario)
    row: dict[str, Any] = {
        "model": model.name,
        "scheme": scheme.name,
        "codec": scheme.linear.codec,
        **{f"{name}_bytes": round(getattr(found, name)) for name in _FIELDS},
        "total_bytes": round(found.total),
    }
    if size is not None:
        row["largest_batch"] = largest_batch(model, scheme, scenario, size)
    return row
