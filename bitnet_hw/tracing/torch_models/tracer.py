"""The trace of a PyTorch model: every operator that reaches the dispatcher, by module path."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ...errors import InputError
from ...inputs.formats import parse_format
from ..record import TracedTally
from .calls import Call, Context, Count, Declared
from .elementwise import FREE, elementwise_count
from .modules import OUTSIDE, ModuleStack
from .products import PRODUCTS
from .storage import Storages, tensors_of

#: Operators that ``torch.tensor([1.0, 2.0])`` calls.
_LITERALS = (torch.ops.aten.lift_fresh.default, torch.ops.aten.lift.default)


class Plan(NamedTuple):
    """The treatment of one operator.

    Attributes
    ----------
    counter : callable, optional
        Function that counts a call; None for an operator that only moves data.
    view : bool
        Whether the result shares the storage of its input, so that nothing is computed.
    decompose : bool
        Whether PyTorch itself decomposes it into other operators.
    writes : bool
        Whether it modifies one of its inputs.
    literal : bool
        Whether its input holds numbers that are literals in the code.
    """

    counter: Count | None = None
    view: bool = False
    decompose: bool = False
    writes: bool = False
    literal: bool = False


@contextmanager
def trace_model(
    model: torch.nn.Module,
    strict: bool,
    weight_zeros: Mapping[str, float],
    activations: Mapping[str, str],
) -> Iterator[TracedTally]:
    """Trace what a model computes within a block; see `bitnet_hw.trace`."""
    for pattern, zeros in weight_zeros.items():
        if not 0 <= zeros < 1:
            raise InputError(
                f"weight_zeros[{pattern!r}]: {zeros}; give a fraction of at least 0 and below 1"
            )
    for name in activations.values():
        parse_format(name)
    declared = Declared(weight_zeros, activations)
    context = Context(TracedTally(), ModuleStack(model), Storages(model), declared)
    with ExitStack() as stack:
        if "torch._dynamo" in sys.modules:
            # A compiled function would hide its operators. Before that module is loaded, which
            # takes seconds, no function is compiled.
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        stack.enter_context(context.modules.following())
        stack.enter_context(_Tracer(context))
        yield context.tally
    if strict:
        context.tally.refuse_unknown()


class _Tracer(TorchDispatchMode):
    """Run every operator unchanged, and count it."""

    def __init__(self, context: Context) -> None:
        super().__init__()
        self._context = context
        self._plans: dict[Any, Plan] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:  # noqa: ANN401  torch's own signature
        """Run one operator, then count it."""
        kwargs = kwargs or {}
        plan = self._plans.get(func)
        if plan is None:
            plan = self._plans[func] = _plan(func)
        if plan.view:
            return func(*args, **kwargs)
        if plan.decompose:
            with self:
                return func.decompose(*args, **kwargs)
        result = func(*args, **kwargs)
        context = self._context
        frame = context.modules.top
        inputs = tensors_of((*args, *kwargs.values()) if kwargs else args)
        outputs = tensors_of((result,))
        fixed = context.storages.update(
            () if plan.literal else inputs,
            outputs,
            writes=plan.writes,
            constants=frame.path != OUTSIDE,
        )
        if plan.counter is not None:
            plan.counter(Call(context, func, args, kwargs, inputs, outputs, frame, fixed))
        elif outputs and context.storages.probabilities(inputs):
            context.storages.mark_probabilities(outputs[0])
        return result


def _plan(func: Any) -> Plan:  # noqa: ANN401  an OpOverload or a higher-order operator
    if not isinstance(func, torch._ops.OpOverload):
        return Plan(_note_unknown)
    if func in _LITERALS:
        return Plan(literal=True)
    if func.is_view:
        return Plan(view=True)
    writes = func._schema.is_mutable
    if func.namespace == "aten":
        name = func._schema.name.removeprefix("aten::")
        if name in PRODUCTS:
            return Plan(PRODUCTS[name], writes=writes)
        # In-place forms (add_) and Python's operators (__and__) count like the plain ones.
        plain = name.strip("_") if name.endswith("_") else name
        if plain in FREE:
            return Plan(writes=writes)
        count = elementwise_count(plain)
        if count is not None:
            return Plan(count, writes=writes)
    if torch._C._dispatch_has_kernel_for_dispatch_key(func.name(), "CompositeImplicitAutograd"):
        return Plan(decompose=True)
    return Plan(_note_unknown, writes=writes)


def _note_unknown(call: Call) -> None:
    if call.frame.path == OUTSIDE and not call.inputs:
        return  # the caller makes an input, for example of random numbers
    call.context.tally.unknown[call.frame.path, str(call.func)] += 1
