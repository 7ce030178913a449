"""Operands that a measurement feeds, and the sums that must come out."""

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
from ..rtl.pe import AnyArray, PESpec
from ..rtl.stimulus import Stimulus

Distribution = Literal["gaussian", "uniform"]

#: Absmax quantization scales a row so that its largest value is the top of the range. Among 2560
#: Gaussian values, the width of a small model, that is on average at 3.5 standard deviations.
SIGMAS_TO_ABSMAX = 3.5


@dataclass(frozen=True)
class Stimuli:
    """What the operands look like.

    Attributes
    ----------
    activations : {"gaussian", "uniform"}
        Gaussian: absmax-quantized to the integer format, or of unit variance in FP16. Uniform:
        the whole integer range, or -1 to 1.
    recorded : pathlib.Path or None
        A ``.npy`` file of activations, shape (tokens, K), in place of drawn ones. Floats are
        absmax-quantized a token for integer elements; integers are taken as they are.
    zeros : float
        Share of zeros among ternary weights. Other weights are Gaussian, quantized like the
        activations; a binary one is never zero.
    held : int
        Tokens B that a weight stays for: it changes every B cycles.
    rows, steps : int
        Dot products, and cycles of each.
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
        for name, low, high in (("held", 1, 1 << 16), ("rows", 2, 1 << 16), ("steps", 1, 1 << 12)):
            if not low <= getattr(self, name) <= high:
                raise InputError(f"{name} must be {low} to {high}, found {getattr(self, name)}")

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
class Run:
    """One seed's operands.

    Attributes
    ----------
    steps : list of int
        The bits of each step: last, first, weights, activations, lowest first.
    widths : tuple of int
        Bits of all weights and of all activations of a step.
    sums : list of int
        The reference's bit pattern of each row.
    """

    steps: list[int]
    widths: tuple[int, int]
    sums: list[int]

    def fields(self, step: int) -> dict[str, int]:
        """Return the port values of one step."""
        wgt, act = self.widths
        return {
            "in_last": step & 1,
            "in_first": step >> 1 & 1,
            "in_wgt": step >> 2 & ((1 << wgt) - 1),
            "in_act": step >> (2 + wgt) & ((1 << act) - 1),
        }


def draw(spec: PESpec, stimuli: Stimuli, seed: int) -> Run:
    """Draw operands and compute the sums that the hardware must give."""
    rng = np.random.default_rng(seed)
    shape = (stimuli.rows, stimuli.steps * spec.lanes)
    if stimuli.recorded is None:
        act = _activations(spec, stimuli.activations, rng, shape)
    else:
        act = _recorded(spec, stimuli.recorded, rng, shape)
    wgt = _weights(spec, stimuli.zeros, rng, shape)
    if stimuli.held > 1:
        step = np.arange(stimuli.rows * stimuli.steps) // stimuli.held
        wgt = wgt.reshape(-1, spec.lanes)[step].reshape(shape)
    fed = Stimulus.from_rows(spec, act, wgt)
    widths = (spec.lanes * spec.wgt_shape.width, spec.lanes * spec.act_shape.width)
    steps = [
        int(last) | int(first) << 1 | w << 2 | a << (2 + widths[0])
        for last, first, w, a in zip(
            fed.last, fed.first, _integers(fed.wgt), _integers(fed.act), strict=True
        )
    ]
    return Run(steps, widths, [spec.encode_sum(value) for value in spec.compute(act, wgt)])


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
    # Whole stretches from random places, so that neighbours stay neighbours.
    flat = values.reshape(-1)
    if flat.size < shape[1]:
        raise InputError(f"{path}: {flat.size} activations, but a row takes {shape[1]}")
    starts = rng.integers(0, flat.size - shape[1] + 1, shape[0])
    return np.asarray(np.stack([flat[start : start + shape[1]] for start in starts]))
