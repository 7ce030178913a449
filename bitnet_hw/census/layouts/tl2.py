"""TL2 of bitnet.cpp, GGUF type 39: 4-bit codes of triples, then their signs, then codes of pairs.

A triple's magnitude |9a + 3b + c| tells how many of its weights are zero. The order of
the signs depends on the kernel that the file was written for, so +1 and -1 are not told apart.
"""

from __future__ import annotations

from ..containers.ggml_types import SCALE_TAIL, TL2_BLOCK
from ..counting.four_bit_codes import count_nibbles
from .layout import Found, Task
from .tl1 import PAIR_CODES

#: Magnitudes that a triple may have.
_TRIPLE_CODES = 14


def count(task: Task) -> Found | None:
    """Count TL2: zeros only, without the scale.

    Raises
    ------
    InputError
        If a code is invalid.
    """
    source, tensor, rows, columns = task.source, task.tensor, task.rows, task.columns
    triples = columns // TL2_BLOCK * TL2_BLOCK * rows // 3
    pairs = columns % TL2_BLOCK * rows // 2
    signs_end = triples // 2 + triples // 8
    if triples % 8 or pairs % 2 or signs_end + pairs // 2 > tensor.bytes - SCALE_TAIL:
        task.warn_at(
            f"TL2 of shape {list(tensor.shape)} has no room for blocks of {TL2_BLOCK} columns; "
            "not counted"
        )
        return None
    by_triple = count_nibbles(source, tensor.name, tensor.offset, triples // 2, _TRIPLE_CODES)
    pairs_start = tensor.offset + signs_end
    by_pair = count_nibbles(source, tensor.name, pairs_start, pairs // 2, PAIR_CODES)
    zeros = sum(int(by_triple[c]) * _zeros_of_magnitude(c) for c in range(_TRIPLE_CODES))
    zeros += sum(int(by_pair[c]) * divmod(c, 3).count(1) for c in range(PAIR_CODES))
    task.warn_at(
        "TL2 is read in the order of bitnet.cpp's converter, in blocks of "
        f"{TL2_BLOCK} columns; zeros only, and no scale"
    )
    return Found(zeros, None)


def _zeros_of_magnitude(magnitude: int) -> int:
    value, zeros = magnitude, 0
    for _ in range(3):  # balanced ternary: digits -1, 0, +1
        digit = (value + 1) % 3 - 1
        zeros += digit == 0
        value = (value - digit) // 3
    return zeros
