"""Tensors while a model runs: which of them depend on stored tensors alone."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any

import torch

from ..record import Operand


def tensors_of(values: Iterable[Any]) -> list[torch.Tensor]:
    """Return the tensors among arguments or results, those in lists included."""
    found = []
    for value in values:
        if isinstance(value, torch.Tensor):
            found.append(value)
        elif isinstance(value, list | tuple):
            found.extend(tensors_of(value))
    return found


def storage_of(tensor: torch.Tensor) -> int:
    """Return the identity of a tensor's storage, which its views share; on meta too."""
    try:
        return int(tensor.untyped_storage()._cdata)
    except (RuntimeError, NotImplementedError):  # a sparse or wrapper tensor has no storage
        return id(tensor)


class Storages:
    """Storages by the origin of their content.

    A storage is *fixed* if its content is the same for every input: a parameter, whatever is
    written to it; a buffer or another tensor that a module holds; a tensor that a factory
    (``arange``, ``zeros``) makes while a module runs; and a tensor computed from fixed ones alone.
    The model's inputs are not fixed, nor are tensors made outside every module. Storages are
    identified by their address. Every new tensor passes through `update`, so that a reused address
    is classified anew.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        self._parameters = {storage_of(tensor) for tensor in model.parameters()}
        self._fixed = self._parameters | {storage_of(tensor) for tensor in _held(model)}
        self._probabilities: set[int] = set()
        self._operands: dict[int, dict[Hashable, Operand]] = {}

    def fixed(self, tensor: torch.Tensor) -> bool:
        """Whether a tensor's content is the same for every input."""
        return storage_of(tensor) in self._fixed

    def update(
        self,
        inputs: Sequence[torch.Tensor],
        outputs: Sequence[torch.Tensor],
        *,
        writes: bool,
        constants: bool,
    ) -> bool:
        """Classify the result of an operator, and return whether it is fixed.

        Parameters
        ----------
        inputs, outputs : sequence of Tensor
            The operator's tensors.
        writes : bool
            Whether it writes to an input.
        constants : bool
            Whether a result computed from no tensor is fixed.
        """
        known = {storage_of(tensor) for tensor in inputs}
        fixed = known <= self._fixed if known else constants
        for output in outputs:
            key = storage_of(output)
            if key in known and not writes:
                continue
            self._operands.pop(key, None)
            self._probabilities.discard(key)
            if fixed:
                self._fixed.add(key)
            elif key not in self._parameters:
                self._fixed.discard(key)
        return fixed

    def mark_probabilities(self, tensor: torch.Tensor) -> None:
        """Note that a tensor came out of a softmax."""
        self._probabilities.add(storage_of(tensor))

    def probabilities(self, tensors: list[torch.Tensor]) -> bool:
        """Whether one of the tensors came out of a softmax, perhaps copied."""
        return bool(self._probabilities) and any(
            storage_of(tensor) in self._probabilities for tensor in tensors
        )

    def operands(self, tensor: torch.Tensor) -> dict[Hashable, Operand]:
        """Return the formats found so far in a tensor and its views, to read and to write."""
        return self._operands.setdefault(storage_of(tensor), {})


def _held(model: torch.nn.Module) -> Iterator[torch.Tensor]:
    """Yield every tensor that a model's modules hold, registered or not."""
    yield from model.buffers()
    for module in model.modules():
        for value in vars(module).values():
            if isinstance(value, torch.Tensor):
                yield value
            elif isinstance(value, list | tuple):
                yield from (item for item in value if isinstance(item, torch.Tensor))
