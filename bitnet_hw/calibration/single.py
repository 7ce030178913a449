"""Calibration of one machine: its free figures fitted to its own rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..errors import InputError
from ..inputs.figures import Figure
from ..inputs.machine import Machine
from .fit import Problem, Solution, Term, own_problem, predict, solve
from .response import Parameter, Response, free_parameters, respond
from .rows import Value

#: A figure whose 90 percent interval spans more than this factor on either side is not identified.
IDENTIFIED = 2.0


@dataclass(frozen=True)
class Fitted:
    """A figure after the fit.

    Attributes
    ----------
    parameter : Parameter
        The figure before.
    figure : Figure or None
        The figure after; None if no row depends on it, so that it stays as it is.
    identified : bool
        Whether its 90 percent interval is within a factor of two.
    """

    parameter: Parameter
    figure: Figure | None
    identified: bool


@dataclass(frozen=True)
class SingleCalibration:
    """The outcome of a calibration.

    Attributes
    ----------
    machine : Machine
        The machine with its fitted figures.
    fitted : list of Fitted
        Every free figure.
    residuals, left_out : dict
        Row and quantity -> predicted over published, after the fit, and with the row left out;
        the latter empty where too few rows remain.
    """

    machine: Machine
    fitted: list[Fitted]
    residuals: dict[str, float]
    left_out: dict[str, float]


def calibrate(
    machine: Machine, values: Sequence[Value], progress: Callable[[str], None] = lambda _: None
) -> SingleCalibration:
    """Fit the free figures of a machine to published values of it.

    Parameters
    ----------
    machine : Machine
        Machine whose description marks figures as free.
    values : sequence of Value
        Published values; those of other machines or boundaries are an error.
    progress : callable
        Called with a line of text as the fit goes on.

    Raises
    ------
    InputError
        If there is nothing free, there are more free figures than values, or the values do not
        determine the figures.
    """
    free = free_parameters(machine)
    if not free:
        raise InputError(f"machine {machine.name} marks no figure as free; write `free: true`")
    for value in values:
        if not value.is_comparable:
            raise InputError(
                f"row {value.row.id}: its boundary is {value.row.boundary!r}, that of machine "
                f"{machine.name} is {str(machine.boundary)!r}; only equal boundaries are compared"
            )
    responses = [respond(value, machine) for value in values]
    problem = own_problem(responses)
    if len(problem.unknowns) > len(values):
        labels = ", ".join(name.partition(": ")[2] for name in problem.unknowns)
        raise InputError(
            f"{len(values)} published value{'s' if len(values) != 1 else ''} of machine "
            f"{machine.name} cannot determine {len(problem.unknowns)} free figures: {labels}; add "
            "rows or mark fewer as free"
        )
    solution = solve(problem, intervals=True)
    terms = {term.label: term for found in problem.terms for term in found}
    fitted = [_fitted(p, terms.get(p.label), solution, responses) for p in free]
    changed = machine
    for each in fitted:
        if each.figure is not None:
            changed = changed.with_figure(each.parameter.path, each.figure)
    names = [f"{value.row.id} {value.quantity}" for value in values]
    residuals = {
        name: math.exp(residual) for name, residual in zip(names, solution.residuals, strict=True)
    }
    return SingleCalibration(
        changed, fitted, residuals, _left_out(problem, solution, names, progress)
    )


def _fitted(
    parameter: Parameter, term: Term | None, solution: Solution, responses: Sequence[Response]
) -> Fitted:
    if term is None:
        return Fitted(parameter, None, identified=False)
    value = solution.figure(term)
    low, high = solution.interval(term)
    identified = solution.deviation(term) * 1.645 < math.log(IDENTIFIED)
    rows = tuple(
        dict.fromkeys(
            response.value.row.id
            for response in responses
            if parameter.label in [p.label for p in response.parameters]
        )
    )
    figure = type(parameter.figure)(
        value=value,
        fitted=rows,
        low=min(low, value),
        high=max(high, value),
        free=True,
        note="" if identified else "not identified by the rows",
    )
    return Fitted(parameter, figure, identified)


def _left_out(
    problem: Problem, solution: Solution, names: Sequence[str], progress: Callable[[str], None]
) -> dict[str, float]:
    """Return predicted over published of each value, with its row left out of the fit."""
    found: dict[str, float] = {}
    rows = [response.value.row.id for response in problem.responses]
    for i, name in enumerate(names):
        others = [j for j, row in enumerate(rows) if row != rows[i]]
        progress(f"leaving out {rows[i]}")
        if len(others) < len(problem.unknowns):
            return {}
        try:
            logs = solve(problem, others, solution.logs).logs
        except InputError:
            continue  # this row alone determines a figure
        found[name] = predict(problem, i, logs) / problem.responses[i].value.published
    return found
