"""Operands of a measurement, and the sums that the hardware must give."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError
from ..rtl.operands import load_array
from ..rtl.pe import AnyArray, Distribution, PESpec, check_range
from ..rtl.stimulus import Stimulus


@dataclass(frozen=True)
class Operands:
    """Distribution and number of the operands.

    Attributes
    ----------
    activations : {"gaussian", "uniform"}
        Distribution that activations are drawn from. ``gaussian``: absmax-quantized to the
        integer format, or with unit variance in FP16. ``uniform``: over the whole integer range,
        or between -1 and 1 in FP16.
    recorded : pathlib.Path or None
        A ``.npy`` file of activations, shape (tokens, K), to use in place of random ones. For
        integer elements, floats are absmax-quantized per token and integers are used unchanged.
    zeros : float
        Share of zeros among ternary weights. Binary weights are never zero, and all other weights
        are Gaussian and quantized like the activations.
    held : int
        Number B of tokens that share a weight; weights change every B cycles.
    rows, steps : int
        Number of dot products, and number of cycles of each.

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
    """Operands of one seed in the form of the input ports, one word per cycle.

    Attributes
    ----------
    first, last : list of bool
        Marks of a row's first and last step.
    act, wgt : list of int
        Bits of the activations and the weights of each step, lane 0 lowest.
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
        act = spec.draw_activations(rng, shape, operands.activations)
    else:
        act = _recorded(spec, operands.recorded, rng, shape)
    wgt = spec.draw_weights(rng, shape, operands.zeros)
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


def _recorded(
    spec: PESpec, path: Path, rng: np.random.Generator, shape: tuple[int, int]
) -> AnyArray:
    def accept(array: AnyArray) -> None:
        if not np.issubdtype(array.dtype, np.number) or not np.isfinite(array).all():
            raise InputError(f"activations must be finite numbers; found dtype {array.dtype}")

    values = spec.quantize_activations(load_array(path, "activations", accept))
    try:
        spec.check_activations(values)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    # Contiguous stretches from random positions keep neighbouring activations together.
    flat = values.reshape(-1)
    if flat.size < shape[1]:
        raise InputError(f"{path}: {flat.size} activations, but a row takes {shape[1]}")
    starts = rng.integers(0, flat.size - shape[1] + 1, shape[0])
    return np.asarray(np.stack([flat[start : start + shape[1]] for start in starts]))
