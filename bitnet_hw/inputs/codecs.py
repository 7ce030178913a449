"""Codecs: encodings of a stored weight matrix."""

from __future__ import annotations

from enum import Enum
from math import log2
from typing import NamedTuple

from ..errors import unknown_name
from .formats import Kind


class Granularity(Enum):
    """Part of a stored weight matrix that shares one scale factor."""

    NONE = "none"
    TENSOR = "tensor"
    CHANNEL = "channel"
    GROUP = "group"


class Codec(NamedTuple):
    """An encoding of a stored weight matrix.

    Attributes
    ----------
    name : str
        Name in schemes and reports.
    kinds : tuple of Kind
        Kinds of weight format that it can store.
    bits : float
        Bits per weight, without scales.
    granularity : Granularity
        Part of the matrix that one scale covers.
    scale_bits : int
        Bits of a scale, together with its zero point if there is one.
    group : int
        Weights per group, if one scale covers a group.
    """

    name: str
    kinds: tuple[Kind, ...]
    bits: float
    granularity: Granularity = Granularity.NONE
    scale_bits: int = 0
    group: int = 0

    def matrix_bytes(self, inputs: int, outputs: int) -> float:
        """Return the bytes of a stored (outputs, inputs) matrix, scales included.

        The result is a float because the entropy limit need not be a whole number of bytes.

        Parameters
        ----------
        inputs, outputs : int
            Columns and rows of the matrix.

        Examples
        --------
        >>> find_codec("2bit").matrix_bytes(2560, 6912) == 2560 * 6912 / 4 + 2
        True
        """
        weights = inputs * outputs
        whole_bytes = self.name == "base3"
        body = float(-(-weights // 5)) if whole_bytes else weights * self.bits / 8
        scales = {
            Granularity.NONE: 0,
            Granularity.TENSOR: 1,
            Granularity.CHANNEL: outputs,
            Granularity.GROUP: outputs * -(-inputs // self.group) if self.group else 0,
        }[self.granularity]
        return body + scales * self.scale_bits / 8


_TENSOR = Granularity.TENSOR
#: Every codec, by name. The bits are those of the code alone; log2(3) is the entropy of three
#: equally likely values, which no byte-aligned code reaches.
CODECS = {
    codec.name: codec
    for codec in (
        Codec("fp32", (Kind.FLOAT,), 32),
        Codec("fp16", (Kind.FLOAT,), 16),
        Codec("bf16", (Kind.FLOAT,), 16),
        # One FP16 scale per output channel.
        Codec("int8", (Kind.INTEGER,), 8, Granularity.CHANNEL, 16),
        # An FP16 scale and a 4-bit zero point per group of 128.
        Codec("int4-g128", (Kind.INTEGER,), 4, Granularity.GROUP, 20, 128),
        # All others: one FP16 scale per matrix.
        Codec("2bit", (Kind.TERNARY, Kind.BINARY), 2, _TENSOR, 16),
        # Five trits per byte.
        Codec("base3", (Kind.TERNARY,), 1.6, _TENSOR, 16),
        # The limit for equally likely trits.
        Codec("entropy", (Kind.TERNARY,), log2(3), _TENSOR, 16),
        Codec("1bit", (Kind.BINARY,), 1, _TENSOR, 16),
    )
}


def find_codec(name: str) -> Codec:
    """Return the codec with a given name.

    Raises
    ------
    InputError
        If there is no such codec; the message suggests the nearest name.

    Examples
    --------
    >>> find_codec("base3").bits
    1.6
    """
    if name not in CODECS:
        raise unknown_name("codec", name, CODECS)
    return CODECS[name]
