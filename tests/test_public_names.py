"""The public surface: what ``import bitnet_hw`` gives, and what starting up does not load."""

from __future__ import annotations

import doctest
import subprocess
import sys
from typing import Literal, get_origin

import pytest

import bitnet_hw

_HEAVY = ("pandas", "matplotlib", "amaranth", "torch", "rich", "jinja2")


def test_all_is_sorted_complete_and_real() -> None:
    names = bitnet_hw.__all__
    assert names == sorted(names)
    for name in names:
        value = getattr(bitnet_hw, name)
        assert value.__doc__ or get_origin(value) is Literal, name
    from_here = {
        name
        for name, value in vars(bitnet_hw).items()
        if not name.startswith("_")
        and getattr(value, "__module__", "").startswith("bitnet_hw.")
        and hasattr(value, "__qualname__")
    }
    assert from_here <= set(names)


def test_the_example_in_the_docstring() -> None:
    assert doctest.testmod(bitnet_hw).failed == 0


@pytest.mark.parametrize("arguments", [["--help"], ["count", "bitnet-b1.58-2b4t"], ["--version"]])
def test_starting_up_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from bitnet_hw.cli import main; code = main(sys.argv[1:]); "
        f"print([name for name in {_HEAVY!r} if name in sys.modules], file=sys.stderr); "
        "sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "[]"
