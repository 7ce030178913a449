"""Adders of a unit of L lanes: a balanced tree, and an accumulator."""

from __future__ import annotations

from functools import lru_cache

from ..inputs.formats import Format, Kind, parse_format


def term_bits(activation: Format, weight: Format) -> int:
    """Return the width of a product of two integers: an add-only weight keeps the activation's."""
    return activation.bits + (0 if weight.add_only else weight.bits)


@lru_cache(maxsize=1024)
def adder_tree(term_bits: int, accumulator: Format, lanes: int) -> tuple[tuple[Format, int], ...]:
    """Return the adders of an L-lane unit as (width, number).

    A group of L terms passes through a balanced tree, level by level, and then through the
    accumulator. Level d adds the ceil(L / 2**(d-1)) results of the level before it in pairs, and
    passes an odd one on unchanged; its adders are d bits wider than a term, since they hold the sum
    of up to 2**d terms. All levels together have L - 1 adders. A float tree has a single format.

    Parameters
    ----------
    term_bits : int
        Width of a term.
    accumulator : Format
        Format of the accumulator; no adder of the tree is wider.
    lanes : int
        L, any positive number.

    Examples
    --------
    >>> [(width.name, number) for width, number in adder_tree(8, parse_format("int20"), 6)]
    [('int9', 3), ('int10', 1), ('int11', 1), ('int20', 1)]
    """
    found = []
    left, depth = lanes, 0
    while left > 1:
        depth += 1
        width = accumulator
        if accumulator.kind is not Kind.FLOAT:
            width = parse_format(f"int{min(term_bits + depth, accumulator.bits)}")
        found.append((width, left // 2))
        left -= left // 2
    return (*found, (accumulator, 1))
