"""Fits of free figures to published values, by least squares in logarithms.

A figure is exp(constant + sum of unknowns); a single machine has one unknown per figure, and pooled
machines share some (`bitnet_hw.calibration.pools`), each with a spread that holds it near zero. The
solver is scipy's trust-region least squares.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import InputError, ToolMissingError
from .pools import PoolFile, pooled, saturated
from .response import Response

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.floating[Any]]

#: Step in the logarithm of a figure by which slopes are computed.
_STEP = 1e-5
#: Half-width of a 90 percent interval of a normal distribution, in standard deviations.
_HALF_WIDTH = 1.645
#: A figure whose 90 percent interval spans more than this factor on either side is not identified.
_IDENTIFIED = 2.0
#: Smallest standard deviation of the logarithm of a published value that an interval assumes.
LEAST_SPREAD = 0.05
#: Changes of all values by an e-fold change of one unknown, in units of their spread (here 0.25
#: percent), below which it is not determined; and the least singular value of the scaled Jacobian
#: relative to the largest, below which two or more unknowns trade against each other.
_LEAST_LENGTH = 0.05
_LEAST_SINGULAR = 1e-7


class FitError(InputError):
    """A fit does not converge, or does not determine its unknowns."""


class FlatError(FitError):
    """The fit took an unknown to where it has next to no effect on any value.

    Attributes
    ----------
    name : str
        The unknown.
    log : float
        Its value.
    """

    def __init__(self, name: str, log: float) -> None:
        super().__init__(f"the rows do not determine {name}: hardly any prediction depends on it")
        self.name, self.log = name, log


class Unknown(NamedTuple):
    """A summand of the logarithm of figures: its name, and its spread around zero if any."""

    name: str
    spread: float | None


class Term(NamedTuple):
    """A free figure: its label, the constant of its logarithm, and the unknowns that it sums."""

    label: str
    constant: float
    unknowns: tuple[str, ...]
    is_share: bool


class Problem(NamedTuple):
    """Published values with the figures that predict them.

    Attributes
    ----------
    responses : sequence of Response
        One per value.
    terms : sequence of tuple of Term
        The figures of each response.
    unknowns : mapping of str to Unknown
        All unknowns.
    spread : float
        Standard deviation of the logarithm of a value.
    """

    responses: Sequence[Response]
    terms: Sequence[tuple[Term, ...]]
    unknowns: Mapping[str, Unknown]
    spread: float


class Solution(NamedTuple):
    """A fit.

    Attributes
    ----------
    logs : mapping of str to float
        Value of each unknown.
    residuals : sequence of float
        ln(predicted / published) of each value.
    covariance : array
        Covariance of the unknowns, in the order of `logs`; None if it was not asked for.
    """

    logs: Mapping[str, float]
    residuals: Sequence[float]
    covariance: Floats | None

    def figure(self, term: Term) -> float:
        """Return the value of a figure."""
        return figure_of(term, self.logs)

    def deviation(self, term: Term, further: float = 0.0) -> float:
        """Return the standard deviation of the logarithm of a figure.

        Parameters
        ----------
        term : Term
            The figure.
        further : float
            Standard deviation of summands that are no unknowns of the fit.
        """
        if self.covariance is None:
            raise ValueError("the fit has no covariance")
        order = {name: i for i, name in enumerate(self.logs)}
        at = [order[name] for name in term.unknowns]
        variance = sum(float(self.covariance[i, j]) for i in at for j in at)
        return math.hypot(math.sqrt(max(variance, 0.0)), further)

    def is_identified(self, term: Term, further: float = 0.0) -> bool:
        """Return whether the 90 percent interval of a figure is within a factor of two."""
        return _HALF_WIDTH * self.deviation(term, further) < math.log(_IDENTIFIED)

    def interval(self, term: Term, further: float = 0.0) -> tuple[float, float]:
        """Return the 90 percent interval of a figure; see `deviation`."""
        width = _HALF_WIDTH * self.deviation(term, further)
        ends = [_from_log(term, _log(term, self.logs) + sign * width) for sign in (-1.0, 1.0)]
        return ends[0], ends[1]


def _log(term: Term, logs: Mapping[str, float]) -> float:
    return term.constant + sum(logs[name] for name in term.unknowns)


def _from_log(term: Term, log: float) -> float:
    value = math.exp(min(log, 500.0))
    return saturated(value) if term.is_share else value


def figure_of(term: Term, logs: Mapping[str, float]) -> float:
    """Return the value of a figure from the unknowns; a share stays below 1."""
    return _from_log(term, _log(term, logs))


def own_problem(responses: Sequence[Response]) -> Problem:
    """Return the problem in which every free figure of one machine is an unknown, by its label."""
    terms: list[tuple[Term, ...]] = []
    unknowns: dict[str, Unknown] = {}
    for response in responses:
        found = []
        for p in response.parameters:
            unknowns[p.label] = Unknown(p.label, None)
            start = _unsaturated(p.figure.value) if p.is_share else p.figure.value
            found.append(Term(p.label, math.log(start), (p.label,), p.is_share))
        terms.append(tuple(found))
    return Problem(responses, terms, unknowns, LEAST_SPREAD)


def pooled_problem(responses: Sequence[Response], pools: PoolFile) -> Problem:
    """Return the problem in which machines share figures as a file of pools says."""
    terms: list[tuple[Term, ...]] = []
    unknowns: dict[str, Unknown] = {}
    for response in responses:
        found = []
        for p in response.parameters:
            of = pooled(response.value.machine, p, pools)
            for contribution in of.contributions:
                unknowns[contribution.name] = Unknown(contribution.name, contribution.spread)
            names = tuple(contribution.name for contribution in of.contributions)
            found.append(Term(p.label, math.log(of.centre), names, p.is_share))
        terms.append(tuple(found))
    return Problem(responses, terms, unknowns, pools.spread_of_values)


def with_fixed(problem: Problem, name: str, log: float) -> Problem:
    """Return a problem in which an unknown is fixed at a value."""
    terms = [
        tuple(
            term._replace(
                constant=term.constant + log * term.unknowns.count(name),
                unknowns=tuple(other for other in term.unknowns if other != name),
            )
            for term in found
        )
        for found in problem.terms
    ]
    unknowns = {key: unknown for key, unknown in problem.unknowns.items() if key != name}
    return problem._replace(terms=terms, unknowns=unknowns)


def _unsaturated(share: float) -> float:
    """Return the number whose saturated value is a share."""
    share = min(share, 0.999)
    return float(share / (1 - share**8) ** (1 / 8))


def solve(
    problem: Problem,
    rows: Sequence[int] | None = None,
    start: Mapping[str, float] | None = None,
    intervals: bool = False,
) -> Solution:
    """Fit the unknowns of a problem.

    Parameters
    ----------
    problem : Problem
        Values and figures.
    rows : sequence of int, optional
        The values to fit; all if absent.
    start : mapping, optional
        Unknowns to start from; zero if absent.
    intervals : bool
        Whether to compute the covariance.

    Raises
    ------
    FlatError
        If an unknown without a spread has next to no effect on any value.
    FitError
        If the fit does not converge, or unknowns without a spread trade against each other.
    ToolMissingError
        If scipy is not installed.
    """
    try:
        import numpy as np
        from scipy.optimize import least_squares
    except ImportError:
        raise ToolMissingError("fits need scipy: pip install 'bitnet-hw[fit]'") from None
    chosen = range(len(problem.responses)) if rows is None else rows
    names = list(problem.unknowns)
    order = {name: i for i, name in enumerate(names)}
    spreads = [problem.unknowns[name].spread for name in names]
    held = [i for i, spread in enumerate(spreads) if spread is not None]
    scale = np.array([spread or 1.0 for spread in spreads])

    def evaluate(x: Floats) -> tuple[Floats, Floats]:
        logs = dict(zip(names, x.tolist(), strict=True))
        residuals = np.zeros(len(chosen) + len(held))
        jacobian = np.zeros((len(residuals), len(names)))
        for line, i in enumerate(chosen):
            residual, slopes = _residual(problem, i, logs)
            residuals[line] = residual / problem.spread
            for name, slope in slopes.items():
                jacobian[line, order[name]] += slope / problem.spread
        for line, i in enumerate(held, start=len(chosen)):
            residuals[line] = x[i] / scale[i]
            jacobian[line, i] = 1 / scale[i]
        return residuals, jacobian

    cache: dict[bytes, tuple[Floats, Floats]] = {}

    def at(x: Floats) -> tuple[Floats, Floats]:
        key = x.tobytes()
        if key not in cache:
            cache.clear()
            cache[key] = evaluate(x)
        return cache[key]

    first = np.array([(start or {}).get(name, 0.0) for name in names])
    if not np.all(np.any(at(first)[1], axis=0)):
        raise FitError("the rows do not determine every figure: no prediction depends on one")
    found = least_squares(
        lambda x: at(x)[0], first, jac=lambda x: at(x)[1], x_scale=scale, max_nfev=300
    )
    if not found.success or not np.all(np.isfinite(found.x)):
        raise FitError(f"the fit did not converge: {found.message}")
    residuals, jacobian = at(found.x)
    _check_effects(jacobian, names, found.x)
    if names:
        _check_determined(jacobian, names)
    covariance = None
    if intervals:
        free = len(chosen) - (len(names) - len(held))
        mean = float(np.sum(residuals[: len(chosen)] ** 2)) / max(free, 1)
        covariance = np.linalg.inv(jacobian.T @ jacobian) * (1.0 if held else max(1.0, mean))
    return Solution(
        dict(zip(names, found.x.tolist(), strict=True)),
        (residuals[: len(chosen)] * problem.spread).tolist(),
        covariance,
    )


def predict(problem: Problem, i: int, logs: Mapping[str, float]) -> float:
    """Return the prediction of one value."""
    values = {term.label: figure_of(term, logs) for term in problem.terms[i]}
    return problem.responses[i].of(values)


def _residual(
    problem: Problem, i: int, logs: Mapping[str, float]
) -> tuple[float, dict[str, float]]:
    """Return ln(predicted / published) of a value, and its slopes in the unknowns."""
    response, terms = problem.responses[i], problem.terms[i]
    values = {term.label: figure_of(term, logs) for term in terms}
    log = math.log(response.of(values))
    slopes: dict[str, float] = {}
    for term in terms:
        moved = _from_log(term, _log(term, logs) + _STEP)
        slope = (math.log(response.of({**values, term.label: moved})) - log) / _STEP
        for name in term.unknowns:
            slopes[name] = slopes.get(name, 0.0) + slope
    return log - math.log(response.value.published), slopes


def _check_effects(jacobian: Floats, names: Sequence[str], x: Floats) -> None:
    """Refuse a fit in which an unknown changes next to nothing."""
    import numpy as np

    lengths = np.linalg.norm(jacobian, axis=0)
    if np.any(lengths < _LEAST_LENGTH):
        i = int(np.argmin(lengths))
        raise FlatError(names[i], float(x[i]))


def _check_determined(jacobian: Floats, names: Sequence[str]) -> None:
    """Refuse a fit in which two or more unknowns trade against each other."""
    import numpy as np

    lengths = np.linalg.norm(jacobian, axis=0)
    _, singular, directions = np.linalg.svd(jacobian / lengths)
    if len(singular) < len(names) or singular[-1] < _LEAST_SINGULAR * singular[0]:
        weights = np.abs(directions[-1])
        pair = [names[i] for i in np.argsort(-weights)[:2]]
        raise FitError(
            f"the rows do not determine {' and '.join(pair)}, which trade against each other; add "
            "rows that tell them apart, or mark fewer figures as free"
        )
