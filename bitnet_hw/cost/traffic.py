"""Traffic: the bytes that lowered operators move, by memory.

For a product on a unit of R rows, where T tokens share a fetch of the second operand (weights, or
keys and values):

- what a memory other than a ROM holds of the weights is read from it once per block of tokens. The
  number of blocks is the activations of all tokens over the bytes that the nearest on-chip memory
  has for them beside what it holds already, at least 1 and at most one block per token, and not
  rounded: a buffer that is one percent larger saves one percent. A part of a token's activations
  that does not fit is moved to the nearest other memory that may hold activations;
- the KV cache is read in full in each decode step, and once per block in a prefill (with a sliding
  window, the part that the block can see); new keys and values are written once, where the cache
  lies; scores stay on chip;
- if a memory on the chip that can be written may hold the second operand, the unit reads it from
  there once per T tokens (keys and values: once per T queries of the heads and tokens that share
  them), whatever it holds for good; what lies elsewhere passes through it;
- what a ROM holds of the weights is read from it by the unit, once per T tokens, and passes through
  no other memory; nothing else passes through a ROM, which is never written;
- if a memory on the chip may hold activations, each activation is read from there once per R
  outputs, and each result is written once. If none may, inputs and results of every product are
  read and written once in the memory that holds them, as kernels that run one after another do;
- one row of the embedding table is read per token;
- with N chips, the results of the matrices that end attention and the FFN are summed over the
  chips (ring all-reduce): 2 (N - 1) times their size crosses the links.

Traffic of gains, biases and elementwise steps is not counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..inputs.memory import Content
from .lowered import Lowered, LoweredProduct
from .residency import Residency, residency

#: Level of the traffic between chips.
LINKS = "links"
#: Roles whose results are summed over the chips.
_REDUCED = ("attention-out", "ffn-down")


class Traffic(NamedTuple):
    """Bytes that one operator moves at one level: a memory, by its name, or the links."""

    scope: str
    role: str
    level: str
    content: Content
    bytes: float


def traffic(lowered: Lowered, placed: Residency | None = None) -> list[Traffic]:
    """Return the bytes that lowered operators move, by memory.

    Parameters
    ----------
    lowered : Lowered
        From `bitnet_hw.cost.lowering.lower`.
    placed : Residency, optional
        Where the contents lie; that of `lowered` if absent. The passes of a scenario share one.

    Examples
    --------
    >>> from bitnet_hw.cost.lowering import lower
    >>> from bitnet_hw.inputs.scenario import Scenario
    >>> rows = traffic(lower("gpt2", Scenario("decode", context=64), "fp16"))
    >>> round(sum(row.bytes for row in rows if row.level == "dram") / 1e6)
    248
    """
    placed = residency(lowered) if placed is None else placed
    rows: list[Traffic] = []
    for product in lowered.products:
        rows.extend(product_traffic(product, lowered, placed))
    rows.extend(lookup_traffic(lowered, placed))
    return rows


def lookup_traffic(lowered: Lowered, placed: Residency) -> Iterator[Traffic]:
    """Yield the reads of the embedding tables."""
    for lookup in lowered.lookups:
        for memory, share in placed.places[lookup.lies_with]:
            size = lookup.tokens * lookup.bits / 8 * share
            yield Traffic("embedding", "embedding", memory.name, "embedding", size)


def product_traffic(
    product: LoweredProduct, lowered: Lowered, placed: Residency
) -> Iterator[Traffic]:
    """Yield the bytes that one product moves."""
    shape, machine = product.shape, lowered.machine
    scope, role = product.scope, product.role
    feeds, near = machine.near(product.operand), machine.near("activations")
    blocks, spilled = 1.0, 0.0
    if near is not None:
        tokens_held = placed.rooms[near.name] * 8 / product.token_bits
        blocks = min(shape.tokens / max(tokens_held, 1.0), float(shape.tokens))
        blocks, spilled = max(blocks, 1.0), max(0.0, 1 - tokens_held)
    read = shape.streamed(blocks) * _fetched(product, shape.tokens / blocks)
    fetched = shape.fetches(product.unit.tokens) * _fetched(product, product.unit.tokens)
    passing = 1.0
    for memory, share in placed.places[product.operand]:
        moved = shape.appended + (read if memory != feeds else 0.0)
        if memory.read_only:
            moved, passing = fetched, passing - share
        size = moved * product.element_bits / 8 * share
        if size:
            yield Traffic(scope, role, memory.name, product.operand, size)
    if feeds is not None and passing > 0:
        size = fetched * product.element_bits / 8 * passing
        yield Traffic(scope, role, feeds.name, product.operand, size)
    if near is not None:
        reads = shape.input_reads(product.unit.rows) * product.input_bits
        size = (reads + shape.outputs * product.output_bits) / 8
        yield Traffic(scope, role, near.name, "activations", size)
        if spilled and product.operand == "weights":
            size = shape.tokens * product.token_bits * shape.repeat / 8 * spilled
            far = [m for m in machine.memories if m != near and "activations" in m.holds]
            if far:
                yield Traffic(scope, role, far[0].name, "activations", size)
    else:
        size = product.crossing_bits / 8
        for memory, share in placed.places["activations"]:
            yield Traffic(scope, role, memory.name, "activations", size * share)
    if machine.chip_count > 1 and role in _REDUCED:
        size = 2 * (machine.chip_count - 1) * shape.outputs * product.output_bits / 8
        yield Traffic(scope, role, LINKS, "activations", size)


def _fetched(product: LoweredProduct, shared_by: float) -> float:
    """Return the share of the weights that `shared_by` independent tokens need."""
    needed: float = 1.0 - product.inactive ** min(shared_by, product.shape.tokens)
    return needed
