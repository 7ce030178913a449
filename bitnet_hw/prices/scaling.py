"""Energy tables scaled from one process node to another, on request only."""

from __future__ import annotations

import re
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ..errors import InputError, unknown_name
from .editions import load
from .entries import PriceFile, Source
from .operations import OperationEntry
from .sram import SramEntry
from .tables import EnergyTable, OperationTable


class NodeScaling(PriceFile):
    """Scaling equations between process nodes.

    Attributes
    ----------
    source : Source
        The work that fits the equations.
    formula : str
        The equation in words.
    energy_coefficients : mapping
        Node -> a, b and c of E(V) = a V^2 + b V + c, in the unit of the paper's coefficients.
    """

    label: ClassVar[str] = "set of scaling equations"

    kind: Literal["scaling"]
    source: Source
    formula: str
    energy_coefficients: dict[str, Annotated[list[float], Field(min_length=3, max_length=3)]]

    def energy(self, node: str, volts: float) -> float:
        """Return E(V) = a V^2 + b V + c of a node, in the unit of the paper's coefficients."""
        if node not in self.energy_coefficients:
            raise unknown_name("scaling node", node, self.energy_coefficients)
        a, b, c = self.energy_coefficients[node]
        return a * volts * volts + b * volts + c


def load_scaling(name: str = "") -> NodeScaling:
    """Return the scaling equations: an edition by name, a file, or the newest edition.

    Raises
    ------
    InputError
        If there is none of that name, or the file is not valid.

    Examples
    --------
    >>> load_scaling().energy_coefficients["HP7"]
    [0.1776, -0.09097, 0.02447]
    """
    return load(NodeScaling, name)


_SCALING = re.compile(
    r"(?P<node>\w+)@(?P<volts>\d+(?:\.\d+)?):(?P<to>\w+)@(?P<to_volts>\d+(?:\.\d+)?)"
)


def scale_table(table: EnergyTable, request: str, equations: str = "") -> OperationTable:
    """Return a table scaled to another process node, with every price marked as derived.

    Parameters
    ----------
    table : EnergyTable
        A published table of operations.
    request : str
        ``HP45@0.9:HP7@0.7``: node and supply voltage at the origin and at the target.
    equations : str
        The scaling equations; see `load_scaling`.

    Raises
    ------
    InputError
        If the request is malformed, the equations do not cover a node or voltage, or the table
        lists simulated MACs.

    Examples
    --------
    >>> from bitnet_hw.prices.loading import load_table
    >>> scaled = scale_table(load_table("45nm"), "HP45@0.9:HP7@0.7")
    >>> round(load_table("45nm").price("add", "int8").pj / scaled.price("add", "int8").pj, 2)
    14.62
    """
    match = _SCALING.fullmatch(request)
    if match is None:
        raise InputError(
            f"scaling {request!r}: write NODE@VOLTS:NODE@VOLTS, for example HP45@0.9:HP7@0.7"
        )
    if not isinstance(table, OperationTable):
        raise InputError(
            f"energy table {table.name} is simulated at its own node and cannot be scaled"
        )
    scaling = load_scaling(equations)
    ends = [(match["node"], float(match["volts"])), (match["to"], float(match["to_volts"]))]
    for node, volts in ends:
        if not 0.4 <= volts <= 1.3:
            raise InputError(f"scaling {node}@{volts:g}: the supply must lie within 0.4 to 1.3 V")
    origin_nm = float(re.sub(r"\D", "", ends[0][0]))
    if origin_nm != table.node_nm:
        raise InputError(
            f"scaling {request!r} starts at {origin_nm:g} nm, but energy table {table.name} is for "
            f"{table.node_nm:g} nm"
        )
    origin, target = (scaling.energy(node, volts) for node, volts in ends)
    factor = target / origin
    if factor <= 0:
        raise InputError(f"scaling {request!r}: the equations give no positive energy there")
    formula = f"{{was}} x {factor:.4g} ({scaling.name}, {request}, by {scaling.source.cite()})"

    def scaled(entry: OperationEntry | SramEntry, keys: tuple[str, ...]) -> dict[str, object]:
        data = entry.model_dump(exclude_none=True)
        was = f"{data[keys[0]]:g} pJ"
        data |= {key: data[key] * factor for key in keys if key in data}
        before = f" [{entry.formula}]" if entry.formula else ""
        return data | {"kind": "derived", "formula": formula.format(was=was) + before}

    target_nm = re.sub(r"\D", "", ends[1][0])
    return OperationTable.model_validate(
        {
            "schema": 1,
            "kind": "operations",
            "name": f"{table.name} scaled {request}",
            "title": f"{table.title}, scaled {request}",
            "node_nm": float(target_nm),
            "sources": {key: source.model_dump() for key, source in table.sources.items()},
            "operations": [scaled(e, ("pj", "low_pj", "high_pj")) for e in table.operations],
            "sram": [scaled(e, ("pj_per_64b",)) for e in table.sram],
        }
    )
