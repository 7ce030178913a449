"""The stimulus of a simulation: rows cut into steps, and the stalls of both streams.

Every backend uses the same bits and the same stalls, so that runs compare cycle by cycle.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from .pe import AnyArray, PESpec

Words = NDArray[np.uint32]


@dataclass(frozen=True)
class Stalls:
    """Random stalls of both streams, from an independent coin toss per stream and cycle.

    Attributes
    ----------
    probability : float
        Probability per cycle that the source offers no new step, and that the sink is not
        ready; at least 0 and below 1.
    seed : int
        Seed of both coins, 0 to 4294967295.

    Raises
    ------
    InputError
        If a value is out of range.
    """

    probability: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.probability < 1:
            raise InputError(
                f"the stall probability must be at least 0 and below 1, found {self.probability}"
            )
        if not 0 <= self.seed < 1 << 32:
            raise InputError(f"seed must be 0 to 4294967295, found {self.seed}")

    @property
    def threshold(self) -> int:
        """Value of a coin below which its stream stalls."""
        return int(self.probability * (1 << 32))

    @property
    def states(self) -> tuple[int, int]:
        """Initial states of the coins of source and sink, never zero."""
        mixed = (self.seed * 0x9E3779B9 + 0x7F4A7C15) & 0xFFFFFFFF
        return mixed or 1, (mixed ^ 0x5BD1E995) or 1


def coins(state: int) -> Iterator[int]:
    """Yield the values of Marsaglia's 32-bit xorshift (13, 17, 5), which every backend uses."""
    while True:
        state ^= (state << 13) & 0xFFFFFFFF
        state ^= state >> 17
        state ^= (state << 5) & 0xFFFFFFFF
        yield state


@dataclass(frozen=True)
class Stimulus:
    """Rows cut into steps, in the form of the input ports.

    Attributes
    ----------
    act, wgt : numpy.ndarray
        uint32, shape (steps, words): the bits of ``in_act`` and ``in_wgt`` of each step, lane 0
        lowest, word 0 lowest.
    first, last : numpy.ndarray
        bool, shape (steps,): the marks of each step.
    rows : int
        Number of sums to expect.
    stalls : Stalls
        Stalls of the streams.
    """

    act: Words
    wgt: Words
    first: NDArray[np.bool_]
    last: NDArray[np.bool_]
    rows: int
    stalls: Stalls

    @classmethod
    def from_rows(
        cls, spec: PESpec, act: AnyArray, wgt: AnyArray, stalls: Stalls | None = None
    ) -> Stimulus:
        """Cut rows into steps and pad the last step of each.

        Parameters
        ----------
        spec : PESpec
            Element that takes the steps.
        act, wgt : numpy.ndarray
            Shape (R, K).
        stalls : Stalls, optional
            Stalls of the streams. Default: none.

        Raises
        ------
        InputError
            If the hardware does not accept the operands.
        """
        spec.check_operands(act, wgt)
        rows, k = act.shape
        steps = spec.steps(k)
        codes = []
        for code, pad, shape in zip(
            spec.encode(act, wgt), spec.padding(), (spec.act_shape, spec.wgt_shape), strict=True
        ):
            padded = np.full((rows, steps * spec.lanes), pad, dtype=np.uint64)
            padded[:, :k] = code
            codes.append(pack_lanes(padded.reshape(rows * steps, spec.lanes), shape.width))
        index = np.arange(rows * steps) % steps
        return cls(
            act=codes[0],
            wgt=codes[1],
            first=index == 0,
            last=index == steps - 1,
            rows=rows,
            stalls=stalls or Stalls(),
        )


def pack_lanes(codes: NDArray[np.uint64], width: int) -> Words:
    """Pack codes of `width` bits side by side.

    Parameters
    ----------
    codes : numpy.ndarray
        uint64, shape (steps, lanes).
    width : int
        Bits per code.

    Returns
    -------
    numpy.ndarray
        uint32, shape (steps, ceil(lanes * width / 32)).
    """
    steps, lanes = codes.shape
    words = -(-lanes * width // 32)
    if width in (8, 16, 32):
        raw = codes.astype(f"<u{width // 8}").view(np.uint8).reshape(steps, -1)
    else:
        shifts = np.arange(width, dtype=np.uint64)
        bits = ((codes[..., None] >> shifts) & np.uint64(1)).astype(np.uint8)
        raw = np.packbits(bits.reshape(steps, -1), axis=1, bitorder="little")
    padded = np.zeros((steps, words * 4), dtype=np.uint8)
    padded[:, : raw.shape[1]] = raw
    return np.asarray(padded.view("<u4"))
