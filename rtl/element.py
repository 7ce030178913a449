"""The control logic that all processing elements share, around the data path of each kind."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from amaranth import Module, Mux, Signal, Value, unsigned
from amaranth.lib import wiring

from .pe import PESpec


class ProcessingElement(wiring.Component):
    """Handshakes, marks, accumulator, guard on K and counters around a data path.

    The whole pipeline advances or holds as one; it holds while a sum waits to be taken. Only
    control is reset; data without a valid mark is never used.

    A subclass builds the data path. `PESpec.register_role` identifies a data register by its name,
    which must start with one of the prefixes in `PESpec.register_prefixes`.

    Parameters
    ----------
    spec : PESpec
        Element to build.
    """

    #: Whether zero gating also holds the weight. Neither operand of a multiplier may change; an
    #: add-only lane needs the new weight, because the zero weight is what silences the lane.
    gates_weights: ClassVar[bool] = False

    def __init__(self, spec: PESpec) -> None:
        self.spec = spec
        super().__init__(spec.signature)

    # The data path, which each kind of processing element builds.

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
            Module that receives the logic.
        act, wgt : list of amaranth.Value
            One activation and one weight per lane.
        live : list of amaranth.Value or None
            With zero gating, whether each lane holds operands of this step; the other lanes
            contribute zero.
        advance : amaranth.Value
            Enables every register.

        Returns
        -------
        tuple
            The sum of one step, a carry to be added to it or None, and the number of pipeline
            registers on the path.
        """

    @abstractmethod
    def accumulate(self, m: Module, acc: Value, addend: Value, carry: Value | None) -> Value:
        """Build the accumulator's adder."""

    @property
    def identity(self) -> int:
        """Bit pattern of the neutral element of addition."""
        return 0

    # The control.

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002  amaranth's signature
        """Build the control, and the data path through the methods above."""
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
            raise RuntimeError(f"{spec}: {depth} pipeline registers built, {spec.depth} expected")

        # The marks valid, first and last travel with the data; one entry per stage.
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
                # The first step of a row enters the last stage, so the accumulator is cleared. One
                # cycle early, the registers' own synchronous reset does it without a gate per bit.
                with m.If(marks[-2][0] & marks[-2][1]):
                    m.d.sync += acc.eq(self.identity)
        return m

    def _guard(self, m: Module, accept: Value) -> None:
        """Set the error flag at a step that its row cannot hold.

        ``full`` is the top bit of a counter that starts at ``2**n - steps_max``, which saves a
        comparison. It is also set while no row is open.
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

    def gate(
        self, m: Module, act: list[Value], wgt: list[Value], advance: Value
    ) -> tuple[list[Value], list[Value], list[Value]]:
        """Register the operands; a lane with a zero weight keeps its previous ones."""
        held: tuple[list[Value], list[Value], list[Value]] = ([], [], [])
        for lane, (x, w) in enumerate(zip(act, wgt, strict=True)):
            load = advance & self.nonzero(w)
            held[0].append(delayed(m, x, load, f"act_{lane}"))
            held[1].append(delayed(m, w, load if self.gates_weights else advance, f"wgt_{lane}"))
            held[2].append(delayed(m, self.nonzero(w), advance, f"live_{lane}"))
        return held


def delayed(m: Module, value: Value, enable: Value, name: str) -> Value:
    """Return `value` one pipeline stage later, from a register without reset."""
    register = Signal(value.shape(), name=name, reset_less=True)
    with m.If(enable):
        m.d.sync += register.eq(value)
    return register
