"""Values with a range, and the costs that an estimate sums."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Band:
    """A value with the range that follows from the ranges of its prices.

    Adding two bands adds their values, their low ends and their high ends, as if all prices moved
    together.

    Examples
    --------
    >>> 2 * (Band(1.0, 0.5, 2.0) + Band(3.0, 3.0, 4.0)) / 4
    Band(value=2.0, low=1.75, high=3.0)
    """

    value: float
    low: float
    high: float

    def __add__(self, other: Band | float) -> Band:
        """Return the sum with another band, or with a number, which has no range."""
        if isinstance(other, int | float):
            other = Band(other, other, other)
        if not isinstance(other, Band):
            return NotImplemented
        return Band(self.value + other.value, self.low + other.low, self.high + other.high)

    __radd__ = __add__  # sum() starts from 0

    def __mul__(self, factor: float) -> Band:
        """Return the product with a number that is not negative.

        Raises
        ------
        ValueError
            If the number is negative, which would exchange the ends.
        """
        if not isinstance(factor, int | float):
            return NotImplemented
        _refuse_negative(factor)
        return Band(self.value * factor, self.low * factor, self.high * factor)

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> Band:
        """Return the quotient by a positive number.

        Raises
        ------
        ValueError
            If the number is negative, which would exchange the ends.
        """
        if not isinstance(divisor, int | float):
            return NotImplemented
        _refuse_negative(divisor)
        return Band(self.value / divisor, self.low / divisor, self.high / divisor)


def _refuse_negative(factor: float) -> None:
    if factor < 0:
        raise ValueError(f"a band is multiplied or divided by a positive number, not {factor:g}")


class Cost(NamedTuple):
    """A summand of an estimate.

    Attributes
    ----------
    energy : Band
        Energy, J.
    operations : int
        Number of operations; 0 for memory and static energy.
    bytes : float
        Number of bytes moved; 0 for arithmetic and static energy.
    """

    energy: Band
    operations: int
    bytes: float

    @property
    def joules(self) -> float:
        """The energy without its range, J."""
        return self.energy.value

    def plus(self, other: Cost) -> Cost:
        """Return the sum."""
        return Cost(
            self.energy + other.energy,
            self.operations + other.operations,
            self.bytes + other.bytes,
        )


#: Cost of an empty sum.
NO_COST = Cost(Band(0.0, 0.0, 0.0), 0, 0.0)
