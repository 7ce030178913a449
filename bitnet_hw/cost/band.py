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

    def __add__(self, other: Band) -> Band:
        """Return the sum."""
        return Band(self.value + other.value, self.low + other.low, self.high + other.high)

    def __mul__(self, factor: float) -> Band:
        """Return the product with a positive number."""
        return Band(self.value * factor, self.low * factor, self.high * factor)

    __rmul__ = __mul__

    def __truediv__(self, divisor: float) -> Band:
        """Return the quotient by a positive number."""
        return Band(self.value / divisor, self.low / divisor, self.high / divisor)


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
