"""Ratios of two estimates."""

from __future__ import annotations

from ..errors import InputError
from ..inputs.roles import LINEAR_ROLES
from .band import Band
from .estimates import End, Estimate
from .parts import ATTENTION_ROLES

_GROUPS = {
    "projections and FFN": LINEAR_ROLES,
    "attention": ATTENTION_ROLES,
    "LM head": ("lm-head",),
}


def ratio(baseline: Estimate, other: Estimate) -> Band:
    """Return how many times less energy `other` takes than `baseline`.

    The band spans the corners of the two price lists, arithmetic and memory, each at the low or the
    high end for both estimates at once: both use the same machine.

    Raises
    ------
    InputError
        If the two differ in more than their scheme, or rest on different price boundaries, which
        no single ratio bridges.

    Examples
    --------
    >>> from bitnet_hw.cost.estimates import estimate
    >>> of = [estimate("bitnet-b1.58-2b4t", name, "7nm") for name in ("fp16", "bitnet-b1.58")]
    >>> round(ratio(*of).value, 2)
    3.73
    """
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
    if baseline.machine != other.machine:
        raise InputError(
            f"a ratio needs one machine, found {baseline.machine.name} and {other.machine.name} "
            "with other sizes"
        )
    for part, roles in _GROUPS.items():
        ours, theirs = (_boundaries(of, roles) for of in (baseline, other))
        if ours != theirs:
            raise InputError(
                f"a ratio across price boundaries is refused: {baseline.scheme.name} rests on "
                f"{'/'.join(sorted(ours))} prices for {part}, {other.scheme.name} on "
                f"{'/'.join(sorted(theirs))} prices"
            )
    ends: tuple[End, End] = ("low", "high")
    corners = [
        baseline.at(logic, memory) / other.at(logic, memory) for logic in ends for memory in ends
    ]
    middle = baseline.energy.value / other.energy.value
    return Band(middle, min(*corners, middle), max(*corners, middle))


def _boundaries(of: Estimate, roles: tuple[str, ...]) -> frozenset[str]:
    """Return the boundaries of the prices that the products of some roles rest on."""
    return frozenset(row.price.boundary for row in of.arithmetic if row.key.role in roles)
