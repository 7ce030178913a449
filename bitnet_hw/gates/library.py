"""Standard-cell libraries: units, operating conditions, and cells, which are read on demand."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import InputError
from .cells import Cell, LibraryContext, read_cell
from .liberty import Group, load
from .tables import Units

_SI_PREFIXES = {"": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9, "p": 1e-12, "f": 1e-15, "a": 1e-18}


@dataclass(frozen=True)
class Library:
    """A standard-cell library at one corner.

    Attributes
    ----------
    name : str
        Name of the library, from the file.
    path : pathlib.Path
        File that the library was read from.
    sha256 : str
        Hash of the uncompressed text.
    corner : str
        Name of the operating conditions.
    voltage, temperature : float
        Supply voltage, V, and temperature, degrees Celsius.
    context : LibraryContext
        Units, table templates and defaults that cells refer to.
    groups : dict of str to Group
        Name of a cell -> its group, which `cell` interprets.
    """

    name: str
    path: Path
    sha256: str
    corner: str
    voltage: float
    temperature: float
    context: LibraryContext
    groups: dict[str, Group]
    _read: dict[str, Cell] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def dont_use(self) -> list[str]:
        """Names of the cells that the library excludes from synthesis."""
        return [name for name, cell in self.groups.items() if cell.get("dont_use") == "true"]

    def cell(self, name: str) -> Cell:
        """Return a cell.

        Raises
        ------
        InputError
            If the library has no cell of that name, or `bitnet_hw.gates.cells.read_cell`
            rejects it.
        """
        if name not in self._read:
            group = self.groups.get(name)
            if group is None:
                raise InputError(f"{self.path}: library {self.name} has no cell {name!r}")
            self._read[name] = read_cell(group, self.context)
        return self._read[name]


def read_library(path: str | Path) -> Library:
    """Read a Liberty file, compressed or not.

    Cells are interpreted on demand, so that cells that no netlist uses may be of any kind.

    Parameters
    ----------
    path : str or path
        A ``.lib`` or ``.lib.gz`` file.

    Raises
    ------
    InputError
        If the file cannot be read, or the library has unknown units, no flip-flop or no internal
        power.
    """
    path = Path(path)
    root, sha256 = load(path)
    units = _units(root)
    cells = {group.name: group for group in root.of("cell")}
    if not cells:
        raise root.error(f"library {root.name} has no cells")
    if not any(group.of("ff") for group in cells.values()):
        raise root.error(
            f"library {root.name} has no flip-flop (a cell with an ff group); "
            "sequential logic cannot be mapped to it"
        )
    pins = (pin for cell in cells.values() for pin in cell.of("pin"))
    if not any(pin.of("internal_power") for pin in pins):
        raise root.error(
            f"library {root.name} has no internal power (internal_power groups); without it the "
            "energy would be switching alone, about half of the total"
        )
    corner = root.get("default_operating_conditions")
    conditions = {group.name: group for group in root.of("operating_conditions")}
    at = conditions.get(corner) or next(iter(conditions.values()), root)
    voltage = at.number("voltage") or root.number("nom_voltage")
    temperature = at.number("temperature")
    if temperature is None:
        temperature = root.number("nom_temperature")
    if voltage is None or temperature is None:
        raise root.error(f"library {root.name} gives no voltage or no temperature")
    return Library(
        name=root.name,
        path=path,
        sha256=sha256,
        corner=at.name if at is not root else "nominal",
        voltage=voltage * units.volt,
        temperature=temperature,
        context=LibraryContext(
            units=units,
            timing_templates={group.name: group for group in root.of("lu_table_template")},
            power_templates={group.name: group for group in root.of("power_lut_template")},
            default_input_capacitance=(root.number("default_input_pin_cap") or 0.0) * units.farad,
        ),
        groups=cells,
    )


def _units(root: Group) -> Units:
    load_unit = root.complex.get("capacitive_load_unit")
    if not load_unit:
        raise root.error("capacitive_load_unit is missing")
    arguments, at = load_unit[0]
    parts = arguments.replace('"', "").replace(" ", "").split(",")
    farad = _quantity("".join(parts), "f")
    if farad is None or len(parts) != 2:
        raise root.text.error(
            at, f"capacitive_load_unit ({arguments.strip()}) is not a capacitance"
        )
    return Units(
        second=_unit(root, "time_unit", "s", "1ns"),
        farad=farad,
        volt=_unit(root, "voltage_unit", "V", "1V"),
        watt=_unit(root, "leakage_power_unit", "W", None),
    )


def _unit(root: Group, key: str, unit: str, default: str | None) -> float:
    text, at = root.simple.get(key, (default, root.at))
    if text is None:
        raise root.error(f"{key} is missing")
    value = _quantity(text, unit)
    if value is None:
        raise root.text.error(at, f"{key} {text!r} is not one of 1{unit}, 10m{unit}, 1n{unit} ...")
    return value


def _quantity(text: str, unit: str) -> float | None:
    plain = text.strip().replace(" ", "")
    number = plain.rstrip("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    suffix = plain[len(number) :]
    if not suffix or suffix[-1].lower() != unit.lower():
        return None
    scale = _SI_PREFIXES.get(suffix[:-1].lower())
    try:
        value = float(number or "1")
    except ValueError:
        return None
    if scale is None or not math.isfinite(value) or value <= 0:
        return None
    return value * scale
