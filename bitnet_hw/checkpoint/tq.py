"""The census of llama.cpp's blocks of two-bit codes, TQ2_0, and the scales of all blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import ModuleType

import numpy as np
import numpy.typing as npt

from .census import Scale
from .gguf import GgufTensor
from .kernels import CodeCounts, Counting, Ints
from .packed import CodeCounter, Totals, fits_by_line
from .source import CHUNK, LINE_CHUNK, LOOP_CHUNK, Source

#: Weights of a block.
BLOCK = 256

_CODES, _BYTES = 64, 66
#: Copied as one item a block, which is three times as quick as byte by byte.
_LAYOUT = np.dtype([("codes", "V64"), ("scale", "<u2")])


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
    loops : module, optional
        `bitnet_hw.compiled.loops`, to be used in place of numpy's own.
    """

    def __init__(
        self, source: Source, tensor: str, stride: int, loops: ModuleType | None = None
    ) -> None:
        self.source, self.tensor, self.stride, self.loops = source, tensor, stride, loops
        self.low, self.high, self.count = np.inf, -np.inf, 0

    def add(self, raw: npt.NDArray[np.uint16], first: int) -> None:
        """Take scales that stand `stride` bytes apart, from byte `first` of the file on."""
        self.count += raw.size
        # Patterns of positive numbers have their order, and compare quicker.
        if self.loops is not None:
            least, most = self.loops.range_of(raw)
        else:
            raw = np.ascontiguousarray(raw)
            least, most = raw.min(), raw.max()
        if least > 0 and most < 0x7C00:
            used = np.array([least, most], np.uint16).view(np.float16)
        else:
            raw = np.ascontiguousarray(raw)
            odd = np.flatnonzero((raw & np.uint16(0x7C00)) == 0x7C00)
            if odd.size:
                raise bad_scale(
                    self.source, self.tensor, first + int(odd[0]) * self.stride,
                    float(raw.view(np.float16)[odd[0]]),
                )  # fmt: skip
            used = raw[(raw & np.uint16(0x7FFF)) != 0].view(np.float16)
        if used.size:
            self.low = min(self.low, float(used.min()))
            self.high = max(self.high, float(used.max()))


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
        scales = BlockScales(source, tensor.name, _BYTES, how.loops)
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
        here = chunk.view(_LAYOUT)
        words = np.ndarray((here.size, 8), np.uint64, chunk.data, 0, (_BYTES, 8))
        if row_blocks is None:
            found = CodeCounts(*loops.count_block_codes(words))
        else:
            by_row = row_zeros[done : done + here.size // row_blocks]
            found = CodeCounts(*loops.count_block_rows(words, row_blocks, by_row, planes))
            done += by_row.size
        counter.take(found, here["codes"], _locator(start))
        scales.add(here["scale"], start + _CODES)  # from the cache by now
    totals = Totals(counter.zeros, counter.plus)
    return totals if row_blocks is None else _with_lines(totals, row_zeros, planes)


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
    row_zeros = np.empty((4, size // (row_blocks * _BYTES)), np.int64)
    planes = np.zeros((4, width), np.int64)
    done = 0
    for start, chunk in source.chunks(offset, size, row_blocks * _BYTES, LINE_CHUNK):
        here = chunk.view(_LAYOUT)
        codes = np.ascontiguousarray(here["codes"]).view(np.uint8).reshape(-1, width)
        counter.add_rows(codes, _locator(start), row_zeros, planes, done)
        scales.add(here["scale"], start + _CODES)
        done += len(codes)
    return _with_lines(Totals(counter.zeros, counter.plus), row_zeros.sum(axis=0), planes)


def _locator(start: int) -> Callable[[int], int]:
    """Return the function from a byte of codes to its byte in the file."""
    return lambda place: start + place // _CODES * _BYTES + place % _CODES


def _with_lines(totals: Totals, row_zeros: Ints, planes: Ints) -> Totals:
    """Add zeros by row, and by column in the weights' order."""
    by_column = planes.reshape(4, -1, 2, 32).transpose(1, 2, 0, 3).reshape(-1)
    return totals._replace(row_zeros=row_zeros, column_zeros=by_column)
