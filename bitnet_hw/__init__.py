"""Hardware simulation and energy-cost modelling for BitNet.

Examples
--------
>>> import bitnet_hw as bh
>>> model = bh.load_model("bitnet-b1.58-2b4t")
>>> table = bh.load_table("7nm")
>>> fp16, ternary = (
...     bh.estimate(model, bh.load_scheme(name), table) for name in ("fp16", "bitnet-b1.58")
... )
>>> round(bh.ratio(fp16, ternary).value, 2)
3.73
"""

from .counting import Convention, count
from .energy import EnergyTable, load_table, price_tally
from .errors import (
    BitnetHwError,
    InputError,
    MismatchError,
    MissingPriceError,
    ToolMissingError,
)
from .estimate import Band, Estimate, default_scenario, estimate, ratio
from .formats import Codec, Format, accumulator_bits, find_codec, parse_format
from .hardware import Hardware, load_hardware
from .memory import Footprint, footprint, largest_batch, traffic
from .model import ModelSpec, load_model
from .prices import Price
from .scaling import scale_table
from .scheme import Scheme, load_scheme
from .tally import OpTally
from .timing import Timing, timing
from .tracing import trace, trace_numpy
from .workload import Scenario, operators

__all__ = [
    "Band",
    "BitnetHwError",
    "Codec",
    "Convention",
    "EnergyTable",
    "Estimate",
    "Footprint",
    "Format",
    "Hardware",
    "InputError",
    "MismatchError",
    "MissingPriceError",
    "ModelSpec",
    "OpTally",
    "Price",
    "Scenario",
    "Scheme",
    "Timing",
    "ToolMissingError",
    "accumulator_bits",
    "count",
    "default_scenario",
    "estimate",
    "find_codec",
    "footprint",
    "largest_batch",
    "load_hardware",
    "load_model",
    "load_scheme",
    "load_table",
    "operators",
    "parse_format",
    "price_tally",
    "ratio",
    "scale_table",
    "timing",
    "trace",
    "trace_numpy",
    "traffic",
]
