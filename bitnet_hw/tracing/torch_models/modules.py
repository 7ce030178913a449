"""The module path of every operator, from a stack of the running modules of a model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

from ...tally import Key
from ..formulas import ROLES
from ..record import TracedTally

#: Path of operators that run outside every module's forward.
OUTSIDE = "(outside)"


@dataclass
class Frame:
    """One call of one module.

    Attributes
    ----------
    path : str
        Module path; for the model itself, which has none, the name of its class.
    norm : bool
        Whether the module is a normalization, by its name or the name of its class.
    projection : bool
        Whether it holds exactly one matrix, so that steps before a product of quantized operands
        count as quantizing, and steps after it as rescaling.
    """

    path: str
    norm: bool = False
    projection: bool = False
    _rescaling: bool = False
    _before: list[tuple[Key, int]] = field(default_factory=list)

    def role(self, operator: str) -> str:
        """Return the role of an elementwise operator."""
        if self._rescaling:
            return "rescale"
        return "norm" if self.norm else ROLES.get(operator, "elementwise")

    def note(self, key: Key, count: int) -> None:
        """Remember a count, which is quantizing if a product of quantized operands follows."""
        if self.projection and not self._rescaling:
            self._before.append((key, count))

    def quantized_product(self, tally: TracedTally) -> None:
        """Count the steps before this product as quantizing, and those after it as rescaling."""
        if not self.projection:
            return
        for key, count in self._before:
            tally.counts[key] -= count
            if not tally.counts[key]:
                del tally.counts[key]
            tally.add(key._replace(role="quantize"), count)
        self._before.clear()
        self._rescaling = True


class ModuleStack:
    """The running modules of one model, innermost last."""

    def __init__(self, model: torch.nn.Module) -> None:
        self._templates: dict[int, Frame] = {}
        for path, module in model.named_modules():
            # The model itself has the empty path.
            frame = _template(path or type(module).__name__, module)
            self._templates.setdefault(id(module), frame)
        self._stack: list[tuple[int, Frame]] = [(0, Frame(OUTSIDE))]

    @property
    def top(self) -> Frame:
        """The innermost call."""
        return self._stack[-1][1]

    @contextmanager
    def following(self) -> Iterator[None]:
        """Follow the calls of modules until the block ends."""
        handles = [
            register_module_forward_pre_hook(self._enter),
            register_module_forward_hook(self._leave, always_call=True),
        ]
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()

    def _enter(self, module: torch.nn.Module, _inputs: Any) -> None:  # noqa: ANN401  hook's signature
        template = self._templates.get(id(module))
        if template is not None:
            frame = Frame(template.path, template.norm, template.projection)
            self._stack.append((id(module), frame))

    def _leave(self, module: torch.nn.Module, *_rest: Any) -> None:  # noqa: ANN401  hook's signature
        # After an exception, inner calls are still on the stack.
        if any(identity == id(module) for identity, _frame in self._stack):
            while self._stack.pop()[0] != id(module):
                pass


def _template(path: str, module: torch.nn.Module) -> Frame:
    last = path.rsplit(".", 1)[-1]
    own = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
    matrices = sum(tensor.dim() == 2 for tensor in own)
    norm = "norm" in last.lower() or "norm" in type(module).__name__.lower()
    return Frame(path, norm and not matrices, matrices == 1)
