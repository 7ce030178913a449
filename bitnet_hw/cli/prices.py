"""Options that choose energy tables, and the tables that they describe."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from ..cost.convention import ConventionName
from ..inputs.load import refuse_same_name
from ..prices.loading import load_table
from ..prices.scaling import scale_table
from ..prices.tables import EnergyTable
from .options import split_names
from .output import warn

#: Tables of commands that take several: measured gates first, with bare operations beside them.
_GATES_FIRST = "asap7-prelayout,7nm"
#: Tables of bare operations, for the paper convention and for scaling between nodes.
_OPERATIONS = "7nm,45nm"
#: Table of commands that take one.
_SINGLE = "7nm"


def table_options(*, single: bool = False, paper: bool = False) -> Callable[[Any], Any]:
    """Add the options that choose prices; see `build_tables`.

    Parameters
    ----------
    single : bool
        Whether the command takes one energy table instead of several.
    paper : bool
        Whether the command also has the paper convention, whose default the help then states.
    """
    default = f"{_SINGLE} (bare operations)" if single else f"{_GATES_FIRST} (measured gates first)"
    if paper:
        default += f"; {_OPERATIONS} with the paper convention"
    what = "Energy table" if single else "Energy tables, separated by commas"
    names = "a name" if single else "names"
    files = "a YAML file" if single else "YAML files"
    tables = click.option(
        "--energy-table", "energy_tables", metavar="NAME_OR_FILE" if single else "NAMES_OR_FILES",
        help=f"{what}: {names} (see `bitnet-hw tables`) or {files}. Default: {default}.",
    )  # fmt: skip
    scaling = click.option(
        "--scale-node", metavar="FROM@V:TO@V",
        help="Scale all prices from one process node and voltage to another, as in "
        "HP45@0.9:HP7@0.7. Default: no scaling.",
    )  # fmt: skip
    return lambda function: tables(scaling(function))


def build_tables(
    names: str | None,
    scale_node: str | None,
    *,
    convention: ConventionName = "system",
    single: bool = False,
) -> list[EnergyTable]:
    """Return the energy tables of a comma-separated list, scaled between nodes on request.

    A superseded table gives a warning on standard error.

    Parameters
    ----------
    names : str or None
        The list; None for the default of the convention.
    scale_node : str or None
        Nodes to scale from and to.
    convention : str
        Convention whose default applies.
    single : bool
        Whether the default is one table.

    Raises
    ------
    InputError
        If a table is unknown or named twice, or cannot be scaled as asked.
    """
    if names is None:
        several = _OPERATIONS if convention == "paper" or scale_node else _GATES_FIRST
        names = _SINGLE if single else several
    given = split_names("--energy-table", "energy table", names)
    tables = [load_table(name) for name in given]
    refuse_same_name("energy table", tables, given)
    for table in tables:
        if table.superseded_by:
            warn(f"energy table {table.name} is superseded by {table.superseded_by}")
    return [scale_table(table, scale_node) if scale_node else table for table in tables]
