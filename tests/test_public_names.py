"""The public names of ``import bitnet_hw``, and the packages that starting up must not load."""

from __future__ import annotations

import ast
import doctest
import pkgutil
import re
import subprocess
import sys
from pathlib import Path
from typing import Literal, get_origin

import pytest

import bitnet_hw

_HEAVY = ("pandas", "matplotlib", "amaranth", "torch", "rich", "jinja2")


def test_all_is_sorted_complete_and_real() -> None:
    names = bitnet_hw.__all__
    assert names == sorted(names)
    for name in names:
        value = getattr(bitnet_hw, name)
        assert value.__doc__ or get_origin(value) is Literal, name
    from_here = {
        name
        for name, value in vars(bitnet_hw).items()
        if not name.startswith("_")
        and getattr(value, "__module__", "").startswith("bitnet_hw.")
        and hasattr(value, "__qualname__")
    }
    assert from_here <= set(names)


def test_the_example_in_the_docstring() -> None:
    assert doctest.testmod(bitnet_hw).failed == 0


@pytest.mark.parametrize("arguments", [["--help"], ["count", "bitnet-b1.58-2b4t"], ["--version"]])
def test_starting_up_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from bitnet_hw.cli import main; code = main(sys.argv[1:]); "
        f"print([name for name in {_HEAVY!r} if name in sys.modules], file=sys.stderr); "
        "sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    assert done.stderr.strip() == "[]"


def test_no_public_function_hides_a_module_of_the_same_name() -> None:
    modules = {module.name for module in pkgutil.iter_modules(bitnet_hw.__path__)}
    assert not modules & set(bitnet_hw.__all__)


def test_the_face_holds_what_people_look_for() -> None:
    wanted = {"estimate", "count", "ratio", "trace", "take_census", "simulate", "measure",
              "BitLinear", "load_model", "load_scheme", "load_table", "load_machine"}  # fmt: skip
    assert wanted <= set(bitnet_hw.__all__)


def test_importing_the_package_loads_none_of_it() -> None:
    code = "import sys, bitnet_hw; print(*[n for n in sys.modules if n.startswith('bitnet_hw.')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_names_do_where_objects_do(tmp_path: Path) -> None:
    file = tmp_path / "scheme.yaml"
    file.write_text(
        bitnet_hw.load_scheme("fp16").model_dump_json().replace('"fp16",', '"mine",', 1), "utf-8"
    )
    model, table = bitnet_hw.load_model("gpt2"), bitnet_hw.load_table("7nm")
    scenario = bitnet_hw.Scenario("decode", context=64)
    by_object = bitnet_hw.estimate(model, bitnet_hw.load_scheme("fp16"), table, scenario)
    for scheme in ("fp16", file, str(file)):
        named = bitnet_hw.estimate("gpt2", scheme, "7nm", scenario, machine="edge")
        assert named.energy == by_object.energy
    tally = bitnet_hw.count("gpt2", scenario, "fp16", machine="edge")
    assert tally == bitnet_hw.count(model, scenario, bitnet_hw.load_scheme("fp16"))
    with pytest.raises(bitnet_hw.InputError, match="did you mean 'gpt2'"):
        bitnet_hw.count("gtp2", scenario, "fp16")


def test_the_library_does_not_speak_of_options() -> None:
    """Only the command line knows how an option is spelled."""
    package = Path(bitnet_hw.__path__[0])
    folders = [package, package.parent / "rtl"]
    for file in (file for folder in folders for file in folder.rglob("*.py")):
        if "cli" in file.parts:
            continue
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Raise):
                for part in ast.walk(node):
                    if isinstance(part, ast.Constant) and isinstance(part.value, str):
                        assert not re.search(r"--[a-z]", part.value), f"{file}: {part.value}"
