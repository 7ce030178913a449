"""``bitnet-hw footprint``: bytes of weights, embeddings, KV cache and activations."""

from __future__ import annotations

from typing import Any

import click

from ..cost.footprint import Footprint, footprint, kv_cache_bytes, largest_batch
from ..inputs.codecs import CODECS
from ..inputs.model import ModelSpec
from ..inputs.scenario import Scenario
from ..inputs.scheme import Scheme, load_scheme
from ..units import parse_size, quantity
from .options import (
    build_models,
    build_scenario,
    build_schemes,
    output_form,
    output_options,
    scenario_options,
)
from .output import Column, numbers, print_csv, print_json, print_table, print_text

#: Version of the JSON output: the footprints, and the KV cache by format and context.
SCHEMA = 1

_KV_FORMATS = ("fp16", "int8", "int4", "int3")
_KV_CONTEXTS = (512, 1024, 2048, 4096, 8192, 32_768, 131_072)
#: Field of a footprint -> heading of its column.
_FIELDS = {
    "weights": "weights",
    "lm_head": "LM head",
    "embedding": "embedding",
    "norms_and_biases": "norms and biases",
    "kv_cache": "KV cache",
    "activations": "activations",
}


@click.command()
@click.argument("configs", nargs=-1, required=True)
@click.option(
    "--scheme",
    default="fp16,w8a8,bitnet-b1.58",
    metavar="NAMES_OR_FILES",
    help="Schemes to compare, separated by commas: names (see `bitnet-hw schemes`) or YAML files. "
    "Those with ternary or binary weights are shown in every codec that fits and is of the same "
    "family and granularity of scales as their own: plain codecs with one scale per matrix, plain "
    "ones with groups of the same size, GGUF blocks, ... Default: fp16,w8a8,bitnet-b1.58.",
)
@scenario_options()
@click.option(
    "--memory",
    "capacity",
    metavar="SIZE",
    help="Size of the memory that the largest batch must fit in, such as 16GB. Default: no largest "
    "batch is shown.",
)
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

    CONFIGS are models: names (see `bitnet-hw models`), YAML files, Hugging Face config.json files,
    or the folders of such files. Gains and biases are stored in the elementwise format. A second
    table shows the KV cache of one sequence by format and context.
    """
    form = output_form(as_json, as_csv)
    models = build_models(configs)
    stored = [each for one in build_schemes(scheme, None) for each in _in_every_codec(one)]
    scenario = build_scenario("system", given, models)
    size = None if capacity is None else parse_size(capacity)
    rows = [_row(model, one, scenario, size) for model in models for one in stored]
    caches = [_kv_row(model, context) for model in models for context in _contexts(model)]
    if form == "json":
        print_json({"schema": SCHEMA, "footprints": rows, "kv_cache": caches})
    elif form == "csv":
        print_csv(rows)
    else:
        print_text(f"{scenario.describe()}; 1 kB = 1000 bytes")
        columns: list[str | Column] = ["model", "scheme", "codec"]
        columns += numbers(*_FIELDS.values(), "total", *(["largest batch"] if size else []))
        table = [
            [
                row["model"], row["scheme"], row["codec"],
                *(quantity(row[f"{name}_bytes"], "B") for name in (*_FIELDS, "total")),
                *([row["largest_batch"]] if size else []),
            ]
            for row in rows
        ]  # fmt: skip
        print_table(columns, table)
        cells = (
            [row["model"], row["context"], *(quantity(row[name], "B") for name in _KV_FORMATS)]
            for row in caches
        )
        headings: list[str | Column] = [
            "KV cache of one sequence",
            *numbers("context", *_KV_FORMATS),
        ]
        print_table(headings, cells)


def _contexts(model: ModelSpec) -> list[int]:
    longest = model.max_position_embeddings or max(_KV_CONTEXTS)
    return [context for context in _KV_CONTEXTS if context <= longest] or [longest]


def _kv_row(model: ModelSpec, context: int) -> dict[str, Any]:
    scheme = load_scheme("fp16")
    found = {
        form: kv_cache_bytes(model, scheme.with_kv_cache(form), context) for form in _KV_FORMATS
    }
    return {"model": model.name, "context": context} | {k: round(v) for k, v in found.items()}


def _in_every_codec(scheme: Scheme) -> list[Scheme]:
    """Return an add-only scheme in each codec that resembles its own, and any other as it is."""
    if not scheme.add_only:
        return [scheme]
    own = scheme.linear.stored
    alike = [
        name
        for name, codec in CODECS.items()
        if (codec.family, codec.granularity) == (own.family, own.granularity)
        # Plain codecs exist for every size of group, which would fill the table.
        and (codec.family != "plain" or codec.group == own.group)
    ]
    return [scheme.with_codec(name) for name in alike if scheme.linear.stored_by(name)]


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
