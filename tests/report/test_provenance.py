"""Every price of a report has a source."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bitnet_hw.cost.estimates import estimate
from bitnet_hw.inputs.machine import load_machine
from bitnet_hw.inputs.model import load_model
from bitnet_hw.inputs.scenario import Scenario
from bitnet_hw.inputs.scheme import load_scheme
from bitnet_hw.prices.loading import load_table
from bitnet_hw.report.provenance import price_row, used_prices


def test_every_price_has_a_source(standard_report: Path) -> None:
    prices = json.loads((standard_report / "report.json").read_text())["prices"]
    assert {"published", "derived"} == {price["kind"] for price in prices}
    for price in prices:
        assert price["source"]
        assert price["locator"]
        assert price["formula"] or price["kind"] == "published"
        assert price["low"] <= price["value"] <= price["high"]


def test_a_buffer_of_many_macros_shows_its_derivation() -> None:
    of = estimate(
        load_model("bitnet-125m"), load_scheme("bitnet-b1.58"), load_table("7nm"),
        Scenario("decode", context=64), machine=load_machine("server"),
    )  # fmt: skip
    rows = {row["what"]: row for row in map(price_row, used_prices([of]))}
    for level in ("weight-sram", "activation-sram"):
        assert rows[level]["kind"] == "derived"
        # 14 pJ per 64 bits, and 0.1 pJ per bit and mm x 0.75 x (2.276 - 0.569) mm of wires.
        assert rows[level]["value"] == pytest.approx(14 / 64 + 0.075 * 1.707, abs=1e-4)
        assert "as banks of 1048576 bytes: 14 pJ / 64 bits + wires" in rows[level]["formula"]
        assert "Domain-Specific Hardware Accelerators" in rows[level]["formula"]
