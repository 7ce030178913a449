"""Energy tables scaled from one process node to another, on request only."""

from __future__ import annotations

import re
from pathlib import Path

from ..errors import InputError
from .equations import load_scaling
from .loading import as_table
from .operations import OperationEntry
from .sram import SramEntry
from .tables import EnergyTable, OperationTable

_SCALING = re.compile(
    r"(?P<node>\w+)@(?P<volts>\d+(?:\.\d+)?):(?P<to>\w+)@(?P<to_volts>\d+(?:\.\d+)?)"
)


def scale_table(
    table: EnergyTable | str | Path, request: str, equations: str = ""
) -> OperationTable:
    """Return a table scaled to another process node, with every price marked as derived.

    Parameters
    ----------
    table : EnergyTable, str or Path
        A published table of operations, its name, or its file.
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
    table = as_table(table)
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
