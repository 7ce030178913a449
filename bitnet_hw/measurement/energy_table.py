"""Measurements as an energy table: its entries, its provenance and its file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from importlib.metadata import version
from typing import Any

import yaml

from ..errors import InputError
from .provenance import DISTRIBUTION, code_version

_SOURCE = "measured"
#: Keys that the measurements of one table must share.
_SHARED = ("library_sha256", "period_ps", "lanes", "stimuli", "wire_ff_per_fanout", "clock_tree")
_BF16_FORMULA = (
    "the FP16 element in its place, an upper bound: a BF16 significand has 8 bits, not 11"
)
_INT4_FORMULA = (
    "the FP16 element: the weight is converted to FP16 first, which is priced separately"
)


def build_table(
    name: str,
    node_nm: float,
    base: str,
    measured: Sequence[Mapping[str, Any]],
    *,
    measured_on: date,
) -> dict[str, Any]:
    """Return the data of an energy table of whole MACs, made from measurements.

    Parameters
    ----------
    name : str
        Name of the table.
    node_nm : float
        Process node, nm.
    base : str
        Name of the table that prices everything but MACs.
    measured : sequence of mapping
        JSON form of each `bitnet_hw.measurement.record.Measurement`.
    measured_on : datetime.date
        Date of the measurement. The source states its year.

    Returns
    -------
    dict
        The table, with its keys in the order of the file; see `to_yaml`.

    Raises
    ------
    InputError
        If there is no measurement, if glitches are missing, or if the conditions differ.
    """
    if not measured:
        raise InputError("an energy table needs at least one measurement")
    first = measured[0]
    for one in measured:
        if not one["glitches"]:
            raise InputError("an energy table needs simulation with delays: glitches are missing")
        for key in _SHARED:
            if one[key] != first[key]:
                raise InputError(f"the measurements of one energy table differ in {key}")
    macs = [_entry(one) for one in measured]
    for entry in list(macs):
        if entry["activation"] == entry["weight"] == "fp16":
            macs.append(_derived(entry, "bf16", "bf16", _BF16_FORMULA))
            macs.append(_derived(entry, "fp16", "int4", _INT4_FORMULA))
    return {
        "schema": 1,
        "kind": "macs",
        "name": name,
        "title": f"MACs of our processing elements on {first['library']}, pre-layout",
        "node_nm": float(node_nm),
        "base": base,
        "sources": {
            _SOURCE: {
                "authors": DISTRIBUTION,
                "title": f"Gate-level simulation on {first['library']}",
                "venue": "bitnet-hw measure, pre-layout",
                "year": measured_on.year,
            }
        },
        "provenance": _provenance(first),
        "macs": macs,
    }


def _entry(one: Mapping[str, Any]) -> dict[str, Any]:
    registers = one["registers_fj"]

    def pj(fj: float) -> float:
        return float(f"{fj / 1000:.5g}")

    return {
        "activation": one["activation"],
        "weight": one["weight"],
        "accumulator": one["accumulator"],
        "element": f"{one['pe']} PE",
        **({"variant": "booth"} if one["booth"] else {}),
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


def _derived(entry: dict[str, Any], activation: str, weight: str, formula: str) -> dict[str, Any]:
    formats = {"activation": activation, "weight": weight}
    return {**entry, **formats, "kind": "derived", "formula": formula}


def _provenance(one: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "library": one["library"],
        "library_sha256": _Quoted(one["library_sha256"]),
        "corner": one["corner"],
        "voltage_v": one["voltage_v"],
        "temperature_c": one["temperature_c"],
        "period_ps": one["period_ps"],
        "tools": [
            one["synthesis"],
            one["simulator"],
            f"amaranth {version('amaranth')}",
            f"{DISTRIBUTION} {version(DISTRIBUTION)}",
        ],
        "stimuli": {**one["stimuli"], "seeds": one["seeds"]},
        "conditions": {
            "wire_ff_per_fanout": one["wire_ff_per_fanout"],
            "clock_tree": one["clock_tree"],
            "input_transition_ps": one["input_transition_ps"],
            "default_power_groups": one["default_power_groups"],
            "pipeline": one["pipeline"],
        },
        "commit": _Quoted(code_version()),
        "stage": one["stage"],
    }


class _Quoted(str):
    """Text that is quoted in YAML, since a hash such as 77e12 would otherwise be a number."""

    __slots__ = ()


class _Dumper(yaml.SafeDumper):
    """Safe dumper that can write `_Quoted`."""


_Dumper.add_representer(
    _Quoted, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style="'")
)


def to_yaml(table: Mapping[str, Any]) -> str:
    """Return the text of the file of a table from `build_table`, with one line per entry."""
    head = {key: value for key, value in table.items() if key != "macs"}
    lines = [
        yaml.safe_dump(entry, sort_keys=False, width=10_000, default_flow_style=True).strip()
        for entry in table["macs"]
    ]
    text: str = yaml.dump(head, Dumper=_Dumper, sort_keys=False, width=100, allow_unicode=True)
    return text + "macs:\n" + "".join(f"  - {line}\n" for line in lines)
