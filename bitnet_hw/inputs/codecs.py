"""Codecs: how a weight matrix is stored."""

from __future__ import annotations

from enum import Enum
from math import log2
from typing import NamedTuple

from ..errors import unknown_name
from .formats import Kind


class Granularity(Enum):
    """What one scale factor of a stored weight matrix covers."""

    NONE = "none"
    TENSOR = "tensor"
    CHANNEL = "channel"
    GROUP = "group"


class Codec(NamedTuple):
    """How a weight matrix is stored.

    Attributes
    ----------
    name : str
        As ``--codec`` takes it.
    kinds : tuple of Kind
        The weight formats that it can store.
    bits : float
        Bits a weight, scales left out.
    granularity : Granularity
        What one scale covers.
    scale_bits : int
        Bits of a scale and what stands beside it (a zero point).
    group : int
        Weights a group, where the granularity is a group.
    description : str
        One line.
    """

    name: str
    kinds: tuple[Kind, ...]
    bits: float
    granularity: Granularity = Granularity.NONE
    scale_bits: int = 0
    group: int = 0
    description: str = ""

    def matrix_bytes(self, inputs: int, outputs: int) -> float:
        """Return the bytes of a stored (outputs, inputs) matrix, scales included.

        The entropy limit is not a whole number of bytes, hence the float.
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
#: Every codec, by name. The bits are the codes' own sizes; log2(3) is the entropy of three equally
#: likely values, which no byte-aligned code reaches.
CODECS = {
    codec.name: codec
    for codec in (
        Codec("fp32", (Kind.FLOAT,), 32, description="IEEE 754 single precision"),
        Codec("fp16", (Kind.FLOAT,), 16, description="IEEE 754 half precision"),
        Codec("bf16", (Kind.FLOAT,), 16, description="bfloat16"),
        Codec("int8", (Kind.INTEGER,), 8, Granularity.CHANNEL, 16,
              description="8-bit integers, one FP16 scale an output channel"),
        Codec("int4-g128", (Kind.INTEGER,), 4, Granularity.GROUP, 20, 128,
              description="4-bit integers, an FP16 scale and a 4-bit zero point a group of 128"),
        Codec("2bit", (Kind.TERNARY, Kind.BINARY), 2, _TENSOR, 16,
              description="2 bits a weight, one FP16 scale a matrix"),
        Codec("base3", (Kind.TERNARY,), 1.6, _TENSOR, 16,
              description="five trits in a byte, one FP16 scale a matrix"),
        Codec("entropy", (Kind.TERNARY,), log2(3), _TENSOR, 16,
              description="log2(3) = 1.585 bits a weight: the limit for equally likely trits"),
        Codec("1bit", (Kind.BINARY,), 1, _TENSOR, 16,
              description="1 bit a weight, one FP16 scale a matrix"),
    )
}  # fmt: skip


def find_codec(name: str) -> Codec:
    """Return the codec of a name, or raise `InputError` with the nearest known one."""
    if name not in CODECS:
        raise unknown_name("codec", name, CODECS)
    return CODECS[name]
