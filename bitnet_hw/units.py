"""Quantities as people read them: SI prefixes, three or four digits."""

from __future__ import annotations

from .errors import InputError

_PREFIXES = {-15: "f", -12: "p", -9: "n", -6: "µ", -3: "m", 0: "", 3: "k", 6: "M", 9: "G", 12: "T"}


def quantity(value: float | None, unit: str, digits: int = 3) -> str:
    """Return a value with an SI prefix: 0.1205 J is ``120 mJ``, 5.21e8 bytes ``521 MB``.

    Parameters
    ----------
    value : float or None
        The value in the bare unit; None reads ``-``.
    unit : str
        ``J``, ``B`` (1 kB = 1000 B), ``s``, or an empty string for a count.
    digits : int
        Significant digits.
    """
    if value is None:
        return "-"
    if value == 0:
        return f"0 {unit}".rstrip()
    # Rounding first, so that 999.96 becomes 1.00 k and not 1000.
    exponent = int(f"{abs(value):.{digits - 1}e}".split("e")[1])
    lowest = 0 if unit in ("B", "") else min(_PREFIXES)
    power = max(lowest, min(max(_PREFIXES), exponent // 3 * 3))
    decimals = max(0, digits - 1 - (exponent - power))
    scaled = f"{value / 10**power:.{decimals}f}"
    if not unit and power >= 3:  # a count reads better with words' letters
        return f"{scaled} {'B' if power == 9 else _PREFIXES[power]}".replace("k", "K")
    return f"{scaled} {_PREFIXES[power]}{unit}".rstrip()


def times(value: float) -> str:
    """Return a ratio with three significant digits and the multiplication cross: ``3.73×``."""
    exponent = int(f"{abs(value):.2e}".split("e")[1]) if value else 0
    return f"{value:.{max(0, 2 - exponent)}f}×"


def percent(share: float) -> str:
    """Return a share as a percentage: ``12.3 %``; a tiny one keeps two digits."""
    if 0 < abs(share) < 0.001:
        return f"{100 * share:.2g} %"
    return f"{100 * share:.1f} %"


def parse_capacity(text: str) -> int:
    """Return bytes from a text such as ``80GB`` (1e9), ``16GiB`` (2**30) or a plain number.

    Raises
    ------
    InputError
        If the text is not a positive size.
    """
    units = {
        "B": 1,
        "KB": 10**3,
        "KIB": 1 << 10,
        "MB": 10**6,
        "GB": 10**9,
        "TB": 10**12,
        "MIB": 1 << 20,
        "GIB": 1 << 30,
    }
    number = text.strip().upper()
    unit = next((u for u in sorted(units, key=len, reverse=True) if number.endswith(u)), "")
    try:
        size = float(number.removesuffix(unit)) * units.get(unit, 1)
    except ValueError:
        size = 0.0
    if not 0 < size < 1e18:
        raise InputError(f"memory size {text!r}: write a positive size such as 80GB or 16GiB")
    return int(size)
