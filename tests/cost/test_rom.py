"""A ROM is read by the unit itself and never stands in for a buffer.

The sizes are counted by hand: in FP16, six matrices of 32 x 32 and the LM head of 32 x 16.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import pytest

from bitnet_hw.cost.lowering import lower
from bitnet_hw.cost.traffic import traffic
from bitnet_hw.inputs.machine import Machine
from bitnet_hw.inputs.model import ModelSpec
from bitnet_hw.inputs.scenario import Scenario

from .machines import figure, lpddr4

MODEL = ModelSpec(
    name="tiny", hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32,
    gated=False, activation="relu", vocab_size=16, tie_word_embeddings=True,
)  # fmt: skip
LAYER, HEAD = 2 * 6 * 32 * 32, 2 * 32 * 16
WEIGHTS = LAYER + HEAD
#: The weights with three norms, which lie beside them and whose traffic is not counted.
PLACED = WEIGHTS + 2 * 3 * 32
#: An array that shares a fetch of weights between two of the six tokens.
SHARED, TOKENS = 2, 6
PREFILL = Scenario("prefill", tokens=TOKENS)


def _machine(rom: float, sram: float | None = None, *, rom_first: bool = True) -> Machine:
    """Return a machine with a ROM of weights, a large buffer of activations, and a DRAM."""
    machine = lpddr4(tokens=SHARED, activations=1 << 20)
    weights, activations, dram = (
        memory.model_dump(exclude_unset=True) for memory in machine.memories
    )
    read_only: dict[str, Any] = {
        "name": "rom", "kind": "ROM", "holds": {"weights": 1.0}, "capacity_bytes": figure(rom),
        "energy_pj_per_bit": figure(0.1),
    }  # fmt: skip
    near = [read_only]
    if sram is not None:
        buffer = weights | {"holds": {"weights": 1.0}, "capacity_bytes": figure(sram)}
        near.insert(1 if rom_first else 0, buffer)
    return machine.replace(memories=[*near, activations, dram])


def _read(machine: Machine, scenario: Scenario = PREFILL) -> dict[str, float]:
    found: dict[str, float] = defaultdict(float)
    for row in traffic(lower(MODEL, scenario, "fp16", machine)):
        if row.content == "weights":
            found[row.level] += row.bytes
    return found


#: Bytes that the unit fetches: each matrix for every two tokens, the head for the last one.
FETCHED = LAYER * TOKENS / SHARED + HEAD


@pytest.mark.parametrize("sram", [None, 512])
def test_weights_in_a_rom_are_read_from_it_alone(sram: float | None) -> None:
    read = _read(_machine(PLACED, sram))
    assert read.keys() == {"rom"}
    assert read["rom"] == pytest.approx(FETCHED)


def test_without_a_buffer_the_rest_is_read_from_afar_and_not_through_the_rom() -> None:
    read = _read(_machine(PLACED / 4))
    # All six tokens fit the buffer of activations, so that they pass in one block.
    assert read == {"rom": pytest.approx(FETCHED / 4), "dram": pytest.approx(WEIGHTS * 3 / 4)}
    decode = _read(_machine(PLACED / 4), Scenario("decode", context=4))
    assert decode["rom"] == pytest.approx(WEIGHTS / 4)
    assert decode["dram"] == pytest.approx(WEIGHTS * 3 / 4)


@pytest.mark.parametrize("rom_first", [True, False])
def test_the_rest_passes_through_the_nearest_buffer_that_can_be_written(rom_first: bool) -> None:
    # The buffer keeps an eighth for good, on either side of the ROM.
    read = _read(_machine(PLACED / 4, PLACED / 8, rom_first=rom_first))
    assert read["rom"] == pytest.approx(FETCHED / 4)
    assert read["weight-sram"] == pytest.approx(FETCHED * 3 / 4)
    assert read["dram"] == pytest.approx(WEIGHTS * 5 / 8)


@pytest.mark.parametrize("sram", [None, 1.0, 700.0])
@pytest.mark.parametrize("size", [1, 1000, PLACED - 800])
def test_a_byte_more_of_rom_moves_a_byte(size: int, sram: float | None) -> None:
    before, after = (_read(_machine(size + more, sram)) for more in (0, 1))
    byte = WEIGHTS / PLACED
    assert after["rom"] - before["rom"] == pytest.approx(byte * FETCHED / WEIGHTS)
    assert before["dram"] - after["dram"] == pytest.approx(byte)
    lost = 0.0 if sram is None else byte * FETCHED / WEIGHTS
    assert before["weight-sram"] - after["weight-sram"] == pytest.approx(lost)


def test_a_tiny_rom_changes_next_to_nothing() -> None:
    without = _machine(1, 512)
    without = without.replace(memories=without.memories[1:])
    read, bare = _read(_machine(1, 512)), _read(without)
    assert read["weight-sram"] == pytest.approx(bare["weight-sram"], rel=1e-3)
    assert read["dram"] == pytest.approx(bare["dram"], rel=1e-3)
    assert read["rom"] < 1e-3 * bare["weight-sram"]
