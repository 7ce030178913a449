"""Resources of an export on a Lattice ECP5, from synthesis with the Yosys from pip.

Nothing is placed or routed.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from ..yosys import RESULT, run_full
from .pe import PESpec
from .verilog import export_verilog, module_name

_SCRIPT = """read_verilog <<verilog
{verilog}
verilog
synth_ecp5 -top {top}{options}
check -assert
tee -q -o {result} stat -json
"""


@dataclass(frozen=True)
class Ecp5Resources:
    """Cells of a synthesised design.

    Attributes
    ----------
    cells : dict of str to int
        Number of cells of each type.
    lanes : int
        Lanes of the design.
    """

    cells: dict[str, int]
    lanes: int

    @property
    def lut4(self) -> int:
        """Four-input lookup tables."""
        return self.cells.get("LUT4", 0)

    @property
    def ccu2c(self) -> int:
        """Carry cells; each occupies two lookup tables."""
        return self.cells.get("CCU2C", 0)

    @property
    def flip_flops(self) -> int:
        """Registers."""
        return self.cells.get("TRELLIS_FF", 0)

    @property
    def dsp(self) -> int:
        """Multiplier and ALU blocks."""
        return sum(n for cell, n in self.cells.items() if cell.startswith(("MULT", "ALU")))

    @property
    def latches(self) -> int:
        """Latches of any kind."""
        return sum(n for cell, n in self.cells.items() if "LATCH" in cell.upper())

    @property
    def lut_equivalents(self) -> int:
        """LUT4 plus two per CCU2C."""
        return self.lut4 + 2 * self.ccu2c

    @property
    def lut_equivalents_per_lane(self) -> float:
        """LUT-equivalents per lane, for comparing designs."""
        return self.lut_equivalents / self.lanes

    def __str__(self) -> str:
        return (
            f"{self.lut4} LUT4, {self.ccu2c} CCU2C, {self.flip_flops} FF, {self.dsp} DSP: "
            f"{self.lut_equivalents} LUT-equivalents, {self.lut_equivalents_per_lane:.2f} per lane"
        )


def synthesise(spec: PESpec, *, dsp: bool = True) -> Ecp5Resources:
    """Export a processing element and synthesise it.

    Parameters
    ----------
    spec : PESpec
        Element to build.
    dsp : bool
        Whether multipliers may be mapped to DSP blocks.

    Raises
    ------
    ToolMissingError
        If the extra ``fpga`` is not installed.
    """
    return synthesise_verilog(export_verilog(spec), module_name(spec), spec.lanes, dsp=dsp)


def synthesise_verilog(text: str, top: str, lanes: int, *, dsp: bool = True) -> Ecp5Resources:
    """Synthesise a given export; see `synthesise`."""
    options = "" if dsp else " -nodsp"
    script = _SCRIPT.format(verilog=text, top=top, options=options, result=RESULT)
    statistics = json.loads(run_full(script))
    return Ecp5Resources(dict(statistics["design"]["num_cells_by_type"]), lanes)
