"""Norms, softmax, RoPE, activations and quantizers, written out in operations."""

from __future__ import annotations

from functools import cache

from pydantic import Field

from ..files.reading import read, validate
from ..files.records import Record
from ..tally import Operation
from . import catalogue


class ElementwiseFunction(Record):
    """Operations of one function, per element and per vector."""

    why: str
    element: dict[Operation, int]
    vector: dict[Operation, int] = Field(default_factory=dict)


class ElementwiseFunctions(Record):
    """The file ``elementwise.yaml``."""

    edition: int
    functions: dict[str, ElementwiseFunction]


@cache
def elementwise_functions() -> ElementwiseFunctions:
    """Return how norms, softmax, RoPE, activations and quantizers are written out."""
    return validate(ElementwiseFunctions, read(catalogue.shared_file("elementwise.yaml")))
