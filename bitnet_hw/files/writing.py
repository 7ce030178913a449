"""Writing of files and folders, which appear whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import ExistsError, InputError


def refuse_existing(path: Path, *, force: bool) -> None:
    """Refuse to write a file that exists, for callers that check before a long computation.

    Raises
    ------
    ExistsError
        If the file exists and `force` is false.
    """
    if path.exists() and not force:
        raise ExistsError(f"{path}: already exists; choose another name")


@contextmanager
def whole_file(path: str | Path, *, force: bool = False) -> Iterator[Path]:
    """Let a caller write a file that appears whole or not at all.

    Parameters
    ----------
    path : str or path
        The file to write.
    force : bool
        Replace an existing file.

    Yields
    ------
    Path
        A temporary name in the same folder, renamed when the block ends without an error.

    Raises
    ------
    ExistsError
        If the file exists and `force` is false.
    InputError
        If the folder cannot be written.
    """
    path = Path(path)
    _refuse_file(path.parent)
    refuse_existing(path, force=force)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(
            prefix=f".{path.name}.", suffix=path.suffix, dir=path.parent
        )
        os.close(handle)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from None
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str, *, force: bool = False) -> None:
    """Write a text file whole, or not at all; see :func:`whole_file`.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_text(Path(folder) / "a.txt", "some text")
    ...     print((Path(folder) / "a.txt").read_text())
    some text
    """
    with whole_file(path, force=force) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def whole_folder(folder: str | Path, landmark: str, *, force: bool = False) -> Iterator[Path]:
    """Let a caller write a folder's files, which appear together or not at all.

    Parameters
    ----------
    folder : str or path
        The folder, made if it does not exist.
    landmark : str
        A file that every call writes; a folder that contains it is in use.
    force : bool
        Replace the files of an earlier call; other files stay.

    Yields
    ------
    Path
        A temporary folder next to it, whose files are moved when the block ends without an error.

    Raises
    ------
    ExistsError
        If the folder is in use and `force` is false.
    InputError
        If the folder is a file or cannot be written.
    """
    folder = Path(folder)
    _refuse_file(folder)
    if (folder / landmark).exists() and not force:
        raise ExistsError(f"{folder}: already contains {landmark}; choose another folder")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        if folder.exists() and not os.access(folder, os.W_OK | os.X_OK):
            raise InputError(f"{folder}: cannot be written: the folder is not writable")
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror or error}") from None
    try:
        yield temporary
        written = [path for path in sorted(temporary.rglob("*")) if path.is_file()]
        targets = [folder / path.relative_to(temporary) for path in written]
        _check_targets(folder, targets, force=force)
        for path, target in zip(written, targets, strict=True):
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror or error}") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _refuse_file(folder: Path) -> None:
    """Refuse a folder that is, or lies in, a file."""
    for one in (folder, *folder.parents):
        if one.is_file():
            raise InputError(f"{one} is a file; give a folder")


def _check_targets(folder: Path, targets: list[Path], *, force: bool) -> None:
    """Check, before the first file is moved, that nothing will stop a later one."""
    for target in targets:
        between = [parent for parent in target.parents if folder in parent.parents]
        for parent in between:
            if parent.exists() and not parent.is_dir():
                raise InputError(f"{parent}: is a file; a folder must go there")
        if target.is_dir():
            raise InputError(f"{target}: is a folder; a file must go there")
        if target.exists() and not force:
            raise ExistsError(f"{target}: already exists; choose another folder")
