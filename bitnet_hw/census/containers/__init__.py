"""Readers of the headers of checkpoint files, which list the tensors and their places."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ..source import Source, shown


class Tensor(NamedTuple):
    """One tensor of a checkpoint file, as its header describes it.

    Attributes
    ----------
    name : str
        Name in the file.
    shape : tuple of int
        Rows first; the last is the length of a row.
    format : str
        ggml's name of the type, or the data type of safetensors, in lower case.
    offset, bytes : int
        First byte in the file, and the number of bytes.
    """

    name: str
    shape: tuple[int, ...]
    format: str
    offset: int
    bytes: int


def refuse_overlaps(source: Source, tensors: Iterable[Tensor]) -> int:
    """Return the byte at which the last tensor ends; 0 if no tensor has any bytes.

    Raises
    ------
    InputError
        If two tensors overlap.
    """
    end, before = 0, ""
    for tensor in sorted(tensors, key=lambda one: (one.offset, one.bytes)):
        if not tensor.bytes:
            continue
        if tensor.offset < end:
            raise source.fault(
                f"overlaps tensor {shown(before)}, which ends at byte {end}",
                tensor=tensor.name, offset=tensor.offset,
            )  # fmt: skip
        end, before = tensor.offset + tensor.bytes, tensor.name
    return end
