"""``bitnet-hw footprint`` for schemes whose codec has groups of a chosen size."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bitnet_hw.inputs.scheme import load_scheme

Run = Callable[..., Any]


def test_plain_codecs_are_shown_with_groups_of_the_same_size(run: Run, tmp_path: Path) -> None:
    fields = load_scheme("bitnet-b1.58").with_codec("2bit-g64").model_dump(exclude_unset=True)
    scheme = tmp_path / "mine.yaml"
    scheme.write_text(json.dumps(fields | {"name": "mine"}), "utf-8")
    result = run("footprint", "bitnet-b1.58-2b4t", "--scheme", str(scheme), "--json")
    found = {row["codec"]: row["weights_bytes"] for row in json.loads(result.out)["footprints"]}
    # 2,084,044,800 weights, and 16 bits for 64 of them: rows of 2560 and 6912 are whole groups and
    # whole bytes at 2 bits; five trits in a byte round 6912 weights up to 1383 bytes.
    rows_of_6912 = 30 * 2560
    weights, scales = 2_084_044_800, 2_084_044_800 // 64 * 2
    assert found == {
        "2bit-g64": weights // 4 + scales,
        "base3-g64": (weights - rows_of_6912 * 6912) // 5 + rows_of_6912 * 1383 + scales,
    }
