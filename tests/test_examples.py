"""The examples in the docstrings do what they say."""

from __future__ import annotations

import doctest
import importlib

import pytest

MODULES = [
    "errors", "units", "files.messages", "files.reading", "files.records", "files.writing",
    "inputs.catalogue", "inputs.codecs", "inputs.formats", "inputs.load", "inputs.machine",
    "inputs.model", "inputs.operands", "inputs.scenario", "inputs.scheme", "cli.layout",
]  # fmt: skip


@pytest.mark.parametrize("name", MODULES)
def test_examples(name: str) -> None:
    module = importlib.import_module(f"bitnet_hw.{name}")
    assert doctest.testmod(module).failed == 0
