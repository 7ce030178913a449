"""The measured circuit: a processing element behind a register for each operand.

The registers represent the operand latches of a tile. They ensure that a cell of the library drives
each net into the lanes, and that the energy of loading an operand can be shared: that of a weight
among the tokens that use it, that of an activation among the rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, get_args

from ..gates.vectors import Response, Vectors
from ..rtl.pe import PESpec, RegisterRole
from ..rtl.verilog import export_verilog, module_name
from .operands import OperandStream

TOP = "measured"
_RESET_CYCLES = 3
#: Cycles after the last step in which sums may still leave the element.
_DRAIN_CYCLES = 64
#: Ports of a step, each of which gets a register.
_STEP_PORTS = ("in_valid", "in_act", "in_wgt", "in_first", "in_last")

#: Part of an element: its combinational gates, or the registers with one role.
Part = Literal["combinational"] | RegisterRole
PARTS: tuple[Part, ...] = ("combinational", *get_args(RegisterRole))
#: Prefixes of the names of the harness's own data registers.
_OPERAND_ROLES: dict[str, RegisterRole] = {
    "operand_wgt": "weights",
    "operand_act": "activations",
}


def verilog(spec: PESpec) -> str:
    """Return the Verilog of a processing element with operand registers, module `TOP`."""
    widths = {
        "in_valid": 1,
        "in_act": spec.lanes * spec.act_shape.width,
        "in_wgt": spec.lanes * spec.wgt_shape.width,
        "in_first": 1,
        "in_last": 1,
    }
    # With zero gating the element has operand registers of its own.
    registers = () if spec.zero_gating else _STEP_PORTS
    ports = [
        "clk",
        "rst",
        *_STEP_PORTS,
        "out_ready",
        "out_valid",
        "out_sum",
        "out_error",
        "in_ready",
    ]
    lines = [f"module {TOP}({', '.join(ports)});", "  input clk, rst, out_ready;"]
    lines += [f"  input [{widths[name] - 1}:0] {name};" for name in _STEP_PORTS]
    lines += [
        "  output out_valid, out_error, in_ready;",
        f"  output [{spec.sum_shape.width - 1}:0] out_sum;",
    ]
    wired = {name: name for name in ports}
    for name in registers:
        wired[name] = f"operand_{name.removeprefix('in_')}"
        reset = " & ~rst" if name == "in_valid" else ""
        lines += [
            f"  reg [{widths[name] - 1}:0] {wired[name]};",
            f"  always @(posedge clk) {wired[name]} <= {name}{reset};",
        ]
    pins = ", ".join(f".{port}({net})" for port, net in wired.items())
    lines += [f"  {module_name(spec)} dut ({pins});", "endmodule", ""]
    return export_verilog(spec) + "\n" + "\n".join(lines)


def vectors(stream: OperandStream, warm_up: int) -> Vectors:
    """Return the test vectors of rows back to back: reset, all steps, and cycles to drain.

    Parameters
    ----------
    stream : OperandStream
        Operands.
    warm_up : int
        Number of steps at the start over which activity is not averaged.
    """
    reset = [{"rst": 1, "out_ready": 1}] * _RESET_CYCLES
    steps = [
        {"in_valid": 1, "in_first": first, "in_last": last, "in_wgt": wgt, "in_act": act,
         "out_ready": 1}
        for first, last, wgt, act in zip(
            stream.first, stream.last, stream.wgt, stream.act, strict=True
        )
    ]  # fmt: skip
    drain = [{"out_ready": 1}] * _DRAIN_CYCLES
    end = _RESET_CYCLES + len(steps)
    return Vectors("clk", [*reset, *steps, *drain], range(_RESET_CYCLES + warm_up, end))


def words(response: Response) -> list[int | None]:
    """Return the output words of the element, with None for a word that has an undefined bit.

    While steps are fed, an undefined ``out_valid`` also counts as an undefined word.
    """
    drain = len(response.outputs) - _DRAIN_CYCLES
    found: list[int | None] = []
    for cycle, ports in enumerate(response.outputs):
        if cycle < _RESET_CYCLES:
            continue
        if ports["out_valid"]:
            found.append(ports["out_sum"])
        elif ports["out_valid"] is None and cycle < drain:
            found.append(None)
    return found


def role_of(spec: PESpec, names: Iterable[str]) -> RegisterRole:
    """Return the role of a register, from the names of its output net.

    Parameters
    ----------
    spec : PESpec
        Element inside the harness.
    names : iterable of str
        Names of the net in the netlist.
    """
    own = [name.removeprefix("dut.") for name in names]
    for prefix, role in _OPERAND_ROLES.items():
        if any(name.startswith(prefix) for name in own):
            return role
    return spec.register_role(own)
