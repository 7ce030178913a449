"""Choice of a unit, and of the formats it computes in, by docs/conventions.md; see `rebuilt.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from bitnet_hw.inputs.formats import Format, Kind, parse_format
from bitnet_hw.inputs.machine import Machine, Unit


class Choice(NamedTuple):
    """A unit, the formats in which it multiplies, and its rate in MAC/s."""

    unit: Unit
    act: Format
    weight: Format
    rate: float

    def own_energy(self) -> Any:  # a figure, or None
        return value_of(self.unit.energy_pj_per_mac, self.act, self.weight)


def value_of(by_pair: Mapping[str, Any], act: Format, weight: Format) -> Any:
    """Return the value of a pair's own entry, or of the first that covers it; None without."""
    for written, value in by_pair.items():
        if written == f"{act.name}x{weight.name}":
            return value
    for written, value in by_pair.items():
        sides = written.split("x", 1)
        if all(_covers(side, form) for side, form in zip(sides, (act, weight), strict=True)):
            return value
    return None


def _covers(side: str, form: Format) -> bool:
    if side == "integer":
        return form.kind is Kind.INTEGER
    if side == "float":
        return form.kind is Kind.FLOAT
    return side == form.name


def choose(machine: Machine, act: Format, weight: Format) -> Choice:
    """Return the fastest unit with a rate for the pair, else the fastest that widens it."""
    exact = [_computes(unit, act, weight) for unit in machine.units]
    found = [one for one in exact if one] or [
        one for unit in machine.units if (one := _widened(unit, act, weight))
    ]
    return max(found, key=lambda one: one.rate)


def _computes(unit: Unit, act: Format, weight: Format) -> Choice | None:
    if unit.kind == "array":
        assert unit.clock_hz is not None
        peak = unit.rows * unit.lanes * unit.clock_hz.value
        if value_of(dict.fromkeys(unit.executes, peak), act, weight) is None:
            return None
    else:
        figure = value_of(unit.peak_mac_per_s, act, weight)
        if figure is None:
            return None
        peak = figure.value
    share = value_of(unit.reached_share, act, weight)
    return Choice(unit, act, weight, peak * (share.value if share else 1.0))


def _widened(unit: Unit, act: Format, weight: Format) -> Choice | None:
    if unit.kind != "programmable":
        return None
    for name in ("int8", "fp16", "fp32"):
        form = parse_format(name)
        if _holds(form, act) and _holds(form, weight):
            found = _computes(unit, form, form)
            if found is not None:
                return found
    return None


def _holds(form: Format, operand: Format) -> bool:
    if operand.name in ("ternary", "binary"):
        return True
    if operand.name == "bf16":
        return form.name == "fp32"
    if operand.kind is Kind.FLOAT and form.kind is Kind.INTEGER:
        return False
    return operand.bits <= form.bits
