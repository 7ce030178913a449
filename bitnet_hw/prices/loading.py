"""Where energy tables come from: those that ship, and a user's own files."""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

from ..errors import InputError, unknown_name
from ..files.reading import read, validate
from .entries import DramPrices, Expansions
from .tables import EnergyTable

#: Where the price lists stand.
FOLDER = Path(str(files("bitnet_hw.energy_tables")))


def table_files() -> list[Path]:
    """Return the files of the energy tables that ship with the package."""
    apart = {"dram-1.yaml", "expansions-1.yaml", "stillmaker-2017.yaml"}
    return [path for path in sorted(FOLDER.glob("*.yaml")) if path.name not in apart]


@cache
def builtin_tables() -> dict[str, EnergyTable]:
    """Return the tables that ship with the package, by name."""
    tables = [read_table(path) for path in table_files()]
    return {table.name: table for table in tables}


def load_table(name: str) -> EnergyTable:
    """Return an energy table by name or alias, or from a YAML file.

    Raises
    ------
    InputError
        If there is none of that name, or the file is not a valid one.
    """
    if name.endswith((".yaml", ".yml")):
        table = read_table(Path(name))
        refuse_shipped_name(table, Path(name))
        return table
    tables = builtin_tables()
    for table in tables.values():
        if name == table.name or name in table.aliases:
            return table
    short = [alias for table in tables.values() for alias in table.aliases]
    raise unknown_name("energy table", name, [*tables, *short])


def refuse_shipped_name(table: EnergyTable, path: Path) -> None:
    """Refuse a table that takes the name or an alias of a shipped one and says something else.

    Raises
    ------
    InputError
        Naming the file and the name.
    """
    for shipped in builtin_tables().values():
        taken = {shipped.name, *shipped.aliases} & {table.name, *table.aliases}
        if taken and shipped != table:
            raise InputError(
                f"{path}: name or alias {sorted(taken)[0]!r} is that of a shipped table, which "
                "this file changes; give it a name of its own"
            )


def read_table(path: Path) -> EnergyTable:
    """Read and check one energy table."""
    return validate(EnergyTable, read(path))


@cache
def load_expansions() -> Expansions:
    """Return what operations that no table lists are made of."""
    return validate(Expansions, read(FOLDER / "expansions-1.yaml"))


@cache
def load_dram_prices() -> DramPrices:
    """Return the DRAM price list."""
    return validate(DramPrices, read(FOLDER / "dram-1.yaml"))
