"""The measured circuit: a processing element behind a register for each operand.

The registers represent the operand latches of a tile. With them a cell of the library drives each
net into the lanes, and the energy of loading can be shared: a weight's among the tokens that use
it, an activation's among the rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from ..gates.vectors import Response, Vectors
from ..rtl.pe import PESpec
from ..rtl.verilog import export_verilog, module_name
from .operands import OperandStream

TOP = "measured"
_RESET_CYCLES = 3
#: Cycles after the last step in which a sum may still come out.
_DRAIN_CYCLES = 64
#: Ports of one step, which the harness registers.
_STEP_PORTS = ("in_valid", "in_act", "in_wgt", "in_first", "in_last")

Part = Literal["combinational", "weights", "activations", "accumulator", "pipeline", "control"]
PARTS: tuple[Part, ...] = (
    "combinational",
    "weights",
    "activations",
    "accumulator",
    "pipeline",
    "control",
)


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
    """Return the test vectors of rows back to back: reset, every step, and cycles to drain.

    Parameters
    ----------
    stream : OperandStream
        Operands.
    warm_up : int
        Number of first steps that do not count.
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
    """Return the words that came out of the element, None for one with an undefined bit.

    An undefined ``out_valid`` counts as an undefined word while steps are fed.
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


_PREFIXES: dict[Part, tuple[str, ...]] = {
    "weights": ("operand_wgt", "wgt_"),
    "activations": ("operand_act", "act_"),
    "accumulator": ("acc", "out_sum"),
    "pipeline": ("node_", "carry_", "product_", "live_"),
}


def part_of(names: Iterable[str]) -> Part:
    """Return the part that a register belongs to, from the names on its output net."""
    own = [name.removeprefix("dut.").removeprefix("pe_") for name in names]
    for part, prefixes in _PREFIXES.items():
        if any(name.startswith(prefixes) for name in own):
            return part
    return "control"
