"""BitNet b1.58, Fig. 3 left: a matrix product that costs 71.4 times less energy, at 7 nm.

No model is involved: the figure is the price of one FP16 MAC (an FP16 multiplication and an FP16
addition) divided by the price of one INT8 addition, all three from the 7 nm table (pJ). It leaves
out accumulator width, scales, attention, LM head and memory, and does not depend on the convention.

Tolerance: our figure must round to the one printed decimal. Known misses: none.
"""

from __future__ import annotations

import sys

from analysis import run
from bitnet_hw.prices.loading import load_table
from comparison import Comparison, Findings, Published, Table


def compare(published: Published) -> Findings:
    """Compare the ratio, and show the same ratio at 45 nm."""

    def quotient(node: str) -> tuple[float, float, float, float]:
        table = load_table(node)
        mul, add = table.price("mul", "fp16").pj, table.price("add", "fp16").pj
        int8 = table.price("add", "int8").pj
        return mul, add, int8, (mul + add) / int8

    figure = published["b1.58.fig3.left"]
    name = "FP16 MAC / INT8 addition, 7 nm"
    nodes = Table(
        "The same ratio at each node, prices in pJ",
        ("node", "fp16 mul", "fp16 add", "int8 add", "ratio"),
        [(node, *quotient(node)) for node in ("7nm", "45nm")],
    )
    return Findings([Comparison.of(figure, name, quotient("7nm")[-1])], [nodes])


if __name__ == "__main__":
    sys.exit(run(__file__, __doc__, compare))
