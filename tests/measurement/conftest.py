"""The library for the tests of `bitnet_hw.measurement`."""

from __future__ import annotations

from pathlib import Path

import pytest

from bitnet_hw.gates.library import Library, read_library

TINY = Path(__file__).parent.parent / "data" / "tiny.lib"


@pytest.fixture(scope="session")
def tiny() -> Library:
    return read_library(TINY)
