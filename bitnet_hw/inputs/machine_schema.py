"""The JSON schema of machine files, made from the records; docs/schema/machine-2.json holds it.

``python -m bitnet_hw.inputs.machine_schema docs/schema/machine-2.json`` writes it anew.
"""

from __future__ import annotations

import json
import re
import sys
from inspect import cleandoc
from pathlib import Path
from typing import Any

from .figures import Figure
from .machine import Machine

#: Keys of a figure that say where its number comes from, of which it has one.
_BASES = ("source", "fitted", "borrowed_from", "assumed")
#: One entry of a docstring's attributes: names, type, description.
_ATTRIBUTE = re.compile(r"^(\w[\w, ]*) : .*\n((?:    .*\n?)+)", re.MULTILINE)


def machine_schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of a machine file.

    It checks keys, types and ranges. What depends on several keys, such as a figure whose source
    the file does not list, only `bitnet_hw.load_machine` checks.

    Examples
    --------
    >>> machine_schema()["properties"]["schema"]["const"]
    2
    """
    schema = Machine.model_json_schema(by_alias=True)
    for record in (schema, *schema["$defs"].values()):
        _describe(record, record.get("description", ""))
        record.pop("title", None)
        for name, key in record.get("properties", {}).items():
            record["properties"][name] = _without_null(key)
        if "borrowed_from" in record.get("properties", {}):
            _describe(record, Figure.__doc__ or "")
            record["oneOf"] = [{"required": [basis]} for basis in _BASES]
    schema["required"] = ["schema", *schema["required"]]
    schema["properties"]["schema"] = {"const": 2, "description": "Version of the format."}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "A machine file of bitnet-hw, version 2",
        **schema,
    }


def _without_null(key: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a key without its default of None, which no file has to write."""
    if key.get("default", "") is None:
        kept: dict[str, Any]
        (kept,) = [option for option in key["anyOf"] if option != {"type": "null"}]
        described = {"description": key["description"]} if "description" in key else {}
        return kept | described
    return {name: value for name, value in key.items() if name != "title"}


def _describe(record: dict[str, Any], docstring: str) -> None:
    """Give a record the summary of its docstring, and its keys the texts of their attributes."""
    text = cleandoc(docstring)
    if "description" in record:
        summary = cleandoc(record["description"]).partition("\n\n")[0]
        record["description"] = summary.replace("\n", " ")
    for names, description in _ATTRIBUTE.findall(text + "\n"):
        for name in names.split(", "):
            if name in record.get("properties", {}):
                record["properties"][name]["description"] = " ".join(description.split())


def schema_text() -> str:
    """Return the schema as the text of its file."""
    return json.dumps(machine_schema(), indent=2) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(schema_text(), encoding="utf-8")
