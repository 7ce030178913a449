"""The results of a census: one record per matrix, and their totals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import log2, prod
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from ..inputs.roles import LINEAR_ROLES, LinearRole, Role, weight_role


class Sparsity(NamedTuple):
    """Zeros along the rows, or along the columns, of a matrix.

    Attributes
    ----------
    least, median, most : float
        Fraction of zeros in the row or column with the fewest, in the median one, in the one with
        the most.
    empty : int
        Number of rows or columns with nothing but zeros.
    """

    least: float
    median: float
    most: float
    empty: int

    @classmethod
    def of(cls, zeros: npt.NDArray[np.int64] | None, length: int) -> Sparsity | None:
        """Summarise the zeros of each row or column; return None if there are none to summarise.

        Parameters
        ----------
        zeros : (lines,) int64, optional
            Zeros of each row or column.
        length : int
            Weights per row or column.
        """
        if zeros is None or not zeros.size or not length:
            return None
        # A histogram takes less time than sorting.
        counts = np.bincount(zeros)
        lines = np.cumsum(counts)
        middle = [(zeros.size - 1) // 2, zeros.size // 2]
        least, below, above = np.searchsorted(lines, [0, *middle], "right").tolist()
        most = counts.size - 1
        return cls(
            least / length,
            (below + above) / 2 / length,
            most / length,
            int(counts[-1]) if most == length else 0,
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
    """The counts of one tensor of a checkpoint.

    Attributes
    ----------
    name : str
        Name in the file.
    shape : tuple of int
        Shape of the matrix, unpacked if the file packs it, rows first: (outputs, inputs).
    format : str
        ``hf-packed``, ``tq1_0``, ``tq2_0``, ``i2_s``, ``tl1``, ``tl2``, the float format of
        ternary values, or the format of a tensor that is not ternary.
    bytes : int
        Stored bytes of the tensor, without scales in a separate tensor.
    ternary : bool
        Whether the weights are ternary and counted.
    zeros, plus, minus : int, optional
        Weights that are 0, +1 and -1. None where the tensor is not ternary; `plus` and `minus`
        are None where the layout separates signs from codes (TL2).
    scale : Scale, optional
        None if the file has none for this matrix.
    rows, columns : Sparsity, optional
        None where the layout does not say which row or column a weight belongs to.
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
    def role(self) -> Role | None:
        """The role that follows from the tensor's name."""
        return weight_role(self.name)

    @property
    def effective_bits(self) -> float | None:
        """Stored bits per weight; None if there are no weights."""
        return 8 * self.bytes / self.weights if self.weights else None

    @property
    def entropy(self) -> float | None:
        """Entropy of the three values in bits per weight: the size of an ideal code."""
        if self.zeros is None or self.plus is None or self.minus is None:
            return None
        return entropy(self.zeros, self.plus, self.minus)

    def as_dict(self) -> dict[str, Any]:
        """Return the counts as plain data, for JSON."""
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
            "role": self.role,
            "file": self.file,
            "offset": self.offset,
        }


@dataclass(frozen=True)
class Census:
    """The census of a checkpoint.

    Attributes
    ----------
    name : str
        Name of the file or the folder, for reports.
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
        """Fraction of the ternary weights that are zero; None if there are no ternary weights."""
        return self.zeros / self.weights if self.weights else None

    def zeros_by_role(self) -> dict[LinearRole, float]:
        """Return the fraction of zeros in each role of the projections and the FFN."""
        counts: dict[LinearRole, list[int]] = {}
        for matrix in self.ternary:
            role = matrix.role
            if role in LINEAR_ROLES and matrix.weights:
                sums = counts.setdefault(role, [0, 0])
                sums[0] += matrix.zeros or 0
                sums[1] += matrix.weights
        return {role: zeros / weights for role, (zeros, weights) in counts.items()}


def entropy(*counts: int) -> float | None:
    """Return the entropy of a distribution given by counts, in bits per symbol (Shannon 1948)."""
    total = sum(counts)
    if not total:
        return None
    return sum(n / total * log2(total / n) for n in counts if n)


def two_bit_bytes(weights: int) -> int:
    """Return the bytes of 2-bit codes, without scales."""
    return -(-weights // 4)


def base3_bytes(weights: int) -> int:
    """Return the bytes at five trits per byte, without scales."""
    return -(-weights // 5)


def total_bytes(matrices: Iterable[MatrixCensus]) -> int:
    """Return the stored bytes of the matrices."""
    return sum(matrix.bytes for matrix in matrices)
