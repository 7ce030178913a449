"""What a report says, as data: estimates gathered, divided and cited, never recounted."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, NamedTuple

from ..cost.band import Band
from ..cost.estimates import Estimate, estimate
from ..cost.footprint import footprint
from ..cost.parts import LINEAR_ROLES
from ..cost.ratios import ratio
from ..errors import InputError
from ..inputs.elementwise import elementwise_functions
from ..inputs.machine import Machine
from ..inputs.model import ModelSpec, load_model
from ..inputs.scenario import Scenario
from ..inputs.scheme import Scheme
from ..prices.loading import load_dram_prices, load_expansions
from ..prices.tables import EnergyTable
from ..units import percent, quantity, times
from .chain import Link, factor_chain
from .provenance import PriceUse, price_row, used_prices
from .sensitivity import Assumption, SharingPoint, assumptions, sharing_curve

#: Version of the JSON form of a report.
SCHEMA = 1

#: The sizes of the curves: the b1.58 paper's, and LLaMA's larger shapes, from 0.7 to 70 billion.
SIZES = (
    "bitnet-b1.58-700m",
    "bitnet-b1.58-1.3b",
    "bitnet-b1.58-3b",
    "bitnet-b1.58-7b",
    "bitnet-b1.58-13b",
    "bitnet-b1.58-70b",
)

EXCLUDED = (
    "Static (leakage) energy and idle time, unless the machine description gives powers.",
    "Instruction fetch and decode, control, network on chip, clock tree, I/O other than DRAM.",
    "Address generation, activation writes of elementwise steps, norm gains and biases as traffic.",
    "Refresh, row misses and temperature of DRAM: its price is one number a bit.",
    "Loading the weights into DRAM, tokenising, sampling, and everything outside the model.",
    "Reading the RoPE tables of sines and cosines.",
    "Training, and any difference in accuracy between the schemes.",
)


class SizePoint(NamedTuple):
    """Savings of one scheme at one model size and node, against the baseline.

    Attributes
    ----------
    model, parameters, scheme, table
        What was estimated.
    on_curve : bool
        Whether the model is one of `SIZES`, rather than one that the report was asked for.
    system_ratio, paper_ratio : float
        Energy savings under either convention.
    memory_ratio, weights_ratio : float
        Savings of everything in memory, and of the projections and the FFN.
    """

    model: str
    parameters: int
    scheme: str
    table: str
    on_curve: bool
    system_ratio: float
    paper_ratio: float
    memory_ratio: float
    weights_ratio: float


class SimulatedSaving(NamedTuple):
    """Savings of one model under three price lists: paper, system, and simulated."""

    model: str
    table: str
    base: str
    paper: float
    system: float
    simulated: float


class Unsaved(NamedTuple):
    """How much of an estimate ternary weights cannot act on."""

    table: str
    scheme: str
    share: float
    parts: dict[str, float]
    limit: float


@dataclass(frozen=True)
class Report:
    """Everything that the documents and the figures show.

    Attributes
    ----------
    models, schemes, tables, scenario, machine
        What was asked. The first model and the first table are those of the single-model parts;
        the first scheme is the baseline.
    system_estimates, paper_estimates : mapping
        (model, scheme, table) -> Estimate.
    sizes, chains, sharing, tornado, unsaved, prices
        The parts of the report.
    command : str
        The command that repeats it.
    """

    models: tuple[ModelSpec, ...]
    schemes: tuple[Scheme, ...]
    tables: tuple[EnergyTable, ...]
    scenario: Scenario
    machine: Machine
    system_estimates: dict[tuple[str, str, str], Estimate]
    paper_estimates: dict[tuple[str, str, str], Estimate]
    sizes: list[SizePoint]
    chains: dict[str, list[Link]]
    sharing: list[SharingPoint]
    tornado: list[Assumption]
    unsaved: list[Unsaved]
    prices: list[PriceUse]
    command: str

    @property
    def model(self) -> ModelSpec:
        """The model of the single-model parts."""
        return self.models[0]

    @property
    def baseline(self) -> Scheme:
        """What savings are against."""
        return self.schemes[0]

    @property
    def subject(self) -> Scheme:
        """The scheme that the report is about: the last add-only one, else the last."""
        return _subject(self.schemes)

    @property
    def version(self) -> str:
        """Version of the tool."""
        return version("bitnet-hw")

    def system_of(
        self, scheme: Scheme, table: EnergyTable, model: ModelSpec | None = None
    ) -> Estimate:
        """Return the estimate under the system convention."""
        return self.system_estimates[(model or self.model).name, scheme.name, table.name]

    def paper_of(
        self, scheme: Scheme, table: EnergyTable, model: ModelSpec | None = None
    ) -> Estimate:
        """Return the estimate under the paper convention."""
        return self.paper_estimates[(model or self.model).name, scheme.name, table.name]

    def saving(self, scheme: Scheme, table: EnergyTable, model: ModelSpec | None = None) -> Band:
        """Return the savings ratio under the system convention."""
        base = self.system_of(self.baseline, table, model)
        return ratio(base, self.system_of(scheme, table, model))

    def paper_saving(
        self, scheme: Scheme, table: EnergyTable, model: ModelSpec | None = None
    ) -> float:
        """Return the savings ratio under the paper convention."""
        base = self.paper_of(self.baseline, table, model)
        return ratio(base, self.paper_of(scheme, table, model)).value

    def simulated_savings(self) -> list[SimulatedSaving]:
        """Return the subject's savings under paper, system and simulated prices, side by side.

        One row a model size and a simulated table whose base is in the report too.
        """
        names = {table.name: table.short_name for table in self.tables}
        names |= {alias: table.short_name for table in self.tables for alias in table.aliases}
        mine = [point for point in self.sizes if point.scheme == self.subject.name]
        at = {(point.model, point.table): point for point in mine}
        return [
            SimulatedSaving(
                point.model,
                table.short_name,
                names[table.base],
                at[point.model, names[table.base]].paper_ratio,
                at[point.model, names[table.base]].system_ratio,
                point.system_ratio,
            )
            for table in self.tables
            if table.macs and table.base in names
            for point in mine
            if point.table == table.short_name
        ]

    def headline(self, model: ModelSpec, table: EnergyTable) -> str:
        """Return one sentence with the energy a token, the ratio, its range and its conditions."""
        of = self.system_of(self.subject, table, model)
        saving = self.saving(self.subject, table, model)
        low, high = (f"{end:#.4g}" for end in (saving.low, saving.high))
        band = of.energy_per_token
        machine = self.machine
        linear = self.subject.linear
        static = "static energy excluded" if of.static_j is None else "static energy included"
        codec = f"{linear.codec} weights" if self.subject.add_only else f"{linear.weight} weights"
        return (
            f"{model.name} in {self.subject.name} takes {quantity(band.value, 'J')} a token "
            f"({quantity(band.low, 'J')} to {quantity(band.high, 'J')}), "
            f"{times(saving.value)} less than in {self.baseline.name} "
            f"({low} to {high} over the ranges of the prices), "
            f"for {self.scenario.describe()}, "
            f"with arithmetic and SRAM at {table.short_name} prices and {machine.dram} at "
            f"{_dram_price(machine)}, on {machine.name} (R = {machine.rows} rows, "
            f"L = {machine.lanes} lanes, T = {machine.tokens} tokens a weight fetch, "
            f"{quantity(machine.activation_buffer_bytes, 'B')} + "
            f"{quantity(machine.weight_buffer_bytes, 'B')} buffers), {codec}, "
            f"{_room(of)}, {self.subject.attention.kv_cache} KV cache, "
            f"{self.subject.lm_head.weight} LM head, "
            f"{_zeros(self.subject)}{static}."
        )

    def behind(self, model: ModelSpec, table: EnergyTable) -> list[str]:
        """Return what lies behind the headline: the ratio of the linears, arithmetic, bytes."""
        base, of = (self.system_of(s, table, model) for s in (self.baseline, self.subject))
        linears = [one.by("part")["projections and FFN"].joules for one in (base, of)]
        moved = [sum(row.row.bytes for row in one.memory or [] if row.row.level == "dram")
                 for one in (base, of)]  # fmt: skip
        dram = sum(row.joules for row in of.memory or [] if row.row.level == "dram")
        serial = of.machine.model_copy(update={"lanes": 1})
        alone = estimate(model, of.scheme, table, of.scenario, "system", serial)
        tokens = of.scenario.new_tokens
        lanes, one_lane = (
            quantity(one.by("part")["projections and FFN"].joules / tokens, "J")
            for one in (of, alone)
        )
        return [
            "The products of the projections and the FFN alone save "
            f"{times(linears[0] / linears[1])} (adder trees of L = {of.machine.lanes} lanes: "
            f"{lanes} a token; one accumulation a term, L = 1: {one_lane}).",
            f"All arithmetic of the token saves {times(base.arithmetic_j / of.arithmetic_j)}: "
            "attention and the LM head keep their formats.",
            f"The bytes from DRAM shrink {times(moved[0] / moved[1])}, and DRAM costs "
            f"{times(dram / of.arithmetic_j)} what all arithmetic costs.",
        ]


def _zeros(scheme: Scheme) -> str:
    """Return what the headline says of zeros among the weights, if anything does."""
    if not scheme.add_only or not (scheme.linear.weight_zeros or scheme.weight_zeros_from):
        return ""
    share = percent(scheme.linear.weight_zeros)
    return f"{share} of the {scheme.linear.weight} weights zero ({scheme.weight_zeros_basis}), "


def _room(of: Estimate) -> str:
    """Return whether the model fits the machine's DRAM."""
    needed, capacity = of.footprint.total, of.machine.capacity_bytes
    if capacity is None:
        return f"{quantity(needed, 'B')} in a DRAM of unstated size"
    fits = "which fits" if needed <= capacity else "WHICH DOES NOT FIT"
    return f"{quantity(needed, 'B')} in memory, {fits} the machine's {quantity(capacity, 'B')}"


def _dram_price(machine: Machine) -> str:
    price = load_dram_prices().price(machine.dram)
    return f"{price.pj:.3g} pJ a bit"


def _subject(schemes: Iterable[Scheme]) -> Scheme:
    found = list(schemes)
    add_only = [scheme for scheme in found if scheme.add_only]
    return (add_only or found)[-1]


def build_report(
    models: Iterable[ModelSpec],
    schemes: Iterable[Scheme],
    tables: Iterable[EnergyTable],
    scenario: Scenario,
    machine: Machine,
    command: str = "",
    progress: Callable[[str], None] | None = None,
) -> Report:
    """Estimate everything that a report shows.

    Parameters
    ----------
    models, schemes, tables
        At least one model and one table, and two schemes; the first scheme is the baseline.
    scenario, machine
        Of the system convention; the paper convention fixes its own.
    command : str
        The command that repeats the report.
    progress : callable, optional
        Called with a few words as each part begins.

    Raises
    ------
    InputError
        If fewer than two schemes or two models of one name are given, or an estimate is refused.
    """
    models, schemes, tables = tuple(models), tuple(schemes), tuple(tables)
    say = progress or (lambda _text: None)
    if len(schemes) < 2:
        raise InputError("a report compares at least two schemes; name a baseline and another")
    names = [model.name for model in models]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InputError(f"two of the models are called {twice!r}; give them different names")
    say("estimates")
    ours: dict[tuple[str, str, str], Estimate] = {}
    papers: dict[tuple[str, str, str], Estimate] = {}
    for model in models:
        for scheme in schemes:
            for table in tables:
                key = (model.name, scheme.name, table.name)
                ours[key] = estimate(model, scheme, table, scenario, "system", machine)
                papers[key] = _paper(model, scheme, table, machine)
    say("model sizes")
    sizes = _sizes(models, schemes, tables, scenario, machine)
    say("chain of factors")
    first, subject = models[0].name, _subject(schemes).name
    base = schemes[0].name
    chains = {
        table.name: factor_chain(
            (papers[first, base, table.name], papers[first, subject, table.name]),
            (ours[first, base, table.name], ours[first, subject, table.name]),
        )
        for table in tables
    }
    pair = (ours[first, base, tables[0].name], ours[first, subject, tables[0].name])
    say("assumptions")
    return Report(
        models=models,
        schemes=schemes,
        tables=tables,
        scenario=scenario,
        machine=machine,
        system_estimates=ours,
        paper_estimates=papers,
        sizes=sizes,
        chains=chains,
        sharing=sharing_curve(*pair),
        tornado=assumptions(*pair),
        unsaved=[_unsaved(ours[first, s.name, t.name]) for t in tables for s in schemes],
        prices=used_prices([e for e in ours.values() if e.model.name == first]),
        command=command,
    )


def _paper(model: ModelSpec, scheme: Scheme, table: EnergyTable, machine: Machine) -> Estimate:
    return estimate(model, scheme, table, convention="paper", machine=machine)


def _sizes(
    models: tuple[ModelSpec, ...],
    schemes: tuple[Scheme, ...],
    tables: tuple[EnergyTable, ...],
    scenario: Scenario,
    machine: Machine,
) -> list[SizePoint]:
    points = []
    catalogued = [load_model(name) for name in SIZES]
    known = {model.name for model in catalogued}
    for model in [*catalogued, *(m for m in models if m.name not in known)]:
        base = schemes[0]
        stored = footprint(model, base, scenario)
        for table in tables:
            ours = estimate(model, base, table, scenario, "system", machine)
            papers = _paper(model, base, table, machine)
            for scheme in schemes[1:]:
                there = footprint(model, scheme, scenario)
                other = estimate(model, scheme, table, scenario, "system", machine)
                points.append(
                    SizePoint(
                        model.name,
                        model.total_parameters,
                        scheme.name,
                        table.short_name,
                        model.name in known,
                        ratio(ours, other).value,
                        ratio(papers, _paper(model, scheme, table, machine)).value,
                        stored.total / there.total,
                        stored.weights / there.weights,
                    )
                )
    return sorted(points, key=lambda point: point.parameters)


def _unsaved(of: Estimate) -> Unsaved:
    total = of.energy.value
    linear = of.by("reach")["projections and FFN"].joules
    parts = {"linears": linear / total}
    for row in of.arithmetic:
        if row.key.role in ("attention-score", "attention-value", "softmax"):
            _grow(parts, "attention", row.joules / total)
        elif row.key.role in ("lm-head", "embedding"):
            _grow(parts, "LM head and embedding", row.joules / total)
    for moved in of.memory or []:
        if moved.row.content == "kv-cache":
            _grow(parts, "KV cache", moved.joules / total)
        elif moved.row.role in ("lm-head", "embedding"):
            _grow(parts, "LM head and embedding", moved.joules / total)
        elif moved.row.role in ("attention-score", "attention-value"):
            _grow(parts, "attention", moved.joules / total)
    parts["other"] = max(0.0, 1 - sum(parts.values()))
    share = 1 - linear / total
    return Unsaved(of.table.short_name, of.scheme.name, share, parts, 1 / share if share else 0.0)


def _grow(parts: dict[str, float], name: str, share: float) -> None:
    parts[name] = parts.get(name, 0.0) + share


def as_dict(report: Report) -> dict[str, Any]:
    """Return the JSON form of a report."""
    return {
        "schema": SCHEMA,
        "version": report.version,
        "command": report.command,
        "weight_zeros": {
            scheme.name: {
                "fraction": scheme.linear.weight_zeros,
                "basis": scheme.weight_zeros_basis,
                "by_role": {role: scheme.formats(role).weight_zeros for role in LINEAR_ROLES},
            }
            for scheme in report.schemes
            if scheme.add_only
        },
        "headline": [report.headline(model, report.tables[0]) for model in report.models],
        "estimates": [
            of.as_dict()
            for of in (*report.system_estimates.values(), *report.paper_estimates.values())
        ],
        "sizes": [point._asdict() for point in report.sizes],
        "chain": {
            name: [link._asdict() for link in links] for name, links in report.chains.items()
        },
        "sharing": [point._asdict() for point in report.sharing],
        "tornado": [one._asdict() for one in report.tornado],
        "simulated": [one._asdict() for one in report.simulated_savings()],
        "unsaved": [one._asdict() for one in report.unsaved],
        "excluded": list(EXCLUDED),
        "prices": [price_row(use) for use in report.prices],
        "expansions": load_expansions().name,
        "elementwise_edition": elementwise_functions().edition,
    }
