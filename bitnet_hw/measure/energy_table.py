"""Measurements as an energy table, with everything that they depend on."""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

from ..errors import InputError
from ..prices.tables import MacTable

_SOURCE = "measured"
#: What the measurements of one table must share.
_SHARED = ("library_sha256", "period_ps", "lanes", "stimuli", "wire_ff_per_fanout", "clock_tree")
_BOUND = "the FP16 element in its place, an upper bound: a BF16 significand has 8 bits, not 11"
_DEQUANTIZED = "the FP16 element: the weight is turned into FP16 first, which is priced apart"


def build_table(
    name: str, node_nm: float, base: str, measured: Sequence[Mapping[str, Any]]
) -> MacTable:
    """Return measurements as an energy table of kind ``simulated``, boundary ``pe``.

    Parameters
    ----------
    name : str
        Of the table.
    node_nm : float
        Process node, nm.
    base : str
        The table that prices everything else.
    measured : sequence of mapping
        The JSON form of `bitnet_hw.measure.measurement.Measurement`.

    Raises
    ------
    InputError
        If nothing was measured, glitches are missing, or the conditions differ.
    """
    if not measured:
        raise InputError("no measurement to make a table of")
    first = measured[0]
    for one in measured:
        if not one["glitches"]:
            raise InputError("a table needs timed simulation: glitches are missing")
        for key in _SHARED:
            if one[key] != first[key]:
                raise InputError(f"measurements of one table differ in {key}")
    macs = [_entry(one) for one in measured]
    for entry in list(macs):
        if entry["activation"] == "fp16":
            macs.append(_as(entry, "bf16", "bf16", _BOUND))
            macs.append(_as(entry, "fp16", "int4", _DEQUANTIZED))
    return MacTable.model_validate(
        {
            "schema": 1,
            "kind": "macs",
            "name": name,
            "title": f"MACs of our processing elements on {first['library']}, pre-layout",
            "node_nm": float(node_nm),
            "base": base,
            "sources": {
                _SOURCE: {
                    "authors": "bitnet-hw",
                    "title": f"Gate-level simulation on {first['library']}",
                    "venue": "bitnet-hw measure, pre-layout",
                    "year": 2026,
                }
            },
            "macs": macs,
            "provenance": _provenance(first),
        }
    )


def _entry(one: Mapping[str, Any]) -> dict[str, Any]:
    registers = one["registers_fj"]

    def pj(fj: float) -> float:
        return float(f"{fj / 1000:.5g}")

    return {
        "activation": one["activation"],
        "weight": one["weight"],
        "accumulator": one["accumulator"],
        "element": f"{one['pe']} PE",
        "variant": "booth" if one["booth"] else "",
        "lanes": one["lanes"],
        "pj": pj(one["fj_per_op"]),
        "spread_pj": pj(one["fj_per_op_spread"]),
        "logic_pj": pj(one["combinational_fj"]),
        "weight_registers_pj": pj(registers["weights"]),
        "activation_registers_pj": pj(registers["activations"]),
        "accumulator_pj": pj(registers["accumulator"]),
        "other_registers_pj": pj(registers["pipeline"] + registers["control"]),
        "glitches_pj": pj(max(0.0, one["fj_per_op"] - one["without_glitches_fj"])),
        "area_um2": float(f"{one['um2_per_op']:.5g}"),
        "kind": "simulated",
        "source": _SOURCE,
    }


def _as(entry: dict[str, Any], activation: str, weight: str, formula: str) -> dict[str, Any]:
    formats = {"activation": activation, "weight": weight}
    return {**entry, **formats, "kind": "derived", "formula": formula}


def _provenance(one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "library": one["library"],
        "library_sha256": one["library_sha256"],
        "corner": one["corner"],
        "voltage_v": one["voltage_v"],
        "temperature_c": one["temperature_c"],
        "period_ps": one["period_ps"],
        "tools": [
            one["synthesis"],
            one["simulator"],
            f"amaranth {version('amaranth')}",
            f"bitnet-hw {version('bitnet-hw')}",
        ],
        "stimuli": {**one["stimuli"], "seeds": one["seeds"]},
        "conditions": {
            "wire_ff_per_fanout": one["wire_ff_per_fanout"],
            "clock_tree": one["clock_tree"],
            "input_transition_ps": one["input_transition_ps"],
            "default_power_groups": one["default_power_groups"],
            "pipeline": one["pipeline"],
        },
        "commit": _commit(),
        "stage": one["stage"],
    }


def _commit() -> str:
    """Return the commit that the package was checked out at, where it was."""
    here = Path(__file__).parent
    command = ["git", "-C", str(here), "rev-parse", "--short=12", "HEAD"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  fixed arguments
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"


def to_yaml(table: MacTable) -> str:
    """Return a table as its file: one line an entry."""
    data = table.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    macs = data.pop("macs")
    sources = data.pop("sources")
    data = {"schema": 1, **{key: data[key] for key in ("kind", "name", "title", "node_nm", "base")},
            "sources": sources, "provenance": data["provenance"]}  # fmt: skip
    head = yaml.safe_dump(data, sort_keys=False, width=100, allow_unicode=True)
    # A hash such as 77e12... would read as a number.
    sha = table.provenance.library_sha256
    head = head.replace(f"library_sha256: {sha}\n", f"library_sha256: '{sha}'\n")
    lines = [
        yaml.safe_dump(entry, sort_keys=False, width=10_000, default_flow_style=True).strip()
        for entry in macs
    ]
    return head + "macs:\n" + "".join(f"  - {line}\n" for line in lines)
