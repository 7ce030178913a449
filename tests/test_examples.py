"""The examples in docstrings do what they say, and every public function has one."""

from __future__ import annotations

import doctest
import importlib
import inspect
import pkgutil
from collections.abc import Iterator

import pytest

import bitnet_hw


def _modules() -> Iterator[str]:
    yield "bitnet_hw"
    for found in pkgutil.walk_packages(bitnet_hw.__path__, "bitnet_hw."):
        # What only runs with PyTorch has its examples in docs/tracing.md.
        if "torch_models" not in found.name:
            yield found.name


@pytest.mark.parametrize("name", sorted(_modules()))
def test_examples(name: str) -> None:
    module = importlib.import_module(name)
    flags = doctest.NORMALIZE_WHITESPACE
    assert doctest.testmod(module, optionflags=flags).failed == 0


FUNCTIONS = [name for name in bitnet_hw.__all__ if inspect.isfunction(getattr(bitnet_hw, name))]


@pytest.mark.parametrize("name", FUNCTIONS)
def test_a_public_function_shows_how_it_is_called(name: str) -> None:
    text = inspect.getdoc(getattr(bitnet_hw, name)) or ""
    assert "Examples\n--------" in text, name
    assert ">>> " in text, name
