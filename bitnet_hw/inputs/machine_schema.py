"""The JSON schema of machine files, made from the records; docs/schema/machine-2.json holds it.

``python -m bitnet_hw.inputs.machine_schema docs/schema/machine-2.json`` writes it anew.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from ..files.schema import describe, record_schema
from .figures import Figure
from .machine import Machine

#: Keys of a figure that say where its number comes from, of which it has one.
_BASES = ("source", "fitted", "borrowed_from", "assumed")


def machine_schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of a machine file.

    It checks keys, types and ranges. What depends on several keys, such as a figure whose source
    the file does not list, only `bitnet_hw.load_machine` checks.

    Examples
    --------
    >>> machine_schema()["properties"]["schema"]["const"]
    2
    """
    schema = record_schema(Machine, "A machine file of bitnet-hw, version 2")
    for part in schema["$defs"].values():
        if "borrowed_from" in part.get("properties", {}):
            describe(part, Figure.__doc__ or "")
            part["oneOf"] = [{"required": [basis]} for basis in _BASES]
    schema["required"] = ["schema", *schema["required"]]
    schema["properties"]["schema"] = {"const": 2, "description": "Version of the format."}
    return schema


def schema_text() -> str:
    """Return the schema as the text of its file."""
    return json.dumps(machine_schema(), indent=2) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(schema_text(), encoding="utf-8")
