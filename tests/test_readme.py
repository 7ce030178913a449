"""The examples and commands of the README and of docs/files.md, run as these pages show them."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bitnet_hw.inputs.machine import Machine, load_machine
from bitnet_hw.inputs.model import ModelSpec
from bitnet_hw.inputs.scheme import Scheme, load_scheme

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
FILES = (ROOT / "docs" / "files.md").read_text(encoding="utf-8")


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
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if not target.startswith("http"):
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_files_printed_as_files_md_shows_can_be_changed_and_used(
    run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    commands = re.findall(r"^    bitnet-hw (.*)$", FILES, flags=re.MULTILINE)
    *printing, using = map(shlex.split, commands)
    for *arguments, _, target in printing:
        result = run(*arguments)
        assert result.code == 0, result.err
        name = f"name: my-{arguments[-2]}"
        text = re.sub(r"^name: .*$", name, result.out, flags=re.MULTILINE)
        Path(target).write_text(re.sub(r"^aliases: .*\n", "", text, flags=re.MULTILINE))
    assert using[0] == "report"
    result = run("estimate", *using[1:])  # the same arguments, in less time
    assert result.code == 0, result.err


def test_the_examples_of_files_md_are_valid(tmp_path: Path) -> None:
    scheme, own = re.findall(r"```yaml\n(.*?)```", FILES, flags=re.DOTALL)
    path = tmp_path / "w4a8.yaml"
    path.write_text(scheme, encoding="utf-8")
    assert load_scheme(path).formats("ffn-down").quantizer == "absmax-topk"
    path = tmp_path / "machine.yaml"
    path.write_text(own, encoding="utf-8")
    assert load_machine(path).chip_count == 2
    (example,) = re.findall(r"```python\n(.*?)```", FILES, flags=re.DOTALL)
    names: dict[str, Any] = {}
    exec(compile(example, "files.md", "exec"), names)  # noqa: S102  our own example
    assert (names["machine"].units[0].lanes, names["scheme"].linear.codec) == (64, "base3")


@pytest.mark.parametrize(
    ("record", "heading"), [(ModelSpec, "Model"), (Scheme, "Scheme"), (Machine, "Machine")]
)
def test_files_md_names_every_required_key(record: Any, heading: str) -> None:
    section = FILES.partition(f"## {heading}\n")[2].partition("\n## ")[0]
    required = [name for name, field in record.model_fields.items() if field.is_required()]
    for name in required:
        if name != "name" or heading == "Model":
            assert re.search(rf"\b{name}\b", section), name
