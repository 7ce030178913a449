"""What is synthesised: a processing element behind a register for each operand.

The registers stand for the operand latches of a tile, so that the nets into the lanes have a cell
of the library as driver, and so that their energy can be shared: a weight's over the tokens that
use it, an activation's over the rows.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from ..rtl.pe import PESpec
from ..rtl.verilog import export, module_name

TOP = "measured"
#: Data ports of the operands and the marks, which the wrapper registers.
_STEP = ("in_valid", "in_act", "in_wgt", "in_first", "in_last")

Part = Literal["combinational", "weights", "activations", "accumulator", "pipeline", "control"]
PARTS: tuple[Part, ...] = (
    "combinational",
    "weights",
    "activations",
    "accumulator",
    "pipeline",
    "control",
)


def step_widths(spec: PESpec) -> dict[str, int]:
    """Return the width of each port of a step, in the order in which a step is packed."""
    return {
        "in_last": 1,
        "in_first": 1,
        "in_wgt": spec.lanes * spec.wgt_shape.width,
        "in_act": spec.lanes * spec.act_shape.width,
    }


def verilog(spec: PESpec) -> str:
    """Return the Verilog of a processing element with operand registers, module `TOP`."""
    widths = {"in_valid": 1, **step_widths(spec)}
    registers = [name for name in _STEP if not (spec.zero_gating and name != "in_valid")]
    if spec.zero_gating:  # the element has operand registers of its own
        registers = []
    ports = ["clk", "rst", *_STEP, "out_ready", "out_valid", "out_sum", "out_error", "in_ready"]
    lines = [f"module {TOP}({', '.join(ports)});", "  input clk, rst, out_ready;"]
    lines += [f"  input [{widths[name] - 1}:0] {name};" for name in _STEP]
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
    return export(spec) + "\n" + "\n".join(lines)


_PREFIXES: dict[Part, tuple[str, ...]] = {
    "weights": ("operand_wgt", "wgt_"),
    "activations": ("operand_act", "act_"),
    "accumulator": ("acc", "out_sum"),
    "pipeline": ("node_", "carry_", "product_", "live_"),
}


def part_of(names: Iterable[str]) -> Part:
    """Return what a register is for, from the names of its output in the netlist."""
    own = [name.removeprefix("dut.").removeprefix("pe_") for name in names]
    for part, prefixes in _PREFIXES.items():
        if any(name.startswith(prefixes) for name in own):
            return part
    return "control"
