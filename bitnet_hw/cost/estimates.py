"""Estimates: a model in a scheme at a process node, in joules, bytes and seconds."""

from __future__ import annotations

import html
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import ToolMissingError
from ..inputs.machine import Machine
from ..inputs.model import ModelSpec, as_model
from ..inputs.scenario import Scenario, as_scenario
from ..inputs.scheme import Scheme, as_scheme
from ..prices.loading import as_table
from ..prices.tables import EnergyTable
from .convention import ConventionName
from .counting import find_convention
from .footprint import footprint_of
from .forms import as_dict, as_row, summary
from .lowering import lower
from .pricing import (
    PricedTraffic,
    PricedUnpacking,
    price_operations,
    price_tally,
    price_traffic,
    price_unpacking,
)
from .residency import residency
from .result import Result
from .static_power import StaticPower, static_power
from .time import Timing, timing
from .traffic import traffic

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class Estimate(Result):
    """Costs of a model in one scheme, at one node, under one convention; see `Result`."""

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form; see `bitnet_hw.cost.forms`."""
        return as_dict(self)

    def as_row(self) -> dict[str, Any]:
        """Return the JSON form without nesting, for CSV; values a phase does not use are None."""
        return as_row(self)

    def to_frame(self) -> pd.DataFrame:
        """Return every summand as a row of a pandas data frame, with its name under each field.

        Raises
        ------
        ToolMissingError
            If pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError:
            raise ToolMissingError("to_frame needs pandas: pip install pandas") from None
        rows = [
            {**labels, "joules": cost.joules, "low": cost.energy.low, "high": cost.energy.high,
             "operations": cost.operations, "bytes": cost.bytes}
            for labels, cost in self.summands()
        ]  # fmt: skip
        return pd.DataFrame(rows)

    def __repr__(self) -> str:
        """Return a few lines: what was estimated, energy per token, tokens per second."""
        head = f"Estimate: {self.model.name} in {self.scheme.name} at {self.table.short_name}, "
        lines = [f"  {name}: {text}" for name, text in summary(self)]
        return "\n".join([f"{head}{self.convention} convention", *lines])

    def _repr_html_(self) -> str:
        """Return the same as a table, for notebooks."""
        title = f"{self.model.name} in {self.scheme.name} at {self.table.short_name}"
        rows = "".join(
            f"<tr><th>{html.escape(name)}</th><td>{html.escape(text)}</td></tr>"
            for name, text in summary(self)
        )
        return f"<table><caption>{html.escape(title)}</caption>{rows}</table>"


def estimate(
    model: ModelSpec | str | Path,
    scheme: Scheme | str | Path,
    table: EnergyTable | str | Path,
    scenario: Scenario | None = None,
    convention: ConventionName = "system",
    machine: Machine | str | Path | None = None,
    float_accumulator: str | None = None,
) -> Estimate:
    """Estimate the energy, bytes and time of a model.

    Parameters
    ----------
    model, scheme, table
        Dimensions, number formats, prices; each a record, its name in the catalogue, or its file.
    scenario : Scenario, optional
        What is asked; the convention's default when absent.
    convention : str
        ``system`` or ``paper``.
    machine : Machine, str or Path, optional
        The machine; ``edge`` when absent. The paper convention has none.
    float_accumulator : str, optional
        Format in which 16-bit float sums accumulate, where not the scheme's; FP32 in the built-in
        schemes. The paper convention fixes FP16.

    Returns
    -------
    Estimate
        Energy with its range, bytes, seconds.

    Raises
    ------
    InputError
        If what is asked contradicts the convention or the model.
    MissingPriceError
        If the table leaves something unpriced.

    Examples
    --------
    >>> of = estimate("bitnet-b1.58-2b4t", "bitnet-b1.58", "7nm")
    >>> round(of.energy_per_token.value, 4)
    0.0557
    >>> round(of.by("level")["dram"].joules / of.energy.value, 3)
    0.836
    """
    model, table = as_model(model), as_table(table)
    rules = find_convention(convention)
    scenario = rules.default_scenario(model) if scenario is None else as_scenario(scenario)
    rules.check(scenario)
    rules.check_machine(machine)
    scheme = rules.prepared(as_scheme(scheme), float_accumulator)
    lowered = lower(model, scenario, scheme, machine)
    tally = rules.count(lowered)
    memory: list[PricedTraffic] | None = None
    unpacking: list[PricedUnpacking] = []
    time: Timing | None = None
    excess = 0.0
    static = StaticPower(None)
    if rules.has_machine:
        arithmetic = price_operations(tally, table, lowered)
        placed = residency(lowered)
        memory = price_traffic(traffic(lowered, placed), table, lowered.machine)
        unpacking = price_unpacking(lowered)
        time, excess = timing(lowered, placed), placed.excess_bytes
        static = static_power(lowered.machine, table)
    else:
        arithmetic = price_tally(tally, table)
    return Estimate(
        model, scheme, table, convention, scenario, lowered.machine, lowered, tally, arithmetic,
        memory, unpacking, time, footprint_of(lowered), excess, static,
    )  # fmt: skip
