"""The examples in the docstrings of tracing, the tally and the numeric reference run."""

from __future__ import annotations

import doctest
import importlib

import pytest


@pytest.mark.parametrize(
    "name",
    [
        "tally",
        "tracing",
        "reference.detection",
        "reference.bitlinear",
        "reference.quantizers",
        "inputs.elementwise",
    ],
)
def test_examples_run(name: str) -> None:
    found = doctest.testmod(importlib.import_module(f"bitnet_hw.{name}"))
    assert found.attempted
    assert not found.failed
