"""Prediction of a published value by the cost model."""

from __future__ import annotations

from ..cost.lowering import lower
from ..cost.pricing import price_operations, price_traffic, price_unpacking
from ..cost.static_power import static_power
from ..cost.system import SystemConvention
from ..cost.time import Timing, timing
from ..cost.traffic import traffic
from ..errors import InputError
from ..inputs.machine import Machine
from ..prices.loading import load_table
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
    time = timing(lower(value.model, value.scenario, value.scheme, machine))
    if value.kind == "speed":
        return per_second(value, relevant_seconds(value, time))
    joules = dynamic_joules(value, machine) + static_watts(value, machine) * time.seconds
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


def dynamic_joules(value: Value, machine: Machine) -> float:
    """Return the energy of arithmetic, traffic and unpacking, J."""
    lowered = lower(value.model, value.scenario, value.scheme, machine)
    table = load_table(ARITHMETIC)
    arithmetic = price_operations(SystemConvention().count(lowered), table, lowered)
    moved = price_traffic(traffic(lowered), table, machine)
    parts = (arithmetic, moved, price_unpacking(lowered))
    return sum(row.joules for rows in parts for row in rows)


def static_watts(_value: Value, machine: Machine) -> float:
    """Return the static power, W; 0 where nothing is known of it."""
    return static_power(machine, load_table(ARITHMETIC)).watts or 0.0
