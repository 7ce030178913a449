"""Estimates: a model in a scheme at a process node, in joules, bytes and seconds."""

from __future__ import annotations

import html
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, overload

from ..errors import ToolMissingError
from ..inputs.machine import Machine
from ..inputs.model import ModelSpec, as_model
from ..inputs.scenario import Scenario, as_scenario
from ..inputs.scheme import Scheme, as_scheme
from ..inputs.track_record import Entry, Quantity, load_track_record, status, work_class
from ..prices.loading import as_table
from ..prices.tables import EnergyTable
from ..tally import OpTally
from .band import Band, Cost
from .breakdown import (
    Field,
    Summand,
    access_summands,
    operation_summands,
    static_summand,
    sum_by,
    unpacking_summands,
)
from .convention import ConventionName
from .counting import find_convention
from .footprint import Footprint, footprint_of
from .forms import as_dict, as_row, summary
from .lowered import Lowered
from .lowering import lower
from .pricing import (
    PricedRow,
    PricedTraffic,
    PricedUnpacking,
    price_operations,
    price_tally,
    price_traffic,
    price_unpacking,
)
from .residency import residency
from .time import Timing, timing
from .traffic import traffic

if TYPE_CHECKING:
    import pandas as pd

#: An end of the range of a price, or the price itself.
End = Literal["low", "value", "high"]


@dataclass(frozen=True, repr=False)
class Estimate:
    """Costs of a model in one scheme, at one node, under one convention.

    Attributes
    ----------
    model, scheme, table, convention, scenario, machine
        What was estimated.
    lowered : Lowered
        The operators that were priced.
    tally : OpTally
        The operations.
    arithmetic : list of PricedRow
        Every row of the tally with its price.
    memory : list of PricedTraffic or None
        Bytes by level with their price; None under a convention without a machine.
    unpacking : list of PricedUnpacking
        Stored weights turned into operands, where the machine gives an energy for it.
    time : Timing or None
        None under a convention without a machine.
    footprint : Footprint
        Bytes that the model occupies.
    excess_bytes : float
        Bytes that fit none of the machine's memories; 0 if the model fits.
    """

    model: ModelSpec
    scheme: Scheme
    table: EnergyTable
    convention: ConventionName
    scenario: Scenario
    machine: Machine
    lowered: Lowered
    tally: OpTally
    arithmetic: list[PricedRow]
    memory: list[PricedTraffic] | None
    unpacking: list[PricedUnpacking]
    time: Timing | None
    footprint: Footprint
    excess_bytes: float

    @property
    def fits(self) -> bool:
        """Whether the model fits the memories of its machine."""
        return self.excess_bytes <= 0

    @property
    def energy(self) -> Band:
        """Total energy with the range that the ranges of its prices give it, J."""
        return Band(self.at(), self.at("low", "low"), self.at("high", "high"))

    def at(self, logic: End = "value", memory: End = "value") -> float:
        """Return the total energy with each of the two price lists at one end of its ranges, J.

        Parameters
        ----------
        logic, memory : str
            ``low``, ``high``, or ``value`` for the prices themselves.
        """
        arithmetic = sum(getattr(row.energy, logic) for row in self.arithmetic)
        moved = sum(getattr(row.energy, memory) for row in self.memory or [])
        unpacked = sum(getattr(row.energy, memory) for row in self.unpacking)
        total: float = arithmetic + moved + unpacked + (self.static_j or 0.0)
        return total

    @property
    def energy_per_token(self) -> Band:
        """Energy per token that is handed in (prefill) or given back (decode, request), J."""
        return self.energy / self.scenario.new_tokens

    @property
    def arithmetic_j(self) -> float:
        """Energy of all operations, J."""
        return sum(row.joules for row in self.arithmetic)

    @property
    def memory_j(self) -> float | None:
        """Energy of SRAM and DRAM traffic, J; None under a convention without a machine."""
        return None if self.memory is None else sum(row.joules for row in self.memory)

    @property
    def static_j(self) -> float | None:
        """Idle and active power x time, J; None where the machine gives no power."""
        power = self.machine.static_w
        return None if self.time is None or power is None else power * self.time.seconds

    @property
    def mean_power_w(self) -> float | None:
        """Energy over time, W; None under a convention without a machine."""
        return None if self.time is None else self.energy.value / self.time.seconds

    @overload
    def by(self, field: Field, /, *, level: str | None = None) -> dict[str, Cost]: ...

    @overload
    def by(
        self, field: Field, second: Field, /, *more: Field, level: str | None = None
    ) -> dict[tuple[str, ...], Cost]: ...

    def by(self, *fields: Field, level: str | None = None) -> Any:
        """Return the costs summed by one field, or by several.

        Parameters
        ----------
        fields : str
            One or more of:

            - ``role``: qkv, ffn-down, norm ...;
            - ``operator``: module path;
            - ``layer``: the layers together, and each operator outside them;
            - ``operation``: mul, add, mac ...; access of memory;
            - ``kind``: multiplications, additions, whole MACs, other operations; access;
            - ``format``: of the operands of operations; access of memory;
            - ``level``: logic, unpacking, each memory by its name, links;
            - ``content``: operations, weights, kv-cache, activations, embedding;
            - ``part``: the parts that reports stack, all of them;
            - ``reach``: projections and FFN, on which ternary weights act, and the rest.

            Static energy is ``static`` under each.
        level : str, optional
            Only costs of this level; ``logic`` for arithmetic alone.

        Returns
        -------
        dict
            Name, or tuple of names in the order of the fields -> Cost.

        Raises
        ------
        InputError
            If there is no such field.
        """
        return sum_by(self.summands(), fields, level)

    def summands(self) -> Iterator[Summand]:
        """Yield every summand of the energy with its name under each field."""
        yield from operation_summands(self.arithmetic, self.lowered)
        yield from access_summands(self.memory or [], self.machine)
        yield from unpacking_summands(self.unpacking)
        if self.static_j is not None:
            yield static_summand(self.static_j)

    @property
    def derived_share(self) -> float:
        """Share of the energy that rests on derived prices."""
        rows: list[PricedRow | PricedTraffic | PricedUnpacking]
        rows = [*self.arithmetic, *(self.memory or []), *self.unpacking]
        derived = sum(row.joules for row in rows if row.price and row.price.kind == "derived")
        total = self.energy.value
        return min(1.0, derived / total) if total else 0.0

    @property
    def tokens_per_second(self) -> float | None:
        """New tokens per second: of the decode steps where there are some, else of the prefill."""
        if self.time is None:
            return None
        return self.scenario.new_tokens / (self.time.decode_seconds or self.time.seconds)

    @property
    def tokens_per_second_of_request(self) -> float | None:
        """New tokens over the whole duration of a request, its prefill included; else None."""
        if self.time is None or self.scenario.phase != "request":
            return None
        return self.scenario.new_tokens / self.time.seconds

    @property
    def speed_record(self) -> Entry | None:
        """How far estimates of the speed of this class have been off; None if none was checked."""
        return self._record("speed")

    @property
    def energy_record(self) -> Entry | None:
        """The same for the energy per token."""
        return self._record("energy")

    def _record(self, quantity: Quantity) -> Entry | None:
        if self.time is None:
            return None
        work = work_class(self.scenario, self.scheme)
        return load_track_record().find(quantity, work, status(self.machine, quantity))

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
        The machine; ``edge`` when absent.
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
    scheme = rules.prepared(as_scheme(scheme), float_accumulator)
    lowered = lower(model, scenario, scheme, machine)
    tally = rules.count(lowered)
    memory: list[PricedTraffic] | None = None
    unpacking: list[PricedUnpacking] = []
    time: Timing | None = None
    excess = 0.0
    if rules.has_machine:
        arithmetic = price_operations(tally, table, lowered)
        placed = residency(lowered)
        memory = price_traffic(traffic(lowered, placed), table, lowered.machine)
        unpacking = price_unpacking(lowered)
        time, excess = timing(lowered, placed), placed.excess_bytes
    else:
        arithmetic = price_tally(tally, table)
    return Estimate(
        model, scheme, table, convention, scenario, lowered.machine, lowered, tally, arithmetic,
        memory, unpacking, time, footprint_of(lowered), excess,
    )  # fmt: skip
