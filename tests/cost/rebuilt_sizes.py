"""Stored sizes and where they lie, by docs/conventions.md and docs/files.md; see `rebuilt.py`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from bitnet_hw.inputs.codecs import find_codec
from bitnet_hw.inputs.formats import Format, Kind, parse_format
from bitnet_hw.inputs.machine import Machine, Memory
from bitnet_hw.inputs.model import ModelSpec
from bitnet_hw.inputs.scheme import Scheme

from .rebuilt_units import Choice, choose

CONTENTS = ("weights", "kv-cache", "activations", "embedding")
ON_CHIP = ("SRAM", "ROM", "eDRAM")


class Matrix(NamedTuple):
    """A matrix that a token passes, in one layer or outside the layers, in its scheme's codec."""

    role: str
    n: int
    p: int
    bytes: float
    in_layer: bool
    only_for_logits: bool = False


def matrices(m: ModelSpec, scheme: Scheme) -> Iterator[Matrix]:
    """Yield every matrix that a token passes, layer by layer."""
    h, f, e = m.hidden_size, m.intermediate_size, m.embedding_size
    q, kv = m.num_attention_heads * m.head_dim, m.num_key_value_heads * m.head_dim
    layer = [("qkv", h, q), ("qkv", h, kv), ("qkv", h, kv), ("attention-out", q, h),
             ("ffn-up", h, f), ("ffn-down", f, h)]  # fmt: skip
    if m.gated:
        layer.append(("ffn-gate", h, f))
    for _ in range(m.num_hidden_layers):
        for role, n, p in layer:
            size = find_codec(scheme.formats(role).codec).matrix_bytes(n, p)
            yield Matrix(role, n, p, size, True)
    head = find_codec(scheme.lm_head.codec)
    if e != h:
        yield Matrix("embedding", e, h, head.matrix_bytes(e, h), False)
        yield Matrix("embedding", h, e, head.matrix_bytes(h, e), False, only_for_logits=True)
    size = head.matrix_bytes(e, m.vocab_size)
    yield Matrix("lm-head", e, m.vocab_size, size, False, only_for_logits=True)


def chosen(machine: Machine, scheme: Scheme, role: str) -> Choice:
    """Return the unit of a role's products with stored weights."""
    of = scheme.formats(role)
    act, weight = parse_format(of.activation), parse_format(of.weight)
    becomes_float = act.kind is Kind.FLOAT and (weight.kind is Kind.INTEGER or of.dequantized)
    return choose(machine, act, act if becomes_float else weight)


def result_bits(scheme: Scheme, role: str) -> int:
    """Return the width of the operand that the result of a matrix becomes."""
    return parse_format(scheme.attention.operand if role == "qkv" else scheme.elementwise).bits


def widest(m: ModelSpec, scheme: Scheme, machine: Machine, rows: int, logits: int) -> float:
    """Return the bytes of the largest activations of a pass."""
    bits = parse_format(scheme.elementwise).bits
    found = 0
    for matrix in matrices(m, scheme):
        count = logits if matrix.only_for_logits else rows
        act = chosen(machine, scheme, matrix.role).act
        live = m.hidden_size + (matrix.p if matrix.role == "ffn-up" and m.gated else 0)
        token = matrix.n * act.bits + matrix.p * result_bits(scheme, matrix.role)
        found = max(found, count * (token + live * bits))
    return found / 8


def cache_bits(m: ModelSpec, scheme: Scheme) -> float:
    """Return the stored bits of an element of the KV cache, with its share of a scale."""
    stored: Format = parse_format(scheme.attention.kv_cache)
    return stored.bits + (16 / m.head_dim if stored.kind is Kind.INTEGER else 0)


def shares_table(m: ModelSpec, scheme: Scheme) -> bool:
    """Return whether the LM head is the embedding's table."""
    return m.tie_word_embeddings and scheme.lm_head.codec == scheme.embedding


def footprint(m: ModelSpec, scheme: Scheme, longest: int, batch: int) -> dict[str, float]:
    """Return the bytes of parameters and KV cache at the longest context."""
    embedding, head = find_codec(scheme.embedding), find_codec(scheme.lm_head.codec)
    h, f, e = m.hidden_size, m.intermediate_size, m.embedding_size
    q, kv = m.num_attention_heads * m.head_dim, m.num_key_value_heads * m.head_dim
    found = {"weights": sum(each.bytes for each in matrices(m, scheme) if each.in_layer)}
    found["lm_head"] = 0.0 if shares_table(m, scheme) else head.matrix_bytes(e, m.vocab_size)
    found["embedding"] = embedding.matrix_bytes(e, m.vocab_size)
    if m.positions == "learned":
        rows = (m.max_position_embeddings or 0) + m.position_offset
        found["embedding"] += embedding.matrix_bytes(h, rows)
    if e != h:
        found["embedding"] += head.matrix_bytes(e, h) + head.matrix_bytes(h, e)
    norm = 2 if m.norm == "layernorm" else 1
    values = h * norm * m.final_norm + m.vocab_size * m.lm_head_bias
    kept = 0
    for layer in range(m.num_hidden_layers):
        values += m.norms_per_layer * h * norm + 2 * m.head_dim * m.qk_norm
        values += (q + f) * m.sub_norms + (q + 2 * kv) * m.qkv_bias + h * m.attention_out_bias
        values += (f * (2 if m.gated else 1) + h) * m.ffn_bias
        sliding = layer < (m.sliding_window_layers or 0)
        kept += min(longest, m.sliding_window or longest) if sliding else longest
    found["norms_and_biases"] = values * parse_format(scheme.elementwise).bits / 8
    found["kv_cache"] = 2 * kept * kv * batch * cache_bits(m, scheme) / 8
    return found


def contents(m: ModelSpec, scheme: Scheme, used: dict[str, float], logits: bool) -> list[float]:
    """Return the bytes of each of `CONTENTS` that a scenario uses, from the footprint."""
    passed = sum(each.bytes for each in matrices(m, scheme) if logits or not each.only_for_logits)
    tables = 0.0
    codec = find_codec(scheme.embedding)
    if not (logits and shares_table(m, scheme)):
        tables += codec.matrix_bytes(m.embedding_size, m.vocab_size)
    if m.positions == "learned":
        rows = (m.max_position_embeddings or 0) + m.position_offset
        tables += codec.matrix_bytes(m.hidden_size, rows)
    return [passed + used["norms_and_biases"], used["kv_cache"], used["activations"], tables]


class Places:
    """Where each content lies: bytes by content, and shares by content and memory."""

    def __init__(self, machine: Machine, sizes: list[float], chips: int) -> None:
        self.sizes = dict(zip(CONTENTS, sizes, strict=True))
        self.shares: dict[str, dict[str, float]] = {content: {} for content in CONTENTS}
        left = dict(self.sizes)
        #: Bytes that a memory has for activations.
        self.rooms: dict[str, float] = {}
        for memory in machine.memories:
            size = memory.capacity_bytes
            capacity = float("inf") if size is None else size.value * chips
            free = capacity
            for content, share in memory.holds.items():
                if content == "activations":
                    self.rooms[memory.name] = min(share * capacity, free)
                taken = min(left[content], share * capacity, free)
                free -= taken
                left[content] -= taken
                if self.sizes[content]:
                    self.shares[content][memory.name] = taken / self.sizes[content]
        self.excess = sum(left.values())
        for content in CONTENTS:
            last = self.holders(machine, content)[-1].name
            others = sum(share for name, share in self.shares[content].items() if name != last)
            self.shares[content][last] = 1 - others

    @staticmethod
    def holders(machine: Machine, content: str) -> list[Memory]:
        """Return the memories that may hold a content, nearest first."""
        return [memory for memory in machine.memories if content in memory.holds]

    @staticmethod
    def near(machine: Machine, content: str) -> Memory | None:
        """Return the nearest memory on the chip that may hold a content and can be written."""
        for memory in Places.holders(machine, content):
            if memory.kind in ON_CHIP and memory.kind != "ROM":
                return memory
        return None
