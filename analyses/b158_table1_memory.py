"""BitNet b1.58, Table 1: GPU memory that ternary weights save, 700M to 3B.

Shapes (hidden size x layers, FFN width): 1536 x 24, 4096; 2048 x 24, 5460; 3200 x 26, 8640. The
differences LLaMA - BitNet are compared, in GB of 1e9 bytes: projections and FFN at 16 bits per
weight less those at 2 bits (schemes fp16 and bitnet-b1.58, scales of the matrices included).
Everything else (embeddings, KV cache, buffers) is the same in both and cancels out. The figures do
not depend on the convention.

Tolerance: 7.5, 4 and 1 percent of the published difference at 700M, 1.3B and 3B. The table prints
two decimals; rounding alone makes its smallest difference, 1.28 GB, uncertain by 0.8 percent, and
no shape of that size explains the rest. Known misses: none. The absolute figures cannot be
computed: a second table shows the 0.4 to 1.2 GB that the parameters do not explain and the runtime
may use, both with the LM head tied to the embedding table, as in the released reproduction, and
with an LM head of its own, as in LLaMA.
"""

from __future__ import annotations

import sys

from analysis import run
from bitnet_hw.cost.footprint import footprint, weight_bytes
from bitnet_hw.inputs.model import load_model
from bitnet_hw.inputs.scenario import Scenario
from bitnet_hw.inputs.scheme import load_scheme
from comparison import Cell, Comparison, Findings, Published, Table, Tolerance

TOLERANCES = {"700m": 0.075, "1.3b": 0.04, "3b": 0.01}
#: Column of the published table -> its scheme.
COLUMNS = {"llama": "fp16", "bitnet": "bitnet-b1.58"}
GB = 1e9


def compare(published: Published) -> Findings:
    """Compare the three differences, and show how far parameters explain the absolute figures."""
    comparisons = []
    remainders: list[list[Cell]] = []
    for size, tolerance in TOLERANCES.items():
        model = load_model(f"bitnet-b1.58-{size}")
        printed, stored = {}, {}
        for column, scheme_name in COLUMNS.items():
            scheme = load_scheme(scheme_name)
            figure = published[f"b1.58.table1.{column}.{size}.memory"]
            printed[column], stored[column] = figure.number, weight_bytes(model, scheme) / GB
            row: list[Cell] = [f"{size.upper()} {column}", figure.value]
            for tied in (True, False):
                variant = model.replace(tie_word_embeddings=tied)
                # Parameters do not depend on the scenario.
                ours = footprint(variant, scheme, Scenario("decode", context=1)).parameters / GB
                row += [ours, figure.number - ours]
            remainders.append(row)
        comparisons.append(
            Comparison(
                f"{size.upper()} LLaMA - BitNet",
                f"{printed['llama'] - printed['bitnet']:.2f}",
                stored["llama"] - stored["bitnet"],
                "GB",
                "Table 1",
                Tolerance("relative", tolerance),
            )
        )
    absolute = Table(
        "Absolute figures, GB: size of the parameters, and the remainder for the runtime",
        ("", "published", "parameters, tied", "remainder", "parameters, untied", "remainder"),
        remainders,
    )
    return Findings(comparisons, [absolute])


if __name__ == "__main__":
    sys.exit(run(__file__, __doc__, compare))
