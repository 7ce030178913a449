"""I2_S of bitnet.cpp, GGUF type 36: 2-bit codes w + 1, then one FP32 scale for the tensor.

The grouping of the weights depends on the build that wrote the file, and nothing in the file says
which one, so zeros by row and column cannot be counted. The totals do not depend on the grouping.
"""

from __future__ import annotations

from ..containers.ggml_types import SCALE_TAIL
from ..counting.scales import one_scale
from ..counting.two_bit_codes import count_stream
from .layout import Found, Task


def count(task: Task) -> Found:
    """Count I2_S: totals only.

    Raises
    ------
    InputError
        If a code is 3 or the scale is not finite.
    """
    source, tensor = task.source, task.tensor
    size = tensor.bytes - SCALE_TAIL
    totals = count_stream(source, tensor.name, tensor.offset, size)
    return Found.of(totals, one_scale(source, tensor.name, tensor.offset + size))
