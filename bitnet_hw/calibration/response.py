"""Responses: how a predicted value depends on the free figures of a machine.

The cost model computes the times of every operator once; a free figure then stretches those of its
resource. Energies are linear in energies and powers, so that one more evaluation for each of these
gives its slope.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..cost.lowering import lower
from ..cost.residency import residency
from ..cost.time import COMPUTE, UNPACKING, OperatorTimes, run_times, together
from ..errors import InputError
from ..files.document import KeyPath
from ..inputs.figures import Figure
from ..inputs.machine import Machine
from .prediction import dynamic_joules, per_second, static_watts
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
        """Whether it is a share of a peak, with whose reciprocal a time grows."""
        return "reached_share" in self.path

    @property
    def is_energy(self) -> bool:
        """Whether it is an energy or a power, in which energies are linear."""
        return any("energy_pj" in str(key) or str(key).endswith("_w") for key in self.path)

    @property
    def can_be_fitted(self) -> bool:
        """Whether a `Response` can depend on it."""
        return self.is_share or self.is_energy or str(self.path[-1]).startswith("seconds_per_")


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
    """Return the response of a value on a machine, which has the free figures.

    Raises
    ------
    InputError
        If the machine cannot run the scheme, naming the row.
    """
    try:
        return _respond(value, machine)
    except InputError as error:
        raise value.error(error) from None


def _respond(value: Value, machine: Machine) -> Response:
    free = {parameter.label: parameter for parameter in free_parameters(machine)}
    seconds = _SecondsResponse(value, machine, free)
    if value.kind == "speed":
        return Response(
            value, tuple(free[label] for label in seconds.labels),
            lambda values: per_second(value, seconds.at(values)),
        )  # fmt: skip
    energies = [p for p in free.values() if p.is_energy]
    joules = _line(dynamic_joules, value, machine, energies)
    watts = _line(static_watts, value, machine, energies)

    def of(values: Mapping[str, float]) -> float:
        now = {p.label: values.get(p.label, p.figure.value) for p in energies}
        time = seconds.at(values)
        total = joules.at(now) + watts.at(now) * time
        share: float = time if value.quantity == "power_w" else value.scenario.new_tokens
        return total / share

    affecting = {*seconds.labels, *joules.slopes, *watts.slopes}
    return Response(value, tuple(p for label, p in free.items() if label in affecting), of)


class _SecondsResponse:
    """The seconds that a value is about, as a function of free figures."""

    def __init__(self, value: Value, machine: Machine, free: Mapping[str, Parameter]) -> None:
        lowered = lower(value.model, value.scenario, value.scheme, machine)
        self._free = free
        self._overlap = machine.overlap.value
        found = run_times(lowered, residency(lowered))
        about = [run for run in found if _is_about(value, run.phase)]
        self._columns: dict[str, int] = {}
        for run in about:
            for op in (*run.first, *run.last):
                for label in _labels_of(op, machine).values():
                    self._columns.setdefault(label, len(self._columns))
        self._runs = [
            (run.passes, self._table(run.first, machine), self._table(run.last, machine))
            for run in about
        ]
        layers = lowered.model.num_hidden_layers
        passes = sum(run.passes for run in about)
        self._overheads = [
            (f"overheads.{key}", number * passes, figure.value)
            for key, number in (("seconds_per_step", 1), ("seconds_per_layer", layers))
            if (figure := getattr(machine.overheads, key)) is not None
        ]
        used = {label for label, _, _ in self._overheads}
        for _, first, last in self._runs:
            busy = np.any(first + last, axis=0)
            used |= {label for label, column in self._columns.items() if busy[column]}
        self.labels = [label for label in free if label in used]

    def _table(self, ops: Sequence[OperatorTimes], machine: Machine) -> NDArray[np.float64]:
        table = np.zeros((len(ops), len(self._columns)))
        for row, op in enumerate(ops):
            labels = _labels_of(op, machine)
            for resource, seconds in op.seconds.items():
                table[row, self._columns[labels[resource]]] += seconds
        return table

    def at(self, values: Mapping[str, float]) -> float:
        """Return the seconds at some values of the free figures."""
        factors = np.ones(len(self._columns))
        for label, column in self._columns.items():
            if label in self._free:
                parameter = self._free[label]
                factors[column] = _factor(parameter, values.get(label, parameter.figure.value))
        total = sum(number * values.get(label, value) for label, number, value in self._overheads)
        for passes, first, last in self._runs:
            starts, ends = first * factors, last * factors
            if self._overlap == 0 or passes == 1:
                both = passes * (starts.sum() + ends.sum()) / 2
                longest = passes * starts.max(axis=1).sum() if self._overlap else 0.0
                total += both - self._overlap * (both - longest)
                continue
            for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
                total += together(
                    dict(enumerate(start)), dict(enumerate(end)), passes, self._overlap
                )
        return float(total)


def _is_about(value: Value, phase: str) -> bool:
    """Return whether a value is about a phase of its scenario."""
    if value.kind == "energy" or value.quantity == "tokens_per_s_of_request":
        return True
    return (phase == "prefill") == (value.work == "prefill")


def _factor(parameter: Parameter, value: float) -> float:
    """Return by how much a figure stretches the times that it decides."""
    now = parameter.figure.value
    if now == 0:
        return 1.0
    return now / value if parameter.is_share else value / now


def _labels_of(op: OperatorTimes, machine: Machine) -> dict[str, str]:
    """Return the label of the figure that decides each resource's time of an operator."""
    product = op.product
    labels = {resource: resource for resource in op.seconds}
    for memory in machine.memories:
        labels[memory.name] = f"memories.{memory.name}.reached_share"
    if product is not None:
        written = product.unit.share_key(product.pair)
        labels[COMPUTE] = f"units.{product.unit.name}.reached_share.{written}"
        entry = machine.unpacking_of(product.codec)
        if entry is not None:
            labels[UNPACKING] = f"unpacking.{entry.codecs[0]}.seconds_per_weight"
    return labels


class _Line(NamedTuple):
    """A number that is linear in parameters: constant, and slope by label."""

    constant: float
    slopes: Mapping[str, float]

    def at(self, values: Mapping[str, float]) -> float:
        return self.constant + sum(slope * values[label] for label, slope in self.slopes.items())


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
        before = p.figure.value
        other = before / 2 if before else 1.0
        changed = probe(value, with_values(machine, [p], {p.label: other}))
        if changed != base:
            slopes[p.label] = (changed - base) / (other - before)
    values = {p.label: p.figure.value for p in parameters}
    constant = base - sum(slope * values[label] for label, slope in slopes.items())
    return _Line(constant, slopes)
