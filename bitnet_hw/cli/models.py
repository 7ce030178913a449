"""``bitnet-hw models``: the list of shipped models, or all of one model."""

from __future__ import annotations

from typing import Any

import click

from ..errors import InputError
from ..inputs import catalogue
from ..inputs.model import ModelSpec, load_model
from .output import Column, print_json, print_table, print_yaml

_COLUMNS = (
    Column("name"),
    Column("parameters", "right"),
    Column("hidden", "right"),
    Column("layers", "right"),
    Column("heads/kv", "right"),
    Column("FFN", "right"),
    Column("vocabulary", "right"),
    Column("source", long="cut"),
)


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option(
    "--yaml", "as_yaml", is_flag=True, help="Print the model's YAML file, to copy and change."
)
def command(name: str | None, as_json: bool, as_yaml: bool) -> None:
    """List the shipped models, or show one model.

    NAME is a shipped model, a YAML file, a Hugging Face config.json, or the folder of one. The
    number of parameters is computed from the dimensions: all weights, gains and biases, with a tied
    LM head counted once.
    """
    if as_yaml and as_json:
        raise InputError("--yaml and --json exclude each other; give one")
    if as_yaml:
        if name is None:
            raise InputError("--yaml needs the name of a model")
        print_yaml("models", name)
        return
    if name is not None:
        _show(load_model(name), as_json=as_json)
        return
    models = [load_model(entry) for entry in catalogue.names("models")]
    models.sort(key=lambda model: (_family(model.name), model.total_parameters))
    if as_json:
        print_json([_as_dict(model) for model in models])
        return
    print_table(_COLUMNS, (_row(model) for model in models))


def _family(name: str) -> str:
    """Return a name without its size, so that each family is sorted by size."""
    return name.rpartition("-")[0] or name


def _row(model: ModelSpec) -> tuple[object, ...]:
    return (
        model.name,
        f"{model.total_parameters:,}",
        model.hidden_size,
        model.num_hidden_layers,
        f"{model.num_attention_heads}/{model.num_key_value_heads}",
        model.intermediate_size,
        model.vocab_size,
        model.source,
    )


def _as_dict(model: ModelSpec) -> dict[str, Any]:
    return model.model_dump() | {
        "linear_parameters": model.linear_parameters,
        "embedding_parameters": model.embedding_parameters,
        "lm_head_parameters": model.lm_head_parameters,
        "norm_and_bias_parameters": model.norm_and_bias_parameters,
        "total_parameters": model.total_parameters,
    }


def _show(model: ModelSpec, *, as_json: bool) -> None:
    if as_json:
        print_json(_as_dict(model))
        return
    counted = (key for key in _as_dict(model) if key.endswith("_parameters"))
    lines = [(key, value) for key, value in model.model_dump().items() if value != ""]
    lines += [(key, f"{getattr(model, key):,}") for key in counted]
    print_table(("key", Column("value", long="wrap")), lines)
