"""TQ2_0 of llama.cpp, GGUF type 35: blocks of 256 weights in 2-bit codes, with an FP16 scale each.

w[128 j + 32 l + m] + 1 is in bits 2l and 2l + 1 of byte 32 j + m of a block.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..containers.ggml_types import GGML_TYPES, TQ2_0
from ..counting.plane_sums import PlaneSums
from ..counting.scales import BlockScales, scale_of
from ..counting.totals import Totals, fits_by_line
from ..counting.two_bit_codes import CodeCounter
from ..source import CHUNK, LINE_CHUNK, Source
from .layout import Found, Task

_BLOCK, _BYTES = GGML_TYPES[TQ2_0].block, GGML_TYPES[TQ2_0].size
_CODES = _BLOCK // 4

#: Copied as one item per block, which is three times as fast as byte by byte.
_LAYOUT = np.dtype([("codes", f"V{_CODES}"), ("scale", "<u2")])


def count(task: Task) -> Found:
    """Count TQ2_0.

    Raises
    ------
    InputError
        If a code is 3 or a scale is not finite.
    """
    source, tensor = task.source, task.tensor
    blocks = task.columns // _BLOCK
    by_line = task.by_line and fits_by_line((task.rows, blocks * _CODES))

    def count_part(offset: int, size: int) -> tuple[Totals, BlockScales]:
        scales = BlockScales(source, tensor.name, _BYTES)
        if by_line:
            return _lines(source, offset, size, blocks, scales), scales
        return _totals(source, offset, size, scales), scales

    unit = _BYTES * (blocks if by_line else 1)
    parts = source.spans(tensor.offset, tensor.bytes, unit, count_part)
    return Found.of(
        Totals.of([totals for totals, _ in parts]), scale_of(scales for _, scales in parts)
    )


def _totals(source: Source, offset: int, size: int, scales: BlockScales) -> Totals:
    counter = CodeCounter(source, scales.tensor)
    room = np.empty(CHUNK, np.uint8)
    for start, chunk in source.chunks(offset, size, _BYTES):
        # The scales are overwritten with code 0, which adds to no count.
        codes = room[: chunk.size]
        np.copyto(codes, chunk)
        inside = codes.view(_LAYOUT)["scale"]
        patterns = inside.copy()
        inside[:] = 0
        counter.add(codes, start.__add__)
        scales.add(patterns, start + _CODES)
    return Totals(counter.zeros, counter.plus)


def _lines(source: Source, offset: int, size: int, blocks: int, scales: BlockScales) -> Totals:
    counter, sums = CodeCounter(source, scales.tensor), PlaneSums()
    width = blocks * _CODES
    row_zeros = np.empty(size // (blocks * _BYTES), np.int64)
    column_zeros = np.zeros((4, width), np.int64)
    done = 0
    for start, chunk in source.chunks(offset, size, blocks * _BYTES, LINE_CHUNK):
        here = chunk.view(_LAYOUT)
        codes = np.ascontiguousarray(here["codes"]).view(np.uint8).reshape(-1, width)
        counter.add(codes.reshape(-1), _locator(start))
        words = codes.view(np.uint64)
        row_zeros[done : done + len(codes)] = sums.by_row(words).sum(axis=0)
        column_zeros += sums.by_column(words)
        scales.add(here["scale"], start + _CODES)
        done += len(codes)
    return Totals(counter.zeros, counter.plus, row_zeros, column_zeros.reshape(-1))


def _locator(start: int) -> Callable[[int], int]:
    """Return a function that maps a byte of the codes to its byte in the file."""
    return lambda place: start + place // _CODES * _BYTES + place % _CODES
