"""What tests of several folders share."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable

import pytest


@pytest.fixture(scope="session")
def require_tool() -> Callable[[str], None]:
    """Skip a test whose tool is missing; fail it where CI installs the tool.

    A name is a program on PATH, or ``python:module`` for a module of an extra.
    """

    def require(name: str) -> None:
        if name.startswith("python:"):
            found = importlib.util.find_spec(name.removeprefix("python:")) is not None
        else:
            found = shutil.which(name) is not None
        if found:
            return
        if os.environ.get("BITNET_HW_REQUIRE_TOOLS"):
            pytest.fail(f"{name} is not installed, and BITNET_HW_REQUIRE_TOOLS is set")
        pytest.skip(f"{name} is not installed")

    return require
