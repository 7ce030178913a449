"""Public names of bitnet_hw, each with the module that defines it; `__init__.py` loads them."""

from .calibration.rows import load_rows
from .calibration.single import calibrate
from .calibration.validation import validate
from .census.record import Census
from .census.take import take_census
from .cost.area import MachineArea, machine_area
from .cost.band import Band, Cost
from .cost.convention import ConventionName
from .cost.counting import count, default_scenario
from .cost.equal_silicon import Equalised, equalised
from .cost.estimates import Estimate, estimate
from .cost.footprint import Footprint, footprint, largest_batch
from .cost.lowered import Lowered
from .cost.lowering import lower
from .cost.operators import operators
from .cost.pricing import price_tally
from .cost.ratios import ratio
from .cost.time import Timing, timing
from .cost.traffic import traffic
from .errors import (
    BitnetHwError,
    ContradictionError,
    InputError,
    MismatchError,
    MissingPriceError,
    ToolMissingError,
)
from .inputs.accumulators import accumulator_bits
from .inputs.codecs import Codec, find_codec
from .inputs.formats import Format, parse_format
from .inputs.machine import Machine, load_machine
from .inputs.model import ModelSpec, load_model
from .inputs.scenario import Scenario
from .inputs.scheme import Scheme, load_scheme
from .measurement.measure import measure
from .measurement.record import Measurement
from .prices.entries import Price
from .prices.loading import load_table
from .prices.scaling import scale_table
from .prices.tables import EnergyTable, MacTable, OperationTable
from .reference.bitlinear import BitLinear
from .rtl.family import make_spec
from .rtl.simulate import SimulationReport, simulate
from .rtl.testbench import export_testbench
from .rtl.verilog import export_verilog
from .tally import OpTally
from .tracing import trace, trace_numpy

__all__ = [
    "Band",
    "BitLinear",
    "BitnetHwError",
    "Census",
    "Codec",
    "ContradictionError",
    "ConventionName",
    "Cost",
    "EnergyTable",
    "Equalised",
    "Estimate",
    "Footprint",
    "Format",
    "InputError",
    "Lowered",
    "MacTable",
    "Machine",
    "MachineArea",
    "Measurement",
    "MismatchError",
    "MissingPriceError",
    "ModelSpec",
    "OpTally",
    "OperationTable",
    "Price",
    "Scenario",
    "Scheme",
    "SimulationReport",
    "Timing",
    "ToolMissingError",
    "accumulator_bits",
    "calibrate",
    "count",
    "default_scenario",
    "equalised",
    "estimate",
    "export_testbench",
    "export_verilog",
    "find_codec",
    "footprint",
    "largest_batch",
    "load_machine",
    "load_model",
    "load_rows",
    "load_scheme",
    "load_table",
    "lower",
    "machine_area",
    "make_spec",
    "measure",
    "operators",
    "parse_format",
    "price_tally",
    "ratio",
    "scale_table",
    "simulate",
    "take_census",
    "timing",
    "trace",
    "trace_numpy",
    "traffic",
    "validate",
]
