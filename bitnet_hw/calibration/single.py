"""Calibration of one machine: its free figures fitted to its own rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from ..errors import InputError
from ..inputs.figures import Figure, NotNegative
from ..inputs.machine import Machine, as_machine
from .fit import (
    FitError,
    FlatError,
    Problem,
    Solution,
    Term,
    own_problem,
    predict,
    solve,
    with_fixed,
)
from .response import Parameter, Response, free_parameters, respond, with_values
from .rows import Value, load_values


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

    def as_dict(self) -> dict[str, Any]:
        """Return the figure's entry in the JSON form."""
        after = self.figure
        return {
            "figure": self.parameter.label,
            "before": self.parameter.figure.value,
            "value": None if after is None else after.value,
            "low": None if after is None else after.low,
            "high": None if after is None else after.high,
            "identified": self.identified,
        }


@dataclass(frozen=True)
class SingleCalibration:
    """The outcome of a calibration.

    Attributes
    ----------
    machine : Machine
        The machine with its fitted figures.
    values : list of Value
        The published values that were fitted.
    fitted : list of Fitted
        Every free figure.
    residuals, left_out : dict
        Row and quantity -> predicted over published, after the fit, and with the row left out;
        the latter without values whose absence leaves too few.
    """

    machine: Machine
    values: list[Value]
    fitted: list[Fitted]
    residuals: dict[str, float]
    left_out: dict[str, float]

    @property
    def left_out_factors(self) -> list[float]:
        """How far off each value is with its row left out, in either direction."""
        return [max(ratio, 1 / ratio) for ratio in self.left_out.values()]

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form; docs/schema/calibrate-1.json describes it."""
        return {
            "schema": 1,
            "machine": self.machine.name,
            "figures": [each.as_dict() for each in self.fitted],
            "rows": [
                {
                    "id": value.row.id,
                    "quantity": value.quantity,
                    "published": value.published,
                    "ratio": self.residuals[name],
                    "ratio_left_out": self.left_out.get(name),
                }
                for name, value in zip(_names(self.values), self.values, strict=True)
            ],
            "left_out_median_factor": median(self.left_out_factors) if self.left_out else None,
            "left_out_worst_factor": max(self.left_out_factors, default=None),
        }


def calibrate(
    machine: Machine | str | Path,
    rows: str | Path | Sequence[Value],
    progress: Callable[[str], None] = lambda _: None,
) -> SingleCalibration:
    """Fit the free figures of a machine to its published values.

    Parameters
    ----------
    machine : Machine, str or path
        Machine whose description marks figures as free.
    rows : str, path or sequence of Value
        File of published measurements, of which those of the machine are used; or the values
        themselves, of this machine.
    progress : callable
        Called with a line of text as the fit goes on.

    Raises
    ------
    InputError
        If nothing is free, a fit cannot change a figure that is free, no row is for the machine,
        there are more free figures than values, a value has another boundary, the fit does not
        converge, or the values do not determine the figures.
    ToolMissingError
        If scipy is not installed.

    Examples
    --------
    >>> from bitnet_hw.validation import ROWS
    >>> found = calibrate("m4-pro-mlx", ROWS)
    >>> found.values[0].row.id, found.values[0].published
    ('m4pro-qwen3-8b-fp16', 16.0)
    """
    described = as_machine(machine)
    if isinstance(rows, Sequence) and not isinstance(rows, str):
        return _calibrate(described, rows, progress)
    known = {described.name: described}
    if isinstance(machine, (str, Path)):
        known[str(machine)] = described
    every = load_values(rows, known)
    values = [value for value in every if value.machine == described]
    if not values:
        names = list(dict.fromkeys(value.row.machine for value in every))
        others = f" and {len(names) - 3} others" if len(names) > 3 else ""
        raise InputError(
            f"{rows}: no row is for machine {described.name}; the rows are for "
            f"{', '.join(names[:3])}{others}"
        )
    try:
        return _calibrate(described, values, progress)
    except FitError as error:
        raise InputError(f"{rows}: {error}") from None


def _calibrate(
    machine: Machine, values: Sequence[Value], progress: Callable[[str], None]
) -> SingleCalibration:
    free = _checked_free(machine)
    for value in values:
        if not value.is_comparable:
            raise value.error(
                f"its boundary is {value.row.boundary!r}, that of machine {machine.name} is "
                f"{str(machine.boundary)!r}; only equal boundaries are compared"
            )
    # The factors of a response start from positive figures.
    started = with_values(machine, free, {p.label: _start(p) for p in free if p.figure.value == 0})
    responses = [respond(value, started) for value in values]
    problem = own_problem(responses)
    _check_number(problem, free, machine)
    limited, solution = _within_limits(problem, range(len(values)))
    terms = {term.label: term for found in limited.terms for term in found}
    fitted = [
        _fitted(p, terms[p.label], solution, responses)
        if p.label in problem.unknowns
        else Fitted(p, None, identified=False)
        for p in free
    ]
    changed = machine
    for each in fitted:
        if each.figure is not None:
            changed = changed.with_figure(each.parameter.path, each.figure)
    names = _names(values)
    residuals = {
        name: math.exp(residual) for name, residual in zip(names, solution.residuals, strict=True)
    }
    left_out = _left_out(problem, names, progress)
    return SingleCalibration(changed, list(values), fitted, residuals, left_out)


def _start(parameter: Parameter) -> float:
    """Return the start for a figure of 0: 1 pJ, 1 W, 10 us per step or layer, 1 ps per weight."""
    if parameter.is_energy:
        return 1.0
    return 1e-5 if parameter.path[0] == "overheads" else 1e-12


def _names(values: Sequence[Value]) -> list[str]:
    return [f"{value.row.id} {value.quantity}" for value in values]


def _checked_free(machine: Machine) -> list[Parameter]:
    """Return the free figures, if there are any and a fit can change them."""
    free = free_parameters(machine)
    if not free:
        raise InputError(f"machine {machine.name} marks no figure as free; write `free: true`")
    for parameter in free:
        if not parameter.can_be_fitted:
            raise InputError(
                f"machine {machine.name}: {parameter.label} is marked as free, but a calibration "
                "changes only reached_share, seconds_per_weight, seconds_per_layer, "
                "seconds_per_step, energies of memories and unpacking, and powers"
            )
    return free


def _within_limits(problem: Problem, rows: Sequence[int]) -> tuple[Problem, Solution]:
    """Fit a problem, and hold figures at 0, and shares at 1, where the fit pushes them there."""
    while True:
        try:
            return problem, solve(problem, rows, intervals=True)
        except FlatError as flat:
            problem = with_fixed(problem, flat.name, flat.log)


def _check_number(problem: Problem, free: Sequence[Parameter], machine: Machine) -> None:
    """Refuse a problem with no unknowns, or with more of them than values."""
    if not problem.unknowns:
        labels = ", ".join(p.label for p in free)
        raise FitError(f"no row of machine {machine.name} depends on a free figure: {labels}")
    number = len(problem.responses)
    if len(problem.unknowns) > number:
        raise FitError(
            f"{number} published value{'s' if number != 1 else ''} of machine {machine.name} "
            f"cannot determine {len(problem.unknowns)} free figures: "
            f"{', '.join(problem.unknowns)}; add rows or mark fewer as free"
        )


def _fitted(
    parameter: Parameter, term: Term, solution: Solution, responses: Sequence[Response]
) -> Fitted:
    value = solution.figure(term)
    rows = tuple(
        dict.fromkeys(
            response.value.row.id
            for response in responses
            if parameter.label in [p.label for p in response.parameters]
        )
    )
    kind = type(parameter.figure)
    if not term.unknowns:
        at_limit = _at_limit(parameter, value)
        note = "not identified by the rows" if at_limit is None else "at its limit; not identified"
        figure = kind(
            value=value if at_limit is None else at_limit, fitted=rows, free=True, note=note
        )
        return Fitted(parameter, figure, identified=False)
    low, high = solution.interval(term)
    identified = solution.is_identified(term)
    figure = kind(
        value=value,
        fitted=rows,
        low=min(low, value),
        high=max(high, value),
        free=True,
        note="" if identified else "not identified by the rows",
    )
    return Fitted(parameter, figure, identified)


def _at_limit(parameter: Parameter, value: float) -> float | None:
    """Return the limit that a fit pushed a figure to, 1 for a share and 0 for others; else None."""
    if parameter.is_share:
        return 1.0 if value > 0.99 else None
    start = parameter.figure.value or _start(parameter)
    return 0.0 if value < start / 100 and isinstance(parameter.figure, NotNegative) else None


def _left_out(
    problem: Problem, names: Sequence[str], progress: Callable[[str], None]
) -> dict[str, float]:
    """Return predicted over published of each value, with its row left out of the fit."""
    found: dict[str, float] = {}
    rows = [response.value.row.id for response in problem.responses]
    for i, name in enumerate(names):
        others = [j for j, row in enumerate(rows) if row != rows[i]]
        progress(f"leaving out {rows[i]}")
        if len(others) < len(problem.unknowns):
            continue
        try:
            limited, solution = _within_limits(problem, others)
        except FitError:
            continue  # this row alone determines a figure
        published = problem.responses[i].value.published
        found[name] = predict(limited, i, solution.logs) / published
    return found
