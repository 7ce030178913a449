"""Readers of the headers of checkpoint files, which list the tensors and their places."""

from __future__ import annotations

from typing import NamedTuple


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
