"""Mapped netlists: one flat module of library cells, read from the JSON that Yosys writes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..errors import InputError

#: Constant nets. Undefined bits, which synthesis may leave behind, are tied to 0.
ZERO, ONE = "1'b0", "1'b1"
CONSTANTS = frozenset({ZERO, ONE})


class Instance(NamedTuple):
    """One instance of a cell: its name, the name of the cell, and the net on each pin."""

    name: str
    cell: str
    pins: dict[str, str]


@dataclass(frozen=True)
class Netlist:
    """A flat module.

    Attributes
    ----------
    name : str
        Name of the module.
    inputs, outputs : dict of str to list of str
        Port -> nets, lowest bit first.
    instances : list of Instance
        Cells.
    names : dict of str to list of str
        Net -> names of signals in the source that it carries, without index; nets that synthesis
        created have none.
    """

    name: str
    inputs: dict[str, list[str]]
    outputs: dict[str, list[str]]
    instances: list[Instance]
    names: dict[str, list[str]] = field(default_factory=dict)


def read_json(text: str, origin: str) -> Netlist:
    """Read the output of Yosys's ``write_json``: one flat module of library cells.

    Parameters
    ----------
    text : str
        The JSON.
    origin : str
        Origin of the text for messages, such as a path.

    Raises
    ------
    InputError
        If the text is not JSON from Yosys, or does not hold exactly one module.
    """
    try:
        modules: dict[str, Any] = json.loads(text)["modules"]
        # Yosys also writes the library's cells, as black boxes.
        own = {n: m for n, m in modules.items() if "blackbox" not in m.get("attributes", {})}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _not_yosys(origin, error) from None
    if len(own) != 1:
        raise InputError(f"{origin}: expected one flat module, found {', '.join(own) or 'none'}")
    name, module = next(iter(own.items()))
    try:
        ports: dict[str, dict[str, list[str]]] = {"input": {}, "output": {}}
        for port, entry in module["ports"].items():
            ports[entry["direction"]][port] = [_bit(bit) for bit in entry["bits"]]
        names: dict[str, list[str]] = {}
        for wire, entry in sorted(module.get("netnames", {}).items()):
            if not entry.get("hide_name"):
                for bit in entry["bits"]:
                    names.setdefault(_bit(bit), []).append(wire)
        instances = []
        for cell, entry in module["cells"].items():
            if entry["type"] == "$scopeinfo":
                continue
            pins = {pin: _bit(bits[0]) for pin, bits in entry["connections"].items() if bits}
            instances.append(Instance(cell, entry["type"], pins))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _not_yosys(origin, error) from None
    return Netlist(name, ports["input"], ports["output"], instances, names)


def _not_yosys(origin: str, error: Exception) -> InputError:
    return InputError(f"{origin}: not a netlist in Yosys's JSON: {error!r}")


def _bit(bit: int | str) -> str:
    return f"n{bit}" if isinstance(bit, int) else ONE if bit == "1" else ZERO
