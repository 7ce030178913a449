"""Catalogue names, paths and records, which loaders accept interchangeably."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bitnet_hw.errors import InputError
from bitnet_hw.inputs import catalogue
from bitnet_hw.inputs.machine import as_machine, load_machine
from bitnet_hw.inputs.model import as_model, load_model
from bitnet_hw.inputs.scheme import as_scheme, load_scheme

KINDS = [
    ("models", "gpt2", load_model, as_model),
    ("schemes", "fp16", load_scheme, as_scheme),
    ("machines", "edge", load_machine, as_machine),
]
kinds = pytest.mark.parametrize(("kind", "name", "load", "resolve"), KINDS)
Load = Callable[[Any], Any]


@kinds
def test_names_paths_and_records_give_the_same(
    tmp_path: Path, kind: str, name: str, load: Load, resolve: Load
) -> None:
    shipped = load(name)
    assert load(name) is load(Path(name)) is resolve(name) is resolve(shipped) is shipped
    file = tmp_path / f"{name}.yaml"
    file.write_text(catalogue.path_of(kind, name).read_text(encoding="utf-8"))
    assert load(file) == load(str(file)) == resolve(file) == resolve(str(file)) == shipped


@kinds
def test_a_bare_file_name_loads_and_a_shipped_name_precedes_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, name: str, load: Load, resolve: Load
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mine.yml").write_text(catalogue.path_of(kind, name).read_text(encoding="utf-8"))
    assert load("mine.yml") == resolve("mine.yml") == load(name)
    Path(name).mkdir()  # a folder that happens to be named like a shipped entry
    assert load(name) is resolve(name)


@kinds
@pytest.mark.parametrize("wrong", [3, None, ["edge"], object, b"edge"])
def test_anything_else_is_refused(
    kind: str, name: str, load: Load, resolve: Load, wrong: object
) -> None:
    what = kind.removesuffix("s")
    with pytest.raises(InputError, match=f"a {what} is a name or a path, found "):
        load(wrong)
    with pytest.raises(InputError, match=rf"a {what} is a \w+, a name or a path, found "):
        resolve(wrong)
    del name


@kinds
def test_what_does_not_exist_is_refused(kind: str, name: str, load: Load, resolve: Load) -> None:
    what = kind.removesuffix("s")
    for asked in (load, resolve):
        with pytest.raises(InputError, match=f"no {what} is named"):
            asked("")
        with pytest.raises(InputError, match=f"unknown {what} '{name}x'; did you mean '{name}'"):
            asked(f"{name}x")
        for path in ("absent.yaml", "absent/file", Path("absent")):
            with pytest.raises(InputError, match=f"{path}: no such file"):
                asked(path)


def test_one_kind_is_not_another() -> None:
    with pytest.raises(InputError, match="a machine is a Machine, a name or a path, found Scheme"):
        as_machine(load_scheme("fp16"))  # type: ignore[arg-type]  # what is asserted
