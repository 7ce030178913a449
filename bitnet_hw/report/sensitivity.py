"""Sensitivity of the savings ratio to each assumption, and of the energy to weight sharing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..cost.estimates import Estimate, estimate
from ..cost.ratios import ratio
from ..inputs.formats import Kind
from ..inputs.machine import load_machine
from ..inputs.scenario import LmHead, Phase
from ..inputs.scheme import Scheme
from ..prices.loading import load_table

Pair = tuple[Estimate, Estimate]


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
        Energy per token in total, of the arithmetic of projections and FFN, and of DRAM, J.
    """

    phase: Phase
    tokens: int
    scheme: str
    total_j: float
    linear_arithmetic_j: float
    dram_j: float


def assumptions(base: Estimate, other: Estimate) -> list[Assumption]:
    """Return the savings ratios if one assumption at a time differs from the report.

    Returns
    -------
    list of Assumption
        Widest span first.
    """
    found: list[Assumption] = []

    def vary(title: str, low: tuple[str, Pair], high: tuple[str, Pair]) -> None:
        ends = [ratio(*pair).value for _, pair in (low, high)]
        found.append(Assumption(title, low[0], high[0], *ends))

    machine, scenario = base.machine, base.scenario

    def on(**changes: Any) -> Pair:  # noqa: ANN401  any field of Machine
        changed = machine.replace(**changes)
        return _again(base, machine=changed), _again(other, machine=changed)

    def asked(**changes: Any) -> Pair:  # noqa: ANN401  any field of Scenario
        changed = scenario.replace(**changes)
        return _again(base, scenario=changed), _again(other, scenario=changed)

    def schemes(change: Callable[[Scheme], Scheme]) -> Pair:
        return _again(base, scheme=change(base.scheme)), _again(other, scheme=change(other.scheme))

    edge, server = load_machine("edge"), load_machine("server")
    vary(
        f"machine ({machine.name})",
        (edge.name, (_again(base, machine=edge), _again(other, machine=edge))),
        (server.name, (_again(base, machine=server), _again(other, machine=server))),
    )
    nodes = [
        (name, (_again(base, table=table), _again(other, table=table)))
        for name, table in ((name, load_table(name)) for name in ("45nm", "7nm"))
    ]
    vary(f"process node ({base.table.short_name})", *nodes)
    vary(f"DRAM ({machine.dram})", ("DDR3/4", on(dram="DDR3/4")), ("HBM2", on(dram="HBM2")))
    lanes = f"adder lanes (L = {machine.lanes})"
    vary(lanes, ("1", on(lanes=1)), ("128", on(lanes=128)))
    saving = f"savings on zero weights ({machine.weight_zero_saving:g})"
    vary(saving, ("0", on(weight_zero_saving=0.0)), ("0.45", on(weight_zero_saving=0.45)))
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
            ("2bit", (base, _again(other, scheme=other.scheme.with_codec("2bit")))),
            ("base3", (base, _again(other, scheme=other.scheme.with_codec("base3")))),
        )
    vary(
        f"LM head weights ({other.scheme.lm_head.weight}; baseline unchanged)",
        (other.scheme.lm_head.weight, (base, other)),
        ("int8", (base, _again(other, scheme=_with_int8_head(other.scheme)))),
    )
    band = ratio(base, other)
    prices = "prices within their published ranges (nominal)"
    found.append(Assumption(prices, "one end", "other end", band.low, band.high))
    found.sort(key=lambda one: one.span, reverse=True)
    return found


def _vary_scenario(vary: Callable[..., None], base: Estimate, asked: Callable[..., Pair]) -> None:
    scenario, model = base.scenario, base.model
    limit = model.max_position_embeddings if model.positions == "learned" else None
    lengths = [512, 8192] if limit is None else [min(512, limit), limit]
    field = "context" if scenario.phase == "decode" else "tokens"
    if limit is not None and scenario.phase == "request":
        lengths = [max(1, n - scenario.generate) for n in lengths]
    ends = [(str(n), asked(**{field: n})) for n in lengths]
    vary(f"{field} ({getattr(scenario, field)})", *ends)
    vary(f"batch ({scenario.batch})", ("1", asked(batch=1)), ("32", asked(batch=32)))
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
                machine = of.machine.replace(tokens=tokens)
                again = _again(of, scenario=scenario, machine=machine)
                energies = (
                    again.energy.value,
                    again.by("part")["projections and FFN"].joules,
                    again.by("level")["dram"].joules,
                )
                points.append(
                    SharingPoint(
                        scenario.phase, tokens, of.scheme.name, *(e / tokens for e in energies)
                    )
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
