"""Synthesis of a Verilog design to the cells of a Liberty library, with a cache.

The Yosys from pip runs generic synthesis, ``techmap`` for the remaining coarse cells, ``dfflibmap``
for flip-flops, and ABC for logic with the least delay. There is no placement, no sizing for wires
and no clock tree.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from pathlib import Path

from ..errors import InputError
from ..files.writing import whole_file
from ..yosys import RESULT, run_full, tool_version
from .liberty import load_text
from .library import Library
from .netlist import Netlist, read_json

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
        Folder of earlier results, each named by a hash of everything that it depends on.
        Default: `cache_folder`.
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
    script = _SCRIPT.format(**options, result=RESULT)
    key = hashlib.sha256()
    for part in (tool_version(), script, _without_comments(verilog), library.sha256):
        key.update(part.encode())
    cached = (cache or cache_folder()) / f"{key.hexdigest()[:32]}.json.gz"
    text = _read_cached(cached)
    if text is None:
        try:
            text = run_full(script, {"design.v": verilog, "cells.lib": load_text(library.path)})
        except RuntimeError as error:
            reason = str(error).splitlines()[-1]
            raise InputError(
                f"{library.path}: Yosys cannot map {label} to this library: {reason}"
            ) from None
        with whole_file(cached, force=True) as temporary:
            temporary.write_bytes(gzip.compress(text.encode(), 5, mtime=0))
    return read_json(text, f"netlist of {label}")


def _without_comments(verilog: str) -> str:
    """Return a design without its comment lines, which may state the versions of tools."""
    return "\n".join(line for line in verilog.splitlines() if not line.startswith("//"))


def _read_cached(path: Path) -> str | None:
    try:
        return gzip.decompress(path.read_bytes()).decode()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError):  # absent or damaged
        return None
