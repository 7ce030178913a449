"""What a processing element computes, said once.

A specification object holds the parameters; `PESpec.compute` is the software reference and
`PESpec.create` the hardware.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
from amaranth import Shape
from amaranth.lib import wiring
from numpy.typing import NDArray

from ..errors import InputError
from .signature import PESignature

MAX_LANES = 1024
MAX_K = 1 << 24

CodeArray = NDArray[np.uint64]
AnyArray = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class PESpec(ABC):
    """Parameters of a processing element, its software reference and its hardware.

    Attributes
    ----------
    lanes : int
        L, products formed in one cycle.
    k_max : int
        Longest row. The guard counts whole steps, so the bound that it enforces, and that
        widths are derived from, is `k_bound`.
    pipeline : int
        Adder-tree levels between registers; 0 for none, which leaves the accumulator alone.
    zero_gating : bool
        Operand registers in front of the lanes, which hold their value where the weight is
        zero, so that such a lane does not toggle.
    counters : bool
        Counters of executed adder slots and non-zero terms.

    Raises
    ------
    InputError
        If a parameter is out of range.
    """

    #: As the command line takes it.
    name: ClassVar[str]
    #: Whether a lane multiplies, so that a product register pays off.
    multiplies: ClassVar[bool] = False

    lanes: int = 32
    k_max: int = 4096
    pipeline: int = 1
    zero_gating: bool = False
    counters: bool = False

    def __post_init__(self) -> None:
        check_range("lanes", self.lanes, 1, MAX_LANES)
        check_range("k_max", self.k_max, 1, MAX_K)
        check_range("pipeline", self.pipeline, 0, 10)

    @property
    def steps_max(self) -> int:
        """Most steps of a row: ceil(k_max / lanes)."""
        return -(-self.k_max // self.lanes)

    @property
    def k_bound(self) -> int:
        """Most terms that a row can hold: whole steps of L lanes."""
        return self.steps_max * self.lanes

    def steps(self, k: int) -> int:
        """Return the steps of a row of length `k`: ceil(k / lanes)."""
        return -(-k // self.lanes)

    @property
    def tree_levels(self) -> int:
        """Levels of the adder tree: ceil(log2(lanes))."""
        return (self.lanes - 1).bit_length()

    @property
    def depth(self) -> int:
        """Pipeline registers between the operand ports and the accumulator."""
        if self.pipeline == 0:
            return int(self.zero_gating)
        tree = max(1, -(-self.tree_levels // self.pipeline))
        return int(self.zero_gating) + int(self.multiplies) + tree

    @property
    def latency(self) -> int:
        """Cycles from the one that takes a row's last step to the one that shows its sum."""
        return self.depth + 1

    def cycles(self, k: int, rows: int = 1) -> int:
        """Return the cycles of `rows` rows back to back, none of the streams stalled.

        ``rows * ceil(k / lanes) + latency``, both ends counted.
        """
        return rows * self.steps(k) + self.latency

    @property
    @abstractmethod
    def act_shape(self) -> Shape:
        """Shape of one activation."""

    @property
    @abstractmethod
    def wgt_shape(self) -> Shape:
        """Shape of one weight code."""

    @property
    @abstractmethod
    def sum_shape(self) -> Shape:
        """Shape of the sum."""

    @property
    def signature(self) -> PESignature:
        """Ports of the hardware."""
        return PESignature(self.lanes, self.act_shape, self.wgt_shape, self.sum_shape)

    @abstractmethod
    def check_activations(self, act: AnyArray) -> None:
        """Raise `InputError` unless an array of any shape holds values that the hardware takes."""

    @abstractmethod
    def check_weights(self, wgt: AnyArray) -> None:
        """Raise `InputError` unless an array of any shape holds values that the hardware takes."""

    def check_operands(self, act: AnyArray, wgt: AnyArray) -> None:
        """Raise `InputError` unless rows (R, K) of both fit the hardware, K up to `k_max`."""
        if act.ndim != 2 or act.shape != wgt.shape or act.size == 0:
            raise InputError(
                "activations and weights must be two equal shapes (rows, K), "
                f"found {act.shape} and {wgt.shape}"
            )
        check_range("K", act.shape[1], 1, self.k_max)
        self.check_activations(act)
        self.check_weights(wgt)

    @abstractmethod
    def encode(self, act: AnyArray, wgt: AnyArray) -> tuple[CodeArray, CodeArray]:
        """Return the bit patterns of operands, as unsigned integers of the same shapes."""

    @abstractmethod
    def padding(self) -> tuple[int, int]:
        """Return the codes that fill the lanes beyond K: an activation and a weight."""

    @abstractmethod
    def compute(self, act: AnyArray, wgt: AnyArray) -> AnyArray:
        """Compute what the hardware computes.

        Parameters
        ----------
        act, wgt : numpy.ndarray
            Shape (R, K): row r is the dot product of ``act[r]`` with ``wgt[r]``.

        Returns
        -------
        numpy.ndarray
            Shape (R,).
        """

    @abstractmethod
    def decode(self, code: int) -> Any:  # noqa: ANN401  a number of any format
        """Return the value of a sum's bit pattern."""

    @abstractmethod
    def encode_sum(self, value: Any) -> int:  # noqa: ANN401  a number of any format
        """Return the bit pattern of a sum of the reference."""

    def agrees(self, got: Any, expected: Any) -> bool:  # noqa: ANN401  a number of any format
        """Whether a sum of the hardware equals one of the reference."""
        return bool(got == expected)

    def nonzero_terms(self, wgt: AnyArray) -> int:
        """Return how many terms the counter of non-zero weights sees for rows (R, K)."""
        return int(np.count_nonzero(wgt))

    def adder_slots(self, k: int, rows: int) -> int:
        """Return the adder slots that `rows` rows execute: ``rows * ceil(k / lanes) * lanes``."""
        return rows * self.steps(k) * self.lanes

    @abstractmethod
    def random_operands(
        self, rng: np.random.Generator, rows: int, k: int, zeros: float
    ) -> tuple[AnyArray, AnyArray]:
        """Draw operands of shape (rows, k) over the whole range, a share of weights zero."""

    @abstractmethod
    def create(self) -> wiring.Component:
        """Return the hardware, with the ports of `signature`."""

    def parameters(self) -> dict[str, object]:
        """Return name and parameters as they stand in reports and exported headers."""
        own = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return {"pe": self.name, **own}


def check_range(name: str, value: int, low: int, high: int) -> None:
    """Raise `InputError` unless ``low <= value <= high``."""
    if not low <= value <= high:
        raise InputError(f"{name} must be {low} to {high}, found {value}")
