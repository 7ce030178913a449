"""The specification of a processing element: its parameters, its software and its hardware.

`PESpec.compute` is the software reference, `PESpec.create` builds the hardware, and everything
else that other modules need to know about a kind of processing element is a method or an
attribute of the class. Adding a kind therefore takes one file and an entry in
`bitnet_hw.rtl.family`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from enum import Enum
from typing import Any, ClassVar, Literal, TypeVar

import numpy as np
from amaranth import Shape
from amaranth.lib import wiring
from numpy.typing import NDArray

from ..errors import InputError, named, unknown_name
from .floating import FloatFormat
from .signature import PESignature

MAX_LANES = 1024
MAX_K = 1 << 24
#: Default share of zeros among random weights, close to that of an absmean-quantized Gaussian
#: matrix (0.31).
DEFAULT_ZEROS = 0.33

CodeArray = NDArray[np.uint64]
BoolArray = NDArray[np.bool_]
AnyArray = NDArray[Any]

#: Distribution of activations: Gaussian, or uniform over the whole range of their format.
Distribution = Literal["gaussian", "uniform"]
#: Content of a register.
RegisterRole = Literal["weights", "activations", "accumulator", "pipeline", "control"]

EnumT = TypeVar("EnumT", bound=Enum)


@dataclass(frozen=True, kw_only=True)
class PESpec(ABC):
    """Parameters of a processing element, its software reference and its hardware.

    Every parameter becomes an option of the command line. The metadata of its field holds the
    ``help`` text, and ``choices`` where the parameter has few values that are worth comparing.

    Attributes
    ----------
    lanes : int
        Number of lanes L: products formed per cycle.
    k_max : int
        Longest row. The guard counts whole steps, so it enforces `k_bound`, from which widths are
        derived.
    pipeline : int
        Adder-tree levels between registers; with 0, the accumulator is the only register.
    zero_gating : bool
        Whether operand registers in front of a lane hold their values while its weight is zero,
        so that the lane does not toggle.
    counters : bool
        Whether the hardware counts executed adder slots and non-zero terms.

    Raises
    ------
    InputError
        If a parameter is out of range.
    """

    #: Name on the command line and in reports.
    name: ClassVar[str]
    #: Whether a lane has a multiplier, whose product then gets a pipeline register.
    multiplies: ClassVar[bool] = False
    #: Whether the lanes hold integer multipliers, which synthesis may recode (Booth).
    integer_multipliers: ClassVar[bool] = False
    #: Whether a weight can be zero.
    zero_weights: ClassVar[bool] = True
    #: Prefixes of register names, by role; every other register is control.
    register_prefixes: ClassVar[Mapping[RegisterRole, tuple[str, ...]]] = {
        "weights": ("wgt_",),
        "activations": ("act_",),
        "accumulator": ("acc", "out_sum"),
        "pipeline": ("node_", "carry_", "product_", "live_"),
    }

    lanes: int = field(default=32, metadata={"help": "Number of lanes: products formed per cycle."})
    k_max: int = field(default=4096, metadata={"help": "Longest row that the hardware takes."})
    pipeline: int = field(
        default=1,
        metadata={"help": "Adder-tree levels between registers; 0 for no pipeline registers."},
    )
    zero_gating: bool = field(
        default=False, metadata={"help": "Hold the operands of a lane while its weight is zero."}
    )
    counters: bool = field(
        default=False,
        metadata={"help": "Add counters and their ports, tally_slots and tally_nonzero."},
    )

    def __post_init__(self) -> None:
        check_range("lanes", self.lanes, 1, MAX_LANES)
        check_range("k_max", self.k_max, 1, MAX_K)
        check_range("pipeline", self.pipeline, 0, 10)
        if self.zero_gating and not self.zero_weights:
            raise InputError(f"zero_gating does not apply to the {self.name} PE: no weight is zero")

    # Rows, steps and cycles.

    @property
    def steps_max(self) -> int:
        """Largest number of steps per row: ceil(k_max / lanes)."""
        return -(-self.k_max // self.lanes)

    @property
    def k_bound(self) -> int:
        """Largest number of terms per row, in whole steps of L lanes."""
        return self.steps_max * self.lanes

    def steps(self, k: int) -> int:
        """Return the number of steps of a row of length `k`: ceil(k / lanes)."""
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
        """Cycles from accepting a row's last step to offering its sum."""
        return self.depth + 1

    def cycles(self, k: int, rows: int = 1) -> int:
        """Return the number of cycles of `rows` rows back to back if neither stream stalls.

        This is ``rows * ceil(k / lanes) + latency``, from the cycle of the first step to that of
        the last sum, inclusive.
        """
        return rows * self.steps(k) + self.latency

    def adder_slots(self, k: int, rows: int) -> int:
        """Return the adder slots executed for `rows` rows: ``rows * ceil(k / lanes) * lanes``."""
        return rows * self.steps(k) * self.lanes

    def nonzero_terms(self, wgt: AnyArray) -> int:
        """Return the count of non-zero terms that the hardware must give for rows (R, K).

        If no weight can be zero, the hardware counts every lane of every step.
        """
        if not self.zero_weights:
            return self.adder_slots(wgt.shape[1], wgt.shape[0])
        return int(np.count_nonzero(wgt))

    # Ports and formats.

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

    @property
    @abstractmethod
    def activation_format(self) -> str:
        """Number format of an activation, as energy tables name it: ``int8``, ``fp16``."""

    @property
    def weight_format(self) -> str:
        """Number format of a weight; the processing element is named after it."""
        return self.name

    @property
    @abstractmethod
    def accumulator_format(self) -> str:
        """Number format of the sum: ``int21``, ``fp32``."""

    @property
    def sum_format(self) -> FloatFormat | None:
        """IEEE 754 format of the sum, or None if the sum is an integer."""
        return None

    def register_role(self, names: Iterable[str]) -> RegisterRole:
        """Return the role of a register.

        Parameters
        ----------
        names : iterable of str
            Names of the register's output in an export or in a netlist synthesised from it.
        """
        own = [name.removeprefix("pe_") for name in names]
        for role, prefixes in self.register_prefixes.items():
            if any(name.startswith(prefixes) for name in own):
                return role
        return "control"

    # Operands and sums, in software.

    @abstractmethod
    def check_activations(self, act: AnyArray) -> None:
        """Raise `InputError` unless the hardware accepts every value of an array of any shape."""

    @abstractmethod
    def check_weights(self, wgt: AnyArray) -> None:
        """Raise `InputError` unless the hardware accepts every value of an array of any shape."""

    def check_operands(self, act: AnyArray, wgt: AnyArray) -> None:
        """Raise `InputError` unless the hardware accepts rows (R, K), with K up to `k_max`."""
        if act.ndim != 2 or act.shape != wgt.shape or act.size == 0:
            raise InputError(
                "activations and weights must have the same shape (rows, K), "
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
        """Return the codes of an activation and a weight that fill the lanes beyond K."""

    @abstractmethod
    def compute(self, act: AnyArray, wgt: AnyArray) -> AnyArray:
        """Compute the sums that the hardware must give.

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
        """Return whether a sum of the hardware equals one of the reference."""
        return bool(got == expected)

    def random_operands(
        self, rng: np.random.Generator, rows: int, k: int, zeros: float | None = None
    ) -> tuple[AnyArray, AnyArray]:
        """Draw operands over their whole range, for testing the hardware.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of randomness.
        rows, k : int
            Shape of both arrays.
        zeros : float, optional
            Share of zeros among the weights, 0 to 1. Default: `DEFAULT_ZEROS`, or 0 if no weight
            can be zero.

        Returns
        -------
        tuple of numpy.ndarray
            Activations and weights, shape (rows, k) each.

        Raises
        ------
        InputError
            If `zeros` is out of range, or above 0 although no weight can be zero.
        """
        if zeros is None:
            zeros = DEFAULT_ZEROS if self.zero_weights else 0.0
        if not 0 <= zeros <= 1:
            raise InputError(f"the share of zero weights must be 0 to 1, found {zeros}")
        if zeros and not self.zero_weights:
            raise InputError(f"{self.name} weights have no zeros, found a share of {zeros}")
        return self.draw_operands(rng, (rows, k), zeros)

    @abstractmethod
    def draw_operands(
        self, rng: np.random.Generator, shape: tuple[int, int], zeros: float
    ) -> tuple[AnyArray, AnyArray]:
        """Draw activations and weights over their whole range; see `random_operands`."""

    @abstractmethod
    def draw_activations(
        self, rng: np.random.Generator, shape: tuple[int, int], distribution: Distribution
    ) -> AnyArray:
        """Draw activations from a distribution, for measuring energy."""

    def draw_weights(
        self, rng: np.random.Generator, shape: tuple[int, int], zeros: float
    ) -> AnyArray:
        """Draw weights with the distribution of a model, for measuring energy.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of randomness.
        shape : tuple of int
            Rows and K.
        zeros : float
            Share of zeros among ternary weights. In other formats, quantizing Gaussian weights
            determines the share.
        """
        return self.draw_operands(rng, shape, zeros if self.zero_weights else 0.0)[1]

    @abstractmethod
    def quantize_activations(self, values: AnyArray) -> AnyArray:
        """Return recorded activations, shape (tokens, K), in the format of the hardware.

        Values that the format cannot represent are kept; `check_activations` rejects them.
        """

    # Hardware.

    @abstractmethod
    def create(self) -> wiring.Component:
        """Return the hardware, with the ports of `signature`."""

    @classmethod
    def parameter_names(cls) -> list[str]:
        """Return the names of the parameters, sorted."""
        return sorted(entry.name for entry in fields(cls))

    def parameters(self) -> dict[str, object]:
        """Return the name and the parameters, as shown in reports and in headers of exports."""
        own = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        return {"pe": self.name, **own}


def check_range(name: str, value: int, low: int, high: int) -> None:
    """Raise `InputError` unless ``low <= value <= high``."""
    if not low <= value <= high:
        raise InputError(f"{name} must be {low} to {high}, found {value}")


def check_spec(spec: object) -> None:
    """Raise `InputError` unless an argument is the specification of an element."""
    if not isinstance(spec, PESpec):
        raise InputError(f"spec must be a PESpec, as make_spec returns; found {named(spec)}")


def choose(kind: type[EnumT], what: str, value: EnumT | str) -> EnumT:
    """Return a member of an enumeration, given the member or its value.

    Raises
    ------
    InputError
        If no member has that value.
    """
    try:
        return kind(value)
    except ValueError:
        raise unknown_name(what, str(value), [str(member.value) for member in kind]) from None
