"""Timed simulation of a mapped netlist with Icarus Verilog: glitches and all.

Every gate is a continuous assignment with its own rise and fall delay, the mean over its arcs at
the actual slew and load; pulses shorter than that are swallowed (inertial delay). Transitions are
counted in the value change dump.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from operator import itemgetter
from pathlib import Path

from ..errors import ToolMissingError
from .delays import Timed
from .design import Gate
from .netlist import ONE, ZERO
from .stimuli import Run

#: Simulated time is in femtoseconds.
FEMTO = 1e-15
_RESET_CYCLES = 3
_DUMP = "waves.vcd"

_BENCH = """`timescale 1fs/1fs
module bench;
{declarations}
  reg [{width}:0] steps [0:{last}];
  reg [{width}:0] step = 0;
  reg feeding = 0;
  integer at = 0;
{gates}
  always begin
    #{low} {clock} = 1;
    #{half} {clock} = 0;
  end
  always @(posedge {clock}) begin
    if ({out_valid} === 1'b1) $display("w %h", {{{out_sum}}});
    else if ({out_valid} !== 1'b0 && feeding) $display("w x");
    #1;
    {rst} = at < {reset};
    feeding = at >= {reset} && at < {end};
    step = feeding ? steps[at - {reset}] : 0;
    {{{inputs}}} = step;
    {in_valid} = feeding;
    {out_ready} = 1;
    at = at + 1;
  end
  always @(posedge {clock}) begin
    if (at == {reset} + {warm_up}) begin
      $dumpfile("{dump}");
      $dumpvars(1, bench);
    end
    if (at == {end}) $dumpoff;
    if (at == {end} + {drain}) $finish;
  end
  initial begin
    {clock} = 0;
{zeroed}
    $readmemh("steps.hex", steps);
  end
endmodule
"""


def tool_version() -> str | None:
    """Return Icarus's version, or None where it is not installed."""
    path = shutil.which("iverilog")
    if path is None or shutil.which("vvp") is None:
        return None
    done = subprocess.run([path, "-V"], capture_output=True, text=True, check=False)  # noqa: S603  found on the path
    found = re.search(r"version (\S+)", done.stdout)
    return found[1] if found else "unknown"


def simulate(
    timed: Timed, runs: Sequence[Run], period: float, warm_up: int, jobs: int = 1
) -> list[tuple[dict[str, float], list[str]]]:
    """Run rows back to back through the netlist at a period.

    Parameters
    ----------
    timed : Timed
        A design of the ports that `bitnet_hw.measure.wrapper` gives it, with its delays.
    runs : sequence of Run
        Operands, as many steps in each.
    period : float
        Of the clock, s.
    warm_up : int
        Cycles at the start that are not counted.
    jobs : int
        Simulations at once.

    Returns
    -------
    list of (dict, list of str)
        For each run: net -> changes a cycle; the words that came out, in hexadecimal, with an
        ``x`` in what is undefined.

    Raises
    ------
    ToolMissingError
        If Icarus is not installed.
    RuntimeError
        If it fails, which is a defect of this package.
    """
    compiler, runner = shutil.which("iverilog"), shutil.which("vvp")
    if compiler is None or runner is None:
        raise ToolMissingError("Icarus Verilog is not installed: apt install iverilog")
    nets = sorted({*timed.design.drivers, *_inputs(timed)})
    index = {net: i for i, net in enumerate(nets)}
    with tempfile.TemporaryDirectory(prefix="bitnet-hw-") as name:
        folder = Path(name)
        bench = _bench(timed, index, len(runs[0].steps), period, warm_up)
        (folder / "bench.v").write_text(bench, encoding="utf-8")
        _call([compiler, "-g2012", "-o", "bench.vvp", "bench.v"], folder)

        def one(number: int) -> tuple[dict[str, float], list[str]]:
            own = folder / str(number)  # the bench reads its steps from the folder it starts in
            own.mkdir()
            (own / "steps.hex").write_text("\n".join(f"{step:x}" for step in runs[number].steps))
            printed = _call([runner, "-n", "../bench.vvp"], own)
            counted = _transitions(own / _DUMP)
            (own / _DUMP).unlink()
            cycles = len(runs[number].steps) - warm_up
            moving = {net: counted[f"n{i}"] / cycles for net, i in index.items()}
            words = [line.split()[1] for line in printed.splitlines() if line.startswith("w ")]
            return moving | dict.fromkeys(timed.design.clock_nets, 2.0), words

        with ThreadPoolExecutor(jobs) as pool:
            return list(pool.map(one, range(len(runs))))


def _call(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603  our own text
    if done.returncode:
        raise RuntimeError(f"{Path(command[0]).name} failed: {done.stderr.strip()[-1000:]}")
    return done.stdout


def _inputs(timed: Timed) -> Iterable[str]:
    return (net for bits in timed.design.netlist.inputs.values() for net in bits)


def _bench(timed: Timed, index: dict[str, int], steps: int, period: float, warm_up: int) -> str:
    netlist = timed.design.netlist
    names = {net: f"n{i}" for net, i in index.items()} | {ZERO: "1'b0", ONE: "1'b1"}

    def joined(ports: Iterable[list[str]]) -> str:
        return ", ".join(names[net] for bits in ports for net in reversed(bits))

    inputs = [netlist.inputs[port] for port in ("in_act", "in_wgt", "in_first", "in_last")]
    driven = [net for bits in netlist.inputs.values() for net in bits]
    single = {port: names[bits[0]] for port, bits in {**netlist.inputs, **netlist.outputs}.items()}
    whole = round(period / FEMTO)
    return _BENCH.format(
        declarations="\n".join(
            [f"  reg {names[net]};" for net in driven]
            + [f"  wire {names[net]};" for net in index if net not in set(driven)]
        ),
        gates="\n".join(line for gate in timed.design.gates for line in _gate(gate, timed, names)),
        dump=_DUMP,
        zeroed="\n".join(f"    {names[net]} = 0;" for net in driven),
        width=sum(len(bits) for bits in inputs) - 1,
        last=steps - 1,
        low=whole - whole // 2,
        half=whole // 2,
        clock=single["clk"],
        rst=single["rst"],
        in_valid=single["in_valid"],
        out_ready=single["out_ready"],
        out_valid=single["out_valid"],
        out_sum=joined([netlist.outputs["out_sum"]]),
        inputs=joined(inputs),
        reset=_RESET_CYCLES,
        warm_up=warm_up,
        end=_RESET_CYCLES + steps,
        drain=64,
    )


def _gate(gate: Gate, timed: Timed, names: dict[str, str]) -> list[str]:
    own = {pin: names[net] for pin, net in gate.instance.pins.items() if net in names}
    delays = timed.delays.get(gate.instance.name, [])
    lines: list[str] = []
    cell = gate.cell.flip_flop
    if cell is not None:
        state = f"q_{next(iter(own[pin.name] for pin in gate.cell.outputs if pin.name in own))}"
        own |= {cell.state: state, cell.inverse: f"(~{state})"}
        edge = cell.clock.verilog
        inverted = "~" in edge
        clock = own[cell.clock.inputs[0]]
        events = [f"{'negedge' if inverted else 'posedge'} {clock}"]
        lines.append(f"  reg {state};")
        body = f"{state} <= {cell.data.renamed(own)};"
        for value, function in ((1, cell.preset), (0, cell.clear)):
            if function is None:
                continue
            flag = f"{state}_{'set' if value else 'clear'}"
            lines.append(f"  wire {flag} = {function.renamed(own)};")
            events.append(f"posedge {flag}")
            body = f"if ({flag}) {state} <= 1'b{value}; else {body}"
        lines.append(f"  always @({' or '.join(events)}) {body}")
    for pin in gate.cell.outputs:
        net = gate.net(pin.name)
        if net is None or pin.function is None:
            continue
        arcs = [delay for delay in delays if delay.output == pin.name]
        rise, fall = (
            round(sum(getattr(arc, side) for arc in arcs) / max(1, len(arcs)) / FEMTO)
            for side in ("rise", "fall")
        )
        value_now = pin.function.renamed(own)
        lines.append(f"  assign #({max(0, rise)}, {max(0, fall)}) {names[net]} = {value_now};")
    return lines


def _transitions(dump: Path) -> Counter[str]:
    """Count the changes of each net in a value change dump that ends in ``$dumpoff``."""
    names: dict[bytes, str] = {}
    with dump.open("rb") as file:
        for line in file:
            if line.startswith(b"$var"):
                _, _, width, code, name, *_ = line.split()
                if width == b"1":
                    names[code] = name.decode()
            elif line.startswith(b"$dumpvars"):
                break
        for line in file:
            if line.startswith(b"$end"):
                break
        # A change is a line of the new value and the net's code.
        counted = Counter(map(itemgetter(slice(1, -1)), file))
    if not counted:
        raise RuntimeError("the simulation did not reach its end")
    # At $dumpoff every net is dumped once more, as undefined.
    return Counter({name: max(0, counted[code] - 1) for code, name in names.items()})
