"""Layouts of ternary weights, one module each; a new one needs a module and a line here.

A file's header names the format of each tensor; the layout's `count` counts its values.
"""

from __future__ import annotations

from . import floats, hf_packed, i2_s, tl1, tl2, tq1_0, tq2_0
from .layout import Found, Layout, Task


def _count_or_empty(layout: Layout) -> Layout:
    """Return a layout that also counts tensors without weights, which have no bytes in GGUF."""

    def count(task: Task) -> Found | None:
        return layout(task) if task.rows and task.columns else Found(0, 0)

    return count


#: GGUF's types by ggml's names.
GGUF: dict[str, Layout] = {
    "tq1_0": _count_or_empty(tq1_0.count),
    "tq2_0": _count_or_empty(tq2_0.count),
    "i2_s": _count_or_empty(i2_s.count),
    "tl1": _count_or_empty(tl1.count),
    "tl2": _count_or_empty(tl2.count),
}

#: Data types of safetensors that may hold ternary weights.
SAFETENSORS: dict[str, Layout] = {
    "u8": hf_packed.count,
    "i8": floats.count,
    "f16": floats.count,
    "bf16": floats.count,
    "f32": floats.count,
}

__all__ = ["GGUF", "SAFETENSORS", "Found", "Layout", "Task"]
