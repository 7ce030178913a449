"""The tensors of a running model, classified by whether they depend on the input."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Sequence
from typing import Any

import torch

from ..record import Operand


def tensors_of(values: Iterable[Any]) -> list[torch.Tensor]:
    """Return the tensors among arguments or results, including those in lists."""
    found = []
    for value in values:
        if isinstance(value, torch.Tensor):
            found.append(value)
        elif isinstance(value, list | tuple):
            found.extend(tensors_of(value))
    return found


def storage_of(tensor: torch.Tensor) -> int:
    """Return the identity of a tensor's storage, which its views share, also on meta."""
    try:
        return int(tensor.untyped_storage()._cdata)
    except (RuntimeError, NotImplementedError):  # a sparse or wrapper tensor has no storage
        return id(tensor)


class Storages:
    """Storages, classified by the origin of their content.

    A storage is *fixed* if its content is the same for every input: a parameter, even if it is
    written to; a buffer or another tensor that a module holds; a tensor that a factory (``arange``,
    ``zeros``) makes while a module runs; and a tensor computed from fixed ones alone. The model's
    inputs and tensors made outside every module are not fixed. Storages are identified by their
    address. Every new tensor passes through `update`, so a reused address is classified again.
    """

    def __init__(self, model: torch.nn.Module) -> None:
        self._parameters = {storage_of(tensor) for tensor in model.parameters()}
        self._fixed = self._parameters | {storage_of(tensor) for tensor in _held(model)}
        self._probabilities: set[int] = set()
        self._operands: dict[int, dict[Hashable, Operand]] = {}

    def fixed(self, tensor: torch.Tensor) -> bool:
        """Return whether the content of a tensor is the same for every input."""
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
            Whether a result that is computed from no tensor is fixed.
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
        """Record that a tensor is the result of a softmax."""
        self._probabilities.add(storage_of(tensor))

    def probabilities(self, tensors: list[torch.Tensor]) -> bool:
        """Return whether a tensor is the result of a softmax or a copy of one."""
        return bool(self._probabilities) and any(
            storage_of(tensor) in self._probabilities for tensor in tensors
        )

    def operands(self, tensor: torch.Tensor) -> dict[Hashable, Operand]:
        """Return the formats found so far in a tensor and its views, a mapping to be extended."""
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
