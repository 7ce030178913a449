"""The census of llama.cpp's blocks of two-bit codes, TQ2_0, and the scales of all blocks."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from types import ModuleType

import numpy as np
import numpy.typing as npt

from .ggml_types import GGML_TYPES, TQ2_0
from .gguf import GgufTensor
from .kernels import CodeCounts, Counting, plane_sums, zero_fields
from .packed import CodeCounter, Totals, fits_by_line
from .record import Scale
from .source import CHUNK, LINE_CHUNK, LOOP_CHUNK, Source

BLOCK, _BYTES = GGML_TYPES[TQ2_0].block, GGML_TYPES[TQ2_0].size
_CODES = BLOCK // 4

#: Copied as one item a block, which is three times as quick as byte by byte.
_LAYOUT = np.dtype([("codes", f"V{_CODES}"), ("scale", "<u2")])


class BlockScales:
    """Range of the FP16 scales of blocks; a scale of 0 belongs to a block of zeros.

    Parameters
    ----------
    source : Source
        The file, for messages.
    tensor : str
        The matrix.
    stride : int
        Bytes of a block.
    """

    def __init__(self, source: Source, tensor: str, stride: int) -> None:
        self.source, self.tensor, self.stride = source, tensor, stride
        self.low, self.high, self.count = np.inf, -np.inf, 0

    def add(
        self,
        raw: npt.NDArray[np.uint16],
        first: int,
        patterns: tuple[int, int] | None = None,
    ) -> None:
        """Take scales.

        Parameters
        ----------
        raw : (n,) uint16
            FP16 numbers that stand `stride` bytes apart.
        first : int
            Byte of the file where the first one stands.
        patterns : (least, most), optional
            Of the scales as unsigned integers, where a loop has found them already.
        """
        self.count += raw.size
        # Patterns of positive numbers have their order, and compare quicker.
        if patterns is None:
            raw = np.ascontiguousarray(raw)
            patterns = int(raw.min()), int(raw.max())
        least, most = patterns
        if least > 0 and most < 0x7C00:
            self._widen(_from_pattern(least), _from_pattern(most))
            return
        raw = np.ascontiguousarray(raw)
        odd = np.flatnonzero((raw & np.uint16(0x7C00)) == 0x7C00)
        if odd.size:
            raise bad_scale(
                self.source, self.tensor, first + int(odd[0]) * self.stride,
                float(raw.view(np.float16)[odd[0]]),
            )  # fmt: skip
        used = raw[(raw & np.uint16(0x7FFF)) != 0].view(np.float16)
        if used.size:
            self._widen(float(used.min()), float(used.max()))

    def _widen(self, low: float, high: float) -> None:
        self.low, self.high = min(self.low, low), max(self.high, high)


def _from_pattern(bits: int) -> float:
    value: float = struct.unpack("<e", bits.to_bytes(2, "little"))[0]
    return value


def bad_scale(source: Source, tensor: str, offset: int, value: float) -> Exception:
    """Build the error about a scale that is not finite."""
    return source.fault(f"scale {value}; a finite one is right", tensor=tensor, offset=offset)


def scale_of(parts: Iterable[BlockScales]) -> Scale:
    """Return the range of what parts of a matrix hold."""
    parts = list(parts)
    low, high = min(part.low for part in parts), max(part.high for part in parts)
    return Scale(low, high, sum(part.count for part in parts)) if low <= high else Scale(0, 0, 0)


def count_tq2_0(
    source: Source, tensor: GgufTensor, rows: int, columns: int, how: Counting
) -> tuple[Totals, Scale]:
    """Count TQ2_0: w[128 j + 32 l + m] + 1 in bits 2l and 2l + 1 of byte 32 j + m of a block.

    Raises
    ------
    InputError
        If a code is 3 or a scale is not finite.
    """
    blocks = columns // BLOCK
    by_line = how.sparsity and fits_by_line((rows, blocks * _CODES))

    def count(offset: int, size: int) -> tuple[Totals, BlockScales]:
        scales = BlockScales(source, tensor.name, _BYTES)
        row_blocks = blocks if by_line else None
        if how.loops is not None:
            found = _tq2_0_blocks(source, offset, size, row_blocks, scales, how.loops)
        elif row_blocks is not None:
            found = _tq2_0_lines(source, offset, size, row_blocks, scales)
        else:
            found = _tq2_0_totals(source, offset, size, scales)
        return found, scales

    unit = _BYTES * (blocks if by_line else 1)
    parts = source.spans(tensor.offset, tensor.bytes, unit, count)
    return Totals.of([totals for totals, _ in parts]), scale_of(scales for _, scales in parts)


def _tq2_0_blocks(
    source: Source, offset: int, size: int, row_blocks: int | None, scales: BlockScales,
    loops: ModuleType,
) -> Totals:  # fmt: skip
    """Count by the compiled loops, where the blocks stand."""
    counter = CodeCounter(source, scales.tensor, loops)
    rows = size // (_BYTES * row_blocks) if row_blocks is not None else 0
    row_zeros = np.empty(rows, np.int64)
    planes = np.zeros((4, (row_blocks or 0) * _CODES), np.int64)
    done = 0
    for start, chunk in source.chunks(offset, size, _BYTES * (row_blocks or 1), LOOP_CHUNK):
        if row_blocks is None:
            *found, least, most = loops.count_block_codes(chunk)
        else:
            by_row = row_zeros[done : done + chunk.size // (_BYTES * row_blocks)]
            *found, least, most = loops.count_block_rows(chunk, row_blocks, by_row, planes)
            done += by_row.size
        here = chunk.view(_LAYOUT)
        counter.take(CodeCounts(*found), here["codes"], _locator(start))
        scales.add(here["scale"], start + _CODES, (least, most))
    totals = Totals(counter.zeros, counter.plus)
    if row_blocks is None:
        return totals
    return totals._replace(row_zeros=row_zeros, column_zeros=planes.reshape(-1))


def _tq2_0_totals(source: Source, offset: int, size: int, scales: BlockScales) -> Totals:
    counter = CodeCounter(source, scales.tensor)
    room = np.empty(CHUNK, np.uint8)
    for start, chunk in source.chunks(offset, size, _BYTES):
        # A scale of nothing but code 0 adds to no count.
        codes = room[: chunk.size]
        np.copyto(codes, chunk)
        inside = codes.view(_LAYOUT)["scale"]
        patterns = inside.copy()
        inside[:] = 0
        counter.add(codes, start.__add__)
        scales.add(patterns, start + _CODES)
    return Totals(counter.zeros, counter.plus)


def _tq2_0_lines(
    source: Source, offset: int, size: int, row_blocks: int, scales: BlockScales
) -> Totals:
    counter = CodeCounter(source, scales.tensor)
    width = row_blocks * _CODES
    row_zeros = np.empty(size // (row_blocks * _BYTES), np.int64)
    planes = np.zeros((4, width), np.int64)
    done = 0
    for start, chunk in source.chunks(offset, size, row_blocks * _BYTES, LINE_CHUNK):
        here = chunk.view(_LAYOUT)
        codes = np.ascontiguousarray(here["codes"]).view(np.uint8).reshape(-1, width)
        counter.add(codes.reshape(-1), _locator(start))
        fields = zero_fields(codes.view(np.uint64))
        row_zeros[done : done + len(codes)] = plane_sums(fields, 1).sum(axis=0)
        planes += plane_sums(fields, 0)
        scales.add(here["scale"], start + _CODES)
        done += len(codes)
    return Totals(counter.zeros, counter.plus, row_zeros, planes.reshape(-1))


def _locator(start: int) -> Callable[[int], int]:
    """Return the function from a byte of codes to its byte in the file."""
    return lambda place: start + place // _CODES * _BYTES + place % _CODES
