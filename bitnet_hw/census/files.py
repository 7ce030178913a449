"""The files of a checkpoint, found from a path."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from ..errors import InputError
from .containers.safetensors import read_index
from .source import Source

_INDEX = ".safetensors.index.json"
_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")


def find_files(path: Path) -> dict[Path, list[str]]:
    """Return the files to read, each with the tensors that an index assigns to it.

    Parameters
    ----------
    path : Path
        A file, the index of a sharded checkpoint, or a folder.

    Raises
    ------
    InputError
        If a folder has no checkpoint, or more than one.
    """
    if path.name.endswith(_INDEX):
        return _shards(path)
    if not path.is_dir():
        return {path: []}
    try:
        names = sorted(entry.name for entry in path.iterdir() if not entry.is_dir())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    indexes = [name for name in names if name.endswith(_INDEX)]
    if len(indexes) > 1:
        raise InputError(f"{path}: {len(indexes)} indexes ({', '.join(indexes)}); name one")
    if indexes:
        return _shards(path / indexes[0])
    for suffix in (".safetensors", ".gguf"):
        found = [name for name in names if name.endswith(suffix)]
        if len(found) == 1 or (found and all("-of-" in name for name in found)):
            return {path / name: [] for name in found}
        if found:
            raise InputError(
                f"{path}: {len(found)} {suffix} files and no index; name one of "
                f"{', '.join(found[:5])}"
            )
    pickles = [name for name in names if name.endswith(_PICKLES)]
    if pickles:
        raise _pickle(path / pickles[0])
    raise InputError(f"{path}: the folder has neither a .safetensors nor a .gguf file")


def open_file(path: Path, stack: ExitStack) -> Source:
    """Open a file that `find_files` found, to be closed by the stack.

    Raises
    ------
    InputError
        If it is missing or is a pickle file, by its name or its content.
    """
    if path.suffix in _PICKLES:
        if not path.exists():
            raise InputError(f"{path}: no such file")
        raise _pickle(path)
    source = stack.enter_context(Source(path))
    head = source.read(0, 4)
    is_pickle = head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")
    # torch.save writes a zip archive. A safetensors file never begins with these bytes, which would
    # state a length far beyond its own.
    if head == b"PK\x03\x04" or (is_pickle and source.read(8, 1) != b"{"):
        raise _pickle(path)
    return source


def _shards(index: Path) -> dict[Path, list[str]]:
    return {index.parent / name: tensors for name, tensors in read_index(index).items()}


def _pickle(path: Path) -> InputError:
    return InputError(
        f"{path}: pickle files are not read, since opening one can run code; "
        "save the checkpoint as safetensors"
    )
