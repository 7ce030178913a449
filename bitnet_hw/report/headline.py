"""Sentences of a report: its headline, and the ratios behind it."""

from __future__ import annotations

from ..cost.estimates import Estimate, estimate
from ..inputs.machine import Machine
from ..inputs.model import ModelSpec
from ..inputs.scheme import Scheme
from ..prices.loading import load_dram_prices
from ..prices.tables import EnergyTable
from ..units import percent, quantity, times
from .content import Report


def headline(report: Report, model: ModelSpec, table: EnergyTable) -> str:
    """Return a sentence with the energy per token, the savings, their range and the conditions."""
    subject, machine = report.subject, report.machine
    of = report.system_of(subject, table, model)
    saving = report.saving(subject, table, model)
    low, high = (f"{end:#.4g}" for end in (saving.low, saving.high))
    band = of.energy_per_token
    linear = subject.linear
    weights = f"{linear.codec if subject.add_only else linear.weight} weights"
    static = "static energy excluded" if of.static_j is None else "static energy included"
    return (
        f"{model.name} in {subject.name} takes {quantity(band.value, 'J')} per token "
        f"({quantity(band.low, 'J')} to {quantity(band.high, 'J')}), "
        f"{times(saving.value)} less than in {report.baseline.name} "
        f"({low} to {high} over the ranges of the prices), "
        f"for {report.scenario.describe()}, "
        f"with arithmetic and SRAM at {table.short_name} prices and {machine.dram} at "
        f"{_dram_price(machine)}, on {machine.name} (R = {machine.rows} rows, "
        f"L = {machine.lanes} lanes, T = {machine.tokens} tokens per weight fetch, "
        f"{quantity(machine.activation_buffer_bytes, 'B')} + "
        f"{quantity(machine.weight_buffer_bytes, 'B')} buffers), {weights}, "
        f"{_room(of)}, {subject.attention.kv_cache} KV cache, "
        f"{subject.lm_head.weight} LM head, "
        f"{_zeros(subject)}{static}."
    )


def behind(report: Report, model: ModelSpec, table: EnergyTable) -> list[str]:
    """Return sentences with the ratios of projections and FFN, all arithmetic, and DRAM bytes."""
    base, of = (report.system_of(s, table, model) for s in (report.baseline, report.subject))
    projections = [one.by("part")["projections and FFN"].joules for one in (base, of)]
    moved = [one.by("level")["dram"].bytes for one in (base, of)]
    dram = of.by("level")["dram"].joules
    serial = of.machine.replace(lanes=1)
    alone = estimate(model, of.scheme, table, of.scenario, "system", serial)
    tokens = of.scenario.new_tokens
    lanes, one_lane = (
        quantity(one.by("part")["projections and FFN"].joules / tokens, "J") for one in (of, alone)
    )
    return [
        "The matrix products of projections and FFN alone save "
        f"{times(projections[0] / projections[1])} (adder trees of L = {of.machine.lanes} lanes: "
        f"{lanes} per token; one accumulation per term, L = 1: {one_lane}).",
        f"All arithmetic saves {times(base.arithmetic_j / of.arithmetic_j)}: "
        "attention and the LM head keep their formats.",
        f"The bytes from DRAM shrink {times(moved[0] / moved[1])}; DRAM then takes "
        f"{times(dram / of.arithmetic_j)} the energy of all arithmetic.",
    ]


def _zeros(scheme: Scheme) -> str:
    """Return the clause about zeros among the weights; empty if the scheme has none."""
    if not scheme.add_only or not (scheme.linear.weight_zeros or scheme.weight_zeros_from):
        return ""
    share = percent(scheme.linear.weight_zeros)
    return f"{share} of the {scheme.linear.weight} weights zero ({scheme.weight_zeros_basis}), "


def _room(of: Estimate) -> str:
    """Return the clause that says whether the model fits the machine's DRAM."""
    needed, capacity = of.footprint.total, of.machine.capacity_bytes
    if capacity is None:
        return f"{quantity(needed, 'B')} in a DRAM of unstated size"
    fits = "which fits" if needed <= capacity else "WHICH DOES NOT FIT"
    return f"{quantity(needed, 'B')} in memory, {fits} the machine's {quantity(capacity, 'B')}"


def _dram_price(machine: Machine) -> str:
    price = load_dram_prices().price(machine.dram)
    return f"{price.pj:.3g} pJ per bit"
