"""The layers of the package: every import points downwards, and there are no cycles."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = "bitnet_hw"
#: Folders that hold the package's modules, as pyproject.toml maps them.
FOLDERS = {"bitnet_hw": ROOT / "bitnet_hw", "bitnet_hw.rtl": ROOT / "rtl",
           "bitnet_hw.energy_tables": ROOT / "energy_tables"}  # fmt: skip

#: From low to high. A module imports from its own line or from lines above it.
LAYERS = (
    ("errors", "units", "files", "energy_tables", "validation", "yosys"),
    ("inputs",),
    ("tally",),
    ("prices", "reference", "census", "tracing", "rtl", "gates"),
    ("cost",),
    ("calibration", "measurement", "report", "zigzag"),
    ("cli",),
    ("",),  # bitnet_hw/__init__.py: the public names
)
RANK = {part: rank for rank, layer in enumerate(LAYERS) for part in layer}

#: Parts that may import less than their layer allows.
ONLY = {
    "reference": {"errors", "inputs"},
    "rtl": {"errors", "inputs", "reference", "tally", "yosys"},
    "gates": {"errors", "units", "files", "yosys"},
    "units": {"errors"},
    "yosys": {"errors"},
    "energy_tables": set(),
    "validation": set(),
}

#: Distribution -> parts of the package that may import it.
CONFINED = {
    "click": {"cli"},
    "rich": {"cli"},
    "jinja2": {"report"},
    "markupsafe": {"report"},
    "matplotlib": {"report"},
    "amaranth": {"rtl"},
    "torch": {"tracing"},
    "transformers": {"tracing"},
    "safetensors": {"census"},
    "pandas": {"tally", "cost"},
    "scipy": {"calibration"},
}


def _modules() -> dict[str, Path]:
    """Map every module's dotted name to its file."""
    found: dict[str, Path] = {}
    for package, folder in FOLDERS.items():
        for file in folder.rglob("*.py"):
            parts = file.relative_to(folder).with_suffix("").parts
            found[".".join((package, *(part for part in parts if part != "__init__")))] = file
    return found


MODULES = _modules()


def _imports(tree: ast.AST, package: str, modules: set[str]) -> Iterator[str]:
    """Yield the modules that a syntax tree imports, at any depth of the file.

    Parameters
    ----------
    tree : ast.AST
        The file.
    package : str
        Package to which relative imports refer.
    modules : set of str
        The project's own modules, to distinguish a module from a name inside one.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            up = package.rsplit(".", node.level - 1)[0] if node.level else ""
            base = ".".join(part for part in (up, node.module) if part)
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield inner if inner in modules else base


def _graph() -> dict[str, set[str]]:
    graph: dict[str, set[str]] = {}
    for name, file in MODULES.items():
        package = name if file.name == "__init__.py" else name.rpartition(".")[0]
        tree = ast.parse(file.read_text("utf-8"))
        graph[name] = set(_imports(tree, package, set(MODULES))) - {name}
    return graph


GRAPH = _graph()


def _part(module: str) -> str:
    """Return the part of the package that a module belongs to: ``rtl`` for bitnet_hw.rtl.pe."""
    return module.removeprefix(PACKAGE).lstrip(".").partition(".")[0]


def _own(imported: set[str]) -> set[str]:
    return {name for name in imported if name in MODULES}


def test_the_walk_finds_imports_of_every_form() -> None:
    code = (
        "import json\nimport bitnet_hw.energy\nfrom . import a\nfrom .a import x\n"
        "from .. import b\nfrom ..b import c\ndef f():\n    from bitnet_hw.tally import Key\n"
    )
    modules = {"p.q.a", "p.b", "p.b.c", "bitnet_hw.energy", "bitnet_hw.tally"}
    found = set(_imports(ast.parse(code), "p.q", modules))
    assert found == {"json", "bitnet_hw.energy", "p.q.a", "p.b", "p.b.c", "bitnet_hw.tally"}


def test_the_graph_is_the_real_one() -> None:
    assert {"bitnet_hw.tally", "bitnet_hw.errors"} <= GRAPH["bitnet_hw.prices.tables"]
    assert "bitnet_hw.inputs.catalogue" in GRAPH["bitnet_hw.inputs.load"]
    assert "bitnet_hw.errors" in GRAPH["bitnet_hw.inputs.catalogue"]


def test_every_module_belongs_to_a_layer() -> None:
    homeless = sorted({_part(name) for name in MODULES} - RANK.keys())
    assert not homeless, f"add these to LAYERS: {homeless}"


@pytest.mark.parametrize("module", sorted(MODULES))
def test_imports_point_downwards(module: str) -> None:
    part = _part(module)
    for imported in _own(GRAPH[module]):
        target = _part(imported)
        if target == part:
            continue
        assert RANK[target] <= RANK[part], f"{module} imports {imported}, from a higher layer"
        assert part not in ONLY or target in ONLY[part], f"{module} may not import {imported}"


def test_there_are_no_import_cycles() -> None:
    """Look for a cycle among all modules, also within a layer."""
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path[path.index(module) :], module))
        if module in done:
            return
        for imported in sorted(_own(GRAPH[module])):
            visit(imported, (*path, module))
        done.add(module)

    for module in sorted(MODULES):
        visit(module, ())


@pytest.mark.parametrize("distribution", CONFINED)
def test_a_distribution_is_imported_only_where_it_belongs(distribution: str) -> None:
    users = {
        _part(module)
        for module, imported in GRAPH.items()
        if any(name.partition(".")[0] == distribution for name in imported)
    }
    assert users <= CONFINED[distribution]


def test_nobody_imports_the_command_line_or_the_public_names() -> None:
    for module, imported in GRAPH.items():
        if _part(module) != "cli":
            assert not {name for name in imported if _part(name) == "cli" and name in MODULES}
        if _part(module) not in ("",):
            assert PACKAGE not in imported, f"{module} imports from the top of the package"


@pytest.mark.parametrize(
    "arguments", [["--help"], ["count", "bitnet-125m", "--json"], ["models"], ["schemes"]]
)
def test_quick_commands_load_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys; from bitnet_hw.cli import main; main(sys.argv[1:]);"
        "heavy = {'pandas', 'matplotlib', 'amaranth', 'torch', 'jinja2'} & sys.modules.keys();"
        "sys.exit(f'loaded: {sorted(heavy)}' if heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
