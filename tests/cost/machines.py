"""Machines of the tests: one array with two buffers and LPDDR4, its variants, and random ones."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

from bitnet_hw.inputs.machine import Machine, load_machine

FILE = Path(__file__).parents[1] / "data" / "machines" / "lpddr4.yaml"


def figure(value: float, **more: Any) -> dict[str, Any]:
    """Return a figure as files write it."""
    return {"value": value, "assumed": "a test"} | more


def lpddr4(
    *,
    weights: float | None = None,
    activations: float | None = None,
    bandwidth: float | None = None,
    dram: dict[str, Any] | None = None,
    clock_hz: float | None = None,
    idle: tuple[float, float] | None = None,
    rows: int | None = None,
    lanes: int | None = None,
    tokens: int | None = None,
    **changes: Any,
) -> Machine:
    """Return the machine of tests/data/machines/lpddr4.yaml, or a variant.

    Parameters
    ----------
    weights, activations : float
        Sizes of the two buffers, bytes.
    bandwidth, dram
        Bandwidth of the DRAM, bytes per second, and other changes to it.
    clock_hz : float
        Clock, Hz.
    idle : tuple of float
        Idle power of core and DRAM, W.
    rows, lanes, tokens : int
        Size of the array.
    **changes
        Other keys of the machine.
    """
    machine = load_machine(FILE)
    array: dict[str, Any] = {"rows": rows, "lanes": lanes, "tokens": tokens}
    if clock_hz is not None:
        array["clock_hz"] = figure(clock_hz)
    given = {key: value for key, value in array.items() if value is not None}
    if given:
        machine = machine.with_unit("array", **given)
    for name, size in (("weight-sram", weights), ("activation-sram", activations)):
        if size is not None:
            machine = machine.with_memory(name, capacity_bytes=figure(size))
    if bandwidth is not None:
        machine = machine.with_memory("dram", bandwidth_bytes_per_s=figure(bandwidth))
    if dram is not None:
        machine = machine.with_memory("dram", **dram)
    if idle is not None:
        changes["power"] = {"idle_w": {"core": figure(idle[0]), "dram": figure(idle[1])}}
    return machine.replace(**changes) if changes else machine


def random_machine(draw: random.Random) -> Machine:
    """Return a machine of 1 to 3 units and 1 to 5 memories that executes every scheme."""
    units = [_unit(draw, i) for i in range(draw.randint(1, 3))]
    # One unit more if these leave a pair out: everything can be widened to FP32.
    widest = draw.choice([_EVERYTHING, {"fp32xfp32": _rate(draw)}])
    key = "executes" if widest is _EVERYTHING else "peak_mac_per_s"
    last: dict[str, Any] = {"name": "last", "kind": "programmable", key: widest}
    if widest is _EVERYTHING:
        last |= {"kind": "array", "clock_hz": figure(10 ** draw.uniform(5, 9))}
    if "float" not in str(units) or draw.random() < 0.5 or not _complete(units):
        units = [*units[:2], last | _sizes(draw)]
    unpacking = [
        {
            "codecs": codecs,
            "seconds_per_weight": figure(10 ** draw.uniform(-13, -8)),
            **({"energy_pj_per_weight": _energy(draw)} if draw.random() < 0.5 else {}),
        }
        for codecs in (["any"], ["2bit", "fp16", "q2_0-g64", "int8"])
        if draw.random() < 0.5
    ]
    data = {
        "schema": 2,
        "name": "random",
        "family": {"device": "asic", "generation": "none", "stack": "none"},
        "units": units,
        "unpacking": unpacking,
        "memories": _memories(draw),
        "overheads": {
            key: figure(10 ** draw.uniform(-9, -5))
            for key in ("seconds_per_step", "seconds_per_layer")
            if draw.random() < 0.5
        },
        "overlap": figure(draw.choice([0.0, 1.0, draw.random()])),
        "power": {
            "idle_w": {
                part: figure(10 ** draw.uniform(-3, 1))
                for part in ("core", "dram", "board")
                if draw.random() < 0.4
            }
        }
        | ({"active_w": figure(0.7)} if draw.random() < 0.3 else {}),
        "boundary": {
            "covers": draw.choice(
                ["core", "chip", "package", "chip and DRAM", "module", "board", "system"]
            ),
            "idle_subtracted": draw.random() < 0.3,
        },
        "weight_zero_saving": draw.choice([0.0, 0.4]),
        "skips_inactive_weights": draw.random() < 0.5,
    }
    if draw.random() < 0.5:
        data["chips"] = {
            "number": draw.randint(1, 4),
            "link_bandwidth_bytes_per_s": figure(10 ** draw.uniform(6, 10)),
            "link_energy_pj_per_bit": _energy(draw),
        }
    return Machine.model_validate(data)


_EVERYTHING = [
    "integerxternary", "integerxbinary", "integerxinteger", "floatxfloat", "floatxternary",
    "floatxbinary",
]  # fmt: skip


def _complete(units: list[dict[str, Any]]) -> bool:
    """Return whether units execute every pair of operands of every scheme."""
    rates = [pair for unit in units for pair in unit.get("peak_mac_per_s", {})]
    everything = any(unit.get("executes") == _EVERYTHING for unit in units)
    return everything or "fp32xfp32" in rates or "floatxfloat" in rates


def _sizes(draw: random.Random) -> dict[str, Any]:
    return {
        "rows": draw.randint(1, 20), "lanes": draw.randint(1, 40), "tokens": draw.randint(1, 9),
    }  # fmt: skip


def _rate(draw: random.Random) -> dict[str, Any]:
    return figure(10 ** draw.uniform(6, 10))


def _energy(draw: random.Random) -> dict[str, Any]:
    return figure(draw.uniform(0.5, 9)) | draw.choice([{}, {"low": 0.1, "high": 20.0}])


def _unit(draw: random.Random, number: int) -> dict[str, Any]:
    unit: dict[str, Any] = {"name": f"unit-{number}"} | _sizes(draw)
    if draw.random() < 0.5:
        pairs = draw.sample(_EVERYTHING, draw.randint(1, len(_EVERYTHING)))
        unit |= {"kind": "array", "clock_hz": figure(10 ** draw.uniform(5, 9)), "executes": pairs}
    else:
        named = ["int8xint8", "int8xternary", "fp16xfp16", "fp32xfp32", "floatxfloat", "bf16xbf16",
                 "integerxint8"]  # fmt: skip
        pairs = draw.sample(named, draw.randint(1, len(named)))
        unit |= {
            "kind": "programmable",
            "peak_mac_per_s": {pair: _rate(draw) for pair in pairs},
        }
    if draw.random() < 0.5:
        unit["reached_share"] = {draw.choice(pairs): figure(draw.uniform(0.1, 1))}
    if draw.random() < 0.3:
        unit["energy_pj_per_mac"] = {draw.choice(pairs): _energy(draw)}
    return unit


def _memories(draw: random.Random) -> list[dict[str, Any]]:
    contents = ["weights", "kv-cache", "activations", "embedding"]
    memories: list[dict[str, Any]] = []
    for i in range(draw.randint(0, 3)):
        held = draw.sample(contents, draw.randint(1, 4))
        memory = {
            "name": f"near-{i}",
            "kind": "SRAM",
            "holds": {content: draw.choice([1.0, draw.uniform(0.05, 1)]) for content in held},
            # From less than a token to more than a whole model.
            "capacity_bytes": figure(round(10 ** draw.uniform(0.5, 6))),
        }
        if draw.random() < 0.5:
            memory["bandwidth_bytes_per_s"] = figure(10 ** draw.uniform(7, 12))
        written = {"kv-cache", "activations"} & {*held}
        memories.append(_priced(draw, memory, ["SRAM", "eDRAM", *["ROM"] * (not written)]))
    if draw.random() < 0.4:
        # A ROM for part of the weights, or for all, nearer or farther than the buffers.
        rom = {
            "name": "rom",
            "kind": "ROM",
            "holds": {"weights": draw.choice([1.0, draw.uniform(0.05, 1)])}
            | draw.choice([{}, {"embedding": draw.uniform(0.05, 1)}]),
            "capacity_bytes": figure(round(10 ** draw.uniform(2, 6))),
            "energy_pj_per_bit": _energy(draw),
        }
        memories.insert(draw.randint(0, len(memories)), rom)
    far = {
        "name": "dram",
        "kind": draw.choice(["LPDDR4", "HBM2", "DDR5"]),
        "holds": dict.fromkeys(draw.sample(contents, 4), 1.0),
        "bandwidth_bytes_per_s": figure(10 ** draw.uniform(7, 10)),
        "reached_share": figure(draw.uniform(0.3, 1)),
    }
    if draw.random() < 0.7:
        far["capacity_bytes"] = figure(10 ** draw.uniform(3, 7))
    memories.append(_priced(draw, far, [far["kind"], "a DRAM without a price"]))
    return memories


def _priced(draw: random.Random, memory: dict[str, Any], kinds: list[str]) -> dict[str, Any]:
    """Give a memory its own energy or not; one of another kind than SRAM has one here."""
    if draw.random() < 0.4:
        memory |= {"energy_pj_per_bit": _energy(draw), "kind": draw.choice(kinds)}
    if draw.random() < 0.3:
        memory["static_w"] = figure(10 ** draw.uniform(-3, 0))
    return memory
