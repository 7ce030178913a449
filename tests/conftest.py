"""Fixtures of all tests: tools that may be missing, the command line, the standard report."""

from __future__ import annotations

import fcntl
import importlib.util
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, settings

from bitnet_hw.cli import main

# Slowness may be due to other load, so there is no deadline; in CI, examples are not random.
settings.register_profile(
    "here",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=bool(os.environ.get("CI")),
)
settings.load_profile("here")


@pytest.fixture(scope="session")
def require_tool() -> Callable[[str], str]:
    """Return a function that finds a tool, or skips the test; in CI, a missing tool is a failure.

    A tool is a program on PATH, or a module of an extra, written ``python:name``.
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
    """Exit code and output of a command."""

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


@pytest.fixture(scope="session")
def standard_report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the report of the README's command, and return its folder.

    It is written once for all workers: the first worker writes it into the parent of the workers'
    base folders, while the others wait for the lock. Tests only read it.
    """
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder = base / "standard" / "report"
    with (base / "standard.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "report.html").exists():
            assert main(["report", "bitnet-b1.58-2b4t", "-o", str(folder)]) == 0
    return folder


@pytest.fixture
def blank_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the figures of reports empty, because drawing is slow, for tests of other files."""
    from matplotlib.figure import Figure

    monkeypatch.setattr("bitnet_hw.report.documents.drawn", lambda _plot, _report: Figure())
