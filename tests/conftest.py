"""What all tests share: tools that may be missing, and the command line as a user runs it."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, settings

from bitnet_hw.cli import main

# A loaded machine is slow, which says nothing of the code; a landing build should not draw lots.
settings.register_profile(
    "here",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),
)
settings.load_profile("here")


@pytest.fixture(scope="session")
def require_tool() -> Callable[[str], str]:
    """Return a function that finds a tool, or skips; in CI a missing tool is a failure.

    A tool is a program on PATH, or ``python:name`` for the module of an extra.
    """

    def find(name: str) -> str:
        if name.startswith("python:"):
            spec = importlib.util.find_spec(name.removeprefix("python:"))
            path = spec.origin if spec is not None else None
        else:
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
