"""Responses: how a predicted value depends on the free figures of a machine.

Where nothing overlaps, the seconds of a scenario are linear in seconds per layer, in seconds per
weight and in the reciprocals of shares, so that a few evaluations of the cost model give them for
all values of the figures. On a machine that overlaps, the cost model is asked each time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ..cost.lowered import Lowered
from ..cost.lowering import lower
from ..cost.residency import residency
from ..cost.time import timing
from ..files.document import KeyPath
from ..inputs.figures import Figure
from ..inputs.machine import Machine
from .prediction import moved_joules, per_second, predict, relevant_seconds
from .rows import Value


class Parameter(NamedTuple):
    """A free figure of a machine.

    Attributes
    ----------
    path : tuple
        Path of its key in the machine's description.
    label : str
        The path with names in place of positions: ``memories.dram.reached_share``.
    figure : Figure
        The figure as it is.
    """

    path: KeyPath
    label: str
    figure: Figure

    @property
    def is_share(self) -> bool:
        """Whether it is a share of a peak, by whose reciprocal a time grows."""
        return "reached_share" in self.path

    @property
    def upper(self) -> float:
        """Largest value that makes sense: 1 for a share."""
        return 1.0 if self.is_share else math.inf


def free_parameters(machine: Machine) -> list[Parameter]:
    """Return the figures that a machine's description marks as free."""
    return [
        Parameter(path, label_of(machine, path), figure)
        for path, figure in machine.figures()
        if figure.free
    ]


def label_of(machine: Machine, path: KeyPath) -> str:
    """Return the path of a figure with names in place of positions."""
    first, position, *rest = path
    if first in ("units", "memories", "unpacking") and isinstance(position, int):
        if first == "unpacking":
            name = machine.unpacking[position].codecs[0]
        else:
            name = (machine.units if first == "units" else machine.memories)[position].name
        return ".".join(map(str, (first, name, *rest)))
    return ".".join(map(str, path))


def with_values(
    machine: Machine, parameters: list[Parameter], values: Mapping[str, float]
) -> Machine:
    """Return a machine with some free figures changed, by their labels."""
    for parameter in parameters:
        if parameter.label in values:
            new = values[parameter.label]
            figure = parameter.figure.replace(value=new, low=None, high=None)
            machine = machine.with_figure(parameter.path, figure)
    return machine


@dataclass(frozen=True)
class Response:
    """The prediction of one published value as a function of free figures.

    Attributes
    ----------
    value : Value
        The published value.
    parameters : tuple of Parameter
        Those on which the prediction depends.
    of : callable
        Label -> value of each parameter, to the prediction in the unit of the value.
    """

    value: Value
    parameters: tuple[Parameter, ...]
    of: Callable[[Mapping[str, float]], float]


def respond(value: Value, machine: Machine) -> Response:
    """Return the response of a value on a machine, which has the free figures."""
    parameters = [p for p in free_parameters(machine) if _matters(p, value, machine)]
    if machine.overlap.value:
        return Response(
            value, tuple(parameters),
            lambda values: predict(value, with_values(machine, parameters, values)),
        )  # fmt: skip
    return _linear_response(value, machine, parameters)


class _Line(NamedTuple):
    """A number that is linear in transformed parameters: constant, and slope by label."""

    constant: float
    slopes: Mapping[str, float]

    def at(self, transformed: Mapping[str, float]) -> float:
        return self.constant + sum(
            slope * transformed[label] for label, slope in self.slopes.items()
        )


def _linear_response(value: Value, machine: Machine, found: list[Parameter]) -> Response:
    probed = {"seconds": _seconds, "joules": _joules, "watts": _watts}
    wanted = ("seconds",) if value.kind == "speed" else tuple(probed)
    lines = {name: _line(probed[name], value, machine, found) for name in wanted}

    def of(values: Mapping[str, float]) -> float:
        at = {p.label: _transformed(p, values.get(p.label, p.figure.value)) for p in found}
        seconds = lines["seconds"].at(at)
        if value.kind == "speed":
            return per_second(value, seconds)
        joules = lines["joules"].at(at) + lines["watts"].at(at) * seconds
        return joules / (seconds if value.quantity == "power_w" else value.scenario.new_tokens)

    affecting = {label for line in lines.values() for label in line.slopes}
    return Response(value, tuple(p for p in found if p.label in affecting), of)


def _line(
    probe: Callable[[Value, Machine], float],
    value: Value,
    machine: Machine,
    parameters: list[Parameter],
) -> _Line:
    """Return what a probe measures as a line through one point and one more per parameter."""
    base = probe(value, machine)
    slopes: dict[str, float] = {}
    for p in parameters:
        before = _transformed(p, p.figure.value)
        other = p.figure.value / 2 if p.figure.value else 1.0
        changed = probe(value, with_values(machine, [p], {p.label: other}))
        slope = (changed - base) / (_transformed(p, other) - before)
        if abs(slope * before) > 1e-12 * abs(base):
            slopes[p.label] = slope
    constant = base - sum(
        slopes[p.label] * _transformed(p, p.figure.value) for p in parameters if p.label in slopes
    )
    return _Line(constant, slopes)


def _transformed(parameter: Parameter, value: float) -> float:
    return 1 / value if parameter.is_share else value


def _matters(parameter: Parameter, value: Value, machine: Machine) -> bool:
    """Return whether a figure can matter to a value; cheap, and never wrong when it says no."""
    is_energy = any("energy_pj" in str(key) or str(key).endswith("_w") for key in parameter.path)
    if is_energy and value.kind == "speed":
        return False
    if parameter.path[0] == "unpacking":
        entry = machine.unpacking[int(parameter.path[1])]
        codecs = {product.codec for product in _lowered(value, machine).products}
        return any(machine.unpacking_of(codec) is entry for codec in codecs)
    return True


def _lowered(value: Value, machine: Machine) -> Lowered:
    return lower(value.model, value.scenario, value.scheme, machine)


def _seconds(value: Value, machine: Machine) -> float:
    lowered = _lowered(value, machine)
    return relevant_seconds(value, timing(lowered, residency(lowered)))


def _joules(value: Value, machine: Machine) -> float:
    return sum(moved_joules(value, machine))


def _watts(_value: Value, machine: Machine) -> float:
    return machine.static_w or 0.0
