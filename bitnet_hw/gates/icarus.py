"""Simulation with delays, glitches included, in Icarus Verilog.

Every gate is a continuous assignment with its own rise and fall delays, which are the means over
its arcs at the actual slew and load. Pulses shorter than the delay are suppressed (inertial delay).
Transitions are counted in the value change dump.
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
from .circuit import Gate
from .delays import TimedCircuit
from .netlist import ONE, ZERO
from .vectors import CLOCK_TRANSITIONS, Activity, Response, Vectors

_FEMTOSECOND = 1e-15
_WAVES = "waves.vcd"

_BENCH = """`timescale 1fs/1fs
module bench;
{declarations}
  reg [{width}:0] vectors [0:{last}];
  integer at = 0;
{gates}
  always begin
    #{low} {clock} = 1;
    #{high} {clock} = 0;
  end
  always @(posedge {clock}) begin
    $display("outputs %b", {{{outputs}}});
    if (at == {start}) begin
      $dumpfile("{waves}");
      $dumpvars(1, bench);
    end
    if (at == {stop}) $dumpoff;
    if (at > {last}) $finish;
    #1;
    {{{inputs}}} = vectors[at];
    at = at + 1;
  end
  initial begin
    {clock} = 0;
    {{{inputs}}} = 0;
    $readmemb("vectors.bin", vectors);
  end
endmodule
"""


def tool_version() -> str | None:
    """Return the version of Icarus Verilog, or None if it is not installed."""
    path = shutil.which("iverilog")
    if path is None or shutil.which("vvp") is None:
        return None
    done = subprocess.run([path, "-V"], capture_output=True, text=True, check=False)  # noqa: S603  found on the path
    found = re.search(r"version (\S+)", done.stdout)
    return found[1] if found else "unknown"


def run_icarus(
    timed: TimedCircuit, runs: Sequence[Vectors], period: float, jobs: int = 1
) -> list[Response]:
    """Simulate a circuit with delays, once per set of test vectors.

    Parameters
    ----------
    timed : TimedCircuit
        A circuit with its delays.
    runs : sequence of Vectors
        Sets of test vectors, all with the same clock, number of cycles and counted cycles.
    period : float
        Clock period, s.
    jobs : int
        Number of simulations that run at the same time.

    Returns
    -------
    list of Response
        One response per run. Activities contain only transitions; the shares of time at 1 are
        available from `bitnet_hw.gates.zero_delay`.

    Raises
    ------
    ToolMissingError
        If Icarus Verilog is not installed.
    RuntimeError
        If Icarus Verilog fails, which is a defect of this package.
    """
    compiler, runner = shutil.which("iverilog"), shutil.which("vvp")
    if compiler is None or runner is None:
        raise missing()
    nets = sorted({*timed.circuit.drivers, *_input_nets(timed)})
    index = {net: i for i, net in enumerate(nets)}
    ports = {name: bits for name, bits in timed.circuit.netlist.outputs.items() if bits}
    with tempfile.TemporaryDirectory(prefix="bitnet-hw-") as name:
        folder = Path(name)
        (folder / "bench.v").write_text(_bench(timed, index, runs[0], period), encoding="utf-8")
        _call([compiler, "-g2012", "-o", "bench.vvp", "bench.v"], folder)

        def one(number: int) -> Response:
            vectors = runs[number]
            own = folder / str(number)  # the bench reads and writes in its working directory
            own.mkdir()
            (own / "vectors.bin").write_text(_packed(timed, vectors))
            printed = _call([runner, "-n", "../bench.vvp"], own)
            counted = _transitions(own / _WAVES)
            (own / _WAVES).unlink()
            cycles = len(vectors.counted)
            moving = {net: counted[f"n{i}"] / cycles for net, i in index.items()}
            moving |= dict.fromkeys(timed.circuit.clock_nets, CLOCK_TRANSITIONS)
            lines = [line for line in printed.splitlines() if line.startswith("outputs ")]
            # The first line was printed before the first cycle.
            values = [_unpacked(line.split()[1], ports) for line in lines[1:]]
            return Response(Activity(moving, {}), values)

        with ThreadPoolExecutor(jobs) as pool:
            return list(pool.map(one, range(len(runs))))


def missing() -> ToolMissingError:
    """Build the error for a machine without Icarus Verilog."""
    return ToolMissingError("Icarus Verilog is not installed: apt install iverilog")


def _driven(timed: TimedCircuit, clock: str) -> list[tuple[str, list[str]]]:
    """Return the input ports that test vectors drive, in the order of the bits in a vector."""
    return [(port, bits) for port, bits in timed.circuit.netlist.inputs.items() if port != clock]


def _packed(timed: TimedCircuit, vectors: Vectors) -> str:
    """Return one line of bits per cycle, for ``$readmemb``."""
    ports = _driven(timed, vectors.clock)
    return "\n".join(
        "".join(f"{given.get(port, 0):0{len(bits)}b}" for port, bits in ports)
        for given in vectors.cycles
    )


def _unpacked(bits: str, ports: dict[str, list[str]]) -> dict[str, int | None]:
    values: dict[str, int | None] = {}
    at = 0
    for port, nets in ports.items():
        own = bits[at : at + len(nets)]
        values[port] = int(own, 2) if set(own) <= {"0", "1"} else None
        at += len(nets)
    return values


def _call(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603  our own text
    if done.returncode:
        raise RuntimeError(f"{Path(command[0]).name} failed: {done.stderr.strip()[-1000:]}")
    return done.stdout


def _input_nets(timed: TimedCircuit) -> Iterable[str]:
    return (net for bits in timed.circuit.netlist.inputs.values() for net in bits)


def _bench(timed: TimedCircuit, index: dict[str, int], vectors: Vectors, period: float) -> str:
    netlist = timed.circuit.netlist
    names = {net: f"n{i}" for net, i in index.items()} | {ZERO: "1'b0", ONE: "1'b1"}

    def joined(ports: Iterable[list[str]]) -> str:
        return ", ".join(names[net] for bits in ports for net in reversed(bits))

    given = set(_input_nets(timed))
    inputs = [bits for _, bits in _driven(timed, vectors.clock)]
    whole = round(period / _FEMTOSECOND)
    return _BENCH.format(
        declarations="\n".join(
            f"  {'reg' if net in given else 'wire'} {names[net]};" for net in index
        ),
        gates="\n".join(line for gate in timed.circuit.gates for line in _gate(gate, timed, names)),
        waves=_WAVES,
        width=sum(len(bits) for bits in inputs) - 1,
        last=len(vectors.cycles) - 1,
        low=whole - whole // 2,
        high=whole // 2,
        clock=names[netlist.inputs[vectors.clock][0]],
        inputs=joined(inputs),
        outputs=joined(netlist.outputs.values()),
        start=vectors.counted.start,
        stop=vectors.counted.stop,
    )


def _gate(gate: Gate, timed: TimedCircuit, names: dict[str, str]) -> list[str]:
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
            round(sum(times) / max(1, len(times)) / _FEMTOSECOND)
            for times in ([arc.rise for arc in arcs], [arc.fall for arc in arcs])
        )
        logic = pin.function.renamed(own)
        lines.append(f"  assign #({max(0, rise)}, {max(0, fall)}) {names[net]} = {logic};")
    return lines


def _transitions(dump: Path) -> Counter[str]:
    """Count the transitions of each net in a value change dump that ends in ``$dumpoff``."""
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
        # A transition is a line with the new value and the net's code.
        counted = Counter(map(itemgetter(slice(1, -1)), file))
    if not counted:
        raise RuntimeError("the simulation did not reach its end")
    # $dumpoff dumps every net once more, as undefined.
    return Counter({name: max(0, counted[code] - 1) for code, name in names.items()})
