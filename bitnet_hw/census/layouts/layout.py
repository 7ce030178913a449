"""The interface of a layout: the task that its counter takes, and the counts that it returns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod
from typing import NamedTuple

from ...inputs.model import ModelSpec
from ..containers import Tensor
from ..counting.scales import one_scale
from ..counting.totals import Ints, Totals
from ..record import Scale
from ..source import Source


@dataclass(frozen=True)
class Task:
    """One tensor to count.

    Attributes
    ----------
    source : Source
        The file.
    tensor : Tensor
        The tensor, with its place in the file.
    tensors : mapping
        All tensors of the file by name, to find those stored with the weights.
    model : ModelSpec or None
        Gives the number of rows of a packed matrix, where it is known.
    by_line : bool
        Whether to count zeros by row and column as well as in total.
    warn : callable
        Called with a line about something unusual that can still be counted.
    """

    source: Source
    tensor: Tensor
    tensors: Mapping[str, Tensor]
    model: ModelSpec | None
    by_line: bool
    warn: Callable[[str], None]

    @property
    def rows(self) -> int:
        """Rows of the tensor as a matrix, all leading dimensions together."""
        return prod(self.tensor.shape[:-1])

    @property
    def columns(self) -> int:
        """Length of a row; 1 for a single number."""
        return self.tensor.shape[-1] if self.tensor.shape else 1

    def warn_at(self, message: str, offset: int | None = None) -> None:
        """Warn with file, tensor and byte: the tensor's first one if no other is given."""
        at = self.tensor.offset if offset is None else offset
        self.warn(self.source.describe(message, tensor=self.tensor.name, offset=at))


class Found(NamedTuple):
    """The counts of a ternary tensor.

    Attributes
    ----------
    zeros : int
        Weights that are 0.
    plus : int, optional
        Weights that are +1; None if the signs are unknown.
    row_zeros, column_zeros : (rows,) and (columns,) int64, optional
        Zeros of each row, and of each column in any order.
    scale : Scale, optional
        None if the file has none.
    shape : tuple of int, optional
        Shape of the unpacked matrix, if it differs from the stored one.
    format : str, optional
        Name of the layout, if it differs from the file's name of the type.
    """

    zeros: int
    plus: int | None
    row_zeros: Ints | None = None
    column_zeros: Ints | None = None
    scale: Scale | None = None
    shape: tuple[int, ...] | None = None
    format: str | None = None

    @classmethod
    def of(cls, totals: Totals, scale: Scale | None) -> Found:
        """Join counts and scale."""
        return cls(*totals, scale=scale)


#: Counts a tensor, or returns None if its values are not ternary. Raises `InputError` if they are
#: ternary but a code or a scale is invalid.
Layout = Callable[[Task], Found | None]


def is_one_float(tensor: Tensor) -> bool:
    """Return whether a tensor is one floating-point number, as the scale of a whole matrix is."""
    return tensor.format in ("f32", "f16", "bf16") and prod(tensor.shape) == 1


def scale_tensor(task: Task) -> Tensor | None:
    """Return the tensor that holds the scale of a safetensors weight, or None if there is none."""
    return task.tensors.get(f"{task.tensor.name}_scale")


def separate_scale(task: Task) -> Scale | None:
    """Return the scale in a separate tensor, or None unless that is one floating-point number.

    Raises
    ------
    InputError
        If it is not finite.
    """
    tensor = scale_tensor(task)
    if tensor is None or not is_one_float(tensor):
        return None
    return one_scale(task.source, tensor.name, tensor.offset, tensor.format)
