"""``--equal``: schemes compared at equal area or equal power rather than on one array."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from ..cost.convention import ConventionName
from ..cost.equal_silicon import By, Equalised, equalised
from ..cost.estimates import Estimate
from ..errors import InputError
from ..files.records import choices
from ..inputs.machine import Machine
from ..inputs.model import ModelSpec
from ..inputs.scenario import Scenario
from ..inputs.scheme import Scheme
from ..prices.tables import EnergyTable
from ..units import quantity
from .output import print_text

#: Energy table that gives the area of a lane where the user names none.
_MEASURED = "asap7-prelayout"


def equal_option(function: Any) -> Any:  # noqa: ANN401  click's decorators
    """Add ``--equal``; see `EqualMachines`."""
    return click.option(
        "--equal", type=click.Choice(choices(By)),
        help="Give every scheme as much area, or peak power, of compute units as the scheme that "
        "needs the most: scale up the rows of the array that executes its projections and FFN. "
        "Needs an energy table of measured MACs; "
        f"{_MEASURED} unless --energy-table names others. Default: the machine as described.",
    )(function)  # fmt: skip


def names_of_tables(by: By | None, names: str | None) -> str | None:
    """Return the energy tables of a command: with ``--equal``, tables of measured MACs alone."""
    return _MEASURED if by is not None and names is None else names


class EqualMachines:
    """The machine of every estimate of a command, and what is printed about its silicon.

    Parameters
    ----------
    by : str or None
        ``area``, ``power``, or None to leave the machine as it is.
    convention : str
        Convention of the estimates.
    schemes, scenario, machine, float_accumulator
        As for `bitnet_hw.cost.equal_silicon.equalised`.

    Raises
    ------
    InputError
        If the convention has no machine to scale, or there is nothing to compare with.
    """

    def __init__(
        self,
        by: By | None,
        convention: ConventionName,
        schemes: Sequence[Scheme],
        scenario: Scenario,
        machine: Machine,
        float_accumulator: str | None,
    ) -> None:
        if by is not None and convention == "paper":
            raise InputError(
                f"--equal {by} contradicts --convention paper, which has no machine: no area, no "
                "power"
            )
        if by is not None and len(schemes) < 2:
            raise InputError(
                f"--equal {by} compares schemes with each other; give two or more with --scheme"
            )
        self._by, self._has_machine = by, convention != "paper"
        self._schemes, self._scenario = schemes, scenario
        self._machine, self._float_accumulator = machine, float_accumulator
        self._found: dict[tuple[str, str], dict[str, Equalised]] = {}

    def machine(self, model: ModelSpec, table: EnergyTable, scheme: Scheme) -> Machine | None:
        """Return the machine on which a scheme is estimated; None under the paper convention."""
        if self._by is None:
            return self._machine if self._has_machine else None
        key = (model.name, table.name)
        if key not in self._found:
            all_of_them = equalised(
                model, self._schemes, self._scenario, self._machine, table, self._by,
                self._float_accumulator,
            )  # fmt: skip
            self._found[key] = {each.scheme.name: each for each in all_of_them}
        return self._found[key][scheme.name].machine

    def fields(self, of: Estimate) -> dict[str, Any]:
        """Return what JSON and CSV add for an estimate; nothing without ``--equal``."""
        if self._by is None:
            return {}
        found = self._of(of)
        by_power = self._by == "power"
        return {
            "equal": self._by,
            "arrays": "+".join(found.arrays),
            "lanes": found.lanes,
            "array_area_um2": None if by_power else found.array_size,
            "array_peak_w": found.array_size if by_power else None,
            "units_area_um2": None if by_power else found.size,
            "units_peak_w": found.size if by_power else None,
            "difference_percent": found.difference_percent,
            "area_um2": found.area.known_um2,
            "area_known": found.area.um2 is not None,
        }

    def rows(self, group: Sequence[Estimate]) -> list[list[str]]:
        """Return the rows of a table of estimates side by side; none without ``--equal``."""
        if self._by is None:
            return []
        found = [self._of(each) for each in group]
        size = "area" if self._by == "area" else "peak power"
        known = all(each.area.um2 is not None for each in found)
        total = "area of units and memories" + ("" if known else ", known parts")
        return [
            ["array of projections and FFN", *(" + ".join(each.arrays) for each in found)],
            ["  lanes", *(f"{each.lanes:,}" for each in found)],
            [f"  {size}", *(_size(each.array_size, self._by) for each in found)],
            [f"{size} of all units used", *(_size(each.size, self._by) for each in found)],
            ["  remaining difference", *(f"{each.difference_percent:+.2f} %" for each in found)],
            [total, *(_mm2(each.area.known_um2) for each in found)],
        ]

    def print_notes(self, group: Sequence[Estimate]) -> None:
        """Print the area of every part, and which parts are not known."""
        if self._by is None:
            return
        for each in map(self._of, group):
            parts = ", ".join(
                f"{part.name} {'unknown' if part.um2 is None else _mm2(part.um2)}"
                for part in each.area.parts
            )
            print_text(f"{each.scheme.name}: area on {each.machine.name}: {parts}")
        missing = {part.basis for each in map(self._of, group) for part in each.area.unknown}
        if missing:
            print_text(f"area incomplete: {'; '.join(sorted(missing))}")

    def _of(self, of: Estimate) -> Equalised:
        return self._found[of.model.name, of.table.name][of.scheme.name]


def _size(size: float, by: By) -> str:
    return _mm2(size) if by == "area" else quantity(size, "W", 4)


def _mm2(um2: float) -> str:
    return f"{um2 / 1e6:.4g} mm2"
