"""The chain of factors, from the published ratio to that of the system."""

from __future__ import annotations

import json
from pathlib import Path

import pytest


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
