"""The price files that ship with the package, found by their own headers.

Each file states its ``kind``, and no code refers to a file's name: a correction is a new file with
a higher ``edition``, or one that the older file names in ``superseded_by``.
"""

from __future__ import annotations

from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple, TypeVar, cast

from ..errors import InputError, unknown_name
from ..files.reading import Document, read, validate
from ..files.records import choices
from ..inputs.load import exists
from .entries import FileKind, PriceFile

#: The folder of the files that ship with the package.
FOLDER = Path(str(files("bitnet_hw.energy_tables")))
KINDS: tuple[str, ...] = choices(FileKind)

FileT = TypeVar("FileT", bound=PriceFile)


class Edition(NamedTuple):
    """The header and the path of a price file."""

    head: PriceFile
    path: Path


def kinds_of(record: type[PriceFile]) -> tuple[str, ...]:
    """Return the kinds of file that a record may hold."""
    return choices(record.model_fields["kind"].annotation)


def is_file(name: str | Path) -> bool:
    """Return whether a name means a user's file.

    It does if it is a path, or a string that ends in .yaml or .yml. Any other name means a file if
    one of that name exists, unless it is also the name of a shipped file or of a kind.
    """
    if isinstance(name, Path) or name.endswith((".yaml", ".yml")):
        return True
    known = (*KINDS, *(each for edition in editions() for each in edition.head.names))
    return bool(name) and name not in known and exists(Path(name))


def read_price_file(path: str | Path, record: type[PriceFile] = PriceFile) -> Document:
    """Read a file and check that it is of a kind that a record may hold.

    Raises
    ------
    InputError
        If it cannot be read, or its ``kind`` is missing, unknown or not one of the record's.
    """
    document = read(path)
    kind, kinds = document.data.get("kind"), kinds_of(record)
    if kind is None:
        raise document.error(
            (), f"key 'kind' is missing; it says what the file lists: {', '.join(KINDS)}"
        )
    if kind not in KINDS:
        raise document.error(("kind",), f"unknown kind {kind!r}; known: {', '.join(KINDS)}")
    if kind not in kinds:
        raise document.error(("kind",), _other_kind(kind, record))
    return document


def _other_kind(kind: str, record: type[PriceFile]) -> str:
    return f"found {kind!r}; expected {' or '.join(kinds_of(record))} ({record.label})"


def editions() -> tuple[Edition, ...]:
    """Return the shipped files of every kind, in the order of their file names.

    Raises
    ------
    InputError
        If two files have the same name or alias, or `superseded_by` names no file of that kind.
    """
    return _scan(FOLDER)


@lru_cache(maxsize=16)
def _scan(folder: Path) -> tuple[Edition, ...]:
    found = tuple(Edition(_head(path), path) for path in sorted(folder.glob("*.yaml")))
    owners: dict[str, Path] = {}
    for head, path in found:
        for name in dict.fromkeys(head.names):
            if name in KINDS:
                raise InputError(f"{path}: name or alias {name!r} is the name of a kind")
            if name in owners:
                raise InputError(f"{owners[name]} and {path} are both called {name!r}")
            owners[name] = path
    for head, path in found:
        successors = [e.head.name for e in found if e.head.kind == head.kind and e.path != path]
        if head.superseded_by and head.superseded_by not in successors:
            problem = unknown_name(f"file of kind {head.kind}", head.superseded_by, successors)
            raise InputError(f"{path}: superseded_by: {problem}")
    return found


def _head(path: Path) -> PriceFile:
    document = read_price_file(path)
    keys = {field.alias or name for name, field in PriceFile.model_fields.items()}
    head = {key: value for key, value in document.data.items() if key in keys}
    return validate(PriceFile, Document(head, document.origin, document.lines))


def newest(kind: str) -> Edition:
    """Return the default file of a kind: the highest edition that is not superseded.

    Raises
    ------
    InputError
        If there is none, or two have the same number.
    """
    of_kind = [e for e in editions() if e.head.kind == kind and not e.head.superseded_by]
    if not of_kind:
        raise InputError(f"no file of kind {kind!r} is in {FOLDER}")
    number = max(edition.head.edition for edition in of_kind)
    last = [edition for edition in of_kind if edition.head.edition == number]
    if len(last) > 1:
        raise InputError(
            f"{last[0].path} and {last[1].path} are both edition {number} of {kind}; give the "
            "later one a higher number"
        )
    return last[0]


def find(name: str, record: type[PriceFile] = PriceFile) -> Edition:
    """Return the shipped file with a name or alias.

    Raises
    ------
    InputError
        If there is none of that name, or it is of a kind that the record does not hold.
    """
    kinds = kinds_of(record)
    for edition in editions():
        if name in edition.head.names:
            if edition.head.kind not in kinds:
                raise InputError(f"{name}: kind: {_other_kind(edition.head.kind, record)}")
            return edition
    known = [n for edition in editions() if edition.head.kind in kinds for n in edition.head.names]
    raise unknown_name(record.label, name, known)


def load(record: type[FileT], name: str | Path = "") -> FileT:
    """Return the content of a price file.

    Parameters
    ----------
    record : type
        The record of its kind.
    name : str or Path
        Name or alias of a shipped file, or a user's file. Default: the newest edition.

    Raises
    ------
    InputError
        If there is no such file, or it is not valid.
    """
    if is_file(name):
        return validate(record, read_price_file(name, record))
    edition = find(str(name), record) if name else newest(kinds_of(record)[0])
    return load_shipped(record, edition.path)


def load_shipped(record: type[FileT], path: Path) -> FileT:
    """Return the content of a shipped file, which is read once per process."""
    return cast("FileT", _read_once(record, path))


@lru_cache(maxsize=256)
def _read_once(record: type[PriceFile], path: Path) -> PriceFile:
    return validate(record, read_price_file(path, record))
