"""What ships with the package: models, schemes and machines, one YAML file each.

A catalogue entry is a file of the same form that a user writes, so each is also an example.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path

from ...errors import InputError, unknown_name

_ROOT = Path(str(files(__name__)))


@cache
def names(kind: str) -> tuple[str, ...]:
    """Return the names of the entries of a kind: ``models``, ``schemes`` or ``system``."""
    return tuple(sorted(path.stem for path in (_ROOT / kind).glob("*.yaml")))


def path_of(kind: str, name: str) -> Path:
    """Return the file of an entry.

    Raises
    ------
    InputError
        If there is no such entry, with the nearest known name.
    """
    if name not in names(kind):
        raise unknown_name(kind.removesuffix("s"), name, names(kind))
    return _ROOT / kind / f"{name}.yaml"


def refuse_shipped_name(
    kind: str, name: str, path: Path, shipped: Callable[[str], object], read: object
) -> None:
    """Refuse a file that takes the name of a shipped entry and says something else.

    Two things of one name cannot be told apart in a report.

    Raises
    ------
    InputError
        If the name is taken by another content.
    """
    if name in names(kind) and shipped(name) != read:
        what = kind.removesuffix("s")
        raise InputError(
            f"{path}: name: {name!r} is a shipped {what}, which this file changes; give it a "
            "name of its own"
        )


def shared_file(name: str) -> Path:
    """Return a file that stands beside the kinds, such as ``huggingface.yaml``."""
    return _ROOT / name
