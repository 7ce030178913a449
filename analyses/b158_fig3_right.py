"""BitNet b1.58, Fig. 3 right: end-to-end energy of LLaMA over BitNet b1.58, 1.3B to 70B, at 7 nm.

Shapes: 12 h^2 weights per layer with 2048 x 24, 2560 x 32, 4096 x 32, 5120 x 40 and 8192 x 80
(hidden size x layers), without grouped queries. They were inferred from the published ratios: the
paper prints no shapes for this figure, and the models that it trained have others. The ratio (no
unit) is that of the energy of all arithmetic in one forward pass over 512 tokens, fp16 over
bitnet-b1.58, under the ``paper`` convention.

Tolerance: our figure must round to the one printed decimal. Known misses: none with these shapes. A
second table shows the ratios that the models' own dimensions give instead.
"""

from __future__ import annotations

import sys

from analysis import run
from bitnet_hw.cost.estimates import estimate
from bitnet_hw.cost.ratios import ratio
from bitnet_hw.inputs.model import load_model
from bitnet_hw.inputs.scheme import load_scheme
from bitnet_hw.prices.loading import load_table
from comparison import Comparison, Findings, Published, Table

SIZES = ("1.3b", "3b", "7b", "13b", "70b")


def energy_ratio(model_name: str) -> float:
    """Return the energy ratio of fp16 over bitnet-b1.58 at 7 nm under the paper convention."""
    model, table = load_model(model_name), load_table("7nm")
    fp16, ternary = (
        estimate(model, load_scheme(scheme), table, convention="paper")
        for scheme in ("fp16", "bitnet-b1.58")
    )
    return ratio(fp16, ternary).value


def compare(published: Published) -> Findings:
    """Compare the five bars, and show the ratios of other shapes."""
    figures = {size: published[f"b1.58.fig3.right.{size}"] for size in SIZES}
    comparisons = [
        Comparison.of(figure, size.upper(), energy_ratio(f"b1.58-fig3-{size}"))
        for size, figure in figures.items()
    ]
    rows = []
    for size, figure in figures.items():
        model = load_model(f"bitnet-b1.58-{size}")
        shape = f"{model.hidden_size} x {model.num_hidden_layers}, FFN {model.intermediate_size}"
        rows.append((model.name, shape, figure.number, energy_ratio(model.name)))
    own = Table(
        "With the models' own dimensions instead",
        ("model", "hidden size x layers", "published", "ours"),
        rows,
    )
    return Findings(comparisons, [own])


if __name__ == "__main__":
    sys.exit(run(__file__, __doc__, compare))
