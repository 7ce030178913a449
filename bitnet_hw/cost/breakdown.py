"""The breakdown of an estimate: every summand with its name under each field, and their sums."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal, NamedTuple, get_args

from ..errors import unknown_name
from ..inputs.machine import Machine
from ..inputs.roles import LINEAR_ROLES
from .band import NO_COST, Band, Cost
from .lowered import Lowered
from .parts import PARTS, SCALE_ROLES, arithmetic_part, memory_part, operation_kind
from .pricing import PricedRow, PricedTraffic, PricedUnpacking

#: Fields by which the summands of an estimate can be summed.
Field = Literal[
    "role", "operator", "operation", "kind", "format", "level", "content", "layer", "part", "reach"
]
FIELDS: tuple[Field, ...] = get_args(Field)

_REACHED, _REST = "projections and FFN", "rest"


class Summand(NamedTuple):
    """A cost with its name under each field."""

    names: dict[Field, str]
    cost: Cost


def operation_summands(rows: Iterable[PricedRow], lowered: Lowered) -> Iterator[Summand]:
    """Yield the costs of operations."""
    scopes = {p.scope for p in lowered.products if p.role in LINEAR_ROLES}
    for row in rows:
        scope, role, operation, form, *_ = row.key
        # Scales of an integer KV cache or LM head are in other scopes.
        is_reached = scope in scopes and role in (*LINEAR_ROLES, *SCALE_ROLES)
        names: dict[Field, str] = {
            "role": role, "operator": scope, "operation": operation,
            "kind": operation_kind(operation), "format": form, "level": "logic",
            "content": "operations", "layer": _layer(scope), "part": arithmetic_part(role),
            "reach": _REACHED if is_reached else _REST,
        }  # fmt: skip
        yield Summand(names, Cost(row.energy, row.number, 0.0))


def access_summands(rows: Iterable[PricedTraffic], machine: Machine) -> Iterator[Summand]:
    """Yield the costs of memory accesses and of links."""
    near = {memory.name for memory in machine.memories if memory.on_chip}
    for moved in rows:
        scope, role, level, content, size = moved.row
        names: dict[Field, str] = {
            "role": role, "operator": scope, "operation": "access", "kind": "access",
            "format": "access", "level": level, "content": content, "layer": _layer(scope),
            "part": memory_part(moved.row, moved.row.level in near),
            "reach": _REACHED if role in LINEAR_ROLES else _REST,
        }  # fmt: skip
        yield Summand(names, Cost(moved.energy, 0, size))


def unpacking_summands(rows: Iterable[PricedUnpacking]) -> Iterator[Summand]:
    """Yield the costs of turning stored weights into operands."""
    for row in rows:
        names: dict[Field, str] = {
            "role": row.role, "operator": row.scope, "operation": "unpack", "kind": "unpacking",
            "format": row.codec, "level": "unpacking", "content": "weights",
            "layer": _layer(row.scope), "part": "unpacking",
            "reach": _REACHED if row.role in LINEAR_ROLES else _REST,
        }  # fmt: skip
        yield Summand(names, Cost(row.energy, round(row.number), 0.0))


def static_summand(joules: float) -> Summand:
    """Return the cost of static energy."""
    return Summand(dict.fromkeys(FIELDS, "static"), Cost(Band(joules, joules, joules), 0, 0.0))


def sum_by(
    summands: Iterable[Summand], fields: tuple[Field, ...], level: str | None
) -> dict[Any, Cost]:
    """Sum costs by fields; see `bitnet_hw.cost.estimates.Estimate.by`."""
    for field in fields:
        if field not in FIELDS:
            raise unknown_name("field", field, FIELDS)
    sums: dict[Any, Cost] = {}
    if fields == ("part",) and level is None:
        sums = dict.fromkeys(PARTS, NO_COST)
    for names, cost in summands:
        if level in (None, names["level"]):
            of = tuple(names[field] for field in fields)
            key = of[0] if len(of) == 1 else of
            sums[key] = sums.get(key, NO_COST).plus(cost)
    return sums


def _layer(scope: str) -> str:
    return "layers.*" if scope.startswith("layers.*") else scope
