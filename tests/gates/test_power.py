"""Energy, delay and errors of circuits that are small enough to compute by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from bitnet_hw.errors import InputError
from bitnet_hw.gates.circuit import Circuit, bind
from bitnet_hw.gates.delays import Conditions, TimedCircuit, analyse
from bitnet_hw.gates.library import Library, read_library
from bitnet_hw.gates.netlist import read_json
from bitnet_hw.gates.power import gate_powers, summed
from bitnet_hw.gates.vectors import Activity

from .verilog import read_verilog

FJ = 1e-15
PS = 1e-12


def build(library: Library, body: str) -> Circuit:
    ports = "input a; input b; input c; input ck; output y; output z;"
    return bind(read_verilog(f"module top (a);{ports}{body}endmodule", "top.v"), library)


def timed(circuit: Circuit, wire: float = 0.0) -> TimedCircuit:
    return analyse(circuit, Conditions(20 * PS, 20 * PS, wire))


def test_two_inverters(tiny: Library) -> None:
    circuit = build(tiny, "wire m; INV_X1 i0 (.A(a), .Y(m)); INV_X1 i1 (.A(m), .Y(y));")
    found = timed(circuit)
    powers = gate_powers(found, Activity({"a": 0.5, "m": 0.5, "y": 0.5}, {}))
    # First inverter: 1 fF at 1 V; (0.30 + 0.20) / 2 + 0.02 x 1 fJ inside. The second is open.
    assert powers["i0"].switching / FJ == pytest.approx(0.5 * 1.0 * 0.5)
    assert powers["i0"].internal / FJ == pytest.approx((0.25 + 0.02) * 0.5)
    assert powers["i1"].switching == 0
    assert powers["i1"].internal / FJ == pytest.approx(0.25 * 0.5)
    assert powers["i0"].leakage * 1e9 == pytest.approx(1)
    # 4 + 0.25 x 20 + 2 x 1, then transition 2 + 2 x 2 x 1 = 6: 4 + 0.25 x 6 + 0.
    assert found.critical_path / PS == pytest.approx(11 + 5.5)
    assert found.path == ["i0", "i1"]


def test_wire_load_counts_per_fan_out(tiny: Library) -> None:
    circuit = build(
        tiny,
        "wire m; INV_X1 i0 (.A(a), .Y(m)); INV_X1 i1 (.A(m), .Y(y));"
        "NAND2_X1 i2 (.A(m), .B(b), .Y(z));",
    )
    powers = gate_powers(timed(circuit, wire=2e-15), Activity({"m": 1.0}, {}))
    assert powers["i0"].switching / FJ == pytest.approx(0.5 * (1 + 1 + 2 * 2))


def test_inputs_share_an_output_by_activity_and_sensitivity(tiny: Library) -> None:
    # The AOI21's tables are equal for all inputs, so any shares give the mean of 0.55 and 0.45.
    circuit = build(tiny, "AOI21_X1 g (.A1(a), .A2(b), .B(c), .Y(y));")
    powers = gate_powers(timed(circuit), Activity({"a": 0.3, "b": 0.2, "c": 0.9, "y": 0.4}, {}))
    assert powers["g"].internal / FJ == pytest.approx(0.5 * 0.4)


def test_flip_flop_with_its_clock_pin(tiny: Library) -> None:
    circuit = build(tiny, "wire q; DFF_X1 f (.D(a), .CK(ck), .Q(q)); INV_X1 i (.A(q), .Y(y));")
    found = timed(circuit)
    activity = Activity({"a": 0.6, "q": 0.5, "ck": 2.0}, {})
    power = gate_powers(found, activity)["f"]
    assert power.clock_pin / FJ == pytest.approx(2 * 0.8)
    assert power.internal / FJ == pytest.approx(0.6 * 0.4 + 0.5 * (1.5 + 0.02))
    assert power.switching / FJ == pytest.approx(0.5 * 0.5)
    # The clock's transition is 20 ps: 20 + 5 + 2 x 1, then 4 + 0.25 x 6.
    assert found.critical_path / PS == pytest.approx(27 + 5.5)
    both = summed(found, gate_powers(found, activity))
    assert both.dynamic / FJ == pytest.approx(1.6 + 0.24 + 0.76 + 0.25)


def test_setup_belongs_to_the_critical_path(tiny: Library) -> None:
    circuit = build(
        tiny,
        "wire m, n; INV_X1 i (.A(a), .Y(m)); INV_X1 j (.A(m), .Y(n));"
        "DFF_X1 f (.D(n), .CK(ck), .Q(y));",
    )
    # 4 + 5 + 2, transition 6; 4 + 1.5 + 2.4, transition 6.8; set-up 10 + 2 (6.8 - 2) / 38.
    found = timed(circuit).critical_path
    assert found / PS == pytest.approx(11 + 7.9 + 10 + 2 * 4.8 / 38)


def test_a_tied_input_has_no_activity(tiny: Library) -> None:
    circuit = build(tiny, "XOR2_X1 g (.A(a), .B(1'b1), .Y(y));")
    power = gate_powers(timed(circuit), Activity({"a": 0.5, "y": 0.5}, {}))["g"]
    assert power.internal / FJ == pytest.approx(1.1 * 0.5)


def test_a_group_without_condition_prices_the_remaining_states(
    tiny_text: str, tmp_path: Path
) -> None:
    """The clock pin costs 1.8 fJ while D is 1, and 0.8 fJ by default."""
    table = 'rise_power (slew_only) { values ("1.8, 1.8, 1.8"); }'
    group = f'internal_power () {{ when : "D"; {table} {table.replace("rise", "fall")} }}'
    path = tmp_path / "conditional.lib"
    path.write_text(tiny_text.replace("capacitance : 0.8;", f"capacitance : 0.8;\n{group}"))
    found = timed(build(read_library(path), "DFF_X1 f (.D(a), .CK(ck), .Q(y));"))
    activity = Activity({"ck": 2.0}, {"a": 0.25})
    remaining = gate_powers(found, activity)["f"].clock_pin
    added = gate_powers(found, activity, "added")["f"].clock_pin
    assert remaining / FJ == pytest.approx(2 * (0.25 * 1.8 + 0.75 * 0.8))
    assert added / FJ == pytest.approx(2 * (0.25 * 1.8 + 0.8))


def test_verilog_and_json_give_the_same_netlist(tiny: Library) -> None:
    verilog = read_verilog(
        "module top(a, y); input [1:0] a; wire [1:0] a; output y; wire \\m[0] ;\n"
        "assign \\m[0] = a[1];\nNAND2_X1 \\u/1 (.A(a[0]), .B(\\m[0] ), .Y(y));\nendmodule",
        "top.v",
    )
    cells = '{"u/1": {"type": "NAND2_X1", "connections": {"A": [2], "B": [3], "Y": [4]}}}'
    ports = (
        '{"a": {"direction": "input", "bits": [2, 3]}, "y": {"direction": "output", "bits": [4]}}'
    )
    parsed = read_json(
        f'{{"modules": {{"top": {{"ports": {ports}, "cells": {cells}}}}}}}', "t.json"
    )
    for netlist in (verilog, parsed):
        circuit = bind(netlist, tiny)
        low, high = netlist.inputs["a"]
        assert circuit.gates[0].instance.pins == {"A": low, "B": high, "Y": netlist.outputs["y"][0]}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "wire m, n; NAND2_X1 u1 (.A(a), .B(n), .Y(m)); INV_X1 u2 (.A(m), .Y(n));",
            r"combinational loop: (u1 -> u2 -> u1|u2 -> u1 -> u2)$",
        ),
        ("INV_X1 u (.A(a), .Y(y)); INV_X1 v (.A(b), .Y(y));", "driven twice"),
        ("wire m; INV_X1 u (.A(m), .Y(y));", "has no driver"),
        ("INV_X1 u (.Y(y));", "input A is open"),
        ("INV_X1 u (.Q(y), .A(a));", "has no pin 'Q'"),
        ("INV_X9 u (.A(a), .Y(y));", "has no cell 'INV_X9'"),
    ],
)
def test_an_unsound_netlist_is_refused(tiny: Library, body: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        build(tiny, body)


@pytest.mark.parametrize(
    "text",
    ["module t (a); input a; INV_X1 u (.A(a", "module t (a); always @*", "{}", "module t(); x"],
)
def test_a_broken_netlist_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"t\.v"):
        read_verilog(text, "t.v")
    with pytest.raises(InputError, match=r"t\.json"):
        read_json(text, "t.json")


@pytest.mark.parametrize(
    ("modules", "named"), [("", "none"), ('"one": {"ports": {}}, "two": {"ports": {}}', "one, two")]
)
def test_a_netlist_is_one_module(modules: str, named: str) -> None:
    with pytest.raises(InputError, match=rf"^t\.json: expected one flat module, found {named}$"):
        read_json(f'{{"modules": {{{modules}}}}}', "t.json")
