"""Quantities as people read them: with SI prefixes and three or four digits."""

from __future__ import annotations

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
    """Return a share as a percentage; a tiny one keeps two significant digits.

    Examples
    --------
    >>> percent(0.1234), percent(0.00012)
    ('12.3 %', '0.012 %')
    """
    if 0 < abs(share) < 0.001:
        return f"{100 * share:.2g} %"
    return f"{100 * share:.1f} %"
