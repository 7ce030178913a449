"""The power sum against OpenSTA 3.1.0, instance by instance, on four open libraries."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable

import pytest

from bitnet_hw.gates.circuit import Gate, bind
from bitnet_hw.gates.delays import Conditions, analyse
from bitnet_hw.gates.library import Library
from bitnet_hw.gates.netlist import ONE
from bitnet_hw.gates.power import gate_powers, summed
from bitnet_hw.gates.vectors import Activity

from .conftest import DATA
from .verilog import read_compressed_verilog

GROUPS: dict[str, Callable[[Gate], bool]] = {
    "sequential": lambda gate: gate.cell.flip_flop is not None,
    "combinational": lambda gate: gate.cell.flip_flop is None,
}


class TiedAsOpenSta(Activity):
    """Activity with OpenSTA's default for pins that are tied to a constant."""

    def density(self, net: str | None) -> float:
        return 0.1 if net == ONE else super().density(net)

    def one(self, net: str | None) -> float:  # noqa: ARG002  all nets of the reference are at 0.5
        return 0.5


@pytest.mark.parametrize("name", ["asap7", "sky130hd", "ihp_sg13g2", "gt2n"])
def test_every_instance(name: str, open_library: Callable[[str], Library]) -> None:
    library = open_library(name)
    with gzip.open(DATA / "opensta" / f"{name}_ternary8.power.json.gz") as file:
        reference = json.load(file)
    netlist = read_compressed_verilog(DATA / "opensta" / f"{name}_ternary8.v.gz")
    timed = analyse(
        bind(netlist, library), Conditions(reference["input_transition_s"])
    )  # its clock is ideal
    transitions = {**reference["activity"], reference["clock_port"]: 2.0}
    powers = gate_powers(timed, TiedAsOpenSta(transitions, {}), "added")
    period = reference["period_s"]
    assert set(powers) == set(reference["instances"])
    for instance, (internal, switching, _) in reference["instances"].items():
        ours = powers[instance]
        assert ours.switching / period == pytest.approx(switching, rel=1e-4, abs=1e-12)
        assert (ours.internal + ours.clock_pin) / period == pytest.approx(
            internal, rel=1e-3, abs=1e-10
        )
    for group, where in GROUPS.items():
        ours, theirs = summed(timed, powers, where), reference["groups"][group]
        assert ours.switching / period == pytest.approx(theirs["switching_w"], rel=1e-4)
        assert (ours.internal + ours.clock_pin) / period == pytest.approx(
            theirs["internal_w"], rel=1e-4
        )
        total = ours.dynamic / period + ours.leakage
        assert total == pytest.approx(theirs["total_w"], rel=1e-3)
