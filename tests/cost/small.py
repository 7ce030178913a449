"""A small model with estimates of it in every scheme and several scenarios."""

from __future__ import annotations

from bitnet_hw.cost.estimates import Estimate, estimate
from bitnet_hw.inputs import catalogue
from bitnet_hw.inputs.machine import Machine
from bitnet_hw.inputs.model import ModelSpec
from bitnet_hw.inputs.scenario import Scenario
from bitnet_hw.inputs.scheme import load_scheme
from bitnet_hw.prices.loading import load_table

from .machines import lpddr4

NAMES = catalogue.names("schemes")
SMALL = ModelSpec(
    name="small", hidden_size=64, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2,
    intermediate_size=96, gated=True, activation="silu", vocab_size=200, tie_word_embeddings=False,
    sliding_window=12, sliding_window_layers=2,
)  # fmt: skip
SCENARIOS = [
    Scenario("prefill", tokens=20, lm_head="all"),
    Scenario("decode", context=20, batch=3),
    Scenario("request", tokens=9, generate=5, attention="full", lm_head="none"),
]
ON_PAPER = Scenario("prefill", tokens=20, attention="full", lm_head="none")


def estimate_small(
    scheme: str = "bitnet-b1.58",
    scenario: Scenario = SCENARIOS[1],
    node: str = "7nm",
    machine: Machine | None = None,
    model: ModelSpec = SMALL,
) -> Estimate:
    """Return an estimate of the small model; on the machine with LPDDR4 unless one is given."""
    machine = machine or lpddr4()
    return estimate(model, load_scheme(scheme), load_table(node), scenario, "system", machine)


def _all() -> list[Estimate]:
    powered = lpddr4(idle=(0.5, 0.1))
    found = [
        estimate_small(name, scenario, node, machine)
        for name in NAMES
        for scenario in SCENARIOS
        for node, machine in (("7nm", None), ("45nm", powered))
    ]
    found += [
        estimate(SMALL, load_scheme(name), load_table("45nm"), ON_PAPER, "paper") for name in NAMES
    ]
    return found


ALL = _all()
