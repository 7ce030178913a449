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


def _report(
    machine: Machine,
    name: str = "bitnet-b1.58-2b4t",
    tables: tuple[str, ...] = ("7nm", "asap7-prelayout"),
) -> Report:
    model = load_model(name)
    return build_report(
        [model],
        [load_scheme(scheme) for scheme in ("fp16", "w8a8", "w4a16", "bitnet-b1.58")],
        [load_table(table) for table in tables],
        default_scenario("system", model),
        machine,
    )


@pytest.fixture(scope="session")
def report() -> Report:
    """Build a report of four schemes at published and at simulated prices, without idle power."""
    return _report(load_machine().replace(name="cold", power={}))


@pytest.fixture(scope="session")
def warm_report() -> Report:
    """Build the same report on a machine with 5 W of static power."""
    watts = {
        "core": {"value": 4.0, "assumed": "a test"},
        "dram": {"value": 1.0, "assumed": "a test"},
    }
    return _report(load_machine().replace(name="warm", power={"idle_w": watts}))


@pytest.fixture(scope="session")
def large_report() -> Report:
    """Build a report of a model that fits the machine in no scheme."""
    return _report(load_machine(), "llama-2-70b", ("7nm",))
