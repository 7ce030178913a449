"""Loading of price files of every kind, shipped or from a user."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from ..errors import InputError
from ..files.reading import Document, read, shorten, validate
from .dram import DramPrices, load_dram_prices
from .editions import (
    FOLDER,
    KINDS,
    Edition,
    editions,
    find,
    is_file,
    kinds_of,
    load_shipped,
    newest,
    read_price_file,
)
from .entries import PriceFile
from .equations import NodeScaling
from .expansions import Expansions, load_expansions
from .on_chip import OnChipPrices, load_on_chip_prices
from .tables import EnergyTable, MacTable, OperationTable

__all__ = [
    "FOLDER",
    "as_table",
    "builtin_tables",
    "find_edition",
    "load_dram_prices",
    "load_expansions",
    "load_on_chip_prices",
    "load_price_file",
    "load_table",
    "read_record",
    "read_table",
    "refuse_shipped_name",
    "shipped_files",
]

_RECORDS: tuple[type[PriceFile], ...] = (
    OperationTable, MacTable, DramPrices, OnChipPrices, Expansions, NodeScaling,
)  # fmt: skip


def _record_of(kind: str) -> type[PriceFile]:
    return next(record for record in _RECORDS if kind in kinds_of(record))


def _shipped(edition: Edition) -> PriceFile:
    return load_shipped(_record_of(edition.head.kind), edition.path)


def shipped_files() -> list[PriceFile]:
    """Return the files of every kind that ship with the package: tables first, then the others."""
    order = [*kinds_of(EnergyTable), *KINDS]
    return [_shipped(e) for e in sorted(editions(), key=lambda e: order.index(e.head.kind) > 1)]


def builtin_tables() -> dict[str, EnergyTable]:
    """Return the energy tables that ship with the package, by name.

    Examples
    --------
    >>> sorted(builtin_tables())[:2]
    ['asap7-prelayout', 'gt2n-prelayout']
    """
    return {file.name: file for file in shipped_files() if isinstance(file, EnergyTable)}


def load_table(name: str | Path) -> EnergyTable:
    """Return an energy table.

    Parameters
    ----------
    name : str or Path
        Name or alias of a shipped table, or a YAML file: a path, or a string that ends in ``.yaml``
        or ``.yml``.

    Raises
    ------
    InputError
        If there is none of that name, or the file is not valid, or it differs from a shipped table
        of the same name.

    Examples
    --------
    >>> load_table("7nm").name
    'jouppi-2021-7nm'
    >>> load_table("7nm").price("add", "int21").kind
    'derived'
    """
    if is_file(name):
        table = read_table(Path(name))
        refuse_shipped_name(table, Path(name))
        return table
    # `find` has checked the kind.
    return cast("EnergyTable", _shipped(find(str(name), EnergyTable)))


def as_table(table: EnergyTable | str | Path) -> EnergyTable:
    """Return an energy table as it is, or load it by its name or path.

    Raises
    ------
    InputError
        If it is none of these, or there is no such table.

    Examples
    --------
    >>> as_table("45nm") is as_table(load_table("45nm"))
    True
    """
    if isinstance(table, EnergyTable):
        return table
    if not isinstance(table, (str, Path)):
        raise InputError(
            f"an energy table is an EnergyTable, a name or a path, found {shorten(table)}"
        )
    return load_table(table)


def read_table(path: str | Path) -> EnergyTable:
    """Read and check an energy table of either kind, whatever its name.

    Raises
    ------
    InputError
        If the file is not valid, or is not an energy table.
    """
    # `read_price_file` has checked the kind.
    return cast("EnergyTable", _record(read_price_file(path, EnergyTable)))


def read_record(path: str | Path) -> PriceFile:
    """Read and check a price file of any kind.

    Raises
    ------
    InputError
        If the file is not valid.
    """
    return _record(read_price_file(path))


def _record(document: Document) -> PriceFile:
    return validate(_record_of(document.data["kind"]), document)


def find_edition(name: str) -> Edition:
    """Return the shipped file with a name or alias; a kind's name means its newest edition.

    Raises
    ------
    InputError
        If there is none of that name.
    """
    return newest(name) if name in KINDS else find(name)


def load_price_file(name: str | Path) -> PriceFile:
    """Return a price file of any kind.

    Parameters
    ----------
    name : str or Path
        Name or alias of a shipped file; a kind, such as ``dram``, for its newest edition; or a
        user's file.

    Raises
    ------
    InputError
        If there is none of that name, or the file is not valid.

    Examples
    --------
    >>> load_price_file("dram").kind
    'dram'
    """
    return read_record(name) if is_file(name) else _shipped(find_edition(str(name)))


def refuse_shipped_name(file: PriceFile, path: Path) -> None:
    """Refuse a file that has the name or an alias of a shipped one but differs from it.

    Raises
    ------
    InputError
        Naming the file and the name.
    """
    for edition in editions():
        taken = sorted({*edition.head.names} & {*file.names})
        if taken and _shipped(edition) != file:
            shipped, document = f"the shipped {file.label} {edition.head.name}", read(path)
            if file.name in taken:
                raise document.error(
                    ("name",),
                    f"{file.name!r} is that of {shipped}, from which this file differs; give it a "
                    "name of its own",
                )
            raise document.error(
                ("aliases",), f"{taken[0]!r} belongs to {shipped}; remove it or choose another"
            )
