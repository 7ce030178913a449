"""``bitnet-hw estimate``: energy by operation, role and memory level, with bytes and time."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import click

from ..cost.band import NO_COST, Cost
from ..cost.breakdown import Field
from ..cost.convention import ConventionName
from ..cost.equal_silicon import By
from ..cost.estimates import Estimate, estimate
from ..cost.footprint import largest_batch
from ..cost.parts import KINDS, WHOLE_MACS
from ..cost.ratios import ratio
from ..errors import InputError
from ..units import parse_size, percent, quantity, times
from .equal import EqualMachines, equal_option
from .options import (
    build_machine,
    build_models,
    build_scenario,
    build_schemes,
    build_tables,
    checkpoint_option,
    convention_option,
    machine_options,
    measure_zeros,
    output_form,
    output_options,
    scenario_options,
    table_options,
)
from .output import numbers, print_csv, print_json, print_table, print_text


@click.command()
@click.argument("configs", nargs=-1, required=True)
@click.option(
    "--scheme",
    default="fp16,bitnet-b1.58",
    metavar="NAMES_OR_FILES",
    help="Schemes to compare, separated by commas: names (see `bitnet-hw schemes`) or YAML files. "
    "Savings are relative to the first. Default: fp16,bitnet-b1.58.",
)
@table_options()
@convention_option
@scenario_options(paper=True)
@machine_options
@equal_option
@checkpoint_option
@click.option(
    "--by",
    "field",
    type=click.Choice(get_args(Field)),
    metavar="FIELD",
    help="Field by which to sum the energy: "
    f"{', '.join(get_args(Field))}. `reach` separates projections and FFN, on which ternary "
    "weights act, from the rest; docs/conventions.md explains every field. Default: print the "
    "whole estimate.",
)
@click.option(
    "--memory",
    "capacity",
    metavar="SIZE",
    help="Size of the memory that the largest batch must fit in, such as 16GB. Default: the "
    "machine's DRAM.",
)
@output_options
def command(
    configs: tuple[str, ...],
    scheme: str,
    energy_tables: str,
    scale_node: str | None,
    convention: ConventionName,
    codec: str | None,
    machine: str | None,
    lanes: int | None,
    float_accumulator: str | None,
    equal: By | None,
    checkpoint: Path | None,
    field: Field | None,
    capacity: str | None,
    as_json: bool,
    as_csv: bool,
    **given: Any,  # noqa: ANN401  the scenario options
) -> None:
    """Estimate energy, memory and time.

    CONFIGS are models: names (see `bitnet-hw models`), YAML files, Hugging Face config.json files,
    or the folders of such files.
    """
    form = output_form(as_json, as_csv)
    models = build_models(configs)
    schemes = measure_zeros(build_schemes(scheme, codec), checkpoint, models[0])
    tables = build_tables(energy_tables, scale_node)
    scenario = build_scenario(convention, given, models)
    described = build_machine(convention, machine, lanes, codec)
    if capacity is not None and convention == "paper":
        raise InputError(f"--memory {capacity} contradicts --convention paper, which has no memory")
    if capacity is not None and field is not None:
        raise InputError("--memory applies only without --by")
    size = described.capacity_bytes if capacity is None else parse_size(capacity)
    machines = EqualMachines(equal, convention, schemes, scenario, described, float_accumulator)
    found = [
        estimate(
            model, one, table, scenario, convention, machines.machine(model, table, one),
            float_accumulator,
        )
        for model in models
        for table in tables
        for one in schemes
    ]  # fmt: skip
    if field is not None:
        _print_breakdown(found, len(schemes), field, form)
    elif form == "json":
        print_json(
            [
                {**each.as_dict(), "largest_batch": _batch(each, size), **machines.fields(each)}
                for each in found
            ]
        )
    elif form == "csv":
        print_csv([{**_flat(each, size), **machines.fields(each)} for each in found])
    else:
        for start in range(0, len(found), len(schemes)):
            _print(found[start : start + len(schemes)], size, machines)


def _print_breakdown(found: list[Estimate], side_by_side: int, field: Field, form: str) -> None:
    """Print costs by one field: one table per model and energy table, one column per scheme."""
    if form == "table":
        for start in range(0, len(found), side_by_side):
            group = found[start : start + side_by_side]
            _head(group[0])
            costs = [each.by(field) for each in group]
            totals = [each.energy.value for each in group]
            rows = []
            for name in dict.fromkeys(name for of in costs for name in of):
                joules = [of.get(name, NO_COST).joules for of in costs]
                shares = (percent(j / total) for j, total in zip(joules, totals, strict=True))
                cells = zip((quantity(j, "J", 4) for j in joules), shares, strict=True)
                rows.append([name, *(cell for pair in cells for cell in pair)])
            titles = [title for each in group for title in (each.scheme.name, "share")]
            print_table([field, *numbers(*titles)], rows)
        return
    listed = [
        {
            "model": of.model.name, "scheme": of.scheme.name, "energy_table": of.table.short_name,
            "field": field, "name": name, "energy_j": cost.energy.value,
            "energy_low_j": cost.energy.low, "energy_high_j": cost.energy.high,
            "operations": cost.operations, "bytes": round(cost.bytes),
        }
        for of in found
        for name, cost in of.by(field).items()
    ]  # fmt: skip
    (print_json if form == "json" else print_csv)(listed)


def _batch(of: Estimate, size: int | None) -> int | None:
    if of.convention == "paper" or size is None:
        return None
    return largest_batch(of.model, of.scheme, of.scenario, size)


def _flat(of: Estimate, size: int | None) -> dict[str, Any]:
    return {**of.as_row(), "largest_batch": _batch(of, size)}


def _head(first: Estimate) -> None:
    machine = first.machine
    click.echo()
    print_text(f"{first.model.name} at {first.table.short_name}: {first.scenario.describe()}")
    if first.convention == "paper":
        print_text("paper convention: no accumulator widths, elementwise steps, LM head or memory")
    else:
        print_text(
            f"system convention on {machine.name}: R = {machine.rows} rows, "
            f"L = {machine.lanes} lanes, T = {machine.tokens} tokens per weight fetch, "
            f"{machine.dram}"
        )


def _print(group: list[Estimate], size: int | None, machines: EqualMachines) -> None:
    first = group[0]
    _head(first)
    names = [each.scheme.name for each in group]

    def row(title: str, *cells: str) -> list[str]:
        return [title, *cells]

    rows = [
        row("energy", *(quantity(e.energy.value, "J", 4) for e in group)),
        row("  low", *(quantity(e.energy.low, "J", 4) for e in group)),
        row("  high", *(quantity(e.energy.high, "J", 4) for e in group)),
        row(f"savings over {names[0]}", *(times(ratio(first, e).value) for e in group)),
        row("energy per token", *(quantity(e.energy_per_token.value, "J", 4) for e in group)),
    ]
    rows += _kind_rows(group)
    rows += _memory_rows(group)
    rows.append(row("share of derived prices", *(percent(e.derived_share) for e in group)))
    rows += _roles(group)
    if first.convention == "system":
        rows += _time_rows(group, size)
    rows += machines.rows(group)
    print_table(["", *numbers(*names)], rows)
    if first.convention == "system":
        _notes(group)
    machines.print_notes(group)


def _kind_rows(group: list[Estimate]) -> list[list[str]]:
    costs = [each.by("kind", level="logic") for each in group]
    shown = [kind for kind in KINDS if kind != WHOLE_MACS or any(kind in of for of in costs)]
    return [
        [kind, *(quantity(of.get(kind, NO_COST).joules, "J", 4) for of in costs)] for kind in shown
    ]


def _memory_rows(group: list[Estimate]) -> list[list[str]]:
    costs = [each.by("level", "content") for each in group]
    keys = dict.fromkeys(key for of in costs for key in of if key[0] not in ("logic", "static"))

    def cell(cost: Cost) -> str:
        return f"{quantity(cost.joules, 'J', 4)}, {quantity(cost.bytes, 'B')}"

    return [[": ".join(key), *(cell(of.get(key, NO_COST)) for of in costs)] for key in keys]


def _roles(group: list[Estimate]) -> list[list[str]]:
    by_role = [each.by("role", level="logic") for each in group]
    roles = dict.fromkeys(role for roles in by_role for role in roles)
    return [
        [f"role {role}", *(quantity(of.get(role, NO_COST).joules, "J", 4) for of in by_role)]
        for role in roles
    ]


def _time_rows(group: list[Estimate], size: int | None) -> list[list[str]]:
    timings = [(each, each.time) for each in group if each.time is not None]
    rows = [
        ["time", *(quantity(t.seconds, "s") for _, t in timings)],
        ["bound by", *(t.bound_by for _, t in timings)],
        ["tokens per second", *(f"{e.tokens_per_second:.4g}" for e, _ in timings)],
    ]
    if any(t.first_token_seconds is not None for _, t in timings):
        rows.append(
            ["time to first token", *(quantity(t.first_token_seconds, "s") for _, t in timings)]
        )
    if size is not None:
        title = f"largest batch in {quantity(size, 'B')}"
        rows.append([title, *(str(_batch(e, size) or "0: does not fit") for e in group)])
    return rows


def _notes(group: list[Estimate]) -> None:
    if group[0].static_j is None:
        print_text("static energy excluded: the machine's description gives no power")
    for each in group:
        if not each.scheme.add_only or each.machine.lanes == 1:
            continue
        serial = each.machine.replace(lanes=1)
        alone = estimate(each.model, each.scheme, each.table, each.scenario, machine=serial)
        print_text(
            f"{each.scheme.name}: arithmetic of projections and FFN with adder trees of "
            f"{each.machine.lanes} lanes: {quantity(_products(each), 'J', 4)}; "
            f"with one accumulation per term: {quantity(_products(alone), 'J', 4)}"
        )


def _products(of: Estimate) -> float:
    return of.by("part")["projections and FFN"].joules
