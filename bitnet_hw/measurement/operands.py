"""Operands of a measurement, and the sums that the hardware must give."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ..errors import InputError
from ..rtl.fp16 import Fp16Spec
from ..rtl.integer import IntegerSpec
from ..rtl.multiply import MultiplySpec
from ..rtl.operands import load_array
from ..rtl.pe import AnyArray, PESpec, check_range
from ..rtl.stimulus import Stimulus

Distribution = Literal["gaussian", "uniform"]

#: Absmax quantization maps a row's largest magnitude to the end of the range. Among 2560 Gaussian
#: values, the width of a small model, it is 3.5 standard deviations on average.
SIGMAS_TO_ABSMAX = 3.5


@dataclass(frozen=True)
class Operands:
    """Distribution and number of the operands.

    Attributes
    ----------
    activations : {"gaussian", "uniform"}
        Gaussian: absmax-quantized to the integer format, or of unit variance in FP16. Uniform:
        the whole integer range, or -1 to 1.
    recorded : pathlib.Path or None
        A ``.npy`` file of activations, shape (tokens, K), in place of drawn ones. Floats are
        absmax-quantized per token for integer elements; integers are taken as they are.
    zeros : float
        Share of zeros among ternary weights. Binary weights have none, and other weights are
        Gaussian, quantized like the activations.
    held : int
        Number of tokens B that share a weight, which changes every B cycles.
    rows, steps : int
        Number of dot products, and cycles of each.

    Raises
    ------
    InputError
        If a value is out of range.
    """

    activations: Distribution = "gaussian"
    recorded: Path | None = None
    zeros: float = 1 / 3
    held: int = 1
    rows: int = 16
    steps: int = 8

    def __post_init__(self) -> None:
        if not 0 <= self.zeros < 1:
            raise InputError(f"zeros must be at least 0 and below 1, found {self.zeros}")
        check_range("held", self.held, 1, 1 << 16)
        check_range("rows", self.rows, 2, 1 << 16)
        check_range("steps", self.steps, 1, 1 << 12)

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "activations": self.recorded.name if self.recorded else self.activations,
            "ternary_weight_zeros": round(self.zeros, 4),
            "weights_held_for_tokens": self.held,
            "rows": self.rows,
            "steps": self.steps,
        }


@dataclass(frozen=True)
class OperandStream:
    """Operands of one seed, as the ports take them, one word per cycle.

    Attributes
    ----------
    first, last : list of bool
        Marks of a row's first and last step.
    act, wgt : list of int
        Bits of the activations and of the weights of each step, lane 0 lowest.
    sums : list of int
        Bit pattern of each row's sum, from the software reference.
    """

    first: list[bool]
    last: list[bool]
    act: list[int]
    wgt: list[int]
    sums: list[int]


def draw(spec: PESpec, operands: Operands, seed: int) -> OperandStream:
    """Draw operands and compute the sums that the hardware must give.

    Raises
    ------
    InputError
        If recorded activations cannot be read or do not fit the element.
    """
    rng = np.random.default_rng(seed)
    shape = (operands.rows, operands.steps * spec.lanes)
    if operands.recorded is None:
        act = _activations(spec, operands.activations, rng, shape)
    else:
        act = _recorded(spec, operands.recorded, rng, shape)
    wgt = _weights(spec, operands.zeros, rng, shape)
    if operands.held > 1:
        step = np.arange(operands.rows * operands.steps) // operands.held
        wgt = wgt.reshape(-1, spec.lanes)[step].reshape(shape)
    fed = Stimulus.from_rows(spec, act, wgt)
    return OperandStream(
        first=fed.first.tolist(),
        last=fed.last.tolist(),
        act=_integers(fed.act),
        wgt=_integers(fed.wgt),
        sums=[spec.encode_sum(value) for value in spec.compute(act, wgt)],
    )


def _integers(packed: AnyArray) -> list[int]:
    return [int.from_bytes(row.astype("<u4").tobytes(), "little") for row in packed]


def _activations(
    spec: PESpec, kind: Distribution, rng: np.random.Generator, shape: tuple[int, int]
) -> AnyArray:
    if isinstance(spec, IntegerSpec):
        top = (1 << (spec.act_bits - 1)) - 1
        if kind == "uniform":
            return rng.integers(-top - 1, top + 1, shape, dtype=np.int64)
        return _quantized(rng.standard_normal(shape) / SIGMAS_TO_ABSMAX, top)
    if kind == "uniform":
        return rng.uniform(-1, 1, shape).astype(np.float16)
    return rng.standard_normal(shape).astype(np.float16)


def _quantized(values: AnyArray, top: int) -> AnyArray:
    return np.asarray(np.clip(np.rint(values * top), -top, top).astype(np.int64))


def _weights(
    spec: PESpec, zeros: float, rng: np.random.Generator, shape: tuple[int, int]
) -> AnyArray:
    if isinstance(spec, Fp16Spec):
        return rng.standard_normal(shape).astype(np.float16)
    if isinstance(spec, MultiplySpec):
        top = (1 << (spec.wgt_bits - 1)) - 1
        return _quantized(rng.standard_normal(shape) / SIGMAS_TO_ABSMAX, top)
    signs = rng.choice(np.array([-1, 1], dtype=np.int64), shape)
    if spec.name == "binary":
        return signs
    return np.asarray(signs * (rng.random(shape) >= zeros))


def _recorded(
    spec: PESpec, path: Path, rng: np.random.Generator, shape: tuple[int, int]
) -> AnyArray:
    def accept(array: AnyArray) -> None:
        if not np.issubdtype(array.dtype, np.number) or not np.isfinite(array).all():
            raise InputError(f"activations must be finite numbers; found dtype {array.dtype}")

    values = load_array(path, "activations", accept)
    if isinstance(spec, IntegerSpec) and np.issubdtype(values.dtype, np.floating):
        top = (1 << (spec.act_bits - 1)) - 1
        largest = np.abs(values).max(axis=1, keepdims=True)
        values = _quantized(values / np.where(largest == 0, 1, largest), top)
    elif not isinstance(spec, IntegerSpec):
        values = values.astype(np.float16)
    try:
        spec.check_activations(values)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    # Contiguous stretches from random positions, so that neighbours stay neighbours.
    flat = values.reshape(-1)
    if flat.size < shape[1]:
        raise InputError(f"{path}: {flat.size} activations, but a row takes {shape[1]}")
    starts = rng.integers(0, flat.size - shape[1] + 1, shape[0])
    return np.asarray(np.stack([flat[start : start + shape[1]] for start in starts]))
