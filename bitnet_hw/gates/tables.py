"""Lookup tables of a Liberty library: energy, delay and transition by slew and load."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from itertools import pairwise
from typing import NamedTuple

from .liberty import Group, numbers

#: Values of ``variable_n`` in a template that denote the first argument of `Table.at`.
_INPUT_TRANSITIONS = {"input_net_transition", "input_transition_time", "related_pin_transition"}
#: Values of ``variable_n`` in a template that denote the second argument of `Table.at`.
_LOADS = {"total_output_net_capacitance", "constrained_pin_transition"}

Templates = Mapping[str, Group]


class Units(NamedTuple):
    """SI values of one unit of each quantity in a library."""

    second: float
    farad: float
    volt: float
    watt: float

    @property
    def joule(self) -> float:
        """Unit of energy, which Liberty defines as capacitance times voltage squared."""
        return self.farad * self.volt * self.volt


class Table(NamedTuple):
    """A function of two variables, either of which may be absent.

    Attributes
    ----------
    first, second : tuple of float
        Increasing values of the two variables in SI units; one value for an absent variable.
    values : tuple of float
        ``values[i * len(second) + j]`` belongs to ``first[i], second[j]``; J or s.
    """

    first: tuple[float, ...]
    second: tuple[float, ...]
    values: tuple[float, ...]

    def at(self, x: float, y: float) -> float:
        """Interpolate bilinearly; extrapolate along the outermost segments.

        Parameters
        ----------
        x : float
            Input transition, s.
        y : float
            Output load, F; for a constraint, the transition of the constrained pin, s.
        """
        i, u = _place(self.first, x)
        j, v = _place(self.second, y)
        width = len(self.second)
        row = self.values[i * width + j : i * width + j + 2]
        low = row[0] + v * (row[1] - row[0]) if width > 1 else row[0]
        if len(self.first) == 1:
            return low
        row = self.values[(i + 1) * width + j : (i + 1) * width + j + 2]
        high = row[0] + v * (row[1] - row[0]) if width > 1 else row[0]
        return low + u * (high - low)


def _place(axis: tuple[float, ...], value: float) -> tuple[int, float]:
    if len(axis) == 1:
        return 0, 0.0
    i = min(max(bisect_right(axis, value) - 1, 0), len(axis) - 2)
    return i, (value - axis[i]) / (axis[i + 1] - axis[i])


def read_table(group: Group, templates: Templates, units: Units, value_unit: float) -> Table:
    """Read a table group, such as ``rise_power``, ``cell_fall`` or ``rise_constraint``.

    Parameters
    ----------
    group : Group
        The table.
    templates : mapping
        Name -> ``lu_table_template`` or ``power_lut_template``.
    units : Units
        Units of the library.
    value_unit : float
        SI value of one unit of the table's values, J or s.

    Raises
    ------
    InputError
        If the template is unknown, or axes and values do not match.
    """
    listed = group.complex.get("values")
    if not listed:
        raise group.error(f"{group.kind} has no values")
    values = numbers(group, *listed[0])
    template = templates.get(group.name)
    if group.name == "scalar" or (template is None and not group.name):
        axes: list[tuple[bool, list[float]]] = []
        if len(values) != 1:
            raise group.error(f"{group.kind} is a scalar with {len(values)} values")
    elif template is None:
        raise group.error(f"{group.kind}: the table template {group.name!r} is not defined")
    else:
        axes = _axes(group, template, units)
    size = 1
    for _, axis in axes:
        size *= len(axis)
    if size != len(values):
        raise group.error(f"{group.kind}: {len(values)} values, but its axes make {size}")
    scaled = [value * value_unit for value in values]
    if len(axes) == 2 and axes[0][0]:  # load first: transpose
        rows, columns = len(axes[0][1]), len(axes[1][1])
        scaled = [scaled[i * columns + j] for j in range(columns) for i in range(rows)]
        axes.reverse()
    first = [axis for second, axis in axes if not second]
    second = [axis for is_second, axis in axes if is_second]
    return Table(
        tuple(first[0]) if first else (0.0,),
        tuple(second[0]) if second else (0.0,),
        tuple(scaled),
    )


def _axes(group: Group, template: Group, units: Units) -> list[tuple[bool, list[float]]]:
    """Return each axis of a table, marked by whether it is the second argument of `Table.at`."""
    axes: list[tuple[bool, list[float]]] = []
    for n in (1, 2, 3):
        variable = template.get(f"variable_{n}")
        if not variable:
            break
        if variable not in _INPUT_TRANSITIONS | _LOADS:
            raise group.error(f"{group.kind}: tables over {variable} are not read")
        index = group.complex.get(f"index_{n}") or template.complex.get(f"index_{n}")
        if not index:
            raise group.error(f"{group.kind}: index_{n} is missing, both here and in the template")
        unit = units.farad if variable.endswith("capacitance") else units.second
        axis = [value * unit for value in numbers(group, *index[0])]
        if any(b <= a for a, b in pairwise(axis)) or not axis:
            raise group.error(f"{group.kind}: index_{n} does not increase")
        axes.append((variable in _LOADS, axis))
    if len({second for second, _ in axes}) != len(axes):
        raise group.error(f"{group.kind}: two axes of the same kind")
    return axes
