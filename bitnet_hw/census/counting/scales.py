"""Scales stored with the codes of a matrix: one per tensor or one per block."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from math import isfinite

import numpy as np
import numpy.typing as npt

from ...errors import InputError
from ..record import Scale
from ..source import Source


def bad_scale(source: Source, tensor: str, offset: int, value: float) -> InputError:
    """Build the error about a scale that is not finite."""
    return source.fault(f"scale {value}; it must be finite", tensor=tensor, offset=offset)


def one_scale(source: Source, tensor: str, offset: int, dtype: str = "f32") -> Scale:
    """Read the scale of a whole matrix.

    Parameters
    ----------
    source, tensor, offset
        The file, the tensor that holds the scale, and where the scale is.
    dtype : str
        ``f32``, ``f16`` or ``bf16``.

    Raises
    ------
    InputError
        If it is not finite.
    """
    if dtype == "bf16":
        raw = b"\0\0" + source.read(offset, 2)
    else:
        raw = source.read(offset, 2 if dtype == "f16" else 4)
    value: float = struct.unpack("<e" if dtype == "f16" else "<f", raw)[0]
    if not isfinite(value):
        raise bad_scale(source, tensor, offset, value)
    return Scale(value, value, 1)


class BlockScales:
    """Range of the FP16 scales of blocks; a scale of 0 belongs to a block of zeros.

    Parameters
    ----------
    source : Source
        The file, for messages.
    tensor : str
        The matrix.
    stride : int
        Bytes per block.
    """

    def __init__(self, source: Source, tensor: str, stride: int) -> None:
        self.source, self.tensor, self.stride = source, tensor, stride
        self.low, self.high, self.count = np.inf, -np.inf, 0

    def add(self, raw: npt.NDArray[np.uint16], first: int) -> None:
        """Add scales.

        Parameters
        ----------
        raw : (n,) uint16
            FP16 numbers that are `stride` bytes apart in the file.
        first : int
            Byte of the file at which the first one begins.

        Raises
        ------
        InputError
            If one is not finite.
        """
        self.count += raw.size
        raw = np.ascontiguousarray(raw)
        # Positive numbers are ordered as their bit patterns are, which compare faster.
        least, most = int(raw.min()), int(raw.max())
        if least > 0 and most < 0x7C00:
            self._widen(_from_pattern(least), _from_pattern(most))
            return
        odd = np.flatnonzero((raw & np.uint16(0x7C00)) == 0x7C00)
        if odd.size:
            place, value = first + int(odd[0]) * self.stride, float(raw.view(np.float16)[odd[0]])
            raise bad_scale(self.source, self.tensor, place, value)
        used = raw[(raw & np.uint16(0x7FFF)) != 0].view(np.float16)
        if used.size:
            self._widen(float(used.min()), float(used.max()))

    def _widen(self, low: float, high: float) -> None:
        self.low, self.high = min(self.low, low), max(self.high, high)


def _from_pattern(bits: int) -> float:
    value: float = struct.unpack("<e", bits.to_bytes(2, "little"))[0]
    return value


def scale_of(parts: Iterable[BlockScales]) -> Scale:
    """Return the range of the scales of all parts of a matrix."""
    parts = list(parts)
    low, high = min(part.low for part in parts), max(part.high for part in parts)
    return Scale(low, high, sum(part.count for part in parts)) if low <= high else Scale(0, 0, 0)
