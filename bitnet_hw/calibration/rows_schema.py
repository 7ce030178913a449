"""The JSON schema of files of published measurements; docs/schema/rows-1.json holds it.

``python -m bitnet_hw.calibration.rows_schema docs/schema/rows-1.json`` writes it anew.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from ..files.schema import record_schema
from .rows import MEASUREMENTS, RowFile


def rows_schema() -> dict[str, Any]:
    """Return the JSON schema (draft 2020-12) of a file of published measurements.

    It checks keys, types and ranges, and that every row has a measurement. What depends on the
    catalogue or on other rows, only `bitnet_hw.validate` and `bitnet_hw.calibrate` check.

    Examples
    --------
    >>> rows_schema()["required"]
    ['sources', 'rows']
    """
    schema = record_schema(RowFile, "A file of published measurements for bitnet-hw")
    row, workload = schema["$defs"]["Row"], schema["$defs"]["Workload"]
    row["anyOf"] = [{"required": [key]} for key in MEASUREMENTS]
    workload["oneOf"] = [
        {"required": ["decode"]}, {"required": ["prefill"]}, {"required": ["prompt", "generate"]},
    ]  # fmt: skip
    return schema


def schema_text() -> str:
    """Return the schema as the text of its file."""
    return json.dumps(rows_schema(), indent=2) + "\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(schema_text(), encoding="utf-8")
