"""JSON schemas of the files that records describe, made from the records and their docstrings."""

from __future__ import annotations

import re
from inspect import cleandoc
from typing import Any

from .records import Record

#: One entry of a docstring's attributes: names, type, description.
_ATTRIBUTE = re.compile(r"^(\w[\w, ]*) : .*\n((?:    .*\n?)+)", re.MULTILINE)


def record_schema(record: type[Record], title: str) -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of a file.

    It checks keys, types and ranges; what depends on several keys only loading a file checks.

    Parameters
    ----------
    record : type
        The record of the whole file.
    title : str
        Title of the schema.

    Examples
    --------
    >>> from bitnet_hw.inputs.machine_parts import Boundary
    >>> record_schema(Boundary, "A boundary")["properties"]["idle_subtracted"]
    {'default': False, 'type': 'boolean'}
    """
    schema = record.model_json_schema(by_alias=True)
    for part in (schema, *schema.get("$defs", {}).values()):
        describe(part, part.get("description", ""))
        part.pop("title", None)
        for name, key in part.get("properties", {}).items():
            part["properties"][name] = _without_null(key)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title, **schema}


def describe(part: dict[str, Any], docstring: str) -> None:
    """Give a record's part the summary of its docstring, and its keys those of attributes."""
    text = cleandoc(docstring)
    if "description" in part:
        summary = cleandoc(part["description"]).partition("\n\n")[0]
        part["description"] = summary.replace("\n", " ")
    for names, description in _ATTRIBUTE.findall(text + "\n"):
        for name in names.split(", "):
            if name in part.get("properties", {}):
                part["properties"][name]["description"] = " ".join(description.split())


def _without_null(key: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a key without its default of None, which no file has to write."""
    if key.get("default", "") is None:
        kept: dict[str, Any]
        (kept,) = [option for option in key["anyOf"] if option != {"type": "null"}]
        described = {"description": key["description"]} if "description" in key else {}
        return kept | described
    return {name: value for name, value in key.items() if name != "title"}
