"""Measurement of processing elements: synthesis, timing, simulation, check and energy."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..errors import InputError, MismatchError
from ..gates import icarus
from ..gates.circuit import Gate, bind
from ..gates.delays import TimedCircuit, analyse
from ..gates.library import Library, read_library
from ..gates.power import Power, gate_powers
from ..gates.synthesis import synthesise
from ..gates.vectors import Activity, Response
from ..gates.zero_delay import run_zero_delay
from ..rtl.family import make_spec
from ..rtl.pe import PESpec
from . import DEFAULT_ELEMENTS, DEFAULT_LANES
from .harness import PARTS, TOP, Part, role_of, vectors, verilog, words
from .operands import OperandStream, draw
from .record import Measurement
from .settings import Settings
from .variant import Variant

#: Default clock period, in units of the longest critical path.
_PERIOD_FACTOR = 1.05
#: Step to which the default clock period is rounded up, s.
_PERIOD_STEP = 10e-12


def measure(
    library: str | Path | Library,
    elements: Sequence[str | PESpec | Variant] = DEFAULT_ELEMENTS,
    settings: Settings | None = None,
    *,
    lanes: int = DEFAULT_LANES,
    cache: Path | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> list[Measurement]:
    """Measure the energy and area of processing elements on a standard-cell library.

    Each element is synthesised to the library's cells and simulated on realistic operands, and
    every output word is compared with the software reference. All elements run at one clock period.
    The energies are pre-layout.

    Parameters
    ----------
    library : str, path or Library
        A Liberty file, compressed or not, or a library that has already been read.
    elements : sequence of str, PESpec or Variant
        Elements to compare: names of `bitnet_hw.rtl.family.FAMILY`, specifications, or variants,
        which may have Booth recoding.
    settings : Settings, optional
        Operands and conditions. Default: those of `Settings`.
    lanes : int
        Number of lanes of the elements that are given by name.
    cache : pathlib.Path, optional
        Folder of synthesised netlists. Default: `bitnet_hw.gates.synthesis.cache_folder`.
    progress : callable
        Function that is called with a line of text when a step begins.

    Returns
    -------
    list of Measurement
        One measurement per element, in the order given.

    Raises
    ------
    ToolMissingError
        If Yosys is missing, or Icarus Verilog where `Settings.timed` asks for it.
    MismatchError
        If an output word differs from the reference.
    InputError
        If no element is given, a name is unknown, or the library or the operands cannot be used.

    Examples
    --------
    The figures of the ternary element in the shipped ASAP7 table::

        >>> measure("asap7.lib.gz", ["ternary"], Settings(period_ps=3200))  # doctest: +SKIP
        [<Measurement: ternary, int21 sum on asap7..., 96.2 fJ/op, 20.45 um2/lane>]
    """
    if not elements or isinstance(elements, str):
        raise InputError("elements must be a list of at least one processing element")
    settings = settings or Settings()
    if not isinstance(library, Library):
        library = read_library(library)
    variants = [_variant(element, lanes) for element in elements]
    timed: list[TimedCircuit] = []
    for variant in variants:
        progress(f"synthesis of {variant.label}")
        netlist = synthesise(
            verilog(variant.spec), TOP, library, booth=variant.booth, cache=cache,
            label=f"the {variant.spec.name} PE",
        )  # fmt: skip
        timed.append(analyse(bind(netlist, library), settings.conditions))
    longest = max(one.critical_path for one in timed)
    period = settings.period or math.ceil(longest * _PERIOD_FACTOR / _PERIOD_STEP) * _PERIOD_STEP
    found = []
    for variant, one in zip(variants, timed, strict=True):
        progress(f"simulation of {variant.label}")
        found.append(_measure(variant, one, settings, period))
    return found


def _variant(element: str | PESpec | Variant, lanes: int) -> Variant:
    if isinstance(element, Variant):
        return element
    return Variant(element if isinstance(element, PESpec) else make_spec(element, lanes=lanes))


def _measure(
    variant: Variant, timed: TimedCircuit, settings: Settings, period: float
) -> Measurement:
    circuit, operands = timed.circuit, settings.operands
    warm_up = 2 * operands.steps if operands.rows > 3 else operands.steps
    simulator = icarus.tool_version() if settings.timed is not False else None
    if settings.timed and simulator is None:
        raise icarus.missing()
    streams = [draw(variant.spec, operands, seed) for seed in range(settings.seeds)]
    runs = [vectors(stream, warm_up) for stream in streams]

    def checked(responses: Sequence[Response]) -> list[Activity]:
        for stream, response in zip(streams, responses, strict=True):
            _check(variant, timed, period, stream, words(response))
        return [response.activity for response in responses]

    settled = checked([run_zero_delay(circuit, run) for run in runs])
    switching = settled
    if simulator is not None:
        glitching = checked(icarus.run_icarus(timed, runs, period, settings.jobs))
        # Glitches are short, so the shares of time at 1 are those of the settled values.
        switching = [
            Activity(g.transitions, s.ones) for g, s in zip(glitching, settled, strict=True)
        ]
    lanes = variant.spec.lanes
    squared = circuit.library.voltage**2
    clock_net = sum(sum(circuit.load(net, settings.wire_load)) / 2 for net in circuit.clock_nets)
    clock_net *= squared / lanes
    names = circuit.netlist.names
    part = {gate.instance.name: _part(variant.spec, gate, names) for gate in circuit.gates}

    def split(activity: Activity) -> dict[Part, Power]:
        sums: dict[Part, Power] = dict.fromkeys(PARTS, Power())
        for name, power in gate_powers(timed, activity, settings.default_groups).items():
            sums[part[name]] = sums[part[name]].plus(power)
        return {name: Power(*(value / lanes for value in power)) for name, power in sums.items()}

    def energy(parts: dict[Part, Power]) -> float:
        tree = settings.clock_tree
        inside = sum(p.switching + p.internal + tree * p.clock_pin for p in parts.values())
        return inside + tree * clock_net

    splits = [split(activity) for activity in switching]
    count = len(splits)
    return Measurement(
        variant=variant,
        library=circuit.library,
        settings=settings,
        period=period,
        critical_path=timed.critical_path,
        area=circuit.area,
        cells=len(circuit.gates),
        flip_flops=sum(gate.cell.flip_flop is not None for gate in circuit.gates),
        parts={
            name: Power(
                *(sum(values) / count for values in zip(*(s[name] for s in splits), strict=True))
            )
            for name in PARTS
        },
        clock_net=clock_net,
        per_seed=[energy(parts) for parts in splits],
        without_glitches=statistics.fmean(energy(split(activity)) for activity in settled),
        words_checked=sum(len(stream.sums) for stream in streams),
        simulator=f"Icarus Verilog {simulator}" if simulator else None,
    )


def _part(spec: PESpec, gate: Gate, names: Mapping[str, Sequence[str]]) -> Part:
    if gate.cell.flip_flop is None:
        return "combinational"
    nets = (gate.net(pin.name) for pin in gate.cell.outputs)
    return role_of(spec, [name for net in nets if net is not None for name in names.get(net, ())])


def _check(
    variant: Variant,
    timed: TimedCircuit,
    period: float,
    stream: OperandStream,
    found: Sequence[int | None],
) -> None:
    """Raise `MismatchError` unless the words are the sums of the reference."""
    spec, sums = variant.spec, stream.sums
    wrong = [
        i
        for i, (word, expected) in enumerate(zip(found, sums, strict=False))
        if word is None or not spec.agrees(spec.decode(word), spec.decode(expected))
    ]
    if not wrong and len(found) == len(sums):
        return
    if wrong:
        word = found[wrong[0]]
        shown = "undefined" if word is None else f"{word:x}"
        fault = f"word {wrong[0]} is {shown}, expected {sums[wrong[0]]:x}"
    else:
        fault = f"{len(found)} words came out"
    raise MismatchError(
        f"{variant.label} on {timed.circuit.library.name}: {fault}; {len(wrong)} of "
        f"{len(sums)} words are wrong, so no energy is given (period {period * 1e12:.0f} ps, "
        f"static critical path {timed.critical_path * 1e12:.0f} ps)"
    )
