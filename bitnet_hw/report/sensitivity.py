"""Sensitivity of the savings ratio to each assumption, and of the energy to weight sharing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..cost.estimates import Estimate, estimate
from ..cost.savings import Saving, saving
from ..errors import InputError
from ..inputs.formats import Kind
from ..inputs.lanes import add_only_arrays, with_lanes
from ..inputs.machine import Machine, load_machine
from ..inputs.scenario import LmHead, Phase
from ..inputs.scheme import Scheme
from ..prices.loading import load_table

#: Makes the two estimates of a comparison.
Pair = Callable[[], tuple[Estimate, Estimate]]


class Assumption(NamedTuple):
    """Savings ratio at two values of one assumption.

    Attributes
    ----------
    title : str
        Assumption, with the report's value in brackets.
    low_text, high_text : str
        The two values.
    low, high : float
        Savings ratio at each value.
    """

    title: str
    low_text: str
    high_text: str
    low: float
    high: float

    @property
    def span(self) -> float:
        """Difference between the two ratios."""
        return abs(self.high - self.low)


class SharingPoint(NamedTuple):
    """Energy per token at a number of tokens that share each weight fetch.

    Attributes
    ----------
    phase : str
        ``decode``: a batch of `tokens` sequences, each with its own KV cache. ``prefill``: one
        sequence of `tokens` tokens.
    tokens : int
        Number of tokens that share a fetch from the weight buffer. As many of them as the
        activation buffer holds share a fetch from DRAM.
    scheme : str
        Name of the scheme.
    total_j, linear_arithmetic_j, dram_j : float
        Energy per token in total, of the arithmetic of projections and FFN, and of the memories
        outside the chip, J.
    fits : bool
        Whether the model fits the machine.
    """

    phase: Phase
    tokens: int
    scheme: str
    total_j: float
    linear_arithmetic_j: float
    dram_j: float
    fits: bool


#: Batch of the assumption about batches, or the largest power of two below it that fits.
_BATCH = 32
#: Factor by which on-chip memories are made smaller and larger.
_BUFFERS = 4
_GATES = "asap7-prelayout"


def assumptions(
    base: Estimate, other: Estimate, *, oversized: bool = False
) -> tuple[list[Assumption], list[str]]:
    """Return the savings ratios if one assumption at a time differs from the report.

    Parameters
    ----------
    base, other : Estimate
        The pair of the report.
    oversized : bool
        Whether models that do not fit their machine are compared too.

    Returns
    -------
    list of Assumption
        Widest span first.
    list of str
        Assumptions without a ratio, each with the reason.
    """
    found: list[Assumption] = []
    left_out: list[str] = []
    band = saving(base, other, oversized=oversized)
    if band.band is None:
        return [], [band.reason]

    def vary(title: str, low: tuple[str, Pair], high: tuple[str, Pair]) -> None:
        ends = [_saving(pair, oversized) for _, pair in (low, high)]
        values = [end.band.value for end in ends if end.band is not None]
        if len(values) == len(ends):
            found.append(Assumption(title, low[0], high[0], *values))
        else:
            left_out.append(f"{title}: {next(end.reason for end in ends if end.reason)}")

    machine, scenario = base.machine, base.scenario

    def on(changed: Machine | str) -> Pair:
        return lambda: (_again(base, machine=changed), _again(other, machine=changed))

    def asked(**changes: Any) -> Pair:  # noqa: ANN401  any field of Scenario
        changed = scenario.replace(**changes)
        return lambda: (_again(base, scenario=changed), _again(other, scenario=changed))

    def schemes(change: Callable[[Scheme], Scheme]) -> Pair:
        return lambda: (
            _again(base, scheme=change(base.scheme)),
            _again(other, scheme=change(other.scheme)),
        )

    def at(name: str) -> Pair:
        table = load_table(name)
        return lambda: (_again(base, table=table), _again(other, table=table))

    def alone(change: Callable[[Scheme], Scheme]) -> Pair:
        return lambda: (base, _again(other, scheme=change(other.scheme)))

    names = ("edge", "server")
    vary(f"machine ({machine.name})", *((name, on(load_machine(name))) for name in names))
    node = "45nm" if base.table.node_nm > 20 else "7nm"
    vary(f"prices ({base.table.short_name})", (f"bare, {node}", at(node)), ("gates", at(_GATES)))
    vary("process node (bare operations)", ("45nm", at("45nm")), ("7nm", at("7nm")))
    _vary_machine(vary, machine, on)
    _vary_scenario(vary, base, asked)
    vary(
        "float accumulator (as in the schemes)",
        ("fp16", schemes(lambda scheme: scheme.with_float_accumulator("fp16"))),
        ("fp32", schemes(lambda scheme: scheme.with_float_accumulator("fp32"))),
    )
    vary(
        f"KV cache ({other.scheme.attention.kv_cache})",
        ("same as operands", schemes(lambda s: s.with_kv_cache(s.attention.operand))),
        ("int4", schemes(lambda s: s.with_kv_cache("int4"))),
    )
    if other.scheme.linear.weight_format.kind is Kind.TERNARY:
        vary(
            f"weight codec ({other.scheme.linear.codec})",
            ("2bit", alone(lambda scheme: scheme.with_codec("2bit"))),
            ("base3", alone(lambda scheme: scheme.with_codec("base3"))),
        )
    vary(
        f"LM head weights ({other.scheme.lm_head.weight}; baseline unchanged)",
        (other.scheme.lm_head.weight, alone(lambda scheme: scheme)),
        ("int8", alone(_with_int8_head)),
    )
    prices = "prices within their published ranges (nominal)"
    found.append(Assumption(prices, "one end", "other end", band.band.low, band.band.high))
    found.sort(key=lambda one: one.span, reverse=True)
    return found, left_out


def _saving(pair: Pair, oversized: bool) -> Saving:
    """Return a saving, or the reason why the machine or the table refuses the estimates."""
    try:
        return saving(*pair(), oversized=oversized)
    except InputError as error:
        return Saving(None, str(error))


def _vary_machine(
    vary: Callable[..., None], machine: Machine, on: Callable[[Machine], Pair]
) -> None:
    """Vary those parts of the machine that it has."""
    far = machine.main_memory
    if not far.on_chip and machine.boundary.has_dram:
        kinds = ("DDR4", "HBM3E")
        changed = (machine.with_memory(far.name, kind=k, energy_pj_per_bit=None) for k in kinds)
        vary(f"DRAM ({far.kind})", *((k, on(m)) for k, m in zip(kinds, changed, strict=True)))
    arrays = add_only_arrays(machine)
    if arrays:
        lanes = f"adder lanes (L = {arrays[0].lanes})"
        vary(lanes, *((str(n), on(with_lanes(machine, n))) for n in (1, 128)))
        saving_now = f"savings on zero weights ({machine.weight_zero_saving:g})"
        zeros = ((f"{z:g}", on(machine.replace(weight_zero_saving=z))) for z in (0.0, 0.45))
        vary(saving_now, *zeros)
    if any(memory.on_chip for memory in machine.memories):
        factors = ((f"1/{_BUFFERS}", 1 / _BUFFERS), (f"{_BUFFERS}x", _BUFFERS))
        vary(
            "on-chip memories (as described)", *((t, on(_resized(machine, f))) for t, f in factors)
        )


def _resized(machine: Machine, factor: float) -> Machine:
    """Return a machine whose on-chip memories have another capacity."""
    for memory in machine.memories:
        if memory.on_chip and memory.capacity_bytes is not None:
            size = memory.capacity_bytes
            figure = {
                "value": size.value * factor,
                "assumed": f"{factor:g} times the machine's own",
            }
            machine = machine.with_memory(memory.name, capacity_bytes=figure)
    return machine


def _vary_scenario(vary: Callable[..., None], base: Estimate, asked: Callable[..., Pair]) -> None:
    scenario, model = base.scenario, base.model
    limit = model.max_position_embeddings if model.positions == "learned" else None
    lengths = [512, 8192] if limit is None else [min(512, limit), limit]
    field = "context" if scenario.phase == "decode" else "tokens"
    if limit is not None and scenario.phase == "request":
        lengths = [max(1, n - scenario.generate) for n in lengths]
    ends = [(str(n), asked(**{field: n})) for n in lengths]
    vary(f"{field} ({getattr(scenario, field)})", *ends)
    batch = _BATCH
    while batch > 1 and not _again(base, scenario=scenario.replace(batch=batch)).fits:
        batch //= 2
    ends = [(str(n), asked(batch=n)) for n in (1, batch)]
    vary(f"batch ({scenario.batch})", *ends)
    # A decode step has only the last position.
    most: LmHead = "last" if scenario.phase == "decode" else "all"
    head = f"LM head ({scenario.lm_head})"
    vary(head, ("none", asked(lm_head="none")), (most, asked(lm_head=most)))


def sharing_curve(base: Estimate, other: Estimate) -> list[SharingPoint]:
    """Return the energy per token when 1, 2, 4 ... 1024 tokens share a weight fetch."""
    points = []
    for tokens in (2**n for n in range(11)):
        decode = base.scenario.replace(
            phase="decode",
            context=base.scenario.last_position,
            tokens=0,
            generate=0,
            batch=tokens,
        )
        prefill = base.scenario.replace(
            phase="prefill", tokens=tokens, context=0, generate=0, batch=1
        )
        limit = base.model.max_position_embeddings
        if base.model.positions == "learned" and tokens > (limit or 0):
            continue
        for scenario in (decode, prefill):
            for of in (base, other):
                units = tuple(unit.replace(tokens=tokens) for unit in of.machine.units)
                again = _again(of, scenario=scenario, machine=of.machine.replace(units=units))
                far = {memory.name for memory in of.machine.memories if not memory.on_chip}
                levels = again.by("level")
                energies = (
                    again.energy.value,
                    again.by("part")["projections and FFN"].joules,
                    sum(cost.joules for level, cost in levels.items() if level in far),
                )
                total, linear, dram = (energy / tokens for energy in energies)
                name = of.scheme.name
                points.append(
                    SharingPoint(scenario.phase, tokens, name, total, linear, dram, again.fits)
                )
    return points


def _again(of: Estimate, **changes: Any) -> Estimate:  # noqa: ANN401  arguments of estimate
    arguments: dict[str, Any] = {
        "scheme": of.scheme,
        "table": of.table,
        "scenario": of.scenario,
        "machine": of.machine,
    }
    return estimate(of.model, convention=of.convention, **(arguments | changes))


def _with_int8_head(scheme: Scheme) -> Scheme:
    head = {
        "weight": "int8",
        "activation": "int8",
        "accumulator": "exact",
        "codec": "int8",
        "quantizer": "absmax",
    }
    return Scheme.model_validate(scheme.model_dump(exclude_unset=True) | {"lm_head": head})
