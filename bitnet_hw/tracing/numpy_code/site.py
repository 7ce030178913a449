"""The place of an operation of numpy code: its tally, scope and side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...tally import Operation
from ..formulas import ROLES
from ..record import FP64, Operand, Place, TracedTally

Array = NDArray[Any]

_FORMATS = {
    "float64": FP64,
    "float32": "fp32",
    "float16": "fp16",
    "bool": "int8",
    **{f"{sign}int{bits}": f"int{bits}" for bits in (8, 16, 32, 64) for sign in ("", "u")},
}


def format_of(dtype: np.dtype[Any]) -> str:
    """Return the name of the number format of a type: ``fp32``, ``int8``, ``complex64``."""
    return _FORMATS.get(dtype.name, dtype.name)


class Site:
    """The place of an operation.

    Parameters
    ----------
    tally : TracedTally
        The tally to count in.
    path : str
        The scope.
    fixed : bool
        Whether the result is the same for every input.
    """

    def __init__(self, tally: TracedTally, path: str, fixed: bool) -> None:
        self.path = path
        self._tally = tally
        self._fixed = fixed

    def steps(self, name: str, form: str, counts: Mapping[Operation, int]) -> None:
        """Count elementwise operations."""
        self._tally.steps(self._place(ROLES.get(name, "elementwise")), form, counts)

    def product(
        self, role: str, m: int, k: int, outputs: int, activation: Operand, weight: Operand
    ) -> None:
        """Count dot products, as `TracedTally.product` does."""
        self._tally.product(self._place(role), m, k, outputs, activation, weight)

    def unknown(self, name: str) -> None:
        """Note a call that has no formula."""
        self._tally.unknown[self.path, name] += 1

    def _place(self, role: str) -> Place:
        return Place(self.path, role, "weight" if self._fixed else "token")
