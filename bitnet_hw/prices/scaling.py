"""Energy tables scaled from one process node to another, where a user asks for it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field

from ..errors import InputError, unknown_name
from ..files.reading import read, validate
from ..files.records import Record
from .entries import OperationEntry, Source, SramEntry
from .loading import FOLDER
from .tables import EnergyTable


class NodeScaling(Record):
    """The file of scaling equations between process nodes."""

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    name: str
    source: Source
    formula: str
    energy_coefficients: dict[str, Annotated[list[float], Field(min_length=3, max_length=3)]]

    def energy(self, node: str, volts: float) -> float:
        """Return E(V) = a V^2 + b V + c of a node, in the unit of the paper's coefficients."""
        if node not in self.energy_coefficients:
            raise unknown_name("scaling node", node, self.energy_coefficients)
        a, b, c = self.energy_coefficients[node]
        return a * volts * volts + b * volts + c


_SCALING = re.compile(
    r"(?P<node>\w+)@(?P<volts>\d+(?:\.\d+)?):(?P<to>\w+)@(?P<to_volts>\d+(?:\.\d+)?)"
)


def scale_table(table: EnergyTable, request: str) -> EnergyTable:
    """Return a table scaled to another process node, every price of it derived.

    Parameters
    ----------
    table : EnergyTable
        The published table.
    request : str
        ``HP45@0.9:HP7@0.7``: node and supply voltage at the origin and at the target.

    Raises
    ------
    InputError
        If the request is malformed, or a node or voltage is outside the equations.
    """
    match = _SCALING.fullmatch(request)
    if match is None:
        raise InputError(f"scaling {request!r}: write NODE@VOLTS:NODE@VOLTS, as HP45@0.9:HP7@0.7")
    if table.macs:
        raise InputError(
            f"energy table {table.name} is simulated at its own node; it is not scaled"
        )
    scaling = validate(NodeScaling, read(FOLDER / "stillmaker-2017.yaml"))
    ends = [(match["node"], float(match["volts"])), (match["to"], float(match["to_volts"]))]
    for node, volts in ends:
        if not 0.4 <= volts <= 1.3:
            raise InputError(f"scaling {node}@{volts:g}: the supply must lie in 0.4 to 1.3 V")
    origin_nm = float(re.sub(r"\D", "", ends[0][0]))
    if origin_nm != table.node_nm:
        raise InputError(
            f"scaling {request!r} starts at {origin_nm:g} nm, but energy table {table.name} is of "
            f"{table.node_nm:g} nm"
        )
    origin, target = (scaling.energy(node, volts) for node, volts in ends)
    factor = target / origin
    if factor <= 0:
        raise InputError(f"scaling {request!r}: the equations give no positive energy there")
    formula = f"{{was}} x {factor:.4g} ({scaling.name}, {request}, by {scaling.source.cite()})"

    def scaled(entry: OperationEntry | SramEntry, keys: Iterable[str]) -> dict[str, object]:
        data = entry.model_dump(exclude_none=True)
        was = f"{data[next(iter(keys))]:g} pJ"
        data |= {key: data[key] * factor for key in keys if key in data}
        before = f" [{entry.formula}]" if entry.formula else ""
        return data | {"kind": "derived", "formula": formula.format(was=was) + before}

    target_nm = re.sub(r"\D", "", ends[1][0])
    return EnergyTable.model_validate(
        {
            "schema": 1,
            "name": f"{table.name} scaled {request}",
            "title": f"{table.title}, scaled {request}",
            "node_nm": float(target_nm),
            "sources": {key: source.model_dump() for key, source in table.sources.items()},
            "operations": [scaled(e, ("pj", "low_pj", "high_pj")) for e in table.operations],
            "sram": [scaled(e, ("pj_per_64b",)) for e in table.sram],
        }
    )
