"""How many operations an elementwise operator, a reduction or a fused function performs.

By the names that PyTorch has for them; `NUMPY_NAMES` maps numpy's. Functions that the closed form
knows too (``elementwise.yaml``) are written out the same way here.
"""

from __future__ import annotations

from collections.abc import Mapping

from ..inputs.roles import module_role
from ..tally import Operation

Counts = Mapping[Operation, int]

_TANH: Counts = {"mul": 1, "exp": 1, "add": 2, "div": 1}  # 1 - 2 / (exp(2 u) + 1)
# Range reduction (times 2/pi, round, subtract), then a polynomial of degree 4 with the same number
# of steps whatever the quadrant.
_CIRCLE: Counts = {"mul": 5, "add": 5, "round": 1}

#: Operator -> operations an element of the result. A change of sign or of the sign bit is free.
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
    "tanh": _TANH,
    "sigmoid": {"exp": 1, "add": 1, "div": 1},
    "silu": {"exp": 1, "add": 1, "div": 1},
    "gelu": {"mul": 6, "add": 4, "exp": 1, "div": 1},
    "relu": {"compare": 1},
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

#: Reduction -> (what joins two elements, operations an element, operations a result). n elements
#: become one result in n - 1 steps.
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
    # Subtract the mean, square, sum: two sums over the elements, of which one counts here.
    "var": ("add", {"add": 2, "mul": 1}, {"mul": 2}),
    "std": ("add", {"add": 2, "mul": 1}, {"mul": 3, "rsqrt": 1}),
}

#: Function -> (operations an element, operations a vector), as the closed form writes them out.
#: The softmax lacks the scaling, which a model does in an operator of its own.
VECTORS: dict[str, tuple[Counts, Counts]] = {
    "softmax": ({"compare": 1, "add": 2, "exp": 1, "mul": 1}, {"div": 1}),
    "layer_norm": ({"mul": 3, "add": 4}, {"mul": 2, "add": 1, "rsqrt": 1}),
    "rms_norm": ({"mul": 3, "add": 1}, {"mul": 1, "add": 1, "rsqrt": 1}),
}

_SOFT = {"softmax": "softmax"}
_ACTIVATIONS = ("silu", "gelu", "relu", "leaky_relu", "sigmoid", "tanh", "hardtanh", "threshold")
_QUANTIZERS = ("round", "clamp", "clamp_min", "clamp_max")
#: Operator -> role, where the operator alone tells it.
ROLES: dict[str, str] = {
    **_SOFT,
    **dict.fromkeys(_ACTIVATIONS, "activation"),
    **dict.fromkeys(_QUANTIZERS, "quantize"),
    "layer_norm": "norm",
    "rms_norm": "norm",
}

#: numpy's ufunc -> the name above.
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
