"""Static power: leakage of memories on the chip, and idle powers that a machine does not give.

CACTI 7, run for energy_tables/on-chip-1.yaml: 0.23454 mW per MiB of SRAM at 45 nm.
"""

from __future__ import annotations

from typing import Any

import pytest

from bitnet_hw.cost.estimates import Estimate, estimate
from bitnet_hw.inputs import catalogue
from bitnet_hw.inputs.machine import Machine, load_machine
from bitnet_hw.inputs.scenario import Scenario

from .machines import figure, lpddr4
from .small import SMALL

LEAK = 0.23454e-3
MIB = 1 << 20


def _on(machine: Machine, table: str = "45nm") -> Estimate:
    return estimate(SMALL, "fp16", table, Scenario("decode", context=8), machine=machine)


def _watts(of: Estimate) -> float:
    assert of.time is not None
    return (of.static_j or 0.0) / of.time.seconds


def test_memories_leak_by_their_size() -> None:
    machine = lpddr4(weights=4 * MIB, activations=MIB / 2, idle=(0.5, 0.25))
    assert _watts(_on(machine)) == pytest.approx(0.75 + 4.5 * LEAK)
    alone = _on(lpddr4(weights=4 * MIB, activations=MIB / 2))
    assert _watts(alone) == pytest.approx(4.5 * LEAK)
    assert alone.by("level")["static"].joules == alone.static_j
    chips = {
        "number": 3, "link_bandwidth_bytes_per_s": figure(1e9), "link_energy_pj_per_bit": figure(1),
    }  # fmt: skip
    assert _watts(_on(machine.replace(chips=chips))) == pytest.approx(3 * (0.75 + 4.5 * LEAK))


def test_a_stated_power_stands_in_place_of_the_published_leakage() -> None:
    machine = lpddr4(weights=4 * MIB, activations=MIB).with_memory(
        "weight-sram", static_w=figure(0.125)
    )
    found = _on(machine)
    assert _watts(found) == pytest.approx(0.125 + LEAK)
    assert found.as_dict()["leakage_known"] is True
    both = machine.with_memory("activation-sram", static_w=figure(0))
    assert _watts(_on(both, "7nm")) == pytest.approx(0.125)
    assert _on(both, "7nm").as_dict()["leakage_known"] is True


def test_leakage_counts_inside_every_boundary_and_goes_with_idle_power() -> None:
    for covers in ("core", "system"):
        found = _on(lpddr4(weights=MIB, activations=MIB, boundary={"covers": covers}))
        assert _watts(found) == pytest.approx(2 * LEAK)
    subtracted = lpddr4(boundary={"covers": "board", "idle_subtracted": True})
    found = _on(subtracted)
    assert found.static_j is None
    data = found.as_dict()
    assert (data["leakage_known"], data["missing_idle_power"]) == (True, [])


@pytest.mark.parametrize("table", ["7nm", "asap7-prelayout"])
def test_unknown_leakage_is_left_out_and_said_to_be(table: str) -> None:
    found = _on(lpddr4(idle=(0.5, 0.25)), table)
    assert _watts(found) == pytest.approx(0.75)
    assert found.as_dict()["leakage_known"] is False
    assert found.static.unknown_leakage == ("weight-sram", "activation-sram")
    assert "static energy incomplete" in repr(found)
    rom = lpddr4(idle=(0.5, 0.25))
    rom = rom.with_memory(
        "weight-sram", kind="ROM", holds={"weights": 1}, energy_pj_per_bit=figure(1)
    )
    assert _on(rom).static.unknown_leakage == ("weight-sram",)


@pytest.mark.parametrize(
    ("covers", "given", "missing"),
    [
        ("core", {}, ["core"]),
        ("package", {"core": 1}, []),
        ("chip and DRAM", {"core": 1}, ["dram"]),
        ("chip and DRAM", {"core": 1, "dram": 1}, []),
        ("GPU board", {"core": 1, "dram": 1}, ["board"]),
        ("GPU board", {"board": 60}, ["core", "dram"]),
        ("system", {"core": 1, "dram": 1, "board": 1}, []),
    ],
)
def test_idle_powers_that_the_boundary_needs_are_named(
    covers: str, given: dict[str, float], missing: list[str]
) -> None:
    power = {"idle_w": {part: figure(watts) for part, watts in given.items()}}
    machine = lpddr4(power=power, boundary={"covers": covers})
    assert _on(machine).as_dict()["missing_idle_power"] == missing
    own = machine.with_memory("dram", static_w=figure(1))
    assert _on(own).as_dict()["missing_idle_power"] == [part for part in missing if part != "dram"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "static energy excluded: the machine's description gives no power, a complete figure "
             "needs the idle power of core and dram"),
        ({"idle": (1.0, 0.5)}, "static energy without the leakage of weight-sram and "
                               "activation-sram, which is not known at 7 nm"),
        ({"power": {"idle_w": {"core": figure(1)}}},
         "static energy incomplete: the machine's description gives no idle power of dram"),
        ({"boundary": {"covers": "chip", "idle_subtracted": True}},
         "static energy excluded: the machine's description gives no active power"),
    ],
)  # fmt: skip
def test_the_command_says_what_static_energy_lacks(
    run: Any, tmp_path: Any, changes: dict[str, Any], words: str
) -> None:
    file = tmp_path / "mine.yaml"
    machine = lpddr4(**changes)
    file.write_text(machine.model_dump_json(by_alias=True, exclude_none=True), "utf-8")
    command = ("estimate", "gpt2", "--energy-table", "7nm", "--decode", 8, "--machine", file)
    assert words in " ".join(run(*command).out.split())


@pytest.mark.parametrize(
    "name", [name for name in catalogue.names("machines") if load_machine(name).power.active_w]
)
def test_a_machine_whose_power_was_measured_as_a_whole_lacks_no_part(name: str) -> None:
    # An instrument that sees the whole board also sees the idle power and the leakage in it.
    found = estimate("bitnet-125m", "ternary-2bit", "7nm", machine=name)
    assert not found.static.missing_idle
    assert not found.static.unknown_leakage


WORDS = "above idle is not known: the energy is far below what the device draws (a lower bound)"


@pytest.mark.parametrize(
    ("name", "known"),
    [
        # Without any measurement of energy: their files say so.
        ("rtx-3090-llama-cpp-2023", False), ("a100-80gb-gpt-fast", False),
        ("i7-13800h-llama-cpp", False), ("m1-pro-14-llama-cpp-2023", False),
        # Measured, a published budget, an ASIC, and designs that were never built.
        ("rtx-4090-llama-cpp-2026", True), ("kv260-tellme", True), ("vitallm", True),
        ("edge", True), ("server", True),
    ],
)  # fmt: skip
def test_a_device_without_a_power_above_idle_is_said_to_be_a_lower_bound(
    run: Any, name: str, known: bool
) -> None:
    found = estimate("bitnet-125m", "ternary-2bit", "7nm", machine=name)
    assert found.as_dict()["active_power_known"] is known
    assert found.as_row()["active_power_known"] is known
    assert ("power above idle not known (a lower bound)" in repr(found)) is not known
    command = ("estimate", "bitnet-125m", "--energy-table", "7nm", "--machine", name)
    assert (WORDS in " ".join(run(*command).out.split())) is not known


def test_the_kind_of_machine_decides_whether_its_own_prices_suffice() -> None:
    asic = lpddr4(hypothetical=False, family={"device": "asic", "generation": "", "stack": ""})
    assert _on(asic).static.active_known
    gpu = asic.replace(family={"device": "gpu", "generation": "", "stack": ""})
    assert not _on(gpu).static.active_known
    assert _on(gpu.replace(hypothetical=True)).static.active_known
    # A power of 0 is stated, not missing.
    assert _on(gpu.replace(power={"active_w": figure(0)})).static.active_known
    subtracted = gpu.replace(boundary={"covers": "board", "idle_subtracted": True})
    assert not _on(subtracted).static.active_known


def test_the_paper_convention_has_no_power() -> None:
    found = estimate("bitnet-125m", "bitnet-b1.58", "7nm", convention="paper")
    assert found.as_dict()["active_power_known"] is None
