"""BitNet a4.8, Table 2: activated parameters, computed from the zeros that the table lists.

Shapes (hidden size x layers, FFN width): 1536 x 24, 4096; 2048 x 24, 5460; 3200 x 26, 8640; 4096 x
32, 11008. Activated parameters (M: 1e6, G: 1e9) are the weights of projections and FFN, each
multiplied by one minus its share of zeros (percent): a zero in the input of QKV, out, gate or down
leaves a column of weights unused; a zero gate leaves an output row of up unused. Embeddings are not
included. The figures do not depend on the convention.

Tolerance: our figure must round to the printed digits; the overall share of zeros must agree within
0.1 percentage points, because the shares that it is computed from are themselves rounded.
Known miss: a4.8 at 7B, published 3.4 billion, computed 3.594; the overall share of zeros in the
same row, 44.5 percent, agrees with the computed one.
"""

from __future__ import annotations

import sys

from analysis import run
from bitnet_hw.inputs.model import ModelSpec, load_model
from comparison import Comparison, Findings, Published, Tolerance

SIZES = ("700m", "1.3b", "3b", "7b")
ROWS = ("llama", "bitnet-b1.58", "bitnet-a4.8")
UNITS = {"M": 1e6, "G": 1e9}


def projections(model: ModelSpec) -> dict[str, int]:
    """Return the number of weights of a model in each column of the table."""
    h, f = model.hidden_size, model.intermediate_size
    layers = model.num_hidden_layers
    return {
        "qkv": layers * h * (model.query_width + 2 * model.key_width),
        "out": layers * h * model.query_width,
        "gate": layers * h * f,
        "up": layers * h * f,
        "down": layers * h * f,
    }


def compare(published: Published) -> Findings:
    """Compare activated parameters and the overall share of zeros, row by row."""
    comparisons = []
    for size in SIZES:
        # LLaMA has the same shapes; its rows of the table list no zeros.
        weights = projections(load_model(f"bitnet-b1.58-{size}"))
        for row in ROWS:
            key = f"a4.8.table2.{row}.{size}"
            zeros = dict.fromkeys(weights, 0.0)
            if row != "llama":
                zeros = {column: published[f"{key}.{column}"].number / 100 for column in weights}
            activated = sum(n * (1 - zeros[column]) for column, n in weights.items())
            figure = published[f"{key}.activated"]
            name = f"{size.upper()} {row}"
            comparisons.append(
                Comparison.of(figure, f"{name} activated", activated / UNITS[figure.unit])
            )
            if row != "llama":
                overall = 100 * (1 - activated / sum(weights.values()))
                figure = published[f"{key}.overall"]
                tolerance = Tolerance("absolute", 0.1)
                comparisons.append(
                    Comparison.of(figure, f"{name} zeros overall", overall, tolerance)
                )
    return Findings(comparisons)


if __name__ == "__main__":
    sys.exit(run(__file__, __doc__, compare))
