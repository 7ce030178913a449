"""``bitnet-hw census``: the -1, 0 and +1 of a checkpoint, a matrix a row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..census import Census, MatrixCensus, Sparsity, take_census
from ..census.record import base3_bytes, entropy, total_bytes, two_bit_bytes
from ..units import percent, quantity
from .options import output_form, output_options
from .output import Column, numbers, print_csv, print_json, print_table, warn
from .progress import tensors


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "--sparsity/--no-sparsity",
    default=True,
    show_default=True,
    help="Count zeros by row and column too, where the layout defines them; slower.",
)
@output_options
def command(path: Path, sparsity: bool, as_json: bool, as_csv: bool) -> None:
    """Count the -1, 0 and +1 of a checkpoint.

    PATH is a safetensors or GGUF file, the index of safetensors in shards, or a folder with such.
    A config.json beside packed weights tells their number of rows.
    """
    form = output_form(as_json, as_csv)
    with tensors("census") as say:
        census = take_census(path, sparsity=sparsity, progress=say)
    for warning in census.warnings:
        warn(warning)
    if form == "json":
        print_json([matrix.as_dict() for matrix in census.matrices])
    elif form == "csv":
        print_csv([_flat(matrix) for matrix in census.matrices])
    else:
        _print(census)


def _flat(matrix: MatrixCensus) -> dict[str, Any]:
    row = matrix.as_dict()
    row["shape"] = "x".join(map(str, matrix.shape))
    for key in ("row_zeros", "column_zeros"):
        lines = row.pop(key) or dict.fromkeys(Sparsity._fields)
        row |= {f"{key}_{name}": value for name, value in lines.items()}
    return row


def _print(census: Census) -> None:
    ternary = census.ternary
    others = [matrix for matrix in census.matrices if not matrix.ternary]
    if ternary:
        columns: list[Column | str] = [
            Column("matrix", long="cut"),
            *numbers("shape"),
            "format",
            *numbers("zeros", "+1", "-1", "scale", "bits", "entropy", "bytes", "2 bit",
                     "5 trits", "zeros in rows", "in columns"),
        ]  # fmt: skip
        print_table(columns, [_cells(matrix) for matrix in ternary], title=census.name)
        _print_totals(census)
    else:
        click.echo(f"{census.name}: no ternary weights")
    if others:
        by_format: dict[str, list[MatrixCensus]] = {}
        for matrix in others:
            by_format.setdefault(matrix.format, []).append(matrix)
        print_table(
            ["not ternary", *numbers("tensors", "weights", "bytes")],
            [
                [name, len(of), f"{sum(m.weights for m in of):,}", f"{total_bytes(of):,}"]
                for name, of in by_format.items()
            ],
        )


def _cells(matrix: MatrixCensus) -> list[object]:
    return [
        matrix.name,
        "x".join(map(str, matrix.shape)),
        matrix.format,
        _count(matrix.zeros),
        _count(matrix.plus),
        _count(matrix.minus),
        _scale(matrix),
        _bits(matrix.effective_bits),
        _bits(matrix.entropy),
        f"{matrix.bytes:,}",
        f"{two_bit_bytes(matrix.weights):,}",
        f"{base3_bytes(matrix.weights):,}",
        _range(matrix.rows),
        _range(matrix.columns),
    ]


def _count(number: int | None) -> str | None:
    return None if number is None else f"{number:,}"


def _bits(number: float | None) -> str | None:
    return None if number is None else f"{number:.3f}"


def _scale(matrix: MatrixCensus) -> str | None:
    scale = matrix.scale
    if scale is None:
        return None
    if scale.low == scale.high:
        return f"{scale.low:.4g}"
    return f"{scale.low:.4g}..{scale.high:.4g}"


def _range(lines: Sparsity | None) -> str | None:
    return None if lines is None else f"{100 * lines.least:.1f}..{100 * lines.most:.1f} %"


def _print_totals(census: Census) -> None:
    matrices = census.ternary
    weights, zeros = census.weights, census.zeros
    rows: list[list[object]] = [
        ["matrices", f"{len(matrices):,}", ""],
        ["weights", f"{weights:,}", quantity(weights, "")],
        ["zeros", f"{zeros:,}", percent(zeros / weights) if weights else ""],
    ]
    if all(matrix.plus is not None for matrix in matrices):
        plus = sum(matrix.plus or 0 for matrix in matrices)
        minus = weights - zeros - plus
        bits = entropy(zeros, plus, minus)
        rows += [
            ["+1", f"{plus:,}", percent(plus / weights) if weights else ""],
            ["-1", f"{minus:,}", percent(minus / weights) if weights else ""],
            ["entropy", f"{bits:.4f} bits a weight" if bits is not None else None, ""],
        ]
    for title, size in (
        ("stored", total_bytes(matrices)),
        ("at 2 bits", sum(two_bit_bytes(matrix.weights) for matrix in matrices)),
        ("at five trits a byte", sum(base3_bytes(matrix.weights) for matrix in matrices)),
    ):
        a_weight = f"{8 * size / weights:.3f} bits a weight" if weights else ""
        rows.append([title, f"{size:,} bytes", a_weight])
    print_table(["total", *numbers("", "")], rows)
