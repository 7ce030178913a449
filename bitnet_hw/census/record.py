"""What a census says: a record a matrix, and their totals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import log2, prod
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..inputs.roles import role_of
from ..inputs.scheme import LinearRole


class Sparsity(NamedTuple):
    """Zeros along the rows, or along the columns, of a matrix.

    Attributes
    ----------
    least, median, most : float
        Fraction of zeros in the row or column with the fewest, in the median one, in the one with
        the most.
    empty : int
        How many rows or columns hold nothing but zeros.
    """

    least: float
    median: float
    most: float
    empty: int

    @classmethod
    def of(
        cls, zeros: npt.NDArray[np.int64], length: int, loops: ModuleType | None = None
    ) -> Sparsity | None:
        """Return the sparsity of lines with so many zeros each, of `length` weights each."""
        if not zeros.size or not length:
            return None
        if loops is not None:
            least, below, above, most, number = loops.spread(zeros)
        else:
            counts = np.bincount(zeros)
            lines = np.cumsum(counts)  # by the zeros that a line has at most
            middle = [(zeros.size - 1) // 2, zeros.size // 2]
            least, below, above = np.searchsorted(lines, [0, *middle], "right").tolist()
            most, number = counts.size - 1, int(counts[-1])
        return cls(
            least / length,
            (below + above) / 2 / length,
            most / length,
            number if most == length else 0,
        )


class Scale(NamedTuple):
    """The scales of a matrix, as its file stores them.

    Whether a weight is code x scale or code / scale depends on the layout: in Hugging Face files
    `BitLinear` divides and `AutoBitLinear` multiplies.
    """

    low: float
    high: float
    number: int


class MatrixCensus(NamedTuple):
    """What one tensor of a checkpoint holds.

    Attributes
    ----------
    name : str
        As the file has it.
    shape : tuple of int
        Of the matrix, rows first: (outputs, inputs). Of a packed one, as it unpacks.
    format : str
        ``hf-packed``, ``tq1_0``, ``tq2_0``, ``i2_s``, ``tl1``, ``tl2``, the float format of
        ternary values, or the format of a tensor that is not ternary.
    bytes : int
        Stored bytes of the tensor; scales that stand in a tensor of their own are left out.
    ternary : bool
        Whether the weights are ternary, so that the counts are there.
    zeros, plus, minus : int, optional
        Weights that are 0, +1 and -1. None where the tensor is not ternary; `plus` and `minus`
        are None where the layout separates signs from codes (TL2).
    scale : Scale, optional
        None where the file has none beside the codes.
    rows, columns : Sparsity, optional
        None where the layout does not say which weight stands in which row or column.
    file : str
        Name of the file.
    offset : int
        First byte of the tensor in it.
    """

    name: str
    shape: tuple[int, ...]
    format: str
    bytes: int
    file: str
    offset: int
    ternary: bool = False
    zeros: int | None = None
    plus: int | None = None
    minus: int | None = None
    scale: Scale | None = None
    rows: Sparsity | None = None
    columns: Sparsity | None = None

    @property
    def weights(self) -> int:
        """Weights of the matrix."""
        return prod(self.shape)

    @property
    def effective_bits(self) -> float | None:
        """Stored bits a weight; None without weights."""
        return 8 * self.bytes / self.weights if self.weights else None

    @property
    def entropy(self) -> float | None:
        """Entropy of the three values in bits a weight: what an ideal code would store."""
        if self.zeros is None or self.plus is None or self.minus is None:
            return None
        return entropy(self.zeros, self.plus, self.minus)

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "name": self.name,
            "shape": list(self.shape),
            "format": self.format,
            "ternary": self.ternary,
            "zeros": self.zeros,
            "plus": self.plus,
            "minus": self.minus,
            "scale": self.scale.high if self.scale and self.scale.low == self.scale.high else None,
            "scale_low": self.scale.low if self.scale else None,
            "scale_high": self.scale.high if self.scale else None,
            "scales": self.scale.number if self.scale else 0,
            "bytes": self.bytes,
            "effective_bits": self.effective_bits,
            "entropy_bits": self.entropy,
            "bytes_2bit": two_bit_bytes(self.weights) if self.ternary else None,
            "bytes_base3": base3_bytes(self.weights) if self.ternary else None,
            "row_zeros": self.rows._asdict() if self.rows else None,
            "column_zeros": self.columns._asdict() if self.columns else None,
            "role": role_of(self.name),
            "file": self.file,
            "offset": self.offset,
        }


@dataclass(frozen=True)
class Census:
    """The census of a checkpoint.

    Attributes
    ----------
    name : str
        What reports call the checkpoint: its file or its folder.
    matrices : tuple of MatrixCensus
        Every tensor, in the order of the files.
    warnings : tuple of str
        One line each.
    """

    name: str
    matrices: tuple[MatrixCensus, ...]
    warnings: tuple[str, ...]

    @property
    def ternary(self) -> tuple[MatrixCensus, ...]:
        """The matrices with ternary weights."""
        return tuple(matrix for matrix in self.matrices if matrix.ternary)

    @property
    def weights(self) -> int:
        """Ternary weights."""
        return sum(matrix.weights for matrix in self.ternary)

    @property
    def zeros(self) -> int:
        """Ternary weights that are zero."""
        return sum(matrix.zeros or 0 for matrix in self.ternary)

    @property
    def zero_fraction(self) -> float | None:
        """Share of the ternary weights that is zero; None without any."""
        return self.zeros / self.weights if self.weights else None

    def zeros_by_role(self) -> dict[LinearRole, float]:
        """Return the share of zeros of each role that the tensors' names tell."""
        counts: dict[LinearRole, list[int]] = {}
        for matrix in self.ternary:
            role = role_of(matrix.name)
            if role is not None and matrix.weights:
                sums = counts.setdefault(role, [0, 0])
                sums[0] += matrix.zeros or 0
                sums[1] += matrix.weights
        return {role: zeros / weights for role, (zeros, weights) in counts.items()}


def entropy(*counts: int) -> float | None:
    """Return the entropy of a distribution given by counts, bits a symbol (Shannon 1948)."""
    total = sum(counts)
    if not total:
        return None
    return sum(n / total * log2(total / n) for n in counts if n)


def two_bit_bytes(weights: int) -> int:
    """Return the bytes of codes of 2 bits a weight, scales left out."""
    return -(-weights // 4)


def base3_bytes(weights: int) -> int:
    """Return the bytes of five trits a byte, scales left out."""
    return -(-weights // 5)


def total_bytes(matrices: Iterable[MatrixCensus]) -> int:
    """Return the stored bytes of some matrices."""
    return sum(matrix.bytes for matrix in matrices)
