"""Reports as data, each built once per worker."""

from __future__ import annotations

import pytest

from bitnet_hw.cost.counting import default_scenario
from bitnet_hw.inputs.machine import Machine, load_machine
from bitnet_hw.inputs.model import load_model
from bitnet_hw.inputs.scheme import load_scheme
from bitnet_hw.prices.loading import load_table
from bitnet_hw.report.build import build_report
from bitnet_hw.report.content import Report


def _report(machine: Machine) -> Report:
    model = load_model("bitnet-b1.58-2b4t")
    return build_report(
        [model],
        [load_scheme(name) for name in ("fp16", "w8a8", "w4a16", "bitnet-b1.58")],
        [load_table(name) for name in ("7nm", "asap7-prelayout")],
        default_scenario("system", model),
        machine,
    )


@pytest.fixture(scope="session")
def report() -> Report:
    """Build a report of four schemes at published and at simulated prices."""
    return _report(load_machine())


@pytest.fixture(scope="session")
def warm_report() -> Report:
    """Build the same report on a machine with 5 W of static power."""
    powers = {"name": "warm", "static_w": 4.0, "dram_static_w": 1.0}
    return _report(Machine.model_validate(load_machine().model_dump() | powers))
