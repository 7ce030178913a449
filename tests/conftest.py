"""What all tests share: tools that may be missing, and the command line as a user runs it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from typing import NamedTuple

import pytest

from bitnet_hw.cli import main


@pytest.fixture
def require_tool() -> Callable[[str], str]:
    """Return a function that gives a tool's path, or skips; in CI a missing tool is a failure."""

    def find(name: str) -> str:
        path = shutil.which(name)
        if path is not None:
            return path
        reason = f"{name} is not installed"
        if os.environ.get("BITNET_HW_REQUIRE_TOOLS"):
            pytest.fail(f"{reason}, and BITNET_HW_REQUIRE_TOOLS is set")
        pytest.skip(reason)

    return find


class Result(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """Return a function that runs ``bitnet-hw`` with arguments in this process."""

    def call(*arguments: object) -> Result:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return call
