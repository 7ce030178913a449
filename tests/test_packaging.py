"""Contents of a wheel: every package, every data file, and no top-level ``rtl``."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
SETUPTOOLS = PYPROJECT["tool"]["setuptools"]
#: Package -> its folder.
FOLDERS: dict[str, str] = SETUPTOOLS["package-dir"]


def _folder(package: str) -> Path:
    """Return a package's folder, by the longest mapped prefix of its name."""
    mapped = max((top for top in FOLDERS if f"{package}.".startswith(f"{top}.")), key=len)
    return ROOT.joinpath(FOLDERS[mapped], *package.removeprefix(mapped).strip(".").split("."))


def _packages_in_the_tree() -> Iterator[str]:
    """Yield every folder of modules, and every folder of YAML, which is a package of data."""
    for top, folder in FOLDERS.items():
        for pattern in ("__init__.py", "*.yaml"):
            for file in (ROOT / folder).rglob(pattern):
                yield ".".join((top, *file.parent.relative_to(ROOT / folder).parts))


def _data_in_the_tree() -> Iterator[str]:
    """Yield the names in the wheel of all files that are not Python code."""
    for package in SETUPTOOLS["packages"]:
        folder = _folder(package)
        for file in folder.rglob("*"):
            inner = file.relative_to(folder)
            nested = any(
                (folder / parent / "__init__.py").exists() for parent in inner.parents[:-1]
            )
            cached = "__pycache__" in inner.parts
            if file.is_file() and file.suffix != ".py" and not cached and not nested:
                yield f"{package.replace('.', '/')}/{inner.as_posix()}"


def test_the_list_of_packages_equals_the_tree() -> None:
    listed = SETUPTOOLS["packages"]
    assert len(listed) == len(set(listed))
    assert set(listed) == set(_packages_in_the_tree())


@pytest.mark.parametrize("package", [name for name in FOLDERS if "." in name])
def test_a_link_shows_editors_where_a_package_is(package: str) -> None:
    """Skip a checkout without links, because installing and importing do not need them."""
    link = ROOT.joinpath(*package.split("."))
    top = max((name for name in FOLDERS if package.startswith(f"{name}.")), key=len)
    if link.is_file():
        pytest.skip("git wrote the links as text files; core.symlinks is off")
    if top == "bitnet_hw":
        assert link.is_symlink()
    assert link.resolve() == ROOT / FOLDERS[package]


def test_every_listed_package_is_mapped_into_one_name() -> None:
    assert {package.partition(".")[0] for package in SETUPTOOLS["packages"]} == {"bitnet_hw"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Build a wheel from a copy of the tree, with the installed setuptools and no network."""
    folder = tmp_path_factory.mktemp("wheel")
    tree = folder / "tree"
    tree.mkdir()
    litter = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
    for top in {name.partition("/")[0] for name in FOLDERS.values()}:
        shutil.copytree(ROOT / top, tree / top, ignore=litter)
    for name in ("pyproject.toml", PYPROJECT["project"]["readme"], "LICENSE"):
        shutil.copy(ROOT / name, tree / name)
    build = "import sys, setuptools.build_meta as b; print(b.build_wheel(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", build, str(folder)],
        cwd=tree, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return zipfile.ZipFile(folder / done.stdout.splitlines()[-1])


def test_a_wheel_installs_one_top_level_name(wheel: zipfile.ZipFile) -> None:
    version = PYPROJECT["project"]["version"]
    tops = {name.partition("/")[0] for name in wheel.namelist()}
    assert tops == {"bitnet_hw", f"bitnet_hw-{version}.dist-info"}


def test_a_wheel_carries_every_module(wheel: zipfile.ZipFile) -> None:
    expected = {
        f"{package.replace('.', '/')}/{file.name}"
        for package in SETUPTOOLS["packages"]
        for file in _folder(package).glob("*.py")
    }
    assert expected == {name for name in wheel.namelist() if name.endswith(".py")}
    assert "bitnet_hw/rtl/__init__.py" in expected


def test_a_wheel_carries_every_data_file(wheel: zipfile.ZipFile) -> None:
    expected = set(_data_in_the_tree())
    assert {"bitnet_hw/py.typed", "bitnet_hw/energy_tables/jouppi-2021-7nm.yaml"} <= expected
    assert "bitnet_hw/inputs/catalogue/models/bitnet-b1.58-2b4t.yaml" in expected
    assert expected <= set(wheel.namelist())


def test_a_wheel_states_its_command_and_licence(wheel: zipfile.ZipFile) -> None:
    info = next(n.partition("/")[0] for n in wheel.namelist() if ".dist-info/" in n)
    assert "bitnet-hw = bitnet_hw.cli:main" in wheel.read(f"{info}/entry_points.txt").decode()
    assert "License-Expression: Apache-2.0" in wheel.read(f"{info}/METADATA").decode()
    assert f"{info}/licenses/LICENSE" in wheel.namelist()


def test_the_hardware_has_no_name_of_its_own() -> None:
    """Import `bitnet_hw.rtl`, and check that no top-level `rtl` exists."""
    code = (
        "import bitnet_hw.rtl, importlib.util as u, sys; sys.exit(u.find_spec('rtl') is not None)"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], check=False, cwd=ROOT.parent)
    assert done.returncode == 0


#: Places that may state a version: headings of releases, and provenance of measured tables.
HISTORY = {"CHANGELOG.md", "energy_tables"}


def _texts() -> Iterator[Path]:
    """Yield the files that could carry a copy of the version, outside what `make` writes."""
    folders = {".github", "analyses", "benchmarks", "docs", *FOLDERS.values()}
    for file in (*ROOT.glob("*"), *(file for name in folders for file in (ROOT / name).rglob("*"))):
        endings = {".py", ".toml", ".cff", ".md", ".yaml", ".yml", ".json"}
        if file.suffix in endings and not HISTORY & set(file.relative_to(ROOT).parts):
            yield file


def test_the_version_is_written_once() -> None:
    """Find it in pyproject.toml alone; elsewhere it is read from the installed metadata."""
    version = re.escape(PYPROJECT["project"]["version"])
    number = re.compile(rf"(?<![\w.=<>~])v?{version}(?![\w.])")
    copies = {
        file.relative_to(ROOT).as_posix(): found
        for file in _texts()
        if (found := len(number.findall(file.read_text("utf-8"))))
    }
    assert copies == {"pyproject.toml": 1}


def test_the_citation_leaves_the_version_out() -> None:
    """Check that the citation file states no version, which would soon be out of date."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert not {"version", "date-released", "commit"} & set(citation)


def test_no_module_states_a_version() -> None:
    stated = re.compile(r"^\s*(__version__|VERSION)\s*(:.*)?=\s*[\"']", re.MULTILINE)
    modules = (file for folder in FOLDERS.values() for file in (ROOT / folder).rglob("*.py"))
    assert [file for file in modules if stated.search(file.read_text("utf-8"))] == []


def test_every_requirement_is_pinned() -> None:
    """Check that constraints.txt, which `make` installs from, has a line per requirement."""

    def name(requirement: str) -> str:
        """Return a requirement's distribution, spelled as PEP 503 does."""
        return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", requirement, maxsplit=1)[0]).lower()

    project = PYPROJECT["project"]
    extras = [one for extra in project["optional-dependencies"].values() for one in extra]
    wanted = {name(one) for one in (*project["dependencies"], *extras)} - {project["name"]}
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pins = [line for line in lines if not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.!]+", pin) for pin in pins), "a path or a local version"
    assert wanted | {"pip", "setuptools"} <= {name(pin) for pin in pins}
