"""Content of a report as data: estimates, their ratios, and everything derived from them."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import version
from typing import NamedTuple

from ..cost.estimates import Estimate
from ..cost.forms import does_not_fit, machine_in_words
from ..cost.ratios import ratio
from ..cost.savings import Saving, saving
from ..inputs.machine import Machine
from ..inputs.model import ModelSpec
from ..inputs.scenario import Scenario
from ..inputs.scheme import Scheme
from ..prices.tables import EnergyTable
from ..units import quantity, times
from .chain import Link
from .provenance import PriceUse
from .sensitivity import Assumption, SharingPoint

EXCLUDED = (
    "Idle and leakage power that the machine's description does not give, or that lies outside its "
    "boundary.",
    "Instruction fetch and decode, control, network on chip, clock tree, I/O other than DRAM, "
    "unless the machine's description gives a power for them.",
    "Address generation, activation writes of elementwise steps, traffic of norm gains and biases.",
    "Refresh, row misses and temperature of DRAM: every access has the same price per bit.",
    "Loading the weights into DRAM, tokenising, sampling, and everything outside the model.",
    "Reading the RoPE tables of sines and cosines.",
    "Training, and any difference in accuracy between the schemes.",
)


class SizePoint(NamedTuple):
    """Savings of one scheme over the baseline at one model size and process node.

    Attributes
    ----------
    model : str
        Name of the model.
    parameters : int
        Number of its parameters.
    scheme, table : str
        Names of the scheme and of the energy table.
    on_curve : bool
        Whether the model belongs to the built-in range of sizes rather than to this report alone.
    fits : bool
        Whether the model fits the machine in this scheme and in the baseline's.
    system_ratio : float or None
        Energy savings under the system convention; None where there are none to show.
    paper_ratio : float
        Energy savings under the paper convention.
    memory_ratio, weights_ratio : float
        Savings in bytes: of everything in memory, and of the projections and FFN.
    """

    model: str
    parameters: int
    scheme: str
    table: str
    on_curve: bool
    fits: bool
    system_ratio: float | None
    paper_ratio: float
    memory_ratio: float
    weights_ratio: float


class SimulatedSaving(NamedTuple):
    """Energy savings of one model at three sets of prices.

    Attributes
    ----------
    model : str
        Name of the model.
    table, base : str
        Names of the simulated table and of the published table that it extends.
    paper, system : float
        Savings under each convention at the published prices.
    simulated : float or None
        Savings under the system convention at the simulated prices; None, as those at the published
        prices, where the model does not fit.
    """

    model: str
    table: str
    base: str
    paper: float
    system: float | None
    simulated: float | None


class Unsaved(NamedTuple):
    """Energy of an estimate that ternary weights cannot reduce.

    Attributes
    ----------
    table, scheme : str
        Names of the energy table and of the scheme.
    share : float
        Share of the energy outside the projections and FFN, without static energy.
    parts : mapping of str to float
        Share of each part of the energy; static energy is a part of its own.
    limit : float or None
        Upper bound on the savings, `1 / share`: projections and FFN cost nothing, and no static
        energy is left, because it shrinks with time. None if the model does not fit.
    """

    table: str
    scheme: str
    share: float
    parts: dict[str, float]
    limit: float | None


@dataclass(frozen=True, repr=False)
class Report:
    """Data behind every document and figure of a report.

    Attributes
    ----------
    models, schemes, tables : tuple
        Inputs of the comparison. The first scheme is the baseline. Sections about a single model or
        a single table use the first one.
    scenario, machine
        Inputs of the estimates under the system convention.
    system_estimates, paper_estimates : mapping
        (model name, scheme name, table name) -> Estimate.
    sizes : list of SizePoint
        Savings against model size, smallest first.
    chains : mapping of str to list of Link
        Table name -> chain of factors; without the tables at which there is none to show.
    sharing : list of SharingPoint
        Energy per token against the tokens that share a weight fetch.
    tornado : list of Assumption
        Savings ratio at two values of each assumption, widest span first.
    left_out : list of str
        Assumptions for which there is no ratio, with the reason.
    unsaved : list of Unsaved
        Limits of the savings, by table and scheme.
    prices : list of PriceUse
        Every price that the first model's estimates use.
    command : str
        Command line that repeats the report.
    oversized : bool
        Whether savings of models that do not fit the machine are shown.
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
    left_out: list[str]
    unsaved: list[Unsaved]
    prices: list[PriceUse]
    command: str
    oversized: bool = False

    @property
    def model(self) -> ModelSpec:
        """Model of the sections about a single model: the first."""
        return self.models[0]

    @property
    def baseline(self) -> Scheme:
        """Scheme that savings are measured against: the first."""
        return self.schemes[0]

    @property
    def subject(self) -> Scheme:
        """Scheme that the report is about: the last add-only one, or else the last."""
        return subject_of(self.schemes)

    @property
    def version(self) -> str:
        """Version of bitnet-hw."""
        return version("bitnet-hw")

    def system_of(
        self, scheme: Scheme, table: EnergyTable, model: ModelSpec | None = None
    ) -> Estimate:
        """Return the estimate under the system convention."""
        return self.system_estimates[(model or self.model).name, scheme.name, table.name]

    def paper_of(
        self, scheme: Scheme, table: EnergyTable, model: ModelSpec | None = None
    ) -> Estimate:
        """Return the estimate under the paper convention, at prices of bare operations."""
        return self.paper_estimates[(model or self.model).name, scheme.name, table.name]

    def saving(self, scheme: Scheme, table: EnergyTable, model: ModelSpec | None = None) -> Saving:
        """Return the savings ratio under the system convention, or why there is none."""
        base = self.system_of(self.baseline, table, model)
        other = self.system_of(scheme, table, model)
        return saving(base, other, oversized=self.oversized)

    def paper_saving(
        self, scheme: Scheme, table: EnergyTable, model: ModelSpec | None = None
    ) -> float:
        """Return the savings ratio under the paper convention."""
        base = self.paper_of(self.baseline, table, model)
        return ratio(base, self.paper_of(scheme, table, model)).value

    def estimates(self) -> list[Estimate]:
        """Return every estimate, those under the system convention first, each once."""
        papers = {
            (of.model.name, of.scheme.name, of.table.name): of
            for of in self.paper_estimates.values()
        }
        return [*self.system_estimates.values(), *papers.values()]

    def operations_of(self, table: EnergyTable) -> EnergyTable | None:
        """Return the table of the report that a table of measured gates extends; None without."""
        return next((one for one in self.tables if table.base in one.names), None)

    def misfits(self) -> list[str]:
        """Return a sentence for each estimate whose model does not fit the machine."""
        found = (
            f"{of.model.name} in {of.scheme.name} {does_not_fit(of)}"
            for of in self.system_estimates.values()
            if not of.fits
        )
        return list(dict.fromkeys(found))

    def simulated_savings(self) -> list[SimulatedSaving]:
        """Return the subject's savings at published and at simulated prices.

        There is one row per model size and simulated table whose base table is also in the report.
        """
        points = [point for point in self.sizes if point.scheme == self.subject.name]
        at = {(point.model, point.table): point for point in points}
        found = []
        for table in self.tables:
            base = self.operations_of(table)
            if base is None:
                continue
            for point in (one for one in points if one.table == table.short_name):
                bare = at[point.model, base.short_name]
                ratios = (bare.paper_ratio, bare.system_ratio, point.system_ratio)
                names = (point.model, table.short_name, base.short_name)
                found.append(SimulatedSaving(*names, *ratios))
        return found

    def __repr__(self) -> str:
        """Return a few lines: models, schemes, scenario, machine, and the savings per table."""
        lines = [
            f"Report: {', '.join(model.name for model in self.models)}",
            f"  schemes: {', '.join(scheme.name for scheme in self.schemes)}",
            f"  scenario: {self.scenario.describe()}",
            f"  machine: {machine_in_words(self.machine)}",
        ]
        for table in self.tables:
            energy = quantity(self.system_of(self.subject, table).energy_per_token.value, "J")
            found = self.saving(self.subject, table)
            less = found.reason
            if found.value is not None:
                less = f"{times(found.value)} less than in {self.baseline.name}"
            lines.append(f"  {table.short_name}: {energy} per token in {self.subject.name}, {less}")
        return "\n".join(lines)


def subject_of(schemes: tuple[Scheme, ...]) -> Scheme:
    """Return the scheme that a report is about: the last add-only one, or else the last."""
    add_only = [scheme for scheme in schemes if scheme.add_only]
    return (add_only or schemes)[-1]
