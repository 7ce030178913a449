"""Encoding of a stored weight matrix, and its size in bytes."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

from .formats import Kind


class Granularity(Enum):
    """Part of a stored weight matrix that shares one scale factor."""

    NONE = "none"
    TENSOR = "tensor"
    CHANNEL = "channel"
    GROUP = "group"


class Padding(Enum):
    """Unit of storage that is filled up where the weights do not fill it."""

    NONE = "none"
    MATRIX = "matrix"  # the last byte of the matrix
    ROW = "row"  # the last byte of the codes of each row, and that of its scales
    BLOCK = "block"  # the last block of each row, scales included


class Codec(NamedTuple):
    """An encoding of a stored weight matrix.

    Attributes
    ----------
    name : str
        Name in schemes and reports.
    family : str
        Software or purpose that it belongs to: ``plain``, ``lookup``, ``GPTQ``, ``GGUF`` or
        ``MLX``.
    kinds : tuple of Kind
        Kinds of weight format that it can store.
    word : tuple of int and float
        Weights that are coded together, and the bits of their code: (5, 8) for five trits in a
        byte.
    granularity : Granularity
        Part of the matrix that one scale covers.
    group : int
        Weights per group along the input, if one scale covers a group.
    scale_bits, zero_bits : int
        Bits of a scale, and of the zero point or bias beside it.
    block : int
        Weights per block, if the codes and scales of a block are stored together.
    block_bits : int
        Bits that a block holds beside codes, scales and zero points: the scales of its scales.
    padding : Padding
        Unit of storage that is filled up.
    """

    name: str
    family: str
    kinds: tuple[Kind, ...]
    word: tuple[int, float]
    granularity: Granularity = Granularity.NONE
    group: int = 0
    scale_bits: int = 0
    zero_bits: int = 0
    block: int = 0
    block_bits: int = 0
    padding: Padding = Padding.NONE

    @property
    def bits(self) -> float:
        """Bits per weight, without scales."""
        weights, bits = self.word
        return bits / weights

    @property
    def bits_with_scales(self) -> float:
        """Bits per weight of a group or block, its scales included; `bits` without groups."""
        if self.granularity is not Granularity.GROUP:
            return self.bits
        scales = (self.scale_bits + self.zero_bits) / self.group
        return self.bits + scales + (self.block_bits / self.block if self.block else 0.0)

    def matrix_bytes(self, inputs: int, outputs: int) -> float:
        """Return the bytes of a stored (outputs, inputs) matrix, scales included.

        The result is a float because the entropy limit, or a codec without padding, need not give a
        whole number of bytes.

        Parameters
        ----------
        inputs, outputs : int
            Columns and rows of the matrix.

        Examples
        --------
        >>> from bitnet_hw.inputs.codecs import find_codec
        >>> find_codec("2bit").matrix_bytes(2560, 6912) == 2560 * 6912 / 4 + 2
        True
        >>> find_codec("q2_0").matrix_bytes(4096, 4096) == 4096 * 4096 * 2.125 / 8
        True
        """
        shared = self.granularity is Granularity.TENSOR
        of_matrix = self.scale_bits + self.zero_bits if shared else 0
        if self.padding in (Padding.ROW, Padding.BLOCK):
            return (outputs * self.row_bits(inputs) + of_matrix) / 8
        codes = self._code_bits(inputs * outputs)
        if self.padding is Padding.MATRIX:
            codes = _whole_bytes(codes)
        return (codes + outputs * self._scale_bits(inputs) + of_matrix) / 8

    def row_bits(self, inputs: int) -> float:
        """Return the bits of one row and its own scales; a scale of the whole matrix is left out.

        Parameters
        ----------
        inputs : int
            Weights of the row.

        Examples
        --------
        >>> from bitnet_hw.inputs.codecs import find_codec
        >>> find_codec("q8_0").row_bits(4096) / 4096
        8.5
        """
        if self.padding is Padding.BLOCK:
            scales = self.block // self.group * (self.scale_bits + self.zero_bits)
            return _ceil(inputs, self.block) * (
                self._code_bits(self.block) + scales + self.block_bits
            )
        if self.padding is Padding.ROW:
            scales = self._scale_bits(inputs)
            return _whole_bytes(self._code_bits(inputs)) + _whole_bytes(scales)
        return inputs * self.bits + self._scale_bits(inputs)

    def _code_bits(self, weights: int) -> float:
        together, bits = self.word
        return _ceil(weights, together) * bits

    def _scale_bits(self, inputs: int) -> int:
        """Return the bits of a row's own scales and zero points."""
        scales = {Granularity.CHANNEL: 1, Granularity.GROUP: _ceil(inputs, self.group or 1)}
        return scales.get(self.granularity, 0) * (self.scale_bits + self.zero_bits)


def _ceil(number: int, size: int) -> int:
    return -(-number // size)


def _whole_bytes(bits: float) -> float:
    return -(-bits // 8) * 8
