"""Ratios of two estimates."""

from __future__ import annotations

from ..errors import InputError, named
from ..inputs.machine import Machine
from ..inputs.roles import LINEAR_ROLES
from .band import Band
from .estimates import Estimate
from .forms import does_not_fit
from .parts import ATTENTION_ROLES
from .result import End

_GROUPS = {
    "projections and FFN": LINEAR_ROLES,
    "attention": ATTENTION_ROLES,
    "LM head": ("lm-head",),
}


def ratio(baseline: Estimate, other: Estimate, *, oversized: bool = False) -> Band:
    """Return the energy of `baseline` divided by that of `other`.

    The band spans four corners: each of the two price lists, arithmetic and memory, at its low or
    its high end, the same for both estimates because both run on the same machine, or on variants
    of one machine that `bitnet_hw.cost.equal_silicon.equalised` returns.

    Parameters
    ----------
    baseline, other : Estimate
        Estimates that differ in their scheme alone.
    oversized : bool
        Whether to compare models that do not fit their machine too, as if its farthest memory were
        large enough.

    Raises
    ------
    InputError
        If either is not an estimate or does not fit its machine, or the two differ in more than
        their scheme and the rows of their array units, or use prices with different boundaries,
        which cannot be compared.

    Examples
    --------
    >>> from bitnet_hw.cost.estimates import estimate
    >>> of = [estimate("bitnet-b1.58-2b4t", name, "7nm") for name in ("fp16", "bitnet-b1.58")]
    >>> round(ratio(*of).value, 2)
    3.72
    """
    for what, of in (("baseline", baseline), ("other", other)):
        if not isinstance(of, Estimate):
            raise InputError(f"{what} must be an Estimate, as estimate returns; found {named(of)}")
    if baseline.table.name != other.table.name or baseline.convention != other.convention:
        raise InputError(
            f"a ratio needs one energy table and one convention, found {baseline.table.name} "
            f"({baseline.convention}) and {other.table.name} ({other.convention})"
        )
    if (baseline.model, baseline.scenario) != (other.model, other.scenario):
        raise InputError(
            f"a ratio needs one model and one scenario, found {baseline.model.name} "
            f"({baseline.scenario.describe()}) and {other.model.name} ({other.scenario.describe()})"
        )
    if not _same_but_for_rows(baseline.machine, other.machine):
        raise InputError(
            f"a ratio needs one machine, found {baseline.machine.name} and {other.machine.name} "
            "that differ in more than the rows of array units"
        )
    for of in (baseline, other):
        if not (of.fits or oversized):
            raise InputError(
                f"no ratio of models that do not fit their machine: {of.model.name} in "
                f"{of.scheme.name} {does_not_fit(of)}; pass oversized=True to compare them anyway"
            )
    for part, roles in _GROUPS.items():
        ours, theirs = (_boundaries(of, roles) for of in (baseline, other))
        if ours != theirs:
            raise InputError(
                f"a ratio across price boundaries is refused: for {part}, {baseline.scheme.name} "
                f"uses {'/'.join(sorted(ours))} prices and {other.scheme.name} "
                f"{'/'.join(sorted(theirs))} prices"
            )
    ends: tuple[End, End] = ("low", "high")
    corners = [
        baseline.at(logic, memory) / other.at(logic, memory) for logic in ends for memory in ends
    ]
    middle = baseline.energy.value / other.energy.value
    return Band(middle, min(*corners, middle), max(*corners, middle))


def _same_but_for_rows(one: Machine, other: Machine) -> bool:
    """Return whether two machines differ at most in the rows of their array units."""
    return one == other or _of_one_row(one) == _of_one_row(other)


def _of_one_row(machine: Machine) -> Machine:
    return machine.replace(
        units=tuple(
            unit.replace(rows=1) if unit.kind == "array" else unit for unit in machine.units
        )
    )


def _boundaries(of: Estimate, roles: tuple[str, ...]) -> frozenset[str]:
    """Return the boundaries of the prices of the operations that have one of the roles."""
    return frozenset(row.price.boundary for row in of.arithmetic if row.key.role in roles)
