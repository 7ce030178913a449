"""A processing element with plain port names and its own clock domain.

Simulation and export both use this wrapper, so that the simulated design is the exported one.
"""

from __future__ import annotations

from enum import Enum

from amaranth import ClockDomain, Module, Signal, Value
from amaranth.hdl import Elaboratable

from .pe import PESpec
from .signature import COUNTER_BITS


class Reset(Enum):
    """Kinds of reset for the control registers."""

    #: Synchronous, active high; port ``rst``.
    SYNC = "sync"
    #: Asynchronous, active low; port ``rst_n``. The system must release it synchronously.
    ASYNC_LOW = "async-low"

    @property
    def port(self) -> str:
        """Name of the port."""
        return "rst" if self is Reset.SYNC else "rst_n"


class PlainPorts(Elaboratable):
    """The top-level module of simulation and export.

    Parameters
    ----------
    spec : PESpec
        Element to wrap.
    reset : Reset
        Kind of reset.
    clear_port : bool
        Whether ``clear`` is a port; without it, only reset clears the error and the counters.

    Attributes
    ----------
    inputs, outputs : dict of str to amaranth.Signal
        The ports by name, in the order of export. ``tally_slots`` and ``tally_nonzero`` exist
        only with counters.
    """

    def __init__(
        self, spec: PESpec, *, reset: Reset = Reset.SYNC, clear_port: bool = False
    ) -> None:
        self.spec = spec
        self.reset = reset
        self.clear_port = clear_port
        self._domain = ClockDomain("sync", async_reset=reset is Reset.ASYNC_LOW)
        self.clk: Signal = self._domain.clk
        self.rst: Signal = self._domain.rst
        if reset is Reset.ASYNC_LOW:
            self.rst = Signal(name=reset.port, init=1)
        self.in_valid = Signal()
        self.in_ready = Signal()
        self.in_act = Signal(spec.lanes * spec.act_shape.width)
        self.in_wgt = Signal(spec.lanes * spec.wgt_shape.width)
        self.in_first = Signal()
        self.in_last = Signal()
        self.out_valid = Signal()
        self.out_ready = Signal()
        self.out_sum = Signal(spec.sum_shape.width)  # a bit pattern in any format
        self.out_error = Signal()
        self.clear = Signal()
        self.tally_slots = Signal(COUNTER_BITS)
        self.tally_nonzero = Signal(COUNTER_BITS)

        self.inputs: dict[str, Signal] = {
            "clk": self.clk,
            self.rst.name: self.rst,
            "in_valid": self.in_valid,
            "in_act": self.in_act,
            "in_wgt": self.in_wgt,
            "in_first": self.in_first,
            "in_last": self.in_last,
            "out_ready": self.out_ready,
        }
        if clear_port:
            self.inputs["clear"] = self.clear
        self.outputs: dict[str, Signal] = {
            "in_ready": self.in_ready,
            "out_valid": self.out_valid,
            "out_sum": self.out_sum,
            "out_error": self.out_error,
        }
        if spec.counters:
            self.outputs["tally_slots"] = self.tally_slots
            self.outputs["tally_nonzero"] = self.tally_nonzero

    def elaborate(self, platform: object) -> Module:  # noqa: ARG002  amaranth's signature
        """Connect the ports to the streams of the element."""
        m = Module()
        m.domains.sync = self._domain
        if self.reset is Reset.ASYNC_LOW:
            m.d.comb += self._domain.rst.eq(~self.rst)
        m.submodules.pe = pe = self.spec.create()
        m.d.comb += [
            pe.i.valid.eq(self.in_valid),
            Value.cast(pe.i.payload.act).eq(self.in_act),
            Value.cast(pe.i.payload.wgt).eq(self.in_wgt),
            pe.i.payload.first.eq(self.in_first),
            pe.i.payload.last.eq(self.in_last),
            self.in_ready.eq(pe.i.ready),
            self.out_valid.eq(pe.o.valid),
            self.out_sum.eq(pe.o.payload),
            pe.o.ready.eq(self.out_ready),
            pe.clear.eq(self.clear if self.clear_port else 0),
            self.out_error.eq(pe.error),
            self.tally_slots.eq(pe.tally.slots),
            self.tally_nonzero.eq(pe.tally.nonzero),
        ]
        return m
