"""Loading of models, schemes and machines by catalogue name or path."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar

from ..errors import InputError
from ..files.messages import shorten
from ..files.reading import read
from ..files.records import Record, validate
from . import catalogue

RecordT = TypeVar("RecordT", bound=Record)

#: A name that ends in one of these is a file, whether it exists or not.
_SUFFIXES = {".yaml", ".yml", ".json"}


@dataclass(frozen=True)
class Loader(Generic[RecordT]):
    """Loads one kind of record, from the catalogue or from a user's file.

    Attributes
    ----------
    folder : str
        Its folder in the catalogue: ``machines``.
    record : type
        Its class.
    read : callable
        Function that reads a file, such as those that `read_record` returns.
    own_name : bool
        Whether a file that differs from a shipped entry needs another name, so that a report can
        tell the two apart.
    """

    folder: str
    record: type[RecordT]
    read: Callable[[Path], RecordT]
    own_name: bool = True

    @property
    def title(self) -> str:
        """Name of the kind: ``machine``."""
        return self.folder.removesuffix("s")

    def load(self, name: str | Path) -> RecordT:
        """Return a shipped entry by its name, or the record that a file describes.

        Raises
        ------
        InputError
            If there is none of that name, or the file is not valid.
        """
        if not isinstance(name, (str, Path)):
            raise InputError(f"a {self.title} is a name or a path, found {shorten(name)}")
        text = str(name)
        if not text:
            raise InputError(f"no {self.title} is named: the name is empty")
        if text in catalogue.names(self.folder):
            return self.shipped(text)
        path = Path(name)
        is_path = isinstance(name, Path) or path.suffix in _SUFFIXES or len(path.parts) > 1
        if not is_path and not exists(path):
            # Raises the error that names the nearest entry.
            catalogue.path_of(self.folder, text)
        found = self.read(path)
        if self.own_name:
            self._refuse_shipped_name(found, path)
        return found

    def resolve(self, what: RecordT | str | Path) -> RecordT:
        """Return a record as it is, or load it by its name or path.

        Raises
        ------
        InputError
            If it is none of these, or there is no such record.
        """
        if isinstance(what, self.record):
            return what
        if isinstance(what, (str, Path)):
            return self.load(what)
        raise InputError(
            f"a {self.title} is a {self.record.__name__}, a name or a path, found {shorten(what)}"
        )

    def shipped(self, name: str) -> RecordT:
        """Return an entry of the catalogue, read once per process."""
        found: RecordT = _shipped(self, name)
        return found

    def _refuse_shipped_name(self, found: RecordT, path: Path) -> None:
        name = getattr(found, "name", "")
        if name in catalogue.names(self.folder) and self.shipped(name) != found:
            raise read(path).error(
                ("name",),
                f"{name!r} is a shipped {self.title}, from which this file differs; give it a "
                "name of its own",
            )


@cache
def _shipped(loader: Loader[Any], name: str) -> Any:  # noqa: ANN401  of the loader's kind
    return loader.read(catalogue.path_of(loader.folder, name))


def refuse_same_name(what: str, records: Sequence[Any], given: Sequence[str] = ()) -> None:
    """Refuse records of one name, which no table or report could tell apart.

    Parameters
    ----------
    what : str
        Kind of the records: ``model``.
    records : sequence
        Records that have a name.
    given : sequence of str
        Names by which they were loaded. Default: their own names.

    Raises
    ------
    InputError
        If two have the same name.
    """
    seen: dict[str, int] = {}
    for i, record in enumerate(records):
        before = seen.setdefault(record.name, i)
        if before == i:
            continue
        if given and record is records[before]:
            raise InputError(f"{given[before]} and {given[i]} are the same {what}; name it once")
        raise InputError(
            f"two of the {what}s are called {record.name!r}; give them different names"
        )


def exists(path: Path) -> bool:
    """Return whether a path exists; False for text that cannot be a path."""
    try:
        return path.exists()
    except (OSError, ValueError):  # an overlong name, or one with a NUL
        return False


def read_record(record: type[RecordT]) -> Callable[[Path], RecordT]:
    """Return a function that reads a file whose keys are those of the record."""

    def read_file(path: Path) -> RecordT:
        return validate(record, read(path))

    return read_file
