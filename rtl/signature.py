"""The ports of a processing element, which are the same for every kind.

A *row* is one dot product of length K. It arrives as ceil(K / L) *steps* of L lanes; the first
step has the mark ``first``, the last one ``last``, and the sum leaves as one beat of the
output stream.
"""

from __future__ import annotations

from amaranth import Shape
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out

#: Width of the counters in bits, enough for 2.8e14 adder slots.
COUNTER_BITS = 48


class StepLayout(data.StructLayout):
    """Payload of the operand stream, one step of a row.

    Parameters
    ----------
    lanes : int
        L.
    act_shape, wgt_shape : amaranth.Shape
        Shape of one activation and of one weight.

    Members
    -------
    act, wgt
        Arrays of L operands, lane 0 lowest.
    first, last
        Marks of a row's first and last step; a row of one step has both.
    """

    def __init__(self, lanes: int, act_shape: Shape, wgt_shape: Shape) -> None:
        super().__init__(
            {
                "act": data.ArrayLayout(act_shape, lanes),
                "wgt": data.ArrayLayout(wgt_shape, lanes),
                "first": 1,
                "last": 1,
            }
        )


class TallyLayout(data.StructLayout):
    """Counts since reset or the last ``clear``.

    Members
    -------
    slots
        Executed adder slots: L per step, zeros and padding included.
    nonzero
        Terms whose weight was not zero.
    """

    def __init__(self) -> None:
        super().__init__({"slots": COUNTER_BITS, "nonzero": COUNTER_BITS})


class PESignature(wiring.Signature):
    """Ports of a processing element, the same for every kind.

    Parameters
    ----------
    lanes : int
        L.
    act_shape, wgt_shape, sum_shape : amaranth.Shape
        Shapes of an activation, a weight and the sum.

    Members
    -------
    i : In(stream of StepLayout)
        Operands. A step is taken in a cycle in which ``valid`` and ``ready`` are both 1.
    o : Out(stream of sum_shape)
        One sum per row. ``i.ready`` depends combinationally on ``o.ready``.
    clear : In(1)
        Sets ``error`` and ``tally`` to zero.
    error : Out(1)
        Set by a step that no row can hold: one beyond K_max, or one without a ``first`` mark
        before it. It is set before the sum of that row leaves and stays set until ``clear`` or
        reset.
    tally : Out(TallyLayout)
        Always zero in an element without counters.
    """

    def __init__(self, lanes: int, act_shape: Shape, wgt_shape: Shape, sum_shape: Shape) -> None:
        super().__init__(
            {
                "i": In(stream.Signature(StepLayout(lanes, act_shape, wgt_shape))),
                "o": Out(stream.Signature(sum_shape)),
                "clear": In(1),
                "error": Out(1),
                "tally": Out(TallyLayout()),
            }
        )

    def __eq__(self, other: object) -> bool:
        # Amaranth compares subclasses of Signature by identity unless they define equality.
        return isinstance(other, PESignature) and bool(self.members == other.members)

    def __hash__(self) -> int:
        return hash(str(self.members))
