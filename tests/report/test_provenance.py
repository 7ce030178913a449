"""Every price of a report has a source."""

from __future__ import annotations

import json
from pathlib import Path


def test_every_price_has_a_source(standard_report: Path) -> None:
    prices = json.loads((standard_report / "report.json").read_text())["prices"]
    assert {"published", "derived"} == {price["kind"] for price in prices}
    for price in prices:
        assert price["source"]
        assert price["locator"]
        assert price["formula"] or price["kind"] == "published"
        assert price["low"] <= price["value"] <= price["high"]
