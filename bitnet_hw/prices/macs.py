"""Whole MACs of simulated processing elements: energy by part, and conditions of simulation."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from ..files.records import Record, wrong_value
from ..inputs.formats import Kind, parse_format
from .entries import ListedPrice, Price, Source, Text, check_formula

_Energy = Annotated[float, Field(ge=0, le=1e9)]
#: Relative difference allowed between the total and the sum of its parts, which are rounded.
_ROUNDING = 2e-3


class MacEntry(Record):
    """One row of `MacTable.macs`: a MAC, in place of its multiplication and its addition.

    Attributes
    ----------
    activation, weight, accumulator : str
        Formats.
    element, variant : str
        The processing element, and its variant where there are several (``booth``).
    lanes : int
        Number of lanes, which share the accumulator and the control.
    pj, spread_pj : float
        Energy per MAC without leakage, and its standard deviation over the seeds, pJ.
    logic_pj : float
        Part in the gates, pJ. The parts in registers include their clock pins.
    weight_registers_pj, activation_registers_pj : float
        Parts in the weight's register, which tokens may share, and in the activation's register,
        which rows may share, pJ.
    accumulator_pj, other_registers_pj : float
        Parts in the accumulator, which the lanes share, and in pipeline and control, pJ.
    glitches_pj : float
        Part that a simulation without delays misses, pJ.
    area_um2 : float
        Area per lane, um2.
    kind, source, formula : str
        See `Price`.
    """

    activation: Text
    weight: Text
    accumulator: Text
    element: Text
    variant: str = ""
    lanes: Annotated[int, Field(ge=1)]
    pj: _Energy
    spread_pj: _Energy
    logic_pj: _Energy
    weight_registers_pj: _Energy
    activation_registers_pj: _Energy
    accumulator_pj: _Energy
    other_registers_pj: _Energy
    glitches_pj: _Energy
    area_um2: _Energy
    kind: Literal["simulated", "derived"]
    source: Text
    formula: str = ""

    @model_validator(mode="after")
    def _check(self) -> Self:
        for form in (self.activation, self.weight, self.accumulator):
            parse_format(form)
        if abs(self.shared(1, 1) - self.pj) > _ROUNDING * self.pj:
            raise wrong_value("pj", f"{self.pj} is not the sum of its parts, {self.shared(1, 1):g}")
        check_formula(self.kind, self.formula)
        return self

    @property
    def locator(self) -> str:
        """The element, as a citation names it."""
        return f"{self.element}, {self.lanes} lanes" + (f", {self.variant}" if self.variant else "")

    @property
    def what(self) -> str:
        """The MAC in words: ``MAC int8*ternary, int21 sum``."""
        same = self.activation == self.weight
        form = self.activation if same else f"{self.activation}*{self.weight}"
        return f"MAC {form}, {self.accumulator} sum"

    def shared(self, tokens: int, rows: int) -> float:
        """Return the energy per MAC where registers are shared, pJ.

        Parameters
        ----------
        tokens : int
            T, tokens that use a weight before its register loads the next one.
        rows : int
            R, rows that the register of an activation feeds.
        """
        return (
            self.logic_pj
            + self.weight_registers_pj / tokens
            + self.activation_registers_pj / rows
            + self.accumulator_pj
            + self.other_registers_pj
        )

    def price(self, source: Source, table: str) -> Price:
        """Return the listed price, with a band of one standard deviation."""
        low, high = max(0.0, self.pj - self.spread_pj), self.pj + self.spread_pj
        return Price(self.pj, low, high, self.kind, "pe", source, self.locator, self.formula, table)


class Provenance(Record):
    """The conditions of a simulation.

    Attributes
    ----------
    library, library_sha256, corner : str
        Name in the Liberty file, SHA-256 of its uncompressed text, operating conditions.
    voltage_v, temperature_c, period_ps : float
        Supply in V, temperature in degrees Celsius, clock period in ps.
    tools : list of str
        Names with versions.
    stimuli : mapping
        Distribution of the operands.
    conditions : mapping
        Wire load, clock tree, input transition, interpretation of default power groups.
    commit : str
        Commit of this package.
    stage : str
        ``pre-layout``: no wires, no clock tree, nothing placed.
    """

    library: Text
    library_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    corner: Text
    voltage_v: float
    temperature_c: float
    period_ps: Annotated[float, Field(gt=0)]
    tools: Annotated[list[str], Field(min_length=1)]
    stimuli: dict[str, Any]
    conditions: dict[str, Any]
    commit: Text
    stage: Literal["pre-layout"]


def find_mac(
    entries: Iterable[MacEntry], activation: str, weight: str, accumulator: str
) -> tuple[MacEntry, str] | None:
    """Return the entry that prices a MAC, and the reason if its formats differ.

    Of several variants the cheapest is used. An integer accumulator of another width differs by a
    few bits in one adder of L, so the nearest width is used; a floating-point accumulator must be
    the same.

    Parameters
    ----------
    entries : iterable of MacEntry
        The MACs of a table, `MacTable.macs`.
    activation, weight, accumulator : str
        Formats of the MAC.

    Returns
    -------
    tuple of MacEntry and str, or None
        The entry, and the reason for using it; empty if its formats are those asked for.
    """
    fits = [e for e in entries if (e.activation, e.weight) == (activation, weight)]
    same = [e for e in fits if e.accumulator == accumulator]
    if same:
        return min(same, key=lambda e: e.pj), ""
    wanted = parse_format(accumulator)
    if wanted.kind is not Kind.INTEGER:
        return None
    near = [e for e in fits if parse_format(e.accumulator).kind is Kind.INTEGER]
    if not near:
        return None
    best = min(near, key=lambda e: (abs(parse_format(e.accumulator).bits - wanted.bits), e.pj))
    return best, f"measured with an {best.accumulator} accumulator, used for {accumulator}"


@dataclass(frozen=True, eq=False)
class ListedMacs:
    """The MACs of a table, ready for look-ups; compared by identity, as `ListedOperations` is."""

    table: str
    macs: tuple[MacEntry, ...]
    sources: Mapping[str, Source]

    def entries(self) -> Iterator[ListedPrice]:
        """Yield every MAC that the table lists."""
        for mac in self.macs:
            price = mac.price(self.sources[mac.source], self.table)
            yield ListedPrice(mac.what, "pJ per MAC", price)


@lru_cache(maxsize=1 << 14)
def price_mac(
    listed: ListedMacs, activation: str, weight: str, accumulator: str, tokens: int, rows: int
) -> Price | None:
    """Return the energy of a whole MAC; see `EnergyTable.mac_price`."""
    found = find_mac(listed.macs, activation, weight, accumulator)
    if found is None:
        return None
    entry, reason = found
    value, shared = entry.pj, ""
    if (tokens, rows) != (1, 1):
        value = entry.shared(tokens, rows)
        shared = f"a weight's register shared by {tokens} tokens, an activation's by {rows} rows"
    spread = entry.spread_pj * value / entry.pj if entry.pj else 0.0
    return entry.price(listed.sources[entry.source], listed.table)._replace(
        pj=value,
        low=max(0.0, value - spread),
        high=value + spread,
        kind="derived" if reason or shared else entry.kind,
        formula="; ".join(filter(None, (reason, entry.formula, shared))),
    )
