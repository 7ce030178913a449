"""Simulated prices: what a whole MAC costs in a processing element, and under which conditions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from ..files.records import Record, wrong_value
from ..inputs.formats import Kind, parse_format

_Energy = Annotated[float, Field(ge=0, le=1e9)]
_Text = Annotated[str, Field(min_length=1)]
#: The parts are printed with so many digits that their sum may differ from the whole by this share.
_ROUNDING = 2e-3


class MacEntry(Record):
    """One row of `EnergyTable.macs`: a MAC, in place of its multiplication and its addition.

    Attributes
    ----------
    activation, weight, accumulator : str
        Formats.
    element, variant : str
        The processing element, and how it was built where in more than one way (``booth``).
    lanes : int
        L of the element, which shares its accumulator and its control.
    pj, spread_pj : float
        Energy, leakage excluded, and its standard deviation over the seeds.
    logic_pj : float
        Its part in gates. The parts of registers include their clock pins.
    weight_registers_pj, activation_registers_pj : float
        Of the weight's register, which tokens may share, and the activation's, which rows may.
    accumulator_pj, other_registers_pj : float
        Of the sum, which the lanes do share, and of pipeline and control.
    glitches_pj : float
        How much of it a simulation without delays misses.
    area_um2 : float
        A lane.
    """

    activation: _Text
    weight: _Text
    accumulator: _Text
    element: _Text
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
    source: _Text
    formula: str = ""

    @model_validator(mode="after")
    def _check(self) -> Self:
        for form in (self.activation, self.weight, self.accumulator):
            parse_format(form)
        if abs(self.shared(1, 1) - self.pj) > _ROUNDING * self.pj:
            raise wrong_value("pj", f"{self.pj} is not the sum of its parts, {self.shared(1, 1):g}")
        if self.kind == "derived" and not self.formula:
            raise wrong_value("formula", "a derived number says how it was computed")
        return self

    @property
    def locator(self) -> str:
        """Which element, as a citation says it."""
        return f"{self.element}, {self.lanes} lanes" + (f", {self.variant}" if self.variant else "")

    def shared(self, tokens: int, rows: int) -> float:
        """Return the energy where registers are shared, pJ.

        Parameters
        ----------
        tokens : int
            T, tokens that use a weight before its register loads another one.
        rows : int
            R, rows that an activation's register feeds.
        """
        return (
            self.logic_pj
            + self.weight_registers_pj / tokens
            + self.activation_registers_pj / rows
            + self.accumulator_pj
            + self.other_registers_pj
        )


class Provenance(Record):
    """Where a simulated table comes from.

    Attributes
    ----------
    library, library_sha256, corner : str
        The Liberty file's own name, the hash of its uncompressed text, its operating conditions.
    voltage_v, temperature_c, period_ps : float
        V, degrees Celsius, ps.
    tools : list of str
        Names with versions.
    stimuli : mapping
        What the operands looked like.
    conditions : mapping
        Wire load, clock tree, input transition, reading of default power groups.
    commit : str
        Of this package.
    stage : str
        ``pre-layout``: no wires, no clock tree, nothing placed.
    """

    library: _Text
    library_sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    corner: _Text
    voltage_v: float
    temperature_c: float
    period_ps: Annotated[float, Field(gt=0)]
    tools: Annotated[list[str], Field(min_length=1)]
    stimuli: dict[str, Any]
    conditions: dict[str, Any]
    commit: _Text
    stage: Literal["pre-layout"]


def find_mac(
    entries: Iterable[MacEntry], activation: str, weight: str, accumulator: str
) -> tuple[MacEntry, str] | None:
    """Return the entry that stands in for a MAC, and why where it is not the very one.

    Of several variants the cheapest counts. An integer accumulator of another width is one bit
    more or less in one adder of L, so the nearest width stands in for it; a float's must be the
    same.
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
