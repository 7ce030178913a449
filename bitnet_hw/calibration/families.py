"""Calibration of related machines together, and predictions with rows left out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from ..files.document import KeyPath
from ..inputs.figures import Figure
from ..inputs.machine import Machine
from ..inputs.track_record import Status
from .fit import Problem, Solution, Term, pooled_problem, predict, solve
from .pools import Pooled, PoolFile, pooled
from .response import Parameter, free_parameters, respond
from .rows import Value

#: Basis of a figure that no row of a relative depends on.
_FAR = "the middle of machines that have measurements, none of which is related to this one"


class LeftOut(NamedTuple):
    """A published value, predicted by machines that were fitted without it.

    Attributes
    ----------
    value : Value
        The published value.
    predicted : float
        Prediction, in its unit.
    status : str
        ``calibrated`` if other rows of its machine remained, ``family`` if only those of relatives
        did, ``blind`` if not even these, or nothing of its machine is fitted.
    """

    value: Value
    predicted: float
    status: Status


class FamilyFit:
    """A fit of many machines that share figures as a file of pools says.

    Parameters
    ----------
    values : sequence of Value
        Published values; those whose boundary is not that of their machine are ignored, and those
        that a fixed figure of their machine was taken from.
    pools : PoolFile
        How figures are shared.

    Raises
    ------
    InputError
        If the fit does not converge, or a free figure has no pool.
    ToolMissingError
        If scipy is not installed.
    """

    def __init__(self, values: Sequence[Value], pools: PoolFile) -> None:
        self.pools = pools
        self.problem: Problem = pooled_problem(
            [
                respond(value, value.machine)
                for value in values
                if value.is_comparable and not value.is_circular
            ],
            pools,
        )
        self.solution: Solution = solve(self.problem, intervals=True)

    @property
    def values(self) -> list[Value]:
        """The values that were fitted."""
        return [response.value for response in self.problem.responses]

    def figures(self, machine: Machine) -> dict[KeyPath, Figure]:
        """Return the free figures of a machine, fitted, borrowed or assumed."""
        return {p.path: self._figure(machine, p) for p in free_parameters(machine)}

    def _figure(self, machine: Machine, parameter: Parameter) -> Figure:
        of = pooled(machine, parameter, self.pools)
        known = [c.name for c in of.contributions if c.name in self.problem.unknowns]
        unknown_spread = math.sqrt(
            sum(c.spread**2 for c in of.contributions if c.name not in self.problem.unknowns)
        )
        term = Term(parameter.label, math.log(of.centre), tuple(known), parameter.is_share)
        value = self.solution.figure(term)
        low, high = self.solution.interval(term, unknown_spread)
        identified = self.solution.is_identified(term, unknown_spread)
        own, relatives = self._informants(machine, parameter, of)
        kind = type(parameter.figure)
        bounds: dict[str, Any] = {"low": min(low, value), "high": max(high, value), "free": True}
        note = "" if identified else "not identified"
        if own:
            return kind(value=value, fitted=tuple(own), note=note, **bounds)
        if relatives:
            return kind(value=value, borrowed_from=", ".join(relatives), note=note, **bounds)
        return kind(value=value, assumed=_FAR, **bounds)

    def _informants(
        self, machine: Machine, parameter: Parameter, of: Pooled
    ) -> tuple[list[str], list[str]]:
        """Return the machine's own rows that depend on a figure, else its relatives with rows."""
        own: dict[str, None] = {}
        near: dict[str, dict[str, None]] = {c.name: {} for c in of.contributions if c.is_close}
        for response, terms in zip(self.problem.responses, self.problem.terms, strict=True):
            used = {name for term in terms for name in term.unknowns}
            if response.value.machine.name == machine.name:
                if parameter.label in [term.label for term in terms]:
                    own[response.value.row.id] = None
                continue
            for name in near:
                if name in used:
                    near[name][response.value.machine.name] = None
        # The group with the fewest machines is the closest.
        found = [list(group) for group in near.values() if group]
        return list(own), min(found, key=len) if found else []

    def left_out(self, progress: Callable[[str], None] = lambda _: None) -> list[LeftOut]:
        """Predict every value by a fit without its row."""
        values, found = self.values, []
        for i, value in enumerate(values):
            progress(f"leaving out {value.row.id}")
            others = [j for j, other in enumerate(values) if other.row.id != value.row.id]
            same = any(
                values[j].machine.name == value.machine.name and values[j].kind == value.kind
                for j in others
            )
            logs = solve(self.problem, others, self.solution.logs).logs
            predicted = predict(self.problem, i, logs)
            found.append(LeftOut(value, predicted, self._status(i, others, same)))
        return found

    def machines_left_out(self, progress: Callable[[str], None] = lambda _: None) -> list[LeftOut]:
        """Predict every value by a fit without any row of its machine."""
        values, found = self.values, []
        logs: dict[str, Mapping[str, float]] = {}
        for i, value in enumerate(values):
            name = value.machine.name
            others = [j for j, other in enumerate(values) if other.machine.name != name]
            if name not in logs:
                progress(f"leaving out {name}")
                logs[name] = solve(self.problem, others, self.solution.logs).logs
            predicted = predict(self.problem, i, logs[name])
            found.append(LeftOut(value, predicted, self._status(i, others, same=False)))
        return found

    def _status(self, i: int, others: Sequence[int], same: bool) -> Status:
        """Return the class of a prediction from other values."""
        if same and self.problem.terms[i]:
            return "calibrated"
        value = self.values[i]
        close = {
            contribution.name
            for parameter in self.problem.responses[i].parameters
            if parameter.is_energy == (value.kind == "energy")
            for contribution in pooled(value.machine, parameter, self.pools).contributions
            if contribution.is_close
        }
        used = {name for j in others for term in self.problem.terms[j] for name in term.unknowns}
        return "family" if close & used else "blind"
