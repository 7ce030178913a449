"""Elementwise functions of a Transformer, broken down into operations: ``elementwise.yaml``."""

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
        Operations per element, and further ones once per vector.
    """

    why: str
    element: dict[Operation, int]
    vector: dict[Operation, int] = Field(default_factory=dict)


class ElementwiseFunctions(Record):
    """Content of the file ``elementwise.yaml``."""

    edition: int
    functions: dict[str, ElementwiseFunction]


@cache
def elementwise_functions() -> ElementwiseFunctions:
    """Return the operations of norms, softmax, RoPE, activation functions and quantizers.

    Examples
    --------
    >>> elementwise_functions().functions["relu"].element
    {'compare': 1}
    """
    return validate(ElementwiseFunctions, read(catalogue.shared_file("elementwise.yaml")))
