"""``bitnet-hw schemes``: the list of shipped schemes, or all of one scheme."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from ..errors import InputError
from ..files.records import choices
from ..inputs import catalogue
from ..inputs.scheme import LinearFormats, LinearRole, Scheme, load_scheme
from .output import Column, print_json, print_table, print_yaml


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of a table.")
@click.option(
    "--yaml", "as_yaml", is_flag=True, help="Print the scheme's YAML file, to copy and change."
)
def command(name: str | None, as_json: bool, as_yaml: bool) -> None:
    """List the shipped schemes, or show one scheme.

    NAME is a shipped scheme or a YAML file. A scheme sets the number format of every operand and
    accumulator.
    """
    if as_yaml and as_json:
        raise InputError("--yaml and --json exclude each other; give one")
    if as_yaml:
        if name is None:
            raise InputError("--yaml needs the name of a scheme")
        print_yaml("schemes", name)
        return
    if name is not None:
        _show(load_scheme(name), as_json=as_json)
        return
    schemes = [load_scheme(entry) for entry in catalogue.names("schemes")]
    if as_json:
        print_json([_as_dict(scheme) for scheme in schemes])
        return
    columns = (
        "name", "weights", "activations", "stored as", "KV cache", "LM head",
        Column("description", long="wrap"),
    )  # fmt: skip
    print_table(columns, (_row(scheme) for scheme in schemes))


def _row(scheme: Scheme) -> tuple[object, ...]:
    return (
        scheme.name,
        _range(scheme, "weight"),
        _range(scheme, "activation"),
        _range(scheme, "codec"),
        scheme.attention.kv_cache,
        scheme.lm_head.weight,
        scheme.description,
    )


def _range(scheme: Scheme, key: str) -> str:
    """Return the distinct values of a key over all roles."""
    values = (str(getattr(formats, key)) for _, formats in _roles(scheme))
    return ", ".join(dict.fromkeys(values))


def _roles(scheme: Scheme) -> Iterator[tuple[str, LinearFormats]]:
    for role in choices(LinearRole):
        yield role, scheme.formats(role)


def _as_dict(scheme: Scheme) -> dict[str, Any]:
    return {
        "name": scheme.name,
        "description": scheme.description,
        "source": scheme.source,
        "published": scheme.published,
        "roles": {role: formats.model_dump() for role, formats in _roles(scheme)}
        | {"lm-head": scheme.lm_head.model_dump()},
        "attention": scheme.attention.model_dump(),
        "embedding": scheme.embedding,
        "elementwise": scheme.elementwise,
    }


def _show(scheme: Scheme, *, as_json: bool) -> None:
    if as_json:
        print_json(_as_dict(scheme))
        return
    columns = (
        "role", "weight", "activation", "accumulator", "codec", "quantizer",
        Column("weight zeros", "right"), Column("inactive", "right"), "Hadamard",
    )  # fmt: skip
    rows = [
        (
            role, f.weight, f.activation, f.accumulator, f.codec, f.quantizer,
            f"{f.weight_zeros:.3f}", f"{f.inactive:.3f}", f.hadamard,
        )
        for role, f in (*_roles(scheme), ("lm-head", scheme.lm_head))
    ]  # fmt: skip
    print_table(columns, rows, title=f"{scheme.name}: {scheme.description}")
    attention = scheme.attention
    print_table(
        ("other values", "format"),
        (
            ("attention operands", attention.operand),
            ("attention accumulator", attention.accumulator),
            ("KV cache", attention.kv_cache),
            ("embedding", scheme.embedding),
            ("norms, softmax, RoPE, activation, residual", scheme.elementwise),
        ),
        note=scheme.source,
    )
