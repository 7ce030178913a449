"""Matrix products and attention kernels of PyTorch: shapes, and the formats of their operands."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import torch

from ...reference.detection import Floats, Read
from ..formulas import product_role, vector_function
from ..record import Operand, Place
from ..values import integer_operand, stored_operand
from .calls import Call, Count, format_of


def _matrix_product(first: int, second: int, addend: int | None = None) -> Count:
    """Return the counter of an operator that multiplies two of its arguments."""

    def count(call: Call) -> None:
        _product(call, call.args[first], call.args[second])
        if addend is not None:
            result = call.outputs[0]
            form = format_of(result.dtype)
            call.steps("bias", form, {"add": result.numel()})

    return count


def _product(call: Call, a: torch.Tensor, b: torch.Tensor) -> None:
    """Count (..., m, K) times (..., K, p)."""
    a = a if a.dim() > 1 else a.unsqueeze(0)
    b = b if b.dim() > 1 else b.unsqueeze(1)
    storages = call.context.storages
    stored_a, stored_b = storages.fixed(a), storages.fixed(b)
    if stored_a and not stored_b:
        a, b = b.transpose(-1, -2), a.transpose(-1, -2)
    m, k = a.shape[-2:]
    outputs = prod(b.shape[:-2]) * b.shape[-1]
    if stored_a == stored_b:
        operands = Operand(format_of(a.dtype)), Operand(format_of(b.dtype))
        role = product_role(call.frame.path) if stored_a else _attention_role(call, (a, b))
        _count(call, role, m, k, outputs, *operands)
        return
    weight = _weight(call, b.transpose(-1, -2))
    activation = _activation(call, a, weight)
    _count(call, product_role(call.frame.path), m, k, outputs, activation, weight)


def _count(
    call: Call, role: str, m: int, k: int, outputs: int, activation: Operand, weight: Operand
) -> None:
    tally = call.context.tally
    place = Place(call.frame.path, role, call.side)
    tally.product(place, m, k, outputs, activation, weight)
    if not call.fixed and (weight.add_only or not activation.is_float):
        call.frame.quantized_product(tally)


def _attention_role(call: Call, operands: tuple[torch.Tensor, torch.Tensor]) -> str:
    if "att" not in call.frame.path.lower():
        return "matmul"
    values_read = call.context.storages.probabilities(list(operands))
    return "attention-value" if values_read else "attention-score"


def _has_values(tensor: torch.Tensor) -> bool:
    """Return whether the values of a tensor can be read."""
    plain = type(tensor) in (torch.Tensor, torch.nn.Parameter, torch.nn.Buffer)
    return plain and tensor.device.type != "meta" and tensor.layout is torch.strided


def _weight(call: Call, matrix: torch.Tensor) -> Operand:
    """Return the format of a stored matrix of shape (..., outputs, K)."""
    own = Operand(format_of(matrix.dtype))
    scope = call.frame.path
    if not _has_values(matrix):
        zeros = call.context.declared.zeros(scope)
        if zeros is not None:
            return Operand("ternary", 1, zeros=zeros)
        call.context.tally.undeclared.add(scope)
        return own
    known = call.context.storages.operands(matrix)
    key = (matrix.storage_offset(), matrix.shape, matrix.stride())
    found = known.get(key)
    if found is None:
        found = stored_operand(*_as_rows(matrix)) or own
        known[key] = found
    return found


def _activation(call: Call, matrix: torch.Tensor, weight: Operand) -> Operand:
    """Return the format of activations that a stored matrix multiplies."""
    own = Operand(format_of(matrix.dtype))
    if weight.is_float:
        return own  # a float product for any values
    if not _has_values(matrix):
        name = call.context.declared.activation(call.frame.path)
        return Operand(name) if name else own
    known = call.context.storages.operands(matrix)
    key = ("activation", matrix.storage_offset(), matrix.shape, matrix.stride())
    found = known.get(key)
    if found is None:
        found = integer_operand(*_as_rows(matrix)) or own
        known[key] = found
    return found


def _as_rows(matrix: torch.Tensor) -> tuple[Read, tuple[int, int], float]:
    """Return a reader of the rows of a matrix, its shape, and the unit roundoff of its type."""
    rows = matrix.detach().reshape(prod(matrix.shape[:-1]), matrix.shape[-1])
    kind = matrix.dtype
    roundoff = torch.finfo(kind).eps / 2 if kind.is_floating_point else 0.0
    return _reader(rows), (rows.shape[0], rows.shape[1]), roundoff


def _reader(matrix: torch.Tensor) -> Read:
    if matrix.device.type == "cpu" and matrix.dtype in (torch.float32, torch.float64):
        array: Floats = matrix.numpy()
        return lambda rows, columns: array[rows, columns]

    def read(rows: slice, columns: slice) -> Floats:
        part = matrix[rows, columns].cpu()
        if part.dtype is not torch.float64:
            part = part.float()
        found: Floats = part.numpy()
        return found

    return read


def _convolution(call: Call) -> None:
    signal, kernel, bias = call.args[:3]
    if call.argument(6, "transposed"):
        call.context.tally.unknown[call.frame.path, f"{call.func}, transposed"] += 1
        return
    result = call.outputs[0]
    outputs, k = kernel.shape[0], prod(kernel.shape[1:])
    m = result.numel() // max(outputs, 1)
    if call.context.storages.fixed(kernel) and not call.fixed:
        weight = _weight(call, kernel.flatten(1))
        activation = _activation(call, signal.flatten(1), weight)
    else:
        activation, weight = Operand(format_of(signal.dtype)), Operand(format_of(kernel.dtype))
    _count(call, product_role(call.frame.path), m, k, outputs, activation, weight)
    if bias is not None:
        call.steps("bias", format_of(result.dtype), {"add": result.numel()})


def _attention(call: Call) -> None:
    """Count a fused attention kernel over all S x S pairs, causal or not."""
    query, key, value = call.args[:3]
    batch, heads, queries, width = query.shape
    context, value_width = key.shape[-2], value.shape[-1]
    operand = Operand(format_of(query.dtype))
    scores = batch * heads * queries * context
    for role, k, outputs in (
        ("attention-score", width, context),
        ("attention-value", context, value_width),
    ):
        _count(call, role, queries, k, batch * heads * outputs, operand, operand)
    counts = vector_function("softmax", scores, batch * heads * queries)
    counts["mul"] += scores  # the scaling
    if any(tensor is not None for tensor in _masks(call)):
        counts["add"] += scores
    call.steps("softmax", operand.format, counts)


def _masks(call: Call) -> Iterator[object]:
    yield call.kwargs.get("attn_mask")
    yield call.kwargs.get("attn_bias")
    if len(call.args) > 3 and isinstance(call.args[3], torch.Tensor):
        yield call.args[3]


#: Operator -> its counter.
PRODUCTS: dict[str, Count] = {
    "mm": _matrix_product(0, 1),
    "bmm": _matrix_product(0, 1),
    "mv": _matrix_product(0, 1),
    "dot": _matrix_product(0, 1),
    "vdot": _matrix_product(0, 1),
    "_int_mm": _matrix_product(0, 1),
    "addmm": _matrix_product(1, 2, 0),
    "addmm_": _matrix_product(1, 2, 0),
    "baddbmm": _matrix_product(1, 2, 0),
    "baddbmm_": _matrix_product(1, 2, 0),
    "addmv": _matrix_product(1, 2, 0),
    "convolution": _convolution,
    "_convolution": _convolution,
    "_scaled_dot_product_flash_attention_for_cpu": _attention,
    "_scaled_dot_product_flash_attention": _attention,
    "_scaled_dot_product_efficient_attention": _attention,
    "_scaled_dot_product_cudnn_attention": _attention,
    "_scaled_dot_product_fused_attention_overrideable": _attention,
}
