"""The chain of factors, from the published ratio to that of the system."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bitnet_hw.cost.estimates import Estimate, estimate
from bitnet_hw.inputs.machine import Machine, load_machine
from bitnet_hw.report.chain import factor_chain


def test_the_chain_starts_at_the_published_ratio_and_multiplies_out(standard_report: Path) -> None:
    content = json.loads((standard_report / "report.json").read_text())
    links = content["chain"]["jouppi-2021-7nm"]
    # b1.58, section 3: "BitNet b1.58 saves 71.4 times arithmetic operations energy consumption".
    assert round(links[0]["factor"], 1) == 71.4
    product = 1.0
    for link in links:
        product *= link["factor"]
    found = {
        one["scheme"]: one["energy_j"]
        for one in content["estimates"]
        if one["energy_table"] == "7nm" and one["convention"] == "system"
    }
    assert product == pytest.approx(found["fp16"] / found["bitnet-b1.58"], rel=1e-9)


def _pairs(table: str, machine: Machine) -> list[tuple[Estimate, Estimate]]:
    """Return the estimates of FP16 and b1.58 under the paper and under the system convention."""
    model, schemes = "bitnet-b1.58-2b4t", ("fp16", "bitnet-b1.58")
    paper = [estimate(model, scheme, "7nm", convention="paper") for scheme in schemes]
    system = [estimate(model, scheme, table, machine=machine) for scheme in schemes]
    return [(paper[0], paper[1]), (system[0], system[1])]


def test_the_chain_follows_what_ternary_weights_act_on() -> None:
    """Arithmetic of projections and FFN 79 times, with their traffic 8.0, the whole 3.73."""
    cold = load_machine().replace(name="cold", power={})
    links = {link.title: link.ratio for link in factor_chain(*_pairs("7nm", cold))}
    # By hand: 0.34 + 0.38 pJ per FP16 MAC against 31 additions of 9 to 13 bits and one of 21 bits
    # for 32 terms.
    assert links["sums at their width, adder trees of L = 32 lanes"] == pytest.approx(79.3, abs=0.1)
    # Mostly bytes: 16 bits per weight against 2.
    assert links["memory traffic of projections and FFN"] == pytest.approx(8.0, abs=0.15)
    assert links["norms, residuals and other steps"] == pytest.approx(3.73, abs=0.01)
    assert "static energy" not in links


def test_the_chain_of_measured_gates_starts_from_the_same_ratio() -> None:
    links = factor_chain(*_pairs("asap7-prelayout", load_machine()))
    assert round(links[0].ratio, 1) == 71.4
    titles = [link.title for link in links]
    assert titles.index("glitches") < titles.index("memory traffic of projections and FFN")
    # 2156 fJ per FP16 MAC against 96 fJ per ternary one, as measured.
    glitches = next(link for link in links if link.title == "glitches")
    assert glitches.ratio == pytest.approx(2.1563 / 0.096197)


def test_there_is_no_chain_where_macs_have_no_energy_of_their_own() -> None:
    machine = load_machine().replace(name="inside")
    free = {"value": 0, "assumed": "inside active_w"}
    for name, pair in (("ternary-array", "integerxternary"), ("float-array", "floatxfloat")):
        machine = machine.with_unit(name, energy_pj_per_mac={pair: free})
    assert factor_chain(*_pairs("7nm", machine)) == []
