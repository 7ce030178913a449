"""``bitnet-hw count``: additions and multiplications by format and role."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from ..cost.convention import ConventionName
from ..cost.counting import find_convention
from ..cost.forms import machine_in_words
from ..cost.lowered import Lowered
from ..cost.lowering import lower
from ..errors import InputError
from ..inputs.formats import Kind
from ..inputs.model import load_model
from ..inputs.roles import LINEAR_ROLES
from ..inputs.scheme import Scheme
from ..tally import OpTally
from ..units import quantity
from .options import (
    build_machine,
    build_scenario,
    build_schemes,
    checkpoint_option,
    convention_option,
    machine_options,
    measure_zeros,
    output_form,
    output_options,
    scenario_options,
)
from .output import Column, numbers, print_csv, print_json, print_table, print_text

#: Version of the JSON output, which docs/schema/count-2.json describes.
SCHEMA = 2


@click.command()
@click.argument("config", required=False)
@click.option(
    "--trace",
    metavar="MODULE:CALLABLE",
    help="Function that returns a PyTorch model and its inputs. The model is run, and its "
    "operations are counted. Default: CONFIG is counted in closed form.",
)
@click.option(
    "--strict",
    is_flag=True,
    help="With --trace: end with an error if an operator has no formula. Default: such operators "
    "are listed.",
)
@click.option(
    "--weight-zeros",
    multiple=True,
    metavar="PATTERN=Z",
    help="With --trace on the meta device: modules with ternary weights, and the fraction of these "
    "weights that is zero. Can be given several times. Default: weights are counted as dense.",
)
@click.option(
    "--activations",
    multiple=True,
    metavar="PATTERN=FORMAT",
    help="With --trace on the meta device: modules, and the number format of their input "
    "activations. Can be given several times. Default: the format of the traced tensors.",
)
@click.option(
    "--scheme",
    default="bitnet-b1.58",
    metavar="NAME_OR_FILE",
    help="Scheme: a name (see `bitnet-hw schemes`) or a YAML file. Default: bitnet-b1.58.",
)
@convention_option
@scenario_options(paper=True)
@machine_options
@checkpoint_option
@output_options
def command(
    config: str | None,
    trace: str | None,
    strict: bool,
    weight_zeros: tuple[str, ...],
    activations: tuple[str, ...],
    scheme: str,
    convention: ConventionName,
    codec: str | None,
    machine: str | None,
    lanes: int | None,
    float_accumulator: str | None,
    checkpoint: Path | None,
    as_json: bool,
    as_csv: bool,
    **given: Any,  # noqa: ANN401  the scenario options
) -> None:
    """Count additions and multiplications by format and role.

    CONFIG is a model: a name (see `bitnet-hw models`), a YAML file, a Hugging Face config.json, or
    the folder of one.
    """
    form = output_form(as_json, as_csv)
    if trace is not None:
        from .traced import count_traced, refuse_closed_form_options

        refuse_closed_form_options(click.get_current_context())
        count_traced(trace, form, SCHEMA, strict, weight_zeros, activations)
        return
    if strict or weight_zeros or activations:
        raise InputError("--strict, --weight-zeros and --activations need --trace")
    if config is None:
        raise InputError("count needs a CONFIG, or --trace MODULE:CALLABLE")
    model = load_model(config)
    schemes = build_schemes(scheme, codec)
    if len(schemes) > 1:
        raise InputError(f"count takes one scheme, found {len(schemes)}: {scheme}")
    measured = measure_zeros(schemes, checkpoint, model)[0]
    rules = find_convention(convention)
    chosen = rules.prepared(measured, float_accumulator)
    scenario = build_scenario(convention, given, [model])
    described = build_machine(convention, machine, lanes, codec)
    rules.check(scenario)
    lowered = lower(model, scenario, chosen, described)
    tally = rules.count(lowered)
    used_lanes = _lanes(lowered) if convention == "system" else None
    if form == "json":
        print_json(
            {
                "schema": SCHEMA,
                "model": model.name,
                "scheme": chosen.name,
                "convention": convention,
                "scenario": scenario.as_dict(),
                "lanes": used_lanes,
                "macs": tally.macs,
                "multiplications": tally.total("mul"),
                "additions": tally.total("add", "ternary-add"),
                "macs_by_role": tally.macs_by_role(),
                "add_only": _add_only(tally, chosen),
                "rows": list(tally.rows()),
                # Only a trace can find operators without a formula.
                "unknown": [],
            }
        )
    elif form == "csv":
        print_csv(list(tally.rows()))
    else:
        on = ""
        if used_lanes:
            on = f" on {machine_in_words(described)}, L = {used_lanes} lanes for projections and FFN"
        print_text(f"{model.name}, {chosen.name}: {scenario.describe()}")
        print_text(f"{convention} convention{on}; counted in closed form")
        _print(tally, chosen)


def _lanes(lowered: Lowered) -> int:
    """Return the lanes of the unit that executes the projections and FFN."""
    return next(p.unit.lanes for p in lowered.products if p.role in LINEAR_ROLES)


def _add_only(tally: OpTally, scheme: Scheme) -> dict[str, float | str] | None:
    if not scheme.add_only:
        return None
    return {
        **tally.add_only._asdict(),
        "weight_zeros": scheme.linear.weight_zeros,
        "weight_zeros_basis": scheme.weight_zeros_basis,
    }


def _print(tally: OpTally, scheme: Scheme) -> None:
    counts = tally.by("role", "operation", "format", "accumulator")
    columns: list[str | Column] = ["role", "operation", "operands", "adder", *numbers("count")]
    rows = [[*key, f"{number:,}"] for key, number in counts.items()]
    print_table(columns, rows)
    multiplications, additions = tally.total("mul"), tally.total("add", "ternary-add")
    other = tally.total() - multiplications - additions
    totals = {
        "MACs": tally.macs,
        "multiplications": multiplications,
        "additions": additions,
        "other operations": other,
    }
    print_table(
        ["total", *numbers("count"), ""],
        [[name, f"{number:,}", quantity(number, "")] for name, number in totals.items()],
    )
    if scheme.add_only:
        work = tally.add_only
        zeros = scheme.linear.weight_zeros
        ternary = scheme.linear.weight_format.kind is Kind.TERNARY
        basis = scheme.weight_zeros_basis if scheme.weight_zeros_from else "assumed, not measured"
        of_zeros = (
            f"{zeros:.3g} of the weights are zero: {basis}"
            if ternary
            else "binary weights have no zeros"
        )
        print_text(
            f"add-only products: {quantity(work.executed_adder_slots, '')} executed adder slots, "
            f"{quantity(work.non_zero_terms, '')} non-zero terms, "
            f"{quantity(work.logical_additions, '')} logical additions "
            f"({of_zeros})"
        )
