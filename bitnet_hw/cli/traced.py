"""``bitnet-hw count --trace``: the count of a running model."""

from __future__ import annotations

from typing import Any

import click

from ..errors import InputError
from ..tally import OpTally
from ..tracing.torch_models.callables import TracedCall, trace_callable
from ..units import quantity
from .options import OutputForm
from .output import Column, numbers, print_csv, print_json, print_table, print_text


def refuse_closed_form_options(context: click.Context) -> None:
    """Refuse options that describe a model, a scheme or a machine, which the traced code decides.

    Raises
    ------
    InputError
        If one of them is given; the message names it.
    """
    for parameter in context.command.params:
        name = parameter.name or ""
        if name in ("trace", "strict", "weight_zeros", "activations", "as_json", "as_csv"):
            continue
        source = context.get_parameter_source(name)
        if source is click.core.ParameterSource.COMMANDLINE:
            shown = parameter.opts[0] if parameter.opts[0].startswith("-") else name.upper()
            raise InputError(f"{shown} contradicts --trace: the traced model decides it")


def count_traced(
    reference: str,
    form: OutputForm,
    schema: int,
    strict: bool,
    weight_zeros: tuple[str, ...],
    activations: tuple[str, ...],
) -> None:
    """Trace a model and print its count.

    Parameters
    ----------
    reference : str
        Function that returns the model and its inputs, as ``module:callable``.
    form : str
        ``table``, ``json`` or ``csv``.
    schema : int
        Version of the JSON form.
    strict : bool
        Whether an operator without a formula is an error.
    weight_zeros, activations : tuple of str
        Values of the options of these names, each ``PATTERN=VALUE``.
    """
    declared = {}
    for pattern, text in _pairs("--weight-zeros", weight_zeros).items():
        try:
            declared[pattern] = float(text)
        except ValueError:
            raise InputError(
                f"--weight-zeros {pattern}={text}: {text!r} is not a fraction from 0 to 1"
            ) from None
    formats = _pairs("--activations", activations)
    try:
        call = trace_callable(reference, strict=strict, weight_zeros=declared, activations=formats)
    except InputError as error:
        raise InputError(f"--trace: {error}") from error
    rows = list(call.tally.with_weight_work().rows())
    if form == "json":
        print_json(_as_json(reference, schema, call, rows))
    elif form == "csv":
        print_csv(rows)
    else:
        _print(reference, call)


def _pairs(option: str, given: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for text in given:
        pattern, equals, value = text.rpartition("=")
        if not (equals and pattern and value):
            raise InputError(f"{option} {text}: give PATTERN=VALUE, such as 'model.layers.*=0.31'")
        pairs[pattern] = value
    return pairs


def _as_json(
    reference: str, schema: int, call: TracedCall, rows: list[dict[str, Any]]
) -> dict[str, Any]:
    tally = call.tally
    totals = tally.totals()
    return {
        "schema": schema,
        "model": call.model,
        "scheme": "traced",
        "convention": "traced",
        "scenario": {"phase": "trace", "callable": reference},
        "lanes": None,
        "macs": totals["MACs"],
        "multiplications": totals["multiplications"],
        "additions": totals["additions"],
        "macs_by_role": tally.macs_by_role(),
        "add_only": _add_only(tally),
        "rows": rows,
        "unknown": [
            {"scope": scope, "operator": operator, "calls": calls}
            for (scope, operator), calls in tally.unknown.items()
        ],
    }


def _add_only(tally: OpTally) -> dict[str, float | str] | None:
    work = tally.add_only
    if not work.executed_adder_slots:
        return None
    zeros = 1 - work.non_zero_terms / work.executed_adder_slots
    return {**work._asdict(), "weight_zeros": zeros, "weight_zeros_basis": "traced"}


def _print(reference: str, call: TracedCall) -> None:
    tally = call.tally
    print_text(f"{call.model}: one traced pass of {reference}")
    counts = tally.by("role", "operation", "format", "accumulator")
    columns: list[str | Column] = ["role", "operation", "operands", "adder", *numbers("count")]
    print_table(columns, [[*key, f"{number:,}"] for key, number in sorted(counts.items())])
    totals = OpTally.totals(tally)
    totals["on stored tensors alone (not in the totals)"] = tally.weight_work.total()
    print_table(
        ["total", *numbers("count"), ""],
        [[name, f"{number:,}", quantity(number, "")] for name, number in totals.items()],
    )
    found = _add_only(tally)
    if found:
        print_text(
            f"add-only products: {found['non_zero_terms']:,} non-zero terms, "
            f"{found['logical_additions']:,} logical additions "
            f"(zeros by value, or declared: {found['weight_zeros']:.3g} of the weights)"
        )
    for (scope, operator), calls in tally.unknown.items():
        print_text(f"no formula, not counted: {operator} in {scope}, calls: {calls}")
    if tally.undeclared:
        first = min(tally.undeclared)
        print_text(
            f"counted as dense, because they have no values: the stored weights of "
            f"{len(tally.undeclared)} modules ({first} ...); declare ternary ones with "
            "--weight-zeros"
        )
