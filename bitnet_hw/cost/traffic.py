"""Traffic: the bytes that lowered operators move, by memory level.

For a product on R rows of L lanes, where T tokens share a fetch of the second operand (weights, or
keys and values):

- a block consists of the tokens whose activations fit the activation buffer, at least 1;
- DRAM, weights: read once per block, unless all weights fit the weight buffer; if not even one
  token fits the activation buffer, the activations of every token are moved as well;
- DRAM, KV cache: read in full in each decode step, and once per block in a prefill (with a sliding
  window, the part that the block can see); new keys and values are written once; scores stay on
  chip;
- weight SRAM: the second operand is read once per T tokens (keys and values: once per T queries of
  the heads and tokens that share them);
- activation SRAM: each activation is read once per R outputs, and each result is written once;
- DRAM, embedding: one row is read per token.

Traffic of gains, biases and elementwise steps is not counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from .lowered import Lowered, LoweredProduct

Level = Literal["dram", "weight-sram", "activation-sram"]
Content = Literal["weights", "kv-cache", "activations", "embedding"]


class Traffic(NamedTuple):
    """Bytes that one operator moves at one memory level."""

    scope: str
    role: str
    level: Level
    content: Content
    bytes: float


def traffic(lowered: Lowered) -> list[Traffic]:
    """Return the bytes that lowered operators move, by memory level.

    Parameters
    ----------
    lowered : Lowered
        From `bitnet_hw.cost.lowering.lower`.

    Examples
    --------
    >>> from bitnet_hw.cost.lowering import lower
    >>> from bitnet_hw.inputs.scenario import Scenario
    >>> rows = traffic(lower("gpt2", Scenario("decode", context=64), "fp16"))
    >>> round(sum(row.bytes for row in rows if row.level == "dram") / 1e6)
    249
    """
    resident = lowered.streamed_weight_bytes <= lowered.machine.weight_buffer_bytes
    rows: list[Traffic] = []
    for product in lowered.products:
        rows.extend(_from_dram(product, lowered, resident))
        rows.extend(_on_chip(product, lowered))
    rows.extend(
        Traffic("embedding", "embedding", "dram", "embedding", lookup.tokens * lookup.bits / 8)
        for lookup in lowered.lookups
    )
    return rows


def _from_dram(product: LoweredProduct, lowered: Lowered, resident: bool) -> Iterator[Traffic]:
    shape = product.shape
    fitting = int(lowered.machine.activation_buffer_bytes * 8 // product.token_bits)
    block = max(min(shape.tokens, fitting), 1)
    weights = product.operand == "weights"
    if not (weights and resident):
        read = shape.streamed(block) * _fetched(product, block)
        size = (read + shape.appended) * product.element_bits / 8
        yield Traffic(product.scope, product.role, "dram", product.operand, size)
    if weights and fitting == 0:
        size = shape.tokens * product.token_bits * shape.repeat / 8
        yield Traffic(product.scope, product.role, "dram", "activations", size)


def _on_chip(product: LoweredProduct, lowered: Lowered) -> Iterator[Traffic]:
    shape, machine = product.shape, lowered.machine
    fetched = shape.fetches(machine.tokens) * _fetched(product, machine.tokens)
    size = fetched * product.element_bits / 8
    yield Traffic(product.scope, product.role, "weight-sram", product.operand, size)
    read = shape.input_reads(machine.rows) * product.input_bits
    size = (read + shape.outputs * product.output_bits) / 8
    yield Traffic(product.scope, product.role, "activation-sram", "activations", size)


def _fetched(product: LoweredProduct, shared_by: int) -> float:
    """Return the share of the weights that `shared_by` independent tokens need."""
    return 1.0 - product.inactive ** min(shared_by, product.shape.tokens)
