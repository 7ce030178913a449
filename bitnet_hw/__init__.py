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

from .cost.band import Band, Cost
from .cost.convention import ConventionName
from .cost.counting import count, default_scenario
from .cost.estimates import Estimate, estimate
from .cost.footprint import Footprint, footprint, largest_batch
from .cost.lowered import Lowered
from .cost.lowering import lower
from .cost.operators import operators
from .cost.pricing import price_tally
from .cost.ratios import ratio
from .cost.time import Timing, timing
from .cost.traffic import traffic
from .errors import BitnetHwError, InputError, MismatchError, MissingPriceError, ToolMissingError
from .inputs.codecs import Codec, find_codec
from .inputs.formats import Format, accumulator_bits, parse_format
from .inputs.machine import Machine, load_machine
from .inputs.model import ModelSpec, load_model
from .inputs.scenario import Scenario
from .inputs.scheme import Scheme, load_scheme
from .prices.entries import Price
from .prices.loading import load_table
from .prices.scaling import scale_table
from .prices.tables import EnergyTable
from .tally import OpTally
from .tracing import trace, trace_numpy

__all__ = [
    "Band",
    "BitnetHwError",
    "Codec",
    "ConventionName",
    "Cost",
    "EnergyTable",
    "Estimate",
    "Footprint",
    "Format",
    "InputError",
    "Lowered",
    "Machine",
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
    "load_machine",
    "load_model",
    "load_scheme",
    "load_table",
    "lower",
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
