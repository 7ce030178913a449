"""Arguments of a wrong type: the public functions answer with one line, not an AttributeError."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import bitnet_hw as bh

A_SCENARIO = "scenario must be a Scenario, such as Scenario('decode', context=2048); found "
A_SPEC = "spec must be a PESpec, as make_spec returns; found 'ternary'"
DECODE = bh.Scenario("decode", context=64)

# Typed Any because the calls are wrong on purpose.
api: Any = bh


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: api.estimate("gpt2", "fp16", "7nm", DECODE, bh.load_machine("edge")),
            "convention must be 'paper' or 'system', found a Machine",
        ),
        (lambda: api.estimate("gpt2", "fp16", "7nm", "decode"), f"{A_SCENARIO}'decode'"),
        (lambda: api.estimate("gpt2", "fp16", 7), "an energy table is an EnergyTable, a name or"),
        (lambda: api.count("gpt2", "decode", "fp16"), f"{A_SCENARIO}'decode'"),
        (lambda: api.count("gpt2", {}, "fp16", "paper"), f"{A_SCENARIO}a dict"),
        (lambda: api.footprint("gpt2", "fp16", 2048), f"{A_SCENARIO}2048"),
        (
            lambda: api.Scenario("decode"),
            "decode needs context=, the positions that the new token attends to",
        ),
        (lambda: api.load_rows(3), "rows are the name or the path of a file, found 3"),
        (lambda: api.validate(3), "rows are the name or the path of a file, found 3"),
        (lambda: api.calibrate("edge", None), "rows are the name or the path of a file, found No"),
        (lambda: api.calibrate(3, "rows.yaml"), "a machine is a Machine, a name or a path, found"),
        (lambda: api.ratio(1, 2), "baseline must be an Estimate, as estimate returns; found 1"),
        (lambda: api.simulate("ternary", [[1]], [[1]]), A_SPEC),
        (lambda: api.export_verilog("ternary"), A_SPEC),
    ],
)
def test_a_wrong_argument_is_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(bh.InputError) as caught:
        call()
    assert str(caught.value).startswith(message)


def test_a_table_to_scale_may_be_a_name() -> None:
    request = "HP45@0.9:HP7@0.7"
    assert bh.scale_table("45nm", request) == bh.scale_table(bh.load_table("45nm"), request)
