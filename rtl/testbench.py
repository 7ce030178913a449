"""A self-checking Verilog test bench for an export, which contains its test vectors."""

from __future__ import annotations

import numpy as np

from .backends.interface import PATIENCE
from .pe import PESpec, check_range, choose
from .ports import Reset
from .signature import COUNTER_BITS
from .stimulus import Stalls, Stimulus, Words
from .verilog import LINT_WAIVERS, module_name

# A test bench mixes assignments in ways that a design must not.
_WAIVERS = (*LINT_WAIVERS, "BLKSEQ", "INITIALDLY")

_TEMPLATE = """\
// Self-checking test bench of {module}: {rows} rows of {k} terms, stalls on both streams.
// Prints PASS and ends with exit code 0, or FAIL and ends as a fatal error; for example:
//   iverilog -g2005 -o sim {module}.v {module}_tb.v && vvp sim
// Sums come from the numeric reference of bitnet-hw.
{off}module {module}_tb;
  localparam STEPS = {steps};
  localparam ROWS = {rows};
  localparam [31:0] THRESHOLD = 32'd{threshold};

  reg clk = 1'b0;
  reg reset = 1'b1;
  reg in_valid = 1'b0;
  wire in_ready;
  reg [{act_top}:0] in_act = {act_width}'d0;
  reg [{wgt_top}:0] in_wgt = {wgt_width}'d0;
  reg in_first = 1'b0;
  reg in_last = 1'b0;
  wire out_valid;
  reg out_ready = 1'b0;
  wire [{sum_top}:0] out_sum;
  wire out_error;
{extra_wires}
  {module} dut (
    .clk(clk), .{reset_port}({reset_value}),
    .in_valid(in_valid), .in_ready(in_ready), .in_act(in_act), .in_wgt(in_wgt),
    .in_first(in_first), .in_last(in_last),
    .out_valid(out_valid), .out_ready(out_ready), .out_sum(out_sum), .out_error(out_error){extra}
  );

  reg [{act_top}:0] act [0:STEPS-1];
  reg [{wgt_top}:0] wgt [0:STEPS-1];
  reg [1:0] marks [0:STEPS-1];
  reg [{sum_top}:0] sums [0:ROWS-1];

  integer taken = 0;
  integer received = 0;
  integer idle = 0;
  integer failures = 0;
  reg [31:0] source = 32'd{source};
  reg [31:0] sink = 32'd{sink};
  reg waiting = 1'b0;
  reg [{sum_top}:0] held = {sum_width}'d0;

  function [31:0] toss(input [31:0] state);
    reg [31:0] s;
    begin
      s = state;
      s = s ^ (s << 13);
      s = s ^ (s >> 17);
      s = s ^ (s << 5);
      toss = s;
    end
  endfunction
{nan_function}
  always #5 clk = ~clk;

  // Inputs change on the falling edge, and are seen by the rising one.
  always @(negedge clk) if (!reset) begin
    source <= toss(source);
    sink <= toss(sink);
    out_ready <= toss(sink) >= THRESHOLD;
    if (!in_valid || accepted) begin
      if (taken < STEPS && toss(source) >= THRESHOLD) begin
        in_valid <= 1'b1;
        in_act <= act[taken];
        in_wgt <= wgt[taken];
        in_first <= marks[taken][0];
        in_last <= marks[taken][1];
      end else
        in_valid <= 1'b0;
    end
  end

  reg accepted = 1'b0;
  always @(posedge clk) if (!reset) begin
    accepted <= in_valid && in_ready;
    if (in_valid && in_ready) taken <= taken + 1;
    if (waiting && (!out_valid || out_sum !== held)) begin
      $display("FAIL: a waiting sum changed at time %0t", $time);
      failures = failures + 1;
    end
    waiting <= out_valid && !out_ready;
    held <= out_sum;
    idle <= idle + 1;
    if (out_valid && out_ready) begin
      idle <= 0;
      if ({differs}) begin
        $display("FAIL: row %0d: expected %h, got %h", received, sums[received], out_sum);
        failures = failures + 1;
      end
      received <= received + 1;
      if (received == ROWS - 1) begin
        if (out_error !== 1'b0) begin
          $display("FAIL: out_error is raised");
          failures = failures + 1;
        end
        if (failures != 0)
          $fatal(1, "FAIL: %0d failures", failures);
        else begin
          $display("PASS: %0d rows", ROWS);
          $finish;
        end
      end
    end
    if (idle > {patience}) begin
      $fatal(1, "FAIL: no sum for row %0d", received);
    end
  end

  initial begin
{vectors}
    repeat (3) @(negedge clk);
    reset <= 1'b0;
  end
endmodule
{on}"""

_NAN = """
  function nan(input [{top}:0] x);
    nan = &x[{exponent_top}:{mantissa}] && |x[{mantissa_top}:0];
  endfunction
"""


def export_testbench(
    spec: PESpec,
    *,
    prefix: str = "",
    reset: Reset | str = Reset.SYNC,
    clear_port: bool = False,
    rows: int = 8,
    k: int | None = None,
    stalls: Stalls | None = None,
) -> str:
    """Return the Verilog of a test bench for `export_verilog` with the same arguments.

    Parameters
    ----------
    spec : PESpec
        Element that was exported.
    prefix, reset, clear_port
        As for `bitnet_hw.rtl.verilog.export_verilog`.
    rows : int
        Number of dot products, 1 to 10000.
    k : int, optional
        Length of the dot products. Default: four steps, or `k_max` if that is shorter.
    stalls : Stalls, optional
        Stalls of the streams, and seed of the operands. Default: no stalls, seed 0.

    Raises
    ------
    InputError
        If `rows` or `k` is out of range.

    Examples
    --------
    >>> from bitnet_hw.rtl.family import make_spec
    >>> text = export_testbench(make_spec("ternary", lanes=4, k_max=64), rows=2)
    >>> "PASS" in text
    True
    """
    check_range("rows", rows, 1, 10_000)
    length = min(4 * spec.lanes, spec.k_max) if k is None else k
    check_range("k", length, 1, spec.k_max)
    kind = choose(Reset, "reset", reset)
    stalls = stalls or Stalls()
    rng = np.random.default_rng(stalls.seed)
    act, wgt = spec.random_operands(rng, rows, length)
    stimulus = Stimulus.from_rows(spec, act, wgt, stalls)
    widths = {
        "act": spec.lanes * spec.act_shape.width,
        "wgt": spec.lanes * spec.wgt_shape.width,
        "sum": spec.sum_shape.width,
    }
    marks = stimulus.first.astype(int) + 2 * stimulus.last
    lines = [
        f"    act[{step}] = {_hex(stimulus.act[step], widths['act'])};"
        f" wgt[{step}] = {_hex(stimulus.wgt[step], widths['wgt'])};"
        f" marks[{step}] = 2'd{marks[step]};"
        for step in range(len(marks))
    ]
    lines += [
        f"    sums[{row}] = {widths['sum']}'h{spec.encode_sum(value):x};"
        for row, value in enumerate(spec.compute(act, wgt))
    ]
    extra_wires, extra = "", ""
    if clear_port:
        extra += ", .clear(1'b0)"
    if spec.counters:
        extra_wires = f"  wire [{COUNTER_BITS - 1}:0] tally_slots, tally_nonzero;\n"
        extra += ",\n    .tally_slots(tally_slots), .tally_nonzero(tally_nonzero)"
    differs, nan_function = "out_sum !== sums[received]", ""
    form = spec.sum_format
    if form is not None:  # any NaN equals the reference's NaN
        nan_function = _NAN.format(
            top=form.width - 1,
            exponent_top=form.width - 2,
            mantissa=form.mantissa,
            mantissa_top=form.mantissa - 1,
        )
        differs += " && !(nan(out_sum) && nan(sums[received]))"
    source, sink = stalls.states
    return _TEMPLATE.format(
        module=module_name(spec, prefix),
        rows=rows,
        k=length,
        steps=len(marks),
        threshold=stalls.threshold,
        source=source,
        sink=sink,
        reset_port=kind.port,
        reset_value="reset" if kind is Reset.SYNC else "~reset",
        extra=extra,
        extra_wires=extra_wires,
        differs=differs,
        nan_function=nan_function,
        patience=PATIENCE,
        vectors="\n".join(lines),
        off="".join(f"/* verilator lint_off {code} */\n" for code in _WAIVERS),
        on="".join(f"/* verilator lint_on {code} */\n" for code in _WAIVERS),
        **{f"{name}_top": width - 1 for name, width in widths.items()},
        **{f"{name}_width": width for name, width in widths.items()},
    )


def _hex(words: Words, width: int) -> str:
    return f"{width}'h{int.from_bytes(words.tobytes(), 'little'):x}"
