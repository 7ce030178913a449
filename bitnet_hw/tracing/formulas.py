"""Operations of elementwise operators, reductions and fused functions.

Operators have PyTorch's names, to which `NUMPY_NAMES` maps numpy's. Both front ends use these
tables. Functions that the closed form also counts come from ``elementwise.yaml``.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..inputs.elementwise import elementwise_functions
from ..inputs.roles import module_role
from ..tally import Operation

Counts = Mapping[Operation, int]

_WRITTEN = elementwise_functions().functions
# Range reduction (times 2/pi, round, subtract), then a polynomial of degree 4, which has the same
# number of steps in every quadrant.
_CIRCLE: Counts = {"mul": 5, "add": 5, "round": 1}

#: Operator -> operations per element of the result. Changing the sign is free.
ELEMENTWISE: dict[str, Counts] = {
    "add": {"add": 1},
    "sub": {"add": 1},
    "rsub": {"add": 1},
    "mul": {"mul": 1},
    "square": {"mul": 1},
    "div": {"div": 1},
    "reciprocal": {"div": 1},
    "floor_divide": {"div": 1, "round": 1},
    "remainder": {"div": 1, "round": 1, "mul": 1, "add": 1},
    "fmod": {"div": 1, "round": 1, "mul": 1, "add": 1},
    "addcmul": {"mul": 1, "add": 1},
    "addcdiv": {"div": 1, "add": 1},
    "lerp": {"mul": 1, "add": 2},
    "exp": {"exp": 1},
    "exp2": {"exp": 1},
    "expm1": {"exp": 1, "add": 1},
    "tanh": _WRITTEN["tanh"].element,
    "sigmoid": _WRITTEN["sigmoid"].element,
    "silu": _WRITTEN["silu"].element,
    "gelu": _WRITTEN["gelu"].element,
    "relu": _WRITTEN["relu"].element,
    "leaky_relu": {"compare": 1, "mul": 1},
    "hardtanh": {"compare": 2},
    "cos": _CIRCLE,
    "sin": _CIRCLE,
    "rsqrt": {"rsqrt": 1},
    "sqrt": {"rsqrt": 1, "mul": 1},
    "sign": {"compare": 1},
    "sgn": {"compare": 1},
    "maximum": {"compare": 1},
    "minimum": {"compare": 1},
    "clamp_min": {"compare": 1},
    "clamp_max": {"compare": 1},
    "threshold": {"compare": 1},
    "eq": {"compare": 1},
    "ne": {"compare": 1},
    "lt": {"compare": 1},
    "le": {"compare": 1},
    "gt": {"compare": 1},
    "ge": {"compare": 1},
    "isnan": {"compare": 1},
    "isinf": {"compare": 1},
    "isfinite": {"compare": 1},
    "round": {"round": 1},
    "floor": {"round": 1},
    "ceil": {"round": 1},
    "trunc": {"round": 1},
    "bitwise_and": {"bit": 1},
    "bitwise_or": {"bit": 1},
    "bitwise_xor": {"bit": 1},
    "bitwise_not": {"bit": 1},
    "bitwise_left_shift": {"bit": 1},
    "bitwise_right_shift": {"bit": 1},
    "logical_and": {"bit": 1},
    "logical_or": {"bit": 1},
    "logical_xor": {"bit": 1},
    "logical_not": {"bit": 1},
    "abs": {},
    "neg": {},
    "where": {},
    "masked_fill": {},
}

#: Reduction -> (operation that combines two elements, operations per element, operations per
#: result). Reducing n elements to one result takes n - 1 combinations.
REDUCTIONS: dict[str, tuple[Operation, Counts, Counts]] = {
    "sum": ("add", {}, {}),
    "cumsum": ("add", {}, {}),
    "mean": ("add", {}, {"mul": 1}),
    "prod": ("mul", {}, {}),
    "amax": ("compare", {}, {}),
    "amin": ("compare", {}, {}),
    "max": ("compare", {}, {}),
    "min": ("compare", {}, {}),
    "argmax": ("compare", {}, {}),
    "argmin": ("compare", {}, {}),
    "any": ("bit", {}, {}),
    "all": ("bit", {}, {}),
    "count_nonzero": ("add", {"compare": 1}, {}),
    "linalg_vector_norm": ("add", {"mul": 1}, {"rsqrt": 1, "mul": 1}),
    # Subtract the mean, square, sum. Of the two sums over the elements, one is in "add" here.
    "var": ("add", {"add": 2, "mul": 1}, {"mul": 2}),
    "std": ("add", {"add": 2, "mul": 1}, {"mul": 3, "rsqrt": 1}),
}

#: Exponent -> operations of a power.
_POWERS: dict[float, Counts] = {
    0.5: {"rsqrt": 1, "mul": 1},
    -0.5: {"rsqrt": 1},
    -1.0: {"div": 1},
    1.0: {},
    2.0: {"mul": 1},
    3.0: {"mul": 2},
    4.0: {"mul": 2},
}


def power(exponent: float) -> Counts | None:
    """Return the operations of a power with a constant exponent, or None without a formula."""
    return _POWERS.get(exponent)


#: A power of a constant: base ** x = 2 ** (x log2 base).
POWER_OF_CONSTANT: Counts = {"mul": 1, "exp": 1}
#: Division by a constant, whose reciprocal is a constant.
DIVISION_BY_CONSTANT: Counts = {"mul": 1}


def clamp(bounds: int) -> Counts:
    """Return the operations of a clamp to one or two bounds."""
    return {"compare": bounds}


def _less(counts: Counts, **left_out: int) -> Counts:
    return {name: each - left_out.get(name, 0) for name, each in counts.items()}


#: Function -> (operations per element, operations per vector).
VECTORS: dict[str, tuple[Counts, Counts]] = {
    # The scaling of the scores is a separate operator.
    "softmax": (_less(_WRITTEN["softmax"].element, mul=1), _WRITTEN["softmax"].vector),
    "layer_norm": (_WRITTEN["layernorm"].element, _WRITTEN["layernorm"].vector),
    "rms_norm": (_WRITTEN["rmsnorm"].element, _WRITTEN["rmsnorm"].vector),
}

_ACTIVATIONS = ("silu", "gelu", "relu", "leaky_relu", "sigmoid", "tanh", "hardtanh", "threshold")
_QUANTIZERS = ("round", "clamp", "clamp_min", "clamp_max")
#: Operator -> role, where the operator alone determines it.
ROLES: dict[str, str] = {
    "softmax": "softmax",
    **dict.fromkeys(_ACTIVATIONS, "activation"),
    **dict.fromkeys(_QUANTIZERS, "quantize"),
    "layer_norm": "norm",
    "rms_norm": "norm",
}

#: numpy's ufunc -> name of the operator.
NUMPY_NAMES: dict[str, str] = {
    "subtract": "sub",
    "multiply": "mul",
    "divide": "div",
    "true_divide": "div",
    "absolute": "abs",
    "fabs": "abs",
    "negative": "neg",
    "positive": "neg",
    "fmax": "maximum",
    "fmin": "minimum",
    "rint": "round",
    "equal": "eq",
    "not_equal": "ne",
    "less": "lt",
    "less_equal": "le",
    "greater": "gt",
    "greater_equal": "ge",
    "invert": "bitwise_not",
    "left_shift": "bitwise_left_shift",
    "right_shift": "bitwise_right_shift",
}


def product_role(scope: str) -> str:
    """Return the role of a product with stored weights from its module path."""
    return module_role(scope) or "linear"


def times(counts: Counts, number: int) -> dict[Operation, int]:
    """Return counts multiplied by a number."""
    return {operation: each * number for operation, each in counts.items()}


def reduction(name: str, elements: int, results: int) -> dict[Operation, int]:
    """Return the operations of a reduction of `elements` numbers to `results`."""
    joins, element, result = REDUCTIONS[name]
    found = times(element, elements)
    for operation, each in result.items():
        found[operation] = found.get(operation, 0) + each * results
    found[joins] = found.get(joins, 0) + max(elements - results, 0)
    return found


def vector_function(name: str, elements: int, vectors: int) -> dict[Operation, int]:
    """Return the operations of a function that needs several passes over a vector."""
    element, vector = VECTORS[name]
    found = times(element, elements)
    for operation, each in vector.items():
        found[operation] = found.get(operation, 0) + each * vectors
    return found
