"""The energy table of a measurement: year, code version, and a file that loads."""

from __future__ import annotations

import os
import shutil
import subprocess
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from bitnet_hw.errors import InputError
from bitnet_hw.measurement import energy_table
from bitnet_hw.measurement.energy_table import build_table, to_yaml
from bitnet_hw.measurement.provenance import code_version
from bitnet_hw.prices.loading import read_table

INSTALLED = f"version {version('bitnet-hw')}"


def one(**changes: Any) -> dict[str, Any]:
    """Return the JSON form of a measurement, with round numbers."""
    parts = {"weights": 20, "activations": 10, "accumulator": 5, "pipeline": 3, "control": 2}
    plain = {
        "pe": "int8", "booth": False, "activation": "int8", "weight": "int8",
        "accumulator": "int28", "lanes": 8, "pipeline": 1, "library": "some library",
        "library_sha256": "1" * 64, "corner": "typical", "voltage_v": 1.0, "temperature_c": 25.0,
        "fj_per_op": 100.0, "fj_per_op_spread": 1.5, "combinational_fj": 60.0,
        "registers_fj": parts, "without_glitches_fj": 90.0, "um2_per_op": 12.0,
        "period_ps": 500.0, "glitches": True, "simulator": "a simulator", "synthesis": "Yosys",
        "wire_ff_per_fanout": 0.0, "clock_tree": 1.0, "input_transition_ps": 20.0,
        "default_power_groups": "remaining", "seeds": 3, "stimuli": {"rows": 16},
        "stage": "pre-layout",
    }  # fmt: skip
    return plain | changes


def table(*measured: dict[str, Any], on: date = date(2031, 2, 3)) -> dict[str, Any]:
    return build_table("mine", 28, "jouppi-2021-7nm", measured, measured_on=on)


def test_the_year_is_that_of_the_measurement() -> None:
    (source,) = table(one(), on=date(2031, 2, 3))["sources"].values()
    assert source["year"] == 2031


def test_the_kind_follows_the_schema() -> None:
    lines = to_yaml(table(one())).splitlines()
    assert lines[:3] == ["schema: 1", "kind: macs", "name: mine"]


@pytest.mark.parametrize("sha", ["77e1244d" + "0" * 56, "1" * 64, "18b4" + "f" * 60])
@pytest.mark.parametrize("commit", ["fd3817450dd0", "123456789012", "12345678e012"])
def test_a_table_loads_from_its_file(
    sha: str, commit: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(energy_table, "code_version", lambda: commit)
    fp16 = {"pe": "fp16", "activation": "fp16", "weight": "fp16", "accumulator": "fp32"}
    path = tmp_path / "mine.yaml"
    path.write_text(to_yaml(table(one(library_sha256=sha), one(library_sha256=sha, **fp16))))
    found = read_table(path)
    assert found.provenance is not None
    assert (found.provenance.library_sha256, found.provenance.commit) == (sha, commit)
    int8, half, bf16, int4 = found.macs
    assert int8.pj == 0.1
    assert int8.shared(tokens=4, rows=2) == pytest.approx(0.1 - 0.015 - 0.005)
    assert int8.glitches_pj == 0.01
    assert [(e.activation, e.weight, e.kind) for e in (half, bf16, int4)] == [
        ("fp16", "fp16", "simulated"),
        ("bf16", "bf16", "derived"),
        ("fp16", "int4", "derived"),
    ]


@pytest.mark.parametrize(
    ("measured", "message"),
    [
        ([], "at least one measurement"),
        ([one(glitches=False)], "glitches are missing"),
        ([one(), one(period_ps=600.0)], "differ in period_ps"),
    ],
)
def test_measurements_that_cannot_form_a_table_are_refused(
    measured: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        table(*measured)


def git(folder: Path, *arguments: str) -> str:
    names = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    clean = {key: text for key, text in os.environ.items() if not key.startswith("GIT_")}
    done = subprocess.run(
        ["git", "-C", str(folder), *names, *arguments],
        capture_output=True, text=True, check=True, env=clean,
    )  # fmt: skip
    return done.stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Make a repository that looks like one of this project."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    root = tmp_path / "checkout"
    (root / "bitnet_hw").mkdir(parents=True)
    (root / "pyproject.toml").write_text('[project]\nname = "bitnet-hw"\n')
    (root / "bitnet_hw" / "__init__.py").write_text("")
    git(tmp_path, "init", "-q", str(root))
    git(root, "add", "-A")
    git(root, "commit", "-qm", "first")
    return root


def test_a_checkout_gives_its_commit(checkout: Path) -> None:
    commit = git(checkout, "rev-parse", "HEAD")[:12]
    assert code_version(checkout / "bitnet_hw") == commit
    (checkout / "table.yaml").write_text("measured")  # an untracked file changes no code
    assert code_version(checkout / "bitnet_hw") == commit


def test_a_changed_file_makes_the_checkout_dirty(checkout: Path) -> None:
    (checkout / "bitnet_hw" / "__init__.py").write_text("x = 1\n")
    assert (
        code_version(checkout / "bitnet_hw") == git(checkout, "rev-parse", "HEAD")[:12] + "-dirty"
    )


def test_code_installed_below_a_checkout_has_no_commit(checkout: Path) -> None:
    installed = checkout / ".venv" / "site-packages" / "bitnet_hw"
    installed.mkdir(parents=True)
    assert code_version(installed) == INSTALLED


def test_another_projects_repository_is_not_ours(checkout: Path) -> None:
    (checkout / "pyproject.toml").write_text('[project]\nname = "another"\n')
    assert code_version(checkout / "bitnet_hw") == INSTALLED
    (checkout / "pyproject.toml").unlink()
    assert code_version(checkout / "bitnet_hw") == INSTALLED


def test_a_source_tree_inside_another_repository_is_not_that_repository(checkout: Path) -> None:
    """An unpacked source distribution carries our pyproject.toml, but no history."""
    inner = checkout / "vendor"
    (inner / "bitnet_hw").mkdir(parents=True)
    shutil.copy(checkout / "pyproject.toml", inner)
    assert code_version(inner / "bitnet_hw") == INSTALLED


def test_neither_environment_nor_current_directory_decides(
    checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere" / "bitnet_hw"
    elsewhere.mkdir(parents=True)
    expected = code_version(checkout / "bitnet_hw")
    monkeypatch.chdir(checkout)
    assert code_version(elsewhere) == INSTALLED
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "none"))
    assert code_version(checkout / "bitnet_hw") == expected
