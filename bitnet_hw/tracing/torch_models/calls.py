"""One call of a PyTorch operator, and the state of the trace around it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any, NamedTuple, TypeVar

import torch

from ...tally import Key, Operation, Side
from ..record import FP64, Place, TracedTally
from .modules import Frame, ModuleStack
from .storage import Storages

_T = TypeVar("_T")
_FORMATS = {
    torch.float64: FP64,
    torch.float32: "fp32",
    torch.float16: "fp16",
    torch.bfloat16: "bf16",
    # PyTorch stores a Boolean in a byte.
    torch.bool: "int8",
    torch.uint8: "int8",
    torch.int8: "int8",
    torch.int16: "int16",
    torch.int32: "int32",
    torch.int64: "int64",
}


def format_of(dtype: torch.dtype) -> str:
    """Return the name of the number format of a type: ``fp32``, ``int8``, ``float8_e4m3fn``."""
    return _FORMATS.get(dtype) or str(dtype).removeprefix("torch.")


class Declared(NamedTuple):
    """The caller's declarations about stored weights without values, by pattern of module path.

    Attributes
    ----------
    weight_zeros : mapping of str to float
        Fraction of zeros of ternary weights.
    activations : mapping of str to str
        Format of the activations that these weights multiply.
    """

    weight_zeros: Mapping[str, float]
    activations: Mapping[str, str]

    def zeros(self, scope: str) -> float | None:
        """Return the fraction of zeros declared for a module path, if any."""
        return _matching(self.weight_zeros, scope)

    def activation(self, scope: str) -> str | None:
        """Return the activation format declared for a module path, if any."""
        return _matching(self.activations, scope)


def _matching(patterns: Mapping[str, _T], scope: str) -> _T | None:
    return next((value for key, value in patterns.items() if fnmatchcase(scope, key)), None)


class Context(NamedTuple):
    """The state that all calls of a trace share."""

    tally: TracedTally
    modules: ModuleStack
    storages: Storages
    declared: Declared


class Call(NamedTuple):
    """One call of one operator.

    Attributes
    ----------
    context : Context
        The trace.
    func, args, kwargs : Any
        The operator and its arguments.
    inputs, outputs : list of Tensor
        The tensors among the arguments and results.
    frame : Frame
        The module that runs.
    fixed : bool
        Whether the result is the same for every input of the model.
    """

    context: Context
    func: Any
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    inputs: list[torch.Tensor]
    outputs: list[torch.Tensor]
    frame: Frame
    fixed: bool

    @property
    def side(self) -> Side:
        """``weight`` if the result is fixed, otherwise ``token``."""
        return "weight" if self.fixed else "token"

    def argument(self, position: int, name: str, default: Any = None) -> Any:  # noqa: ANN401  any argument
        """Return an argument that may be given by position or by name."""
        if position < len(self.args):
            return self.args[position]
        return self.kwargs.get(name, default)

    def steps(self, role: str, form: str, counts: Mapping[Operation, int]) -> None:
        """Count elementwise operations."""
        self.context.tally.steps(Place(self.frame.path, role, self.side), form, counts)

    def elementwise(self, operator: str, form: str, counts: Mapping[Operation, int]) -> None:
        """Count elementwise operations, in the operator's role within its module."""
        role = self.frame.role(operator)
        self.steps(role, form, counts)
        if not self.fixed:
            for operation, count in counts.items():
                key = Key(self.frame.path, role, operation, form)
                self.frame.note(key, count)


Count = Callable[[Call], None]
