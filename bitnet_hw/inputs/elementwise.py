"""The elementwise functions of a Transformer, written out in operations: ``elementwise.yaml``."""

from __future__ import annotations

from functools import cache
from typing import Literal

from pydantic import Field

from ..files.reading import read, validate
from ..files.records import Record
from . import catalogue

Operation = Literal[
    "mul", "add", "ternary-add", "compare", "exp", "div", "rsqrt", "round", "bit", "mac"
]


class ElementwiseFunction(Record):
    """Operations of one function, per element and per vector.

    Attributes
    ----------
    why : str
        How the function is computed.
    element, vector : dict of Operation to int
        Operations per element, and once per vector on top.
    """

    why: str
    element: dict[Operation, int]
    vector: dict[Operation, int] = Field(default_factory=dict)


class ElementwiseFunctions(Record):
    """The file ``elementwise.yaml``."""

    edition: int
    functions: dict[str, ElementwiseFunction]


@cache
def elementwise_functions() -> ElementwiseFunctions:
    """Return how norms, softmax, RoPE, activations and quantizers are written out.

    Examples
    --------
    >>> elementwise_functions().functions["relu"].element
    {'compare': 1}
    """
    return validate(ElementwiseFunctions, read(catalogue.shared_file("elementwise.yaml")))
