"""Operands from ``.npy`` and ``.npz`` files, paired into dot products."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from ..errors import InputError
from .pe import AnyArray


def load_array(path: Path | str, name: str, check: Callable[[AnyArray], None]) -> AnyArray:
    """Load one array of shape (rows, K) or (K,).

    Parameters
    ----------
    path : pathlib.Path or str
        A ``.npy`` file, or a ``.npz`` file with a single array or one called `name`.
    name : str
        ``weights`` or ``activations``.
    check : callable
        Function that raises `InputError` for values that the hardware does not accept.

    Returns
    -------
    numpy.ndarray
        Shape (rows, K).

    Raises
    ------
    InputError
        If the file cannot be read or its array cannot be used; the message names the file.
    """
    try:
        loaded = np.load(path, allow_pickle=False)
    except OSError as error:
        reason = error.strerror or "not a .npy or .npz file"
        raise InputError(f"{path}: cannot be read: {reason}") from None
    except (ValueError, EOFError, zipfile.BadZipFile):
        raise InputError(f"{path}: not a .npy or .npz file of numbers") from None
    if isinstance(loaded, np.lib.npyio.NpzFile):
        with loaded as archive:
            keys = archive.files
            key = keys[0] if len(keys) == 1 else name
            if key not in keys:
                raise InputError(
                    f"{path}: holds {', '.join(sorted(keys)) or 'nothing'}; "
                    f"expected a single array, or one called {name!r}"
                )
            try:
                loaded = archive[key]
            except (ValueError, EOFError, zipfile.BadZipFile):
                raise InputError(f"{path}: array {key!r} cannot be read") from None
    array = np.asarray(loaded)
    if array.ndim == 1:
        array = array[None, :]
    if array.ndim != 2 or array.size == 0:
        raise InputError(
            f"{path}: {name} must have the shape (rows, K) or (K,), found {array.shape}"
        )
    try:
        check(array)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    return array


def pair_rows(act: AnyArray, wgt: AnyArray, limit: int | None) -> tuple[AnyArray, AnyArray]:
    """Pair every token with every weight row, as a matrix product does.

    Parameters
    ----------
    act : numpy.ndarray
        Shape (T, K).
    wgt : numpy.ndarray
        Shape (N, K).
    limit : int or None
        Largest number of dot products, starting with the first token; None for no limit.

    Returns
    -------
    tuple of numpy.ndarray
        Two arrays of shape (min(T * N, limit), K): token t and weight row n at row ``t * N + n``.

    Raises
    ------
    InputError
        If the lengths K differ.
    """
    if act.shape[1] != wgt.shape[1]:
        raise InputError(
            f"activations of shape {act.shape} and weights of shape {wgt.shape}: "
            "the lengths K must be equal"
        )
    count = act.shape[0] * wgt.shape[0]
    index = np.arange(count if limit is None else min(count, limit))
    return act[index // wgt.shape[0]], wgt[index % wgt.shape[0]]
