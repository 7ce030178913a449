"""Widths of accumulators: the least that holds a sum, and what a scheme's rule makes of it."""

from __future__ import annotations

from functools import lru_cache

from ..errors import AccumulatorError
from .formats import Format, Kind, parse_format

#: A scheme's rule for an accumulator as wide as the reduction length needs.
EXACT = "exact"


@lru_cache(maxsize=4096)
def accumulator_bits(max_magnitude: int, k: int) -> int:
    """Return the width of a two's-complement accumulator that cannot overflow.

    The sum of `k` terms of magnitude at most `max_magnitude` lies within plus or minus
    ``max_magnitude * k``, which with its sign takes ``bit_length(max_magnitude * k) + 1`` bits.

    Parameters
    ----------
    max_magnitude : int
        Largest magnitude of one term: 127 or 128 for int8 activations and ternary weights.
    k : int
        Number of terms, the reduction length.

    Raises
    ------
    ValueError
        If either is not positive.

    Examples
    --------
    >>> accumulator_bits(127, 2560)
    20
    """
    if max_magnitude < 1 or k < 1:
        raise ValueError(f"max_magnitude and k must be positive, found {max_magnitude} and {k}")
    return (max_magnitude * k).bit_length() + 1


def check_rule(rule: str, operand: Format) -> None:
    """Check that a scheme's rule fits the operands.

    Raises
    ------
    ValueError
        If the rule asks for exact float sums, or names a format of another kind than the operands'.
    """
    if rule == EXACT:
        if operand.kind is Kind.FLOAT:
            raise ValueError(f"{operand.name} sums have no exact accumulator; give a float format")
        return
    if parse_format(rule).kind is not operand.kind:
        raise ValueError(f"a {rule} accumulator does not fit {operand.name} operands")


def accumulator_of(rule: str, max_magnitude: int, k: int) -> Format:
    """Return the accumulator of integer sums.

    Parameters
    ----------
    rule : str
        ``exact``, or an integer format.
    max_magnitude, k : int
        As in `accumulator_bits`.

    Raises
    ------
    AccumulatorError
        If the format that the rule names could overflow.

    Examples
    --------
    >>> accumulator_of("exact", 127, 6912).name
    'int21'
    """
    bits = accumulator_bits(max_magnitude, k)
    if rule == EXACT:
        return parse_format(f"int{bits}")
    fixed = parse_format(rule)
    if fixed.bits < bits:
        raise AccumulatorError(
            f"accumulator {rule} overflows at a reduction length of {k}: int{bits} is needed"
        )
    return fixed
