"""A tree that sums the lanes, with one adder per pair and a carry into each adder.

L terms take L - 1 adders, or L with the accumulator, so each of the L lanes can use the carry-in
of one adder. An add-only lane negates by inverting and adding one. That one is its carry, so
correcting the sign takes no additional adder and no negation per lane.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count

from amaranth import Cat, Const, Module, Signal, Value, signed

from .element import delayed

Adder = Callable[[Module, Value, Value, Value | None, str], Value]


def reduce_tree(
    m: Module,
    terms: Sequence[Value],
    carries: Sequence[Value],
    *,
    add: Adder,
    advance: Value,
    levels_per_stage: int,
) -> tuple[Value, Value | None, int]:
    """Build the tree.

    Parameters
    ----------
    m : amaranth.Module
        Module that receives the logic.
    terms : sequence of amaranth.Value
        L terms.
    carries : sequence of amaranth.Value
        L carry-ins, or an empty sequence.
    add : callable
        Function that builds one adder from a module, two nodes, a carry or None, and a name.
    advance : amaranth.Value
        Enables the registers.
    levels_per_stage : int
        Levels between registers, or 0 for no registers. Unless it is 0, the root has a register.

    Returns
    -------
    tuple
        The root, the carry that remains for the accumulator (None without carries), and the
        number of register stages.
    """
    nodes, spare = list(terms), list(carries)
    level = stages = 0
    while len(nodes) > 1:
        level += 1
        names = count()
        merged = [
            add(m, left, right, spare.pop(0) if spare else None, f"sum_{level}_{next(names)}")
            for left, right in zip(nodes[0::2], nodes[1::2], strict=False)
        ]
        # A node without a partner waits for the next level.
        nodes = merged + nodes[2 * len(merged) :]
        if levels_per_stage and (level % levels_per_stage == 0 or len(nodes) == 1):
            stages += 1
            nodes, spare = _stage(m, nodes, spare, advance, stages)
    if levels_per_stage and stages == 0:  # a single lane has no adder, but still a register
        stages = 1
        nodes, spare = _stage(m, nodes, spare, advance, stages)
    return nodes[0], spare[0] if spare else None, stages


def add_integers(m: Module, left: Value, right: Value, carry: Value | None, name: str) -> Value:
    """Add two signed values and a carry in one adder, one bit wider than the wider operand.

    No result is lost: d levels above terms of w bits, the inverted terms and their carries lie
    within ``-2**(w - 1 + d)`` and ``2**(w - 1 + d) - 1``.
    """
    total = Signal(signed(max(len(left), len(right)) + 1), name=name)
    m.d.comb += total.eq(sum_with_carry(left, right, carry, len(total)))
    return total


def sum_with_carry(left: Value, right: Value, carry: Value | None, width: int) -> Value:
    """Return the low `width` bits of ``left + right + carry``, as a signed value.

    The carry enters through an extra low bit, where 1 plus the carry carries into bit 0.
    Synthesis maps that form to one carry chain.
    """
    if carry is None:
        return (left + right)[:width].as_signed()
    a = Cat(Const(1, 1), _extended(left, width))
    b = Cat(carry, _extended(right, width))
    return (a + b)[1 : width + 1].as_signed()


def _extended(value: Value, width: int) -> Value:
    return Cat(value, value[-1].replicate(width - len(value)))


def register_all(m: Module, values: Sequence[Value], advance: Value, prefix: str) -> list[Value]:
    """Return every value one pipeline stage later."""
    return [delayed(m, value, advance, f"{prefix}_{i}") for i, value in enumerate(values)]


def _stage(
    m: Module, nodes: list[Value], spare: list[Value], advance: Value, stage: int
) -> tuple[list[Value], list[Value]]:
    return (
        register_all(m, nodes, advance, f"node_{stage}"),
        register_all(m, spare, advance, f"carry_{stage}"),
    )
