"""Building of a report: the estimates, and everything that is derived from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..cost.estimates import Estimate, estimate
from ..cost.footprint import footprint
from ..cost.parts import UNSAVED_PARTS, unsaved_part
from ..cost.ratios import ratio
from ..cost.savings import saving
from ..errors import InputError
from ..inputs.load import refuse_same_name
from ..inputs.machine import Machine
from ..inputs.model import ModelSpec, load_model
from ..inputs.scenario import Scenario
from ..inputs.scheme import Scheme
from ..prices.tables import EnergyTable
from .chain import factor_chain
from .content import Report, SizePoint, Unsaved, subject_of
from .provenance import used_prices
from .sensitivity import assumptions, sharing_curve

#: Models of the curves over size, 0.7 to 70 billion parameters: those of the b1.58 paper, and
#: LLaMA's larger shapes.
SIZES = (
    "bitnet-b1.58-700m",
    "bitnet-b1.58-1.3b",
    "bitnet-b1.58-3b",
    "bitnet-b1.58-7b",
    "bitnet-b1.58-13b",
    "bitnet-b1.58-70b",
)


def build_report(
    models: Iterable[ModelSpec],
    schemes: Iterable[Scheme],
    tables: Iterable[EnergyTable],
    scenario: Scenario,
    machine: Machine,
    *,
    oversized: bool = False,
    command: str = "",
    progress: Callable[[str], None] | None = None,
) -> Report:
    """Estimate everything that a report shows.

    Parameters
    ----------
    models, schemes, tables : iterable
        At least one model and one table, and two schemes; the first scheme is the baseline.
    scenario, machine
        Inputs of the estimates under the system convention; the paper convention fixes its own, and
        uses the bare operations that a table of measured gates extends.
    oversized : bool
        Whether savings of models that do not fit the machine are shown.
    command : str
        Command line that repeats the report.
    progress : callable, optional
        Function that is called with a few words at the beginning of each stage.

    Raises
    ------
    InputError
        If there are fewer than two schemes, if two models have the same name, or if an estimate is
        refused.
    """
    models, schemes, tables = tuple(models), tuple(schemes), tuple(tables)
    say = progress or (lambda _text: None)
    if len(schemes) < 2:
        raise InputError("a report compares at least two schemes; name a baseline and another")
    refuse_same_name("model", models)
    say("estimates")
    ours: dict[tuple[str, str, str], Estimate] = {}
    papers: dict[tuple[str, str, str], Estimate] = {}
    for model in models:
        for scheme in schemes:
            for table in tables:
                key = (model.name, scheme.name, table.name)
                ours[key] = estimate(model, scheme, table, scenario, "system", machine)
                papers[key] = _paper(model, scheme, table)
    say("model sizes")
    sizes = _sizes(models, schemes, tables, scenario, machine, oversized)
    say("chain of factors")
    first, subject = models[0].name, subject_of(schemes).name
    base = schemes[0].name
    chains = {}
    for table in tables:
        pair = (ours[first, base, table.name], ours[first, subject, table.name])
        named = (papers[first, base, table.name], papers[first, subject, table.name])
        if saving(*pair, oversized=oversized).band is not None:
            chains[table.name] = factor_chain(named, pair)
    pair = (ours[first, base, tables[0].name], ours[first, subject, tables[0].name])
    say("assumptions")
    tornado, left_out = assumptions(*pair, oversized=oversized)
    return Report(
        models=models,
        schemes=schemes,
        tables=tables,
        scenario=scenario,
        machine=machine,
        system_estimates=ours,
        paper_estimates=papers,
        sizes=sizes,
        chains={name: links for name, links in chains.items() if links},
        sharing=sharing_curve(*pair),
        tornado=tornado,
        left_out=left_out,
        unsaved=[_unsaved(ours[first, s.name, t.name], oversized) for t in tables for s in schemes],
        prices=used_prices([e for e in ours.values() if e.model.name == first]),
        command=command,
        oversized=oversized,
    )


def _paper(model: ModelSpec, scheme: Scheme, table: EnergyTable) -> Estimate:
    return estimate(model, scheme, table.base or table, convention="paper")


def _sizes(
    models: tuple[ModelSpec, ...],
    schemes: tuple[Scheme, ...],
    tables: tuple[EnergyTable, ...],
    scenario: Scenario,
    machine: Machine,
    oversized: bool,
) -> list[SizePoint]:
    points = []
    catalogued = [load_model(name) for name in SIZES]
    known = {model.name for model in catalogued}
    for model in [*catalogued, *(m for m in models if m.name not in known)]:
        base = schemes[0]
        stored = footprint(model, base, scenario)
        for table in tables:
            ours = estimate(model, base, table, scenario, "system", machine)
            papers = _paper(model, base, table)
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
                        ours.fits and other.fits,
                        saving(ours, other, oversized=oversized).value,
                        ratio(papers, _paper(model, scheme, table)).value,
                        stored.total / there.total,
                        stored.weights / there.weights,
                    )
                )
    return sorted(points, key=lambda point: point.parameters)


def _unsaved(of: Estimate, oversized: bool) -> Unsaved:
    total = of.energy.value
    sums = dict.fromkeys(UNSAVED_PARTS, 0.0)
    for (reach, role, content), cost in of.by("reach", "role", "content").items():
        sums[unsaved_part(reach, role, content)] += cost.joules / total
    if of.static_j is None:
        del sums["static"]
    rest = of.by("reach").get("rest")
    share = 0.0 if rest is None else rest.joules / total
    limit = 1 / share if share and (of.fits or oversized) else None
    return Unsaved(of.table.short_name, of.scheme.name, share, sums, limit)
