"""Quantities written with SI prefixes and few digits, and memory sizes read from text."""

from __future__ import annotations

import re

from .errors import InputError

_PREFIXES = {-15: "f", -12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T"}

#: Unit of a memory size, in capitals -> bytes.
_BYTES = {
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


def quantity(value: float | None, unit: str, digits: int = 3) -> str:
    """Return a value with an SI prefix: 0.1205 J is ``120 mJ``, 5.21e8 bytes ``521 MB``.

    Parameters
    ----------
    value : float or None
        The value in the unit without a prefix; None gives ``-``.
    unit : str
        ``J``, ``B`` (1 kB = 1000 B), ``s``, or an empty string for a count.
    digits : int
        Significant digits.

    Examples
    --------
    >>> quantity(0.1205, "J"), quantity(5.21e8, "B"), quantity(2.4e9, "")
    ('120 mJ', '521 MB', '2.40 B')
    """
    if value is None:
        return "-"
    if value == 0:
        return f"0 {unit}".rstrip()
    # Rounded first, so that 999.96 becomes 1.00 k rather than 1000.
    exponent = int(f"{abs(value):.{digits - 1}e}".split("e")[1])
    lowest = 0 if unit in ("B", "") else min(_PREFIXES)
    power = max(lowest, min(max(_PREFIXES), exponent // 3 * 3))
    decimals = max(0, digits - 1 - (exponent - power))
    scaled = f"{value / 10**power:.{decimals}f}"
    if not unit and power >= 3:  # counts are written in thousands (K), millions and billions
        return f"{scaled} {'B' if power == 9 else _PREFIXES[power]}".replace("k", "K")
    return f"{scaled} {_PREFIXES[power]}{unit}".rstrip()


def times(value: float) -> str:
    """Return a ratio with three significant digits and the multiplication cross.

    Examples
    --------
    >>> times(3.7312)
    '3.73×'
    """
    exponent = int(f"{abs(value):.2e}".split("e")[1]) if value else 0
    return f"{value:.{max(0, 2 - exponent)}f}×"


def percent(share: float) -> str:
    """Return a share as a percentage; one below 0.1 % with two significant digits.

    Examples
    --------
    >>> percent(0.1234), percent(0.00012)
    ('12.3 %', '0.012 %')
    """
    if 0 < abs(share) < 0.001:
        return f"{100 * share:.2g} %"
    return f"{100 * share:.1f} %"


def parse_size(text: str) -> int:
    """Return a memory size in bytes.

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
    size = value * _BYTES.get(unit.upper(), 0)
    if not 0 < size < _LARGEST:
        raise InputError(f"memory size {text!r}: write a positive size such as 80GB or 16GiB")
    return int(size)
