"""Sentences of a report: its headline, the ratios behind it, and its conditions."""

from __future__ import annotations

from ..cost.estimates import Estimate, estimate
from ..cost.forms import (
    boundary_in_words,
    does_not_fit,
    error_in_short,
    errors_in_words,
    machine_in_words,
    missing_static,
    range_in_words,
    speeds,
    unit_in_words,
    unknown_active_power,
)
from ..cost.savings import Saving
from ..inputs.lanes import add_only_arrays, with_lanes
from ..inputs.model import ModelSpec
from ..inputs.roles import LINEAR_ROLES
from ..inputs.scheme import Scheme
from ..prices.tables import EnergyTable
from ..units import percent, quantity, times
from .content import Report


def headline(report: Report, model: ModelSpec, table: EnergyTable) -> str:
    """Return a sentence with the energy per token, the savings, their range and the conditions."""
    subject, machine = report.subject, report.machine
    of = report.system_of(subject, table, model)
    band = of.energy_per_token
    prices = range_in_words(band.low, band.high, lambda end: quantity(end, "J"))
    in_range = f"range of prices: {prices}; " if prices else ""
    linear = subject.linear
    weights = f"{linear.codec if subject.add_only else linear.weight} weights"
    static = "excluded" if of.static_j is None else "included"
    left_out = missing_static(of)
    if left_out and of.static_j is not None:
        static = f"{static}, but {'; '.join(left_out)}"
    if unknown := unknown_active_power(of):
        static = f"{static}; {unknown}"
    return (
        f"{model.name} in {subject.name} takes {quantity(band.value, 'J')} per token "
        f"({in_range}energy of this class is {_off_by(of)})"
        f"{_savings(report, report.saving(subject, table, model))}, "
        f"for {report.scenario.describe()}, "
        f"{_prices(report, model, table)} and {machine.main_memory.kind} at {_far_price(of)}, "
        f"on {machine_in_words(machine)} with {unit_in_words(of)}, energy of "
        f"{boundary_in_words(machine)}, mean power {quantity(of.mean_power_w, 'W')}, {weights}, "
        f"{_room(of)}, {subject.attention.kv_cache} KV cache, "
        f"{subject.lm_head.weight} LM head, "
        f"{_zeros(subject)}static energy {static}."
    )


def behind(report: Report, model: ModelSpec, table: EnergyTable) -> list[str]:
    """Return sentences with the ratios of projections and FFN, all arithmetic, and DRAM bytes."""
    base, of = (report.system_of(s, table, model) for s in (report.baseline, report.subject))
    saving = report.saving(report.subject, table, model)
    if saving.band is None:
        return [f"No saving is printed: {saving.reason}."]
    found = []
    projections = [_projections(one) for one in (base, of)]
    if projections[1]:
        found.append(
            "The matrix products of projections and FFN alone save "
            f"{times(projections[0] / projections[1])}{_lanes(of)}"
            f"{_bare_projections(report, model, table)}."
        )
    if projections[1]:
        found.append(
            f"All arithmetic saves {times(base.arithmetic_j / of.arithmetic_j)}: "
            "attention and the LM head keep their formats."
        )
    (before, _), (moved, joules) = map(_off_chip, (base, of))
    if moved:
        sentence = f"The bytes from DRAM shrink {times(before / moved)}"
        if joules and of.arithmetic_j:
            sentence += f"; DRAM then takes {times(joules / of.arithmetic_j)} the energy of all "
            sentence += "arithmetic"
        found.append(f"{sentence}.")
    return found


def _projections(of: Estimate) -> float:
    return of.by("part")["projections and FFN"].joules


def _bare_projections(report: Report, model: ModelSpec, table: EnergyTable) -> str:
    """Return the clause with the price of bare operations beside that of measured gates."""
    bare = report.operations_of(table)
    if not table.macs or bare is None:
        return ""
    subject = report.subject
    tokens = report.scenario.new_tokens
    gates, base, of = (
        _projections(report.system_of(*of, model))
        for of in ((subject, table), (report.baseline, bare), (subject, bare))
    )
    return (
        f" at {quantity(gates / tokens, 'J')} per token as measured gates (as bare operations: "
        f"{times(base / of)} at {quantity(of / tokens, 'J')})"
    )


def conditions(report: Report, model: ModelSpec) -> list[str]:
    """Return sentences on speed, on how far to trust the estimates, and on what they cover."""
    table = report.tables[0]
    group = [report.system_of(scheme, table, model) for scheme in report.schemes]
    rates: dict[str, list[str]] = {}
    for of in group:
        for title, rate in speeds(of):
            rates.setdefault(title, []).append(f"{of.scheme.name} {rate:.3g}")
    found = [f"{title.capitalize()}: {', '.join(each)}." for title, each in rates.items()]
    found += [f"{words[0].upper()}{words[1:]}." for words in errors_in_words(group)]
    machine = report.machine
    if machine.hypothetical:
        found.append(f"{machine.name} is hypothetical: a design that was never built.")
    found.append(f"The energy is that of {boundary_in_words(machine)}.")
    if unknown := unknown_active_power(group[0]):
        found.append(f"{unknown[0].upper()}{unknown[1:]}.")
    found += [f"{of.scheme.name} {does_not_fit(of)}." for of in group if not of.fits]
    return found


def _off_by(of: Estimate) -> str:
    short = error_in_short(of.energy_record, "energy")
    return short if of.energy_record is None else f"off by {short}"


def _savings(report: Report, saving: Saving) -> str:
    """Return the clause with the savings and their range; empty if there are none to show."""
    if saving.band is None:
        return ""
    ends = range_in_words(saving.band.low, saving.band.high, times)
    in_range = f" ({ends} over the ranges of the prices)" if ends else ""
    return f", {times(saving.band.value)} less than in {report.baseline.name}{in_range}"


def _prices(report: Report, model: ModelSpec, table: EnergyTable) -> str:
    """Return the clause that names the prices; bare operations stand beside measured gates."""
    of = report.system_of(report.subject, table, model)
    product = next(p for p in of.lowered.products if p.role in LINEAR_ROLES)
    if product.unit.mac_energy(product.pair) is not None:
        text = "with the machine's own energy per MAC"
    elif table.macs:
        text = f"with MACs as measured gates of {table.short_name}"
        text += _beside(report, model, table)
    else:
        text = f"with bare operations at {table.short_name} prices"
    if any(memory.on_chip and not memory.energy_pj_per_bit for memory in of.machine.memories):
        text += f", SRAM at {table.base or table.short_name} prices"
    return text


def _beside(report: Report, model: ModelSpec, table: EnergyTable) -> str:
    """Return the clause with the figures of bare operations; empty if the report has none."""
    bare = report.operations_of(table)
    if bare is None:
        return ""
    of = report.system_of(report.subject, bare, model)
    saving = report.saving(report.subject, bare, model).value
    text = quantity(of.energy_per_token.value, "J")
    text += "" if saving is None else f" and {times(saving)}"
    return f" (as bare operations of {bare.short_name}: {text})"


def _lanes(of: Estimate) -> str:
    """Return the clause that says what adder trees save, where bare operations price them."""
    product = next(p for p in of.lowered.products if p.role in LINEAR_ROLES)
    unit, arrays = product.unit, add_only_arrays(of.machine)
    own = of.table.macs or unit.mac_energy(product.pair) is not None
    if not of.scheme.add_only or own or unit not in arrays:
        return ""
    serial = with_lanes(of.machine, 1)
    alone = estimate(of.model, of.scheme, of.table, of.scenario, "system", serial)
    lanes, one_lane = (
        quantity(_projections(one) / of.scenario.new_tokens, "J") for one in (of, alone)
    )
    return (
        f" (adder trees of L = {unit.lanes} lanes: {lanes} per token; one accumulation per term, "
        f"L = 1: {one_lane})"
    )


def _off_chip(of: Estimate) -> tuple[float, float]:
    """Return the bytes and the energy of the memories outside the chip."""
    far = {memory.name for memory in of.machine.memories if not memory.on_chip}
    costs = [cost for level, cost in of.by("level").items() if level in far]
    return sum(cost.bytes for cost in costs), sum(cost.joules for cost in costs)


def _zeros(scheme: Scheme) -> str:
    """Return the clause about zeros among the weights; empty if the scheme has none."""
    if not scheme.add_only or not (scheme.linear.weight_zeros or scheme.weight_zeros_from):
        return ""
    share = percent(scheme.linear.weight_zeros)
    return f"{share} of the {scheme.linear.weight} weights zero ({scheme.weight_zeros_basis}), "


def _room(of: Estimate) -> str:
    """Return the clause that says whether the model fits the machine's memory."""
    needed, capacity = of.footprint.total, of.machine.capacity_bytes
    text = f"{quantity(needed, 'B')} in memory"
    if not of.fits:
        return f"{text}, WHICH DOES NOT FIT the machine's {quantity(capacity, 'B')}"
    if capacity is None:
        return f"{text} of unstated size"
    return f"{text}, which fits the machine's {quantity(capacity, 'B')}"


def _far_price(of: Estimate) -> str:
    """Return the price of the farthest memory."""
    far = of.machine.main_memory.name
    prices = [priced.price for priced in of.memory or [] if priced.row.level == far]
    if not prices:
        return "no traffic"
    return (
        "no price, outside the boundary" if prices[0] is None else f"{prices[0].pj:.3g} pJ per bit"
    )
