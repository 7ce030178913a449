"""The result of an estimate: priced operations, traffic and time, with what follows from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, overload

from ..inputs.machine import Machine
from ..inputs.model import ModelSpec
from ..inputs.scenario import Scenario
from ..inputs.scheme import Scheme
from ..inputs.track_record import Entry, Quantity, load_track_record, status, work_class
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
from .footprint import Footprint
from .lowered import Lowered
from .pricing import PricedRow, PricedTraffic, PricedUnpacking
from .static_power import StaticPower
from .time import Timing

#: An end of the range of a price, or the price itself.
End = Literal["low", "value", "high"]


@dataclass(frozen=True, repr=False)
class Result:
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
    static : StaticPower
        Power that is drawn however fast the model runs, and what is missing from it.
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
    static: StaticPower

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
        """Static power x time, J; None where no power is known."""
        power = self.static.watts
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
