"""PyTorch operators that only move data, and the counts of elementwise operators."""

from __future__ import annotations

from math import prod

import torch

from ...tally import Operation
from ..formulas import (
    DIVISION_BY_CONSTANT,
    ELEMENTWISE,
    POWER_OF_CONSTANT,
    REDUCTIONS,
    clamp,
    power,
    reduction,
    times,
    vector_function,
)
from .calls import Call, Count, format_of

#: Operators that compute nothing: copies, rearrangements, lookups, constants.
FREE = frozenset({
    "_assert_async", "_assert_scalar", "_local_scalar_dense", "_reshape_alias", "_unsafe_index",
    "_unsafe_view", "abs", "alias_copy", "arange", "cat", "clone", "constant_pad_nd",
    "contiguous", "copy", "detach", "diag_embed", "embedding", "empty", "empty_like",
    "empty_permuted", "empty_strided", "expand_copy", "eye", "fill", "flip", "full",
    "full_like", "gather", "index", "index_copy", "index_fill", "index_put", "index_select",
    "is_same_size", "item", "lift", "lift_fresh", "linspace", "masked_fill", "masked_scatter",
    "masked_select", "neg", "new_empty", "new_empty_strided", "new_full", "new_ones",
    "new_zeros", "one_hot", "ones", "ones_like", "pixel_shuffle", "repeat", "repeat_interleave",
    "resize", "roll", "scalar_tensor", "scatter", "select_scatter", "set", "slice_scatter",
    "split_with_sizes_copy", "stack", "take", "tril", "tril_indices", "triu", "triu_indices",
    "unfold", "view_copy", "where", "zero", "zeros", "zeros_like",
})  # fmt: skip

_ALIASES = {
    "and": "bitwise_and",
    "or": "bitwise_or",
    "xor": "bitwise_xor",
    "iand": "bitwise_and",
    "ior": "bitwise_or",
    "ixor": "bitwise_xor",
    "lshift": "bitwise_left_shift",
    "rshift": "bitwise_right_shift",
    "ilshift": "bitwise_left_shift",
    "irshift": "bitwise_right_shift",
}


def elementwise_count(name: str) -> Count | None:
    """Return the counter of an operator, by its plain name, or None without a formula."""
    name = _ALIASES.get(name, name)
    if name in _SPECIAL:
        return _SPECIAL[name]
    if name in REDUCTIONS:
        return _reduces(name)
    if name in ELEMENTWISE:
        return _maps(name)
    return None


def _maps(name: str) -> Count:
    each = ELEMENTWISE[name]

    def count(call: Call) -> None:
        if call.outputs:
            call.elementwise(name, _operand_format(call), times(each, call.outputs[0].numel()))

    return count


def _reduces(name: str) -> Count:
    joins = REDUCTIONS[name][0]

    def count(call: Call) -> None:
        source, result = call.inputs[0], call.outputs[0]
        if len(call.inputs) > 1 and joins == "compare":  # the larger of two tensors
            call.elementwise(name, _operand_format(call), {"compare": result.numel()})
            return
        results = result.numel()
        if name == "cumsum":
            results //= max(source.shape[call.args[1]] if source.dim() else 1, 1)
        form = format_of(source.dtype if joins == "compare" else result.dtype)
        call.elementwise(name, form, reduction(name, source.numel(), results))

    return count


def _operand_format(call: Call) -> str:
    """Return the format of an elementwise operator, the widest format of its operands."""
    result = call.outputs[0].dtype
    if result is not torch.bool:
        return format_of(result)
    widest = max(
        (tensor.dtype for tensor in call.inputs),
        key=lambda dtype: (dtype.is_floating_point, dtype.itemsize),
        default=result,
    )
    return format_of(widest)


def _scaled_sum(name: str) -> Count:
    def count(call: Call) -> None:
        number = call.outputs[0].numel()
        counts: dict[Operation, int] = {"add": number}
        if call.kwargs.get("alpha", 1) != 1:
            counts["mul"] = number
        call.elementwise(name, _operand_format(call), counts)

    return count


def _division(call: Call) -> None:
    number = call.outputs[0].numel()
    by_tensor = isinstance(call.args[1], torch.Tensor)
    counts = times(ELEMENTWISE["div"] if by_tensor else DIVISION_BY_CONSTANT, number)
    if call.kwargs.get("rounding_mode"):
        counts["round"] = number
    call.elementwise("div", _operand_format(call), counts)


def _power(call: Call) -> None:
    base, exponent = call.args[:2]
    number = call.outputs[0].numel()
    constant = not isinstance(exponent, torch.Tensor | complex)
    each = power(float(exponent)) if constant else None
    if not isinstance(base, torch.Tensor):
        each = POWER_OF_CONSTANT
    if each is not None:
        call.elementwise("pow", _operand_format(call), times(each, number))
        return
    shown = repr(exponent) if constant else "power of a tensor"
    call.context.tally.unknown[call.frame.path, f"{call.func} to the {shown}"] += 1


def _clamp(call: Call) -> None:
    bounds = sum(call.argument(i, name) is not None for i, name in ((1, "min"), (2, "max")))
    counts = times(clamp(bounds), call.outputs[0].numel())
    call.elementwise("clamp", _operand_format(call), counts)


def _conversion(call: Call) -> None:
    if not call.inputs or not call.outputs:
        return
    source, result = call.inputs[0].dtype, call.outputs[0].dtype
    # Converting an integer to a float includes rounding; models round floats explicitly before
    # they convert them to integers.
    if result.is_floating_point and not source.is_floating_point and source is not torch.bool:
        counts: dict[Operation, int] = {"round": call.outputs[0].numel()}
        call.elementwise("convert", format_of(result), counts)
    storages = call.context.storages
    if storages.probabilities(call.inputs):
        storages.mark_probabilities(call.outputs[0])


def _softmax(call: Call) -> None:
    source = call.inputs[0]
    length = source.shape[call.args[1]] if source.dim() else 1
    elements = source.numel()
    counts = vector_function("softmax", elements, elements // max(length, 1))
    call.elementwise("softmax", format_of(call.outputs[0].dtype), counts)
    call.context.storages.mark_probabilities(call.outputs[0])


def _norm(name: str) -> Count:
    def count(call: Call) -> None:
        source = call.inputs[0]
        width = prod(call.args[1])
        elements = source.numel()
        counts = vector_function(name, elements, elements // max(width, 1))
        if call.argument(2, "weight") is None:
            counts["mul"] -= elements
        if name == "layer_norm" and call.argument(3, "bias") is None:
            counts["add"] -= elements
        call.elementwise(name, format_of(source.dtype), counts)

    return count


def _accumulates(position: int, name: str) -> Count:
    """Return the counter of an operator that adds its argument `name` into parts of a tensor."""

    def count(call: Call) -> None:
        source = call.argument(position, name)
        counts: dict[Operation, int] = {"add": source.numel()}
        call.elementwise("add", format_of(call.outputs[0].dtype), counts)

    return count


_SPECIAL: dict[str, Count] = {
    "add": _scaled_sum("add"),
    "sub": _scaled_sum("sub"),
    "div": _division,
    "pow": _power,
    "clamp": _clamp,
    "_to_copy": _conversion,
    "_softmax": _softmax,
    "_safe_softmax": _softmax,
    "native_layer_norm": _norm("layer_norm"),
    "_fused_rms_norm": _norm("rms_norm"),
    "index_add": _accumulates(3, "source"),
    "scatter_add": _accumulates(3, "src"),
}
