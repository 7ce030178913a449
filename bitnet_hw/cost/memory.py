"""Footprint of a model, and the traffic of its operators by memory level."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, NamedTuple

from ..inputs.codecs import find_codec
from ..inputs.formats import Kind, parse_format
from ..inputs.machine import Machine
from ..inputs.model import ModelSpec
from ..inputs.scenario import Scenario
from ..inputs.scheme import AttentionFormats, Scheme
from ..prices.entries import DramPrices, Price
from ..prices.loading import load_dram_prices
from ..prices.tables import EnergyTable
from ..units import parse_size
from .counting import kv_fetches
from .operators import AttentionProduct, Gemm, Operator, operators

Level = Literal["dram", "weight-sram", "activation-sram"]
Content = Literal["weights", "kv-cache", "activations", "embedding"]

#: An integer KV cache stores an FP16 scale a key or value vector of a head.
_KV_SCALE_BITS = 16


@dataclass(frozen=True)
class Footprint:
    """Bytes that a model occupies.

    Attributes
    ----------
    weights : float
        Projections and FFN as the scheme stores them, scales included.
    lm_head : float
        LM head; 0 where it is the embedding table, stored alike.
    embedding : float
        Token and learned position embeddings, a tied LM head among them.
    norms_and_biases : float
        Gains and biases, in the elementwise format.
    kv_cache : float
        Keys and values of the whole batch at the longest context.
    activations : float
        Peak: the largest sum of one operator's input, its output, what waits for it (the gate),
        and the residual stream.
    """

    weights: float
    lm_head: float
    embedding: float
    norms_and_biases: float
    kv_cache: float
    activations: float

    @property
    def parameters(self) -> float:
        """Bytes that do not depend on the batch."""
        return self.weights + self.lm_head + self.embedding + self.norms_and_biases

    @property
    def total(self) -> float:
        """All of it."""
        return self.parameters + self.kv_cache + self.activations


def weight_bytes(model: ModelSpec, scheme: Scheme) -> float:
    """Return the bytes of the projections and the FFN as the scheme stores them."""
    h, q, kv, f = model.hidden_size, model.query_width, model.key_width, model.intermediate_size
    shapes = [("qkv", h, q), ("qkv", h, kv), ("qkv", h, kv), ("attention-out", q, h)]
    shapes += [("ffn-gate", h, f)] if model.gated else []
    shapes += [("ffn-up", h, f), ("ffn-down", f, h)]
    layer = sum(scheme.formats(role).stored.matrix_bytes(n, p) for role, n, p in shapes)
    return model.num_hidden_layers * layer


def kv_element_bits(model: ModelSpec, formats: AttentionFormats) -> float:
    """Return the stored bits of one element of the KV cache, its share of a scale included."""
    stored = formats.kv_format
    scale = _KV_SCALE_BITS / model.head_dim if stored.kind is Kind.INTEGER else 0
    return stored.bits + scale


def kv_cache_bytes(model: ModelSpec, scheme: Scheme, context: int, batch: int = 1) -> float:
    """Return the bytes of the KV cache of `batch` sequences of `context` positions."""
    positions = sum(
        layers * (context if window is None else min(context, window))
        for window, layers in model.layer_windows
    )
    bits = kv_element_bits(model, scheme.attention)
    return 2 * positions * model.key_width * batch * bits / 8


def footprint(model: ModelSpec, scheme: Scheme, scenario: Scenario) -> Footprint:
    """Return what a model occupies in a scenario.

    Parameters
    ----------
    model, scheme, scenario
        The model, its number formats, and what is asked of it.

    Returns
    -------
    Footprint
        In bytes.
    """
    scenario.checked(model)
    embedding = model.embedding_parameters * find_codec(scheme.embedding).bits / 8
    head = scheme.lm_head.stored.matrix_bytes(model.embedding_size, model.vocab_size)
    # A tied head that is stored another way than the embedding is a copy of its own.
    shared = model.tie_word_embeddings and scheme.lm_head.codec == scheme.embedding
    form = parse_format(scheme.elementwise)
    widest = max(
        (
            op.m * (op.n * _input_bits(op, scheme) + op.p * output_bits(op, scheme))
            + op.m * model.hidden_size * form.bits
            # The gate's output waits for the up projection's.
            + (op.m * op.p * form.bits if op.role == "ffn-up" and model.gated else 0)
            for op in operators(model, scenario)
            if isinstance(op, Gemm)
        ),
        default=0,
    )
    return Footprint(
        weights=weight_bytes(model, scheme),
        lm_head=0.0 if shared else head,
        embedding=embedding,
        norms_and_biases=model.norm_and_bias_parameters * form.bits / 8,
        kv_cache=kv_cache_bytes(model, scheme, scenario.last_position, scenario.batch),
        activations=widest / 8,
    )


def largest_batch(
    model: ModelSpec, scheme: Scheme, scenario: Scenario, capacity_bytes: float
) -> int:
    """Return how many sequences fit in a memory: 0 where not even one does.

    Parameters and the KV cache and peak activations of every sequence must fit.
    """
    one = footprint(model, scheme, scenario._replace(batch=1))
    room = capacity_bytes - one.parameters
    return max(0, int(room // (one.kv_cache + one.activations)))


class Traffic(NamedTuple):
    """Bytes that pass one memory level for one operator."""

    scope: str
    role: str
    level: Level
    content: Content
    bytes: float


def _input_bits(op: Gemm, scheme: Scheme) -> int:
    return scheme.formats(op.role).activation_format.bits


def output_bits(op: Gemm | AttentionProduct, scheme: Scheme) -> int:
    """Return the format in which a result is written: that of the operand it becomes next."""
    if op.role in ("qkv", "attention-score"):
        return scheme.attention.operand_format.bits
    if op.role == "attention-value":
        return scheme.formats("attention-out").activation_format.bits
    return parse_format(scheme.elementwise).bits


def _tokens_in_buffer(tokens: int, bits_a_token: float, machine: Machine) -> int:
    return min(tokens, int(machine.activation_buffer_bytes * 8 // bits_a_token))


def traffic(
    model: ModelSpec, scheme: Scheme, found: Iterable[Operator], machine: Machine
) -> list[Traffic]:
    """Return the bytes that operators move, by memory level.

    For (m, n) activations by (n, p) weights on R rows of L lanes, T tokens a weight fetch:

    - tokens that fit the activation buffer: T_buf = min(m, floor(buffer / (n b_x + p b_y)));
    - DRAM: the weights, ceil(m / max(T_buf, 1)) times, unless all weights fit the weight buffer;
      where not one token fits, the activations too, m (n b_x + p b_y);
    - on chip: n p ceil(m / T) weights and m n ceil(p / R) activations read, m p results written;
    - KV cache: read whole by each pass of a decode, once a block of T_buf tokens in a prefill
      (of a sliding window, what the block can see), and written once; scores stay on chip;
    - embedding: one row a token.

    Gains, biases and elementwise steps pass no memory level of their own.

    Parameters
    ----------
    model, scheme, machine
        Dimensions, formats, machine.
    found : iterable of Operator
        The operators of the model, from `bitnet_hw.workload.operators`.
    """
    resident = _streamed_bytes(model, scheme) <= machine.weight_buffer_bytes
    rows: list[Traffic] = []
    for op in found:
        if isinstance(op, Gemm):
            rows.extend(_gemm_traffic(op, scheme, machine, resident))
            if op.role == "qkv" and op.quantizes_input:
                rows.append(_embedding_traffic(model, scheme, op))
        elif isinstance(op, AttentionProduct):
            rows.extend(_attention_traffic(op, model, scheme, machine))
    return rows


def _streamed_bytes(model: ModelSpec, scheme: Scheme) -> float:
    """Return the bytes of every matrix that a token passes, the LM head among them."""
    e, h, stored = model.embedding_size, model.hidden_size, scheme.lm_head.stored
    around = 2 * stored.matrix_bytes(e, h) if e != h else 0.0
    return weight_bytes(model, scheme) + stored.matrix_bytes(e, model.vocab_size) + around


def _embedding_traffic(model: ModelSpec, scheme: Scheme, first: Gemm) -> Traffic:
    width = model.embedding_size + (model.hidden_size if model.positions == "learned" else 0)
    # The first product of every layer sees every token once.
    tokens = first.m * first.repeat // model.num_hidden_layers
    bits = find_codec(scheme.embedding).bits
    return Traffic("embedding", "embedding", "dram", "embedding", tokens * width * bits / 8)


def _gemm_traffic(op: Gemm, scheme: Scheme, machine: Machine, resident: bool) -> Iterator[Traffic]:
    formats = scheme.formats(op.role)
    in_bits, out_bits = formats.activation_format.bits, output_bits(op, scheme)
    token_bits = op.n * in_bits + op.p * out_bits
    block = _tokens_in_buffer(op.m, token_bits, machine)
    stored = formats.stored.matrix_bytes(op.n, op.p) * op.repeat

    def fetched(shared_by: int) -> float:
        """Return the share of the weights that `shared_by` independent tokens need."""
        if not machine.skips_inactive_weights:
            return 1.0
        return 1.0 - formats.inactive ** min(shared_by, op.m)

    def row(level: Level, content: Content, size: float) -> Traffic:
        return Traffic(op.scope, op.role, level, content, size)

    if not resident:
        loads = -(-op.m // max(block, 1))
        yield row("dram", "weights", stored * loads * fetched(max(block, 1)))
    if block == 0:
        yield row("dram", "activations", op.m * token_bits * op.repeat / 8)
    shared = -(-op.m // machine.tokens)
    yield row("weight-sram", "weights", stored * shared * fetched(machine.tokens))
    reads = op.m * op.n * -(-op.p // machine.rows) * in_bits
    writes = op.m * op.p * out_bits
    yield row("activation-sram", "activations", (reads + writes) * op.repeat / 8)


def _attention_traffic(
    op: AttentionProduct, model: ModelSpec, scheme: Scheme, machine: Machine
) -> Iterator[Traffic]:
    operand_bits = scheme.attention.operand_format.bits
    kv_bits = kv_element_bits(model, scheme.attention)
    width = op.heads * op.head_dim
    token_bits = width * (operand_bits + scheme.formats("attention-out").activation_format.bits)
    block = max(_tokens_in_buffer(op.step.tokens, token_bits, machine), 1)
    written = op.queries * op.kv_heads * op.head_dim
    read = _keys_read(op, block) * op.kv_heads * op.head_dim
    yield Traffic(op.scope, op.role, "dram", "kv-cache", (read + written) * kv_bits / 8)
    fetches = kv_fetches(op, machine)
    yield Traffic(op.scope, op.role, "weight-sram", "kv-cache", fetches * kv_bits / 8)
    scoring = op.role == "attention-score"
    # QK^T reduces over head_dim and has context outputs; AV the other way round.
    if scoring:
        contexts = op.step.contexts.chunks(machine.rows, op.window) * op.batch * op.layers
        reads, writes = contexts * op.head_dim, op.pairs
    else:
        reads = op.pairs * -(-op.head_dim // machine.rows)
        writes = op.queries * op.head_dim
    moved = (reads * operand_bits + writes * output_bits(op, scheme)) * op.heads
    yield Traffic(op.scope, op.role, "activation-sram", "activations", moved / 8)


def _keys_read(op: AttentionProduct, block: int) -> int:
    """Return the positions whose key (or value) is read from DRAM, over batch and layers."""
    step = op.step
    if step.tokens == 1:
        positions = step.contexts.pairs(op.window)
    else:
        blocks = -(-step.tokens // block)
        seen = step.tokens if op.window is None else min(step.tokens, op.window + block - 1)
        positions = blocks * seen * step.passes
    return positions * op.batch * op.layers


class PricedTraffic(NamedTuple):
    """Bytes with the price of a bit at their level."""

    row: Traffic
    price: Price

    @property
    def joules(self) -> float:
        """Energy, J."""
        return self.row.bytes * 8 * self.price.pj * 1e-12

    @property
    def low_joules(self) -> float:
        """Lower end of the band, J."""
        return self.row.bytes * 8 * self.price.low * 1e-12

    @property
    def high_joules(self) -> float:
        """Upper end of the band, J."""
        return self.row.bytes * 8 * self.price.high * 1e-12


def price_traffic(
    rows: Iterable[Traffic],
    table: EnergyTable,
    machine: Machine,
    dram_prices: DramPrices | None = None,
) -> list[PricedTraffic]:
    """Price traffic: SRAM by the table and the size of the buffer, DRAM by its kind."""
    prices = {
        "dram": (dram_prices or load_dram_prices()).price(machine.dram),
        "weight-sram": table.sram_price(machine.weight_buffer_bytes),
        "activation-sram": table.sram_price(machine.activation_buffer_bytes),
    }
    return [PricedTraffic(row, prices[row.level]) for row in rows]


#: The name under which commands of this package import it.
parse_capacity = parse_size
