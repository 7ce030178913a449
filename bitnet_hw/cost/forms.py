"""Forms of an estimate: JSON, one flat row for CSV, and a summary of a few lines."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..inputs.machine import Machine
from ..inputs.roles import LINEAR_ROLES
from ..inputs.track_record import Entry
from ..units import quantity
from .band import Cost
from .counting import find_convention
from .parts import KINDS, WHOLE_MACS
from .result import Result

#: Version of the JSON form; docs/schema/estimate-3.json describes it.
SCHEMA = 3


def as_dict(of: Result) -> dict[str, Any]:
    """Return the JSON form, version `SCHEMA`; see docs/schema/estimate-3.json."""
    time, energy = of.time, of.energy
    machine = of.machine if find_convention(of.convention).has_machine else None
    kinds = dict.fromkeys(KINDS, 0.0) | _joules(of.by("kind", level="logic"))
    return {
        "schema": SCHEMA,
        "model": of.model.name,
        "scheme": of.scheme.name,
        "energy_table": of.table.short_name,
        "convention": of.convention,
        "scenario": of.scenario.as_dict(),
        "machine": machine.name if machine else None,
        "hypothetical": machine.hypothetical if machine else None,
        "boundary": str(machine.boundary) if machine else None,
        "fits": of.fits if machine else None,
        "excess_bytes": round(of.excess_bytes) if machine else None,
        "macs": of.tally.macs,
        "energy_j": energy.value,
        "energy_low_j": energy.low,
        "energy_high_j": energy.high,
        "mul_j": kinds["multiplications"],
        "add_j": kinds["additions"],
        "mac_j": kinds[WHOLE_MACS],
        "other_j": kinds["other operations"],
        "memory_j": of.memory_j,
        "unpacking_j": sum(row.joules for row in of.unpacking) if machine else None,
        "static_j": of.static_j,
        "leakage_known": not of.static.unknown_leakage if machine else None,
        "missing_idle_power": list(of.static.missing_idle) if machine else None,
        "active_power_known": of.static.active_known if machine else None,
        "operations_j": _joules(of.by("operation", level="logic")),
        "roles_j": _joules(of.by("role", level="logic")),
        "traffic": None if of.memory is None else _traffic(of),
        "derived_share": of.derived_share,
        "energy_per_token_j": of.energy_per_token.value,
        "mean_power_w": of.mean_power_w,
        "latency_s": time.seconds if time else None,
        "busy_s": dict(time.busy) if time else None,
        "time_to_first_token_s": time.first_token_seconds if time else None,
        "tokens_per_s": of.tokens_per_second,
        "tokens_per_s_of_request": of.tokens_per_second_of_request,
        "bound_by": time.bound_by if time else None,
        "speed_error": _error(of.speed_record),
        "energy_error": _error(of.energy_record),
        "weight_bytes": round(of.footprint.weights),
        "lm_head_bytes": round(of.footprint.lm_head),
        "embedding_bytes": round(of.footprint.embedding),
        "kv_bytes": round(of.footprint.kv_cache),
    }


def as_row(of: Result) -> dict[str, Any]:
    """Return the JSON form without nesting, for CSV; values a phase does not use are None."""
    row = as_dict(of)
    scenario = row.pop("scenario")
    for nested in ("operations_j", "roles_j", "traffic", "busy_s"):
        del row[nested]
    for name in ("speed_error", "energy_error"):
        error = row.pop(name) or {}
        row[f"{name}_typical_factor"] = error.get("typical_factor")
        row[f"{name}_worst_factor"] = error.get("worst_factor")
    row["missing_idle_power"] = "+".join(row["missing_idle_power"] or ()) or None
    keys = ("phase", "tokens", "context", "prompt", "generate")
    return {**row, **dict.fromkeys(keys), **scenario}


def summary(of: Result) -> list[tuple[str, str]]:
    """Return a few lines: energy per token, tokens per second, and how far to trust them."""
    energy = of.energy_per_token
    band = range_in_words(energy.low, energy.high, lambda end: quantity(end, "J"))
    in_range = f" (range of prices: {band})" if band else ""
    lines = [
        ("scenario", of.scenario.describe()),
        ("energy per token", f"{quantity(energy.value, 'J')}{in_range}"),
    ]
    if of.time is not None:
        power = quantity(of.mean_power_w, "W")
        boundary = boundary_in_words(of.machine)
        rates = [(title, f"{rate:.4g}") for title, rate in speeds(of)]
        (first, rate), *more = rates
        lines += [
            (
                "machine",
                f"{machine_in_words(of.machine)}; energy of {boundary}{_static_in_short(of)}",
            ),
            (first, f"{rate}, bound by {of.time.bound_by}, mean power {power}"),
            *more,
            ("error of speed", error_in_words(of.speed_record, "speed")),
            ("error of energy", error_in_words(of.energy_record, "energy")),
        ]
    if not of.fits:
        lines.append(("memory", does_not_fit(of)))
    return lines


#: Share of its high end below which the width of a range is not worth printing.
_NARROW = 0.01


def range_in_words(low: float, high: float, write: Callable[[float], str]) -> str:
    """Return both ends of a range; nothing if they are less than 1 percent apart.

    A narrow range of prices says nothing of the error, which is far larger, but looks as if it did.

    Examples
    --------
    >>> range_in_words(3.72, 4.08, "{:.3g}".format)
    '3.72 to 4.08'
    >>> range_in_words(3.7292, 3.7304, "{:.4g}".format)
    ''
    """
    ends = write(low), write(high)
    narrow = high - low < _NARROW * high or ends[0] == ends[1]
    return "" if narrow else " to ".join(ends)


def speeds(of: Result) -> list[tuple[str, float]]:
    """Return the tokens per second of the whole batch, each with what it is the rate of."""
    rate = of.tokens_per_second
    if rate is None:
        return []
    phase = "prefill" if of.scenario.phase == "prefill" else "decode"
    found = [(f"tokens per second of {phase}", rate)]
    whole = of.tokens_per_second_of_request
    if whole is not None:
        found.append(("tokens per second, prefill included", whole))
    return found


def machine_in_words(machine: Machine) -> str:
    """Return the name of a machine, marked if it is hypothetical."""
    return machine.name + (" (hypothetical)" if machine.hypothetical else "")


def boundary_in_words(machine: Machine) -> str:
    """Return what the energy of a machine covers, and whether it leaves DRAM out."""
    boundary = machine.boundary
    has_dram = any(not memory.on_chip for memory in machine.memories)
    outside = has_dram and not boundary.has_dram
    return f"{boundary}; DRAM is outside it" if outside else str(boundary)


def unit_in_words(of: Result) -> str:
    """Return the unit that executes the projections and FFN, with the sizes of an array."""
    unit = next(p for p in of.lowered.products if p.role in LINEAR_ROLES).unit
    if unit.kind != "array":
        return unit.name
    return (
        f"{unit.name}, R = {unit.rows} rows, L = {unit.lanes} lanes, "
        f"T = {unit.tokens} tokens per weight fetch"
    )


def error_in_words(record: Entry | None, of: str) -> str:
    """Return how far estimates of a class have been off, or which bound an unchecked one is."""
    if record is None:
        bound = "an upper bound" if of == "speed" else "a lower bound"
        return f"not checked against any measurement of this class: {bound}"
    if record.status == "blind":
        bound = "an upper bound" if of == "speed" else "a lower bound"
        return f"{bound}, without measurements of the machine or its relatives: {record.in_words}"
    same = record.status == "calibrated"
    basis = "other measurements of its machine" if same else "measurements of related machines"
    return f"{record.in_words}, each predicted from {basis}"


def errors_in_words(group: Sequence[Result]) -> list[str]:
    """Return sentences on the errors of speed and energy, each with the schemes it holds for."""
    found: dict[str, list[str]] = {}
    for what in ("speed", "energy"):
        for of in group:
            record = of.speed_record if what == "speed" else of.energy_record
            sentence = f"{what} of {{}}: {error_in_words(record, what)}"
            found.setdefault(sentence, []).append(of.scheme.name)
    return [sentence.replace("{}", ", ".join(names)) for sentence, names in found.items()]


def error_in_short(record: Entry | None, of: str) -> str:
    """Return the same for a cell of a table."""
    if record is None:
        return f"not checked: {'upper' if of == 'speed' else 'lower'} bound"
    return f"x{record.typical_factor:.2f}, at worst x{record.worst_factor:.2f}"


def _static_in_short(of: Result) -> str:
    """Return whether static energy is left out, wholly or in part; empty where it is complete."""
    active = "" if of.static.active_known else ", power above idle not known (a lower bound)"
    if of.static_j is None:
        return f", static energy excluded{active}"
    return f"{', static energy incomplete' if missing_static(of) else ''}{active}"


def in_a_row(names: Sequence[str]) -> str:
    """Return names as a sentence lists them.

    Examples
    --------
    >>> in_a_row(["core", "dram", "board"])
    'core, dram and board'
    """
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


def missing_static(of: Result) -> list[str]:
    """Return clauses on what static energy leaves out; none where it is complete."""
    missing = in_a_row(of.static.missing_idle)
    found = []
    if of.static_j is None:
        needs = f", a complete figure needs the idle power of {missing}" if missing else ""
        kind = "active power" if of.machine.boundary.idle_subtracted else "power"
        found.append(f"excluded: the machine's description gives no {kind}{needs}")
    elif missing:
        found.append(f"incomplete: the machine's description gives no idle power of {missing}")
    if of.static.unknown_leakage:
        names = in_a_row(of.static.unknown_leakage)
        node = f"{of.table.memory_node_nm:g} nm"
        found.append(f"without the leakage of {names}, which is not known at {node}")
    return found


def unknown_active_power(of: Result) -> str:
    """Return the clause for a device whose power above idle is not known; empty where it is."""
    if of.static.active_known:
        return ""
    return (
        f"the power of {of.machine.name} above idle is not known: the energy is far below what the "
        "device draws (a lower bound)"
    )


def does_not_fit(of: Result) -> str:
    """Return the sentence for a model that does not fit its machine."""
    return f"does not fit {of.machine.name}: {quantity(of.excess_bytes, 'B')} too large"


def _error(record: Entry | None) -> dict[str, Any] | None:
    return None if record is None else record.model_dump()


def _joules(costs: dict[str, Cost]) -> dict[str, float]:
    return {name: cost.joules for name, cost in costs.items()}


def _traffic(of: Result) -> list[dict[str, Any]]:
    levels = {priced.row.level for priced in of.memory or []}
    return [
        {"level": level, "content": content, "bytes": round(cost.bytes), "energy_j": cost.joules}
        for (level, content), cost in of.by("level", "content").items()
        if level in levels
    ]
