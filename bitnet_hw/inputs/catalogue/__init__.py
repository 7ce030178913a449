"""The catalogue: models, schemes and machines that ship with the package, one YAML file each.

An entry has the same form as a user's own file, so each is also an example.
"""

from __future__ import annotations

from functools import cache
from importlib.resources import files
from pathlib import Path

from ...errors import unknown_name

_ROOT = Path(str(files(__name__)))


@cache
def names(kind: str) -> tuple[str, ...]:
    """Return the names of the entries of a kind: ``models``, ``schemes`` or ``machines``.

    Examples
    --------
    >>> names("machines")[-3:]
    ('u280-tereffic-hbm', 'u280-tereffic-onchip', 'vitallm')
    """
    return tuple(sorted(path.stem for path in (_ROOT / kind).glob("*.yaml")))


def path_of(kind: str, name: str) -> Path:
    """Return the file of an entry.

    Raises
    ------
    InputError
        If there is no such entry; the message suggests the nearest name.
    """
    if name not in names(kind):
        raise unknown_name(kind.removesuffix("s"), name, names(kind))
    return _ROOT / kind / f"{name}.yaml"


def shared_file(name: str) -> Path:
    """Return a file or folder that belongs to no single entry, such as ``huggingface.yaml``."""
    return _ROOT / name
