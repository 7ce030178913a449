"""The README's example and commands do what it says."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_python_example_prints_what_its_comments_say(
    capsys: pytest.CaptureFixture[str],
) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    exec(compile(example, "README.md", "exec"), {})  # noqa: S102  our own example
    said = [line.removeprefix("# ") for line in example.splitlines() if line.startswith("# ")]
    assert capsys.readouterr().out.splitlines() == said


def _commands() -> list[list[str]]:
    blocks = re.findall(r"```sh\n(.*?)```", README, flags=re.DOTALL)
    return [shlex.split(line) for block in blocks for line in block.splitlines() if line]


@pytest.mark.parametrize("command", _commands(), ids=" ".join)
def test_the_commands_run(
    run: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    command: list[str],
) -> None:
    assert command[0] == "bitnet-hw"
    if command[1] == "report":
        # Drawing is slow: the report that all tests share was written by this command.
        folder = request.getfixturevalue("standard_report")
        written_by = json.loads((folder / "report.json").read_text())["command"]
        assert [*command[:-2], "--output", str(folder)] == shlex.split(written_by)
        assert command[-2] == "-o"
        return
    monkeypatch.chdir(tmp_path)
    result = run(*command[1:])
    assert result.code == 0, result.err


def test_links_lead_somewhere() -> None:
    root = Path(__file__).parents[1]
    for page in [root / "README.md", root / "CONTRIBUTING.md", *(root / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name}: {target}"
