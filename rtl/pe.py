"""What every processing element shares: its specification, its ports, its control.

A *row* is one dot product of length K. It arrives as ceil(K / L) *steps* of L lanes; the first
step carries the mark ``first``, the last one ``last``, and the sum leaves as one beat of the
output stream. A specification object says what is computed, once: `PESpec.compute` is the
software reference and `PESpec.create` the hardware.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
from amaranth import Module, Mux, Shape, Signal, Value, unsigned
from amaranth.lib import data, stream, wiring
from amaranth.lib.wiring import In, Out
from numpy.typing import NDArray

from ..errors import InputError

#: Wide enough for 2.8e14 lanes' worth of work.
COUNTER_BITS = 48
MAX_LANES = 1024
MAX_K = 1 << 24

CodeArray = NDArray[np.uint64]
AnyArray = NDArray[Any]


class StepLayout(data.StructLayout):
    """Payload of the operand stream: one step of a row.

    Parameters
    ----------
    lanes : int
        L.
    act_shape, wgt_shape : amaranth.Shape
        Of one activation and of one weight.

    Members
    -------
    act, wgt
        Arrays of L operands, lane 0 lowest.
    first, last
        Marks of a row's first and last step; a row of one step carries both.
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
    """What the hardware counted since reset or the last ``clear``.

    Members
    -------
    slots
        Executed adder slots: L a step, zeros and padding included.
    nonzero
        Terms whose weight was not zero.
    """

    def __init__(self) -> None:
        super().__init__({"slots": COUNTER_BITS, "nonzero": COUNTER_BITS})


class PESignature(wiring.Signature):
    """Ports of every processing element, so that one can stand where another stood.

    Parameters
    ----------
    lanes : int
        L.
    act_shape, wgt_shape, sum_shape : amaranth.Shape
        Of one activation, one weight, and the sum.

    Members
    -------
    i : In(stream of StepLayout)
        Operands. A step is taken in a cycle with ``valid`` and ``ready``.
    o : Out(stream of sum_shape)
        One sum a row. ``i.ready`` follows ``o.ready`` within the cycle.
    clear : In(1)
        Sets ``error`` and ``tally`` to zero.
    error : Out(1)
        A step came that its row cannot hold: K above K_max, or no ``first`` mark before it.
        Stays until ``clear`` or reset, and is up before the sum of that row leaves.
    tally : Out(TallyLayout)
        Zero where the counters were not asked for.
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


@dataclass(frozen=True, kw_only=True)
class PESpec(ABC):
    """Parameters of a processing element, its software reference and its hardware.

    Attributes
    ----------
    lanes : int
        L, products formed in one cycle.
    k_max : int
        Longest row. The guard counts whole steps, so the bound that it enforces, and that
        widths are derived from, is `k_bound`.
    pipeline : int
        Adder-tree levels between registers; 0 for none, which leaves the accumulator alone.
    zero_gating : bool
        Operand registers in front of the lanes, which hold their value where the weight is
        zero, so that such a lane does not toggle.
    counters : bool
        Counters of executed adder slots and non-zero terms.

    Raises
    ------
    InputError
        If a parameter is out of range.
    """

    #: As the command line takes it.
    name: ClassVar[str]
    #: Whether a lane multiplies, so that a product register pays off.
    multiplies: ClassVar[bool] = False

    lanes: int = 32
    k_max: int = 4096
    pipeline: int = 1
    zero_gating: bool = False
    counters: bool = False

    def __post_init__(self) -> None:
        check_range("lanes", self.lanes, 1, MAX_LANES)
        check_range("k_max", self.k_max, 1, MAX_K)
        check_range("pipeline", self.pipeline, 0, 10)

    @property
    def steps_max(self) -> int:
        """Most steps of a row: ceil(k_max / lanes)."""
        return -(-self.k_max // self.lanes)

    @property
    def k_bound(self) -> int:
        """Most terms that a row can hold: whole steps of L lanes."""
        return self.steps_max * self.lanes

    def steps(self, k: int) -> int:
        """Return the steps of a row of length `k`: ceil(k / lanes)."""
        return -(-k // self.lanes)

    @property
    def tree_levels(self) -> int:
        """Levels of the adder tree: ceil(log2(lanes))."""
        return (self.lanes - 1).bit_length()

    @property
    def depth(self) -> int:
        """Pipeline registers between the operand ports and the accumulator."""
        if self.pipeline == 0:
            return int(self.zero_gating)
        tree = max(1, -(-self.tree_levels // self.pipeline))
        return int(self.zero_gating) + int(self.multiplies) + tree

    @property
    def latency(self) -> int:
        """Cycles from the one that takes a row's last step to the one that shows its sum."""
        return self.depth + 1

    def cycles(self, k: int, rows: int = 1) -> int:
        """Return the cycles of `rows` rows back to back, none of the streams stalled.

        ``rows * ceil(k / lanes) + latency``, both ends counted.
        """
        return rows * self.steps(k) + self.latency

    @property
    @abstractmethod
    def act_shape(self) -> Shape:
        """Shape of one activation."""

    @property
    @abstractmethod
    def wgt_shape(self) -> Shape:
        """Shape of one weight code."""

    @property
    @abstractmethod
    def sum_shape(self) -> Shape:
        """Shape of the sum."""

    @property
    def signature(self) -> PESignature:
        """Ports of the hardware."""
        return PESignature(self.lanes, self.act_shape, self.wgt_shape, self.sum_shape)

    @abstractmethod
    def check_activations(self, act: AnyArray) -> None:
        """Raise `InputError` unless an array of any shape holds values that the hardware takes."""

    @abstractmethod
    def check_weights(self, wgt: AnyArray) -> None:
        """Raise `InputError` unless an array of any shape holds values that the hardware takes."""

    def check_operands(self, act: AnyArray, wgt: AnyArray) -> None:
        """Raise `InputError` unless rows (R, K) of both fit the hardware, K up to `k_max`."""
        if act.ndim != 2 or act.shape != wgt.shape or act.size == 0:
            raise InputError(
                "activations and weights must be two equal shapes (rows, K), "
                f"found {act.shape} and {wgt.shape}"
            )
        check_range("K", act.shape[1], 1, self.k_max)
        self.check_activations(act)
        self.check_weights(wgt)

    @abstractmethod
    def encode(self, act: AnyArray, wgt: AnyArray) -> tuple[CodeArray, CodeArray]:
        """Return the bit patterns of operands, as unsigned integers of the same shapes."""

    @abstractmethod
    def padding(self) -> tuple[int, int]:
        """Return the codes that fill the lanes beyond K: an activation and a weight."""

    @abstractmethod
    def compute(self, act: AnyArray, wgt: AnyArray) -> AnyArray:
        """Compute what the hardware computes.

        Parameters
        ----------
        act, wgt : numpy.ndarray
            Shape (R, K): row r is the dot product of ``act[r]`` with ``wgt[r]``.

        Returns
        -------
        numpy.ndarray
            Shape (R,).
        """

    @abstractmethod
    def decode(self, code: int) -> Any:  # noqa: ANN401  a number of any format
        """Return the value of a sum's bit pattern."""

    @abstractmethod
    def encode_sum(self, value: Any) -> int:  # noqa: ANN401  a number of any format
        """Return the bit pattern of a sum of the reference."""

    def agrees(self, got: Any, expected: Any) -> bool:  # noqa: ANN401  a number of any format
        """Whether a sum of the hardware equals one of the reference."""
        return bool(got == expected)

    def nonzero_terms(self, wgt: AnyArray) -> int:
        """Return how many terms the counter of non-zero weights sees for rows (R, K)."""
        return int(np.count_nonzero(wgt))

    def adder_slots(self, k: int, rows: int) -> int:
        """Return the adder slots that `rows` rows execute: ``rows * ceil(k / lanes) * lanes``."""
        return rows * self.steps(k) * self.lanes

    @abstractmethod
    def random_operands(
        self, rng: np.random.Generator, rows: int, k: int, zeros: float
    ) -> tuple[AnyArray, AnyArray]:
        """Draw operands of shape (rows, k) over the whole range, a share of weights zero."""

    @abstractmethod
    def create(self) -> ProcessingElement:
        """Return the hardware."""

    def parameters(self) -> dict[str, object]:
        """Return name and parameters as they stand in reports and exported headers."""
        own = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return {"pe": self.name, **own}


class ProcessingElement(wiring.Component):
    """Control around a data path: handshakes, marks, the accumulator, the guard on K, counters.

    The whole pipeline advances or holds together: it holds while a sum waits to be taken. Only
    control is reset; data that no valid mark covers is never used.

    Parameters
    ----------
    spec : PESpec
        What to build.
    """

    def __init__(self, spec: PESpec) -> None:
        self.spec = spec
        super().__init__(spec.signature)

    # What a kind of processing element fills in.

    @abstractmethod
    def nonzero(self, weight: Value) -> Value:
        """Return whether a weight code counts as a non-zero term."""

    @abstractmethod
    def sum_lanes(
        self,
        m: Module,
        act: list[Value],
        wgt: list[Value],
        live: list[Value] | None,
        advance: Value,
    ) -> tuple[Value, Value | None, int]:
        """Build the lanes and their tree.

        Parameters
        ----------
        m : amaranth.Module
            Where to build.
        act, wgt : list of amaranth.Value
            One operand of each a lane.
        live : list of amaranth.Value or None
            With zero gating, which lanes hold this step's operands; the others contribute zero.
        advance : amaranth.Value
            Enables every register.

        Returns
        -------
        tuple
            The sum of one step, a carry that belongs to it or None, and the registers passed.
        """

    @abstractmethod
    def accumulate(self, m: Module, acc: Value, addend: Value, carry: Value | None) -> Value:
        """Build the accumulator's adder."""

    @property
    def identity(self) -> int:
        """Bit pattern whose addition changes no number."""
        return 0

    # What all share.

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002  amaranth's signature
        """Build the control; the data path comes from the methods above."""
        m = Module()
        spec = self.spec
        step = self.i.payload
        advance = Signal()
        accept = Signal()
        m.d.comb += [
            advance.eq(~self.o.valid | self.o.ready),
            self.i.ready.eq(advance),
            accept.eq(self.i.valid & advance),
        ]
        self._guard(m, accept)
        if spec.counters:
            self._count(m, accept)

        act = [Value.cast(step.act[lane]) for lane in range(spec.lanes)]
        wgt = [Value.cast(step.wgt[lane]) for lane in range(spec.lanes)]
        live: list[Value] | None = None
        if spec.zero_gating:
            act, wgt, live = self.gate(m, act, wgt, advance)
        addend, carry, registers = self.sum_lanes(m, act, wgt, live, advance)
        depth = registers + int(spec.zero_gating)
        if depth != spec.depth:
            raise RuntimeError(f"{spec}: {depth} pipeline registers built, {spec.depth} promised")

        # valid, first, last beside the data, one entry a stage.
        marks: list[tuple[Value, Value, Value]] = [(self.i.valid, step.first, step.last)]
        for stage in range(1, depth + 1):
            valid = Signal(name=f"valid_{stage}")
            first = Signal(name=f"first_{stage}", reset_less=True)
            last = Signal(name=f"last_{stage}", reset_less=True)
            with m.If(advance):
                m.d.sync += [
                    register.eq(value)
                    for register, value in zip((valid, first, last), marks[-1], strict=True)
                ]
            marks.append((valid, first, last))
        valid, first, last = marks[-1]

        shape = spec.sum_shape
        acc = Signal(shape, reset_less=True)
        out = Signal(shape, reset_less=True)
        total = Signal(shape)
        m.d.comb += self.o.payload.eq(out)
        if depth == 0:
            start = Signal(shape)
            m.d.comb += start.eq(Mux(first, self.identity, acc))
        else:
            start = acc
        m.d.comb += total.eq(self.accumulate(m, start, addend, carry))
        with m.If(advance):
            m.d.sync += self.o.valid.eq(valid & last)
            with m.If(valid):
                m.d.sync += acc.eq(total)
                with m.If(last):
                    m.d.sync += out.eq(total)
            if depth > 0:
                # A row's first step enters the stage before the adder: start anew. Done a stage
                # early it is the registers' own synchronous clear, and costs no gate a bit.
                with m.If(marks[-2][0] & marks[-2][1]):
                    m.d.sync += acc.eq(self.identity)
        return m

    def _guard(self, m: Module, accept: Value) -> None:
        """Flag a step that its row cannot hold.

        ``full`` is the top bit of a counter that starts at ``2**n - steps_max``, so no
        comparison is needed. It is also set when no row is open.
        """
        step = self.i.payload
        bits = (self.spec.steps_max - 1).bit_length()
        start = (1 << bits) - self.spec.steps_max
        count = Signal(unsigned(bits + 1), init=1 << bits)
        full = count[-1]
        with m.If(accept):
            with m.If(step.first):
                m.d.sync += count.eq(start + 1)
            with m.Elif(~full):
                m.d.sync += count.eq(count + 1)
            with m.If(step.last):
                m.d.sync += full.eq(1)
        with m.If(accept & full & ~step.first):
            m.d.sync += self.error.eq(1)
        with m.Elif(self.clear):
            m.d.sync += self.error.eq(0)

    def _count(self, m: Module, accept: Value) -> None:
        wgt = self.i.payload.wgt
        counts = [Value.cast(self.nonzero(wgt[lane])) for lane in range(self.spec.lanes)]
        while len(counts) > 1:
            counts = [sum(counts[i + 1 : i + 2], counts[i]) for i in range(0, len(counts), 2)]
        with m.If(self.clear):
            m.d.sync += [self.tally.slots.eq(0), self.tally.nonzero.eq(0)]
        with m.Elif(accept):
            m.d.sync += [
                self.tally.slots.eq(self.tally.slots + self.spec.lanes),
                self.tally.nonzero.eq(self.tally.nonzero + counts[0]),
            ]

    #: Whether gating holds a lane's weight too. A multiplier must see neither operand move; an
    #: add-only lane needs the new weight, which is what silences it.
    gates_weights: bool = False

    def gate(
        self, m: Module, act: list[Value], wgt: list[Value], advance: Value
    ) -> tuple[list[Value], list[Value], list[Value]]:
        """Register the operands, lanes with a zero weight holding theirs."""
        held: tuple[list[Value], list[Value], list[Value]] = ([], [], [])
        for lane, (x, w) in enumerate(zip(act, wgt, strict=True)):
            load = advance & self.nonzero(w)
            held[0].append(delayed(m, x, load, f"act_{lane}"))
            held[1].append(delayed(m, w, load if self.gates_weights else advance, f"wgt_{lane}"))
            held[2].append(delayed(m, self.nonzero(w), advance, f"live_{lane}"))
        return held


def delayed(m: Module, value: Value, enable: Value, name: str) -> Value:
    """Return `value` one pipeline stage later, in a register without reset."""
    register = Signal(value.shape(), name=name, reset_less=True)
    with m.If(enable):
        m.d.sync += register.eq(value)
    return register


def check_range(name: str, value: int, low: int, high: int) -> None:
    """Raise `InputError` unless ``low <= value <= high``."""
    if not low <= value <= high:
        raise InputError(f"{name} must be {low} to {high}, found {value}")
