"""Libraries for the tests of `bitnet_hw.gates`."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from bitnet_hw.gates.library import Library, read_library

DATA = Path(__file__).parent.parent / "data"


@pytest.fixture(scope="session")
def tiny_text() -> str:
    return (DATA / "tiny.lib").read_text()


@pytest.fixture(scope="session")
def tiny() -> Library:
    return read_library(DATA / "tiny.lib")


@pytest.fixture(scope="session")
def open_library() -> Callable[[str], Library]:
    """Return a function that reads a library of ``$BITNET_HW_LIBERTY/<name>/``, or skips."""
    root = os.environ.get("BITNET_HW_LIBERTY")

    def find(name: str) -> Library:
        if not root:
            pytest.skip("BITNET_HW_LIBERTY does not name a folder of libraries")
        files = sorted(Path(root, name).glob("*.lib*"))
        if not files:
            pytest.skip(f"$BITNET_HW_LIBERTY has no {name}")
        return read_library(files[0])

    return find
