"""Prediction of a published value by the cost model."""

from __future__ import annotations

from ..cost.lowering import lower
from ..cost.pricing import price_operations, price_traffic, price_unpacking
from ..cost.residency import residency
from ..cost.system import SystemConvention
from ..cost.time import Timing, timing
from ..cost.traffic import traffic
from ..errors import InputError
from ..inputs.machine import Machine
from ..prices.loading import load_table
from ..prices.tables import EnergyTable
from .rows import Value

#: Energy table of the arithmetic, which is a small part of every measured energy: the newest node.
ARITHMETIC = "jouppi-2021-7nm"


def predict(value: Value, machine: Machine | None = None) -> float:
    """Return what the cost model predicts for a published value, in the same unit.

    Parameters
    ----------
    value : Value
        The published value.
    machine : Machine, optional
        Machine in place of the row's own, such as one fitted without the row.

    Raises
    ------
    InputError
        If the machine cannot run the scheme, naming the row.
    """
    try:
        return _predict(value, value.machine if machine is None else machine)
    except InputError as error:
        raise value.error(error) from None


def _predict(value: Value, machine: Machine) -> float:
    lowered = lower(value.model, value.scenario, value.scheme, machine)
    placed = residency(lowered)
    time = timing(lowered, placed)
    if value.kind == "speed":
        return per_second(value, relevant_seconds(value, time))
    moved, fixed = moved_joules(value, machine)
    joules = moved + fixed + (machine.static_w or 0.0) * time.seconds
    if value.quantity == "power_w":
        return joules / time.seconds
    return joules / value.scenario.new_tokens


def relevant_seconds(value: Value, time: Timing) -> float:
    """Return the part of the duration that a value is about, s."""
    if value.kind == "energy" or value.quantity == "tokens_per_s_of_request":
        return time.seconds
    if value.quantity in ("time_to_first_token_s", "prefill_tokens_per_s"):
        return time.first_token_seconds or 0.0
    return time.decode_seconds or time.seconds


def per_second(value: Value, seconds: float) -> float:
    """Return a speed or a time in the unit of a value from the seconds that it is about."""
    scenario = value.scenario
    tokens = {
        "prefill_tokens_per_s": scenario.batch * scenario.tokens,
        "tokens_per_s_of_request": scenario.new_tokens,
        "tokens_per_s": scenario.new_tokens / scenario.batch,
    }
    if value.quantity == "time_to_first_token_s":
        return seconds
    return tokens[value.quantity] / seconds


def moved_joules(value: Value, machine: Machine) -> tuple[float, float]:
    """Return the energy of traffic and unpacking, and that of arithmetic, J."""
    lowered = lower(value.model, value.scenario, value.scheme, machine)
    table: EnergyTable = load_table(ARITHMETIC)
    moved = price_traffic(traffic(lowered), table, machine)
    arithmetic = price_operations(SystemConvention().count(lowered), table, lowered)
    unpacked = sum(row.joules for row in price_unpacking(lowered))
    return sum(row.joules for row in moved) + unpacked, sum(row.joules for row in arithmetic)
