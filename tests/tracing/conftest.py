"""What the traces' tests share."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ORACLE = Path(__file__).parent.parent / "data" / "flop_counter_mode_macs.json"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that takes `oracle_case` once for each model of the oracle, on its longest run."""
    if "oracle_case" not in metafunc.fixturenames:
        return
    cases = {}
    for case in json.loads(ORACLE.read_text())["results"]:
        # By family, attention and phase; 512 tokens and more build masks that only take time.
        if case["seq"] in (1, 128) or case["attn"] == "sdpa":
            cases[case["config"], case["attn"], case["phase"], case["batch"] > 1] = case
    metafunc.parametrize("oracle_case", cases.values(), ids=["-".join(map(str, k)) for k in cases])


@pytest.fixture
def write_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Return a function that writes a module into the working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [str(tmp_path), *_path_without(tmp_path)])

    def write(name: str, text: str) -> Path:
        monkeypatch.delitem(_modules(), name, raising=False)
        path = tmp_path / f"{name}.py"
        path.write_text(text)
        return path

    return write


def _path_without(folder: Path) -> list[str]:
    import sys

    return [entry for entry in sys.path if entry != str(folder)]


def _modules() -> dict[str, Any]:
    import sys

    return sys.modules
