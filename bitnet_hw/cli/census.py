"""``bitnet-hw census``: the -1, 0 and +1 of a checkpoint, one row per matrix."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from ..census import Census, MatrixCensus, Sparsity, take_census
from ..census.record import base3_bytes, entropy, total_bytes, two_bit_bytes
from ..units import percent, quantity
from .options import output_form, output_options
from .output import Column, numbers, print_csv, print_json, print_table, print_text, warn
from .paths import GivenPath
from .progress import tensors

#: The table's columns; a name that is too long for the terminal wraps.
_COLUMNS = (
    Column("matrix", long="wrap"),
    *numbers("shape"),
    Column("format"),
    *numbers("zeros", "+1", "-1", "scale", "bits", "entropy", "bytes", "2 bit", "5 trits",
             "zeros in rows", "in columns"),
)  # fmt: skip

#: Columns in the order in which a narrow terminal leaves them out, so that no number is cut.
_LEAST_WANTED_FIRST = (
    "5 trits", "2 bit", "in columns", "zeros in rows", "entropy", "bytes", "scale", "format",
    "bits", "-1", "+1", "shape",
)  # fmt: skip

#: Width in characters at which the name of a matrix wraps.
_NAME_WIDTH = 24


@click.command()
@click.argument("path", type=GivenPath("a file or a folder"))
@click.option(
    "--sparsity/--no-sparsity",
    default=True,
    help="Also count zeros by row and by column, where the layout defines them; this takes "
    "longer. Default: --sparsity.",
)
@output_options
def command(path: Path, sparsity: bool, as_json: bool, as_csv: bool) -> None:
    """Count the -1, 0 and +1 of a checkpoint.

    PATH is a safetensors or GGUF file, the index of a sharded safetensors checkpoint, or a folder
    that holds one of these. For packed weights, the number of rows is read from the config.json in
    the same folder.
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
        rows = [_cells(matrix) for matrix in ternary]
        shown = _fitting(rows)
        hidden = [column.title for column in _COLUMNS if column.title not in shown]
        print_table(
            [column for column in _COLUMNS if column.title in shown],
            [[row[title] for title in shown] for row in rows],
            title=census.name,
            note=f"Not shown at this width: {', '.join(hidden)}." if hidden else "",
        )
        _print_totals(census)
    else:
        print_text(f"{census.name}: no ternary weights")
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


def _cells(matrix: MatrixCensus) -> dict[str, str | None]:
    """Return the cells of one matrix by the titles of `_COLUMNS`."""
    return {
        "matrix": matrix.name,
        "shape": "x".join(map(str, matrix.shape)),
        "format": matrix.format,
        "zeros": _count(matrix.zeros),
        "+1": _count(matrix.plus),
        "-1": _count(matrix.minus),
        "scale": _scale(matrix),
        "bits": _bits(matrix.effective_bits),
        "entropy": _bits(matrix.entropy),
        "bytes": f"{matrix.bytes:,}",
        "2 bit": f"{two_bit_bytes(matrix.weights):,}",
        "5 trits": f"{base3_bytes(matrix.weights):,}",
        "zeros in rows": _range(matrix.rows),
        "in columns": _range(matrix.columns),
    }


def _fitting(rows: Sequence[dict[str, str | None]]) -> list[str]:
    """Return the titles of the columns that the terminal has room for; in a pipe, all titles."""
    titles = [column.title for column in _COLUMNS]
    if not sys.stdout.isatty():
        return titles
    widths = {title: max(len(title), *(len(row[title] or "-") for row in rows)) for title in titles}
    widths["matrix"] = min(widths["matrix"], _NAME_WIDTH)
    room = shutil.get_terminal_size().columns
    for title in _LEAST_WANTED_FIRST:
        # Three characters between columns, and one at either end.
        if sum(widths[one] + 3 for one in titles) - 1 <= room:
            break
        titles.remove(title)
    return titles


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
            ["entropy", f"{bits:.4f} bits per weight" if bits is not None else None, ""],
        ]
    for title, size in (
        ("stored", total_bytes(matrices)),
        ("at 2 bits", sum(two_bit_bytes(matrix.weights) for matrix in matrices)),
        ("at five trits per byte", sum(base3_bytes(matrix.weights) for matrix in matrices)),
    ):
        per_weight = f"{8 * size / weights:.3f} bits per weight" if weights else ""
        rows.append([title, f"{size:,} bytes", per_weight])
    print_table(["total", *numbers("", "")], rows)
