"""TL1 of bitnet.cpp, GGUF type 38: each 4-bit code 3a + b + 4 holds a pair of weights.

bitnet.cpp's kernels permute the codes; the totals do not depend on their order.
"""

from __future__ import annotations

from ..containers.ggml_types import SCALE_TAIL
from ..counting.four_bit_codes import count_nibbles
from ..counting.scales import one_scale
from .layout import Found, Task

#: Codes that a pair may have; the pair of code c is (a + 1, b + 1) = divmod(c, 3).
PAIR_CODES = 9


def count(task: Task) -> Found:
    """Count TL1: totals only.

    Raises
    ------
    InputError
        If a code or the scale is invalid.
    """
    source, tensor = task.source, task.tensor
    size = tensor.bytes - SCALE_TAIL
    codes = count_nibbles(source, tensor.name, tensor.offset, size, PAIR_CODES)
    pairs = [divmod(code, 3) for code in range(PAIR_CODES)]
    zeros = sum(int(codes[i]) * pair.count(1) for i, pair in enumerate(pairs))
    plus = sum(int(codes[i]) * pair.count(2) for i, pair in enumerate(pairs))
    return Found(zeros, plus, scale=one_scale(source, tensor.name, tensor.offset + size))
