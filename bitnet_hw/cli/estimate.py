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
from ..cost.parts import KINDS, WHOLE_MACS
from ..cost.savings import saving
from ..errors import InputError
from ..inputs.lanes import add_only_arrays, with_lanes
from ..inputs.roles import LINEAR_ROLES
from ..units import parse_size, percent, quantity, times
from .equal import EqualMachines, equal_option, names_of_tables
from .options import (
    build_machine,
    build_models,
    build_scenario,
    build_schemes,
    checkpoint_option,
    convention_option,
    machine_options,
    measure_zeros,
    output_form,
    output_options,
    oversized_option,
    scenario_options,
)
from .output import numbers, print_csv, print_json, print_table, print_text
from .prices import build_tables, table_options


@click.command()
@click.argument("configs", nargs=-1, required=True)
@click.option(
    "--scheme",
    default="fp16,bitnet-b1.58",
    metavar="NAMES_OR_FILES",
    help="Schemes to compare, separated by commas: names (see `bitnet-hw schemes`) or YAML files. "
    "Savings are relative to the first. Default: fp16,bitnet-b1.58.",
)
@table_options(paper=True)
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
@oversized_option
@output_options
def command(
    configs: tuple[str, ...],
    scheme: str,
    energy_tables: str | None,
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
    oversized: bool,
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
    names = names_of_tables(equal, energy_tables)
    tables = build_tables(names, scale_node, convention=convention)
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
            _print(found[start : start + len(schemes)], size, oversized, machines)


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
            _say_how_far_to_trust(group)
        return
    listed = [
        {
            "model": of.model.name, "scheme": of.scheme.name, "energy_table": of.table.short_name,
            "hypothetical": of.machine.hypothetical if of.convention == "system" else None,
            "fits": of.fits if of.convention == "system" else None, "field": field,
            "name": name, "energy_j": cost.energy.value,
            "energy_low_j": cost.energy.low, "energy_high_j": cost.energy.high,
            "operations": cost.operations, "bytes": round(cost.bytes),
        }
        for of in found
        for name, cost in of.by(field).items()
    ]  # fmt: skip
    (print_json if form == "json" else print_csv)(listed)


def _say_how_far_to_trust(group: list[Estimate]) -> None:
    """Print below a breakdown which models do not fit, and the errors of such estimates."""
    if group[0].convention == "paper":
        return
    for each in group:
        if not each.fits:
            print_text(f"{each.scheme.name} {does_not_fit(each)}")
    for words in errors_in_words(group):
        if words.startswith("energy"):
            print_text(words)


def _batch(of: Estimate, size: float | None) -> int | None:
    if of.convention == "paper" or size is None:
        return None
    return largest_batch(of.model, of.scheme, of.scenario, size)


def _flat(of: Estimate, size: float | None) -> dict[str, Any]:
    return {**of.as_row(), "largest_batch": _batch(of, size)}


def _head(first: Estimate) -> None:
    click.echo()
    table = first.table
    print_text(f"{first.model.name} at {table.short_name}: {first.scenario.describe()}")
    if first.convention == "paper":
        print_text("paper convention: no accumulator widths, elementwise steps, LM head or memory")
        return
    machine = first.machine
    print_text(
        f"system convention on {machine_in_words(machine)}, {machine.main_memory.kind}; energy of "
        f"{boundary_in_words(machine)}"
    )
    gates = f"of whole MACs from measured gates, all others from {table.base}"
    print_text(f"prices {gates if table.macs else 'of bare operations'}")


def _print(
    group: list[Estimate], size: float | None, oversized: bool, machines: EqualMachines
) -> None:
    first = group[0]
    _head(first)
    names = [each.scheme.name for each in group]
    savings = [saving(first, each, oversized=oversized) for each in group]

    def row(title: str, *cells: str) -> list[str]:
        return [title, *cells]

    rows = [
        row("energy", *(quantity(e.energy.value, "J", 4) for e in group)),
        row("  range of prices", *map(_range, group)),
        row(
            f"savings over {names[0]}",
            *("-" if found.value is None else times(found.value) for found in savings),
        ),
        row("energy per token", *(quantity(e.energy_per_token.value, "J", 4) for e in group)),
    ]
    if first.convention == "system":
        rows += [
            row("mean power", *(quantity(e.mean_power_w, "W") for e in group)),
            row("off by, energy", *(error_in_short(e.energy_record, "energy") for e in group)),
        ]
    rows += _kind_rows(group)
    rows += _memory_rows(group)
    if first.convention == "system":
        rows.append(row("static", *map(_static, group)))
    rows.append(row("share of derived prices", *(percent(e.derived_share) for e in group)))
    rows += _roles(group)
    if first.convention == "system":
        rows += _time_rows(group, size)
    rows += machines.rows(group)
    print_table(["", *numbers(*names)], rows)
    if first.convention == "system":
        _notes(group)
    machines.print_notes(group)
    for reason in dict.fromkeys(found.reason for found in savings if found.reason):
        more = "; --oversized prints savings all the same" if "does not fit" in reason else ""
        print_text(f"no saving: {reason}{more}")


def _range(of: Estimate) -> str:
    words = range_in_words(of.energy.low, of.energy.high, lambda end: quantity(end, "J", 4))
    return words or "-"


def _static(of: Estimate) -> str:
    return "excluded" if of.static_j is None else quantity(of.static_j, "J", 4)


def _kind_rows(group: list[Estimate]) -> list[list[str]]:
    costs = [each.by("kind", level="logic") for each in group]
    shown = [kind for kind in KINDS if kind != WHOLE_MACS or any(kind in of for of in costs)]
    return [
        [kind, *(quantity(of.get(kind, NO_COST).joules, "J", 4) for of in costs)] for kind in shown
    ]


def _memory_rows(group: list[Estimate]) -> list[list[str]]:
    costs = [each.by("level", "content") for each in group]
    keys = dict.fromkeys(key for of in costs for key in of if key[0] not in ("logic", "static"))
    machine = group[0].machine
    free = [] if machine.boundary.has_dram else [m.name for m in machine.memories if not m.on_chip]

    def cell(level: str, cost: Cost) -> str:
        energy = "outside" if level in free else quantity(cost.joules, "J", 4)
        return f"{energy}, {quantity(cost.bytes, 'B')}" if cost.bytes else energy

    return [[": ".join(key), *(cell(key[0], of.get(key, NO_COST)) for of in costs)] for key in keys]


def _roles(group: list[Estimate]) -> list[list[str]]:
    by_role = [each.by("role", level="logic") for each in group]
    roles = dict.fromkeys(role for roles in by_role for role in roles)
    return [
        [f"role {role}", *(quantity(of.get(role, NO_COST).joules, "J", 4) for of in by_role)]
        for role in roles
    ]


def _time_rows(group: list[Estimate], size: float | None) -> list[list[str]]:
    timings = [(each, each.time) for each in group if each.time is not None]
    rates = [speeds(each) for each in group]
    rows = [
        ["time", *(quantity(t.seconds, "s") for _, t in timings)],
        ["bound by", *(t.bound_by for _, t in timings)],
        *([title, *(f"{of[i][1]:.4g}" for of in rates)] for i, (title, _) in enumerate(rates[0])),
        ["off by, speed", *(error_in_short(e.speed_record, "speed") for e in group)],
    ]
    if any(t.first_token_seconds is not None for _, t in timings):
        rows.append(
            ["time to first token", *(quantity(t.first_token_seconds, "s") for _, t in timings)]
        )
    rows.append(
        [
            "fits the machine",
            *("yes" if e.fits else f"no: {quantity(e.excess_bytes, 'B')} too large" for e in group),
        ]
    )
    if size is not None:
        title = f"largest batch in {quantity(size, 'B')}"
        rows.append([title, *(str(_batch(e, size) or "0: does not fit") for e in group)])
    return rows


def _notes(group: list[Estimate]) -> None:
    units: dict[str, list[str]] = {}
    for each in group:
        units.setdefault(unit_in_words(each), []).append(each.scheme.name)
    for unit, names in units.items():
        print_text(f"projections and FFN of {', '.join(names)} on {unit}")
    if group[0].machine.boundary.idle_subtracted:
        print_text("idle power is subtracted")
    for words in missing_static(group[0]):
        print_text(f"static energy {words}")
    if unknown := unknown_active_power(group[0]):
        print_text(unknown)
    for each in group:
        _say_lanes(each)
    for words in errors_in_words(group):
        print_text(words)


def _say_lanes(of: Estimate) -> None:
    """Print what adder trees save, where bare operations price them."""
    product = next(p for p in of.lowered.products if p.role in LINEAR_ROLES)
    unit, arrays = product.unit, add_only_arrays(of.machine)
    own = of.table.macs or unit.mac_energy(product.pair) is not None
    if not of.scheme.add_only or own or unit not in arrays or unit.lanes == 1:
        return
    alone = estimate(of.model, of.scheme, of.table, of.scenario, machine=with_lanes(of.machine, 1))
    print_text(
        f"{of.scheme.name}: arithmetic of projections and FFN with adder trees of "
        f"{unit.lanes} lanes: {quantity(_products(of), 'J', 4)}; "
        f"with one accumulation per term: {quantity(_products(alone), 'J', 4)}"
    )


def _products(of: Estimate) -> float:
    return of.by("part")["projections and FFN"].joules
