"""Sizes of memories as people write them: ``80GB``, ``16 GiB``."""

from __future__ import annotations

import re

from ..errors import InputError

_UNITS = {
    "B": 1,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KIB": 1 << 10,
    "MIB": 1 << 20,
    "GIB": 1 << 30,
    "TIB": 1 << 40,
}
_SIZE = re.compile(r"\s*([0-9.]+(?:e[-+]?[0-9]+)?)\s*([a-z]*)\s*", re.IGNORECASE)
_LARGEST = 1e18


def parse_size(text: str) -> int:
    """Return the bytes of a memory size.

    Parameters
    ----------
    text : str
        A number with its unit: ``80GB`` (80e9 bytes), ``16GiB`` (16 x 2**30 bytes), ``512 MiB``.

    Raises
    ------
    InputError
        If the unit is missing or unknown, or the size is not a positive number.

    Examples
    --------
    >>> parse_size("16GiB") == 16 * 2**30
    True
    >>> parse_size("16")
    Traceback (most recent call last):
    bitnet_hw.errors.InputError: memory size '16' has no unit; write 16GB or 16GiB
    """
    found = _SIZE.fullmatch(text)
    number, unit = found.groups() if found else ("", "")
    try:
        value = float(number)
    except ValueError:
        value = 0.0
    if value > 0 and not unit:
        raise InputError(f"memory size {text!r} has no unit; write {number}GB or {number}GiB")
    size = value * _UNITS.get(unit.upper(), 0)
    if not 0 < size < _LARGEST:
        raise InputError(f"memory size {text!r}: write a positive size such as 80GB or 16GiB")
    return int(size)
