"""Stored sizes by the rules of docs/conventions.md and docs/files.md; see `rebuilt.py`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from bitnet_hw.inputs.codecs import find_codec
from bitnet_hw.inputs.formats import Kind, parse_format
from bitnet_hw.inputs.model import ModelSpec
from bitnet_hw.inputs.scheme import Scheme


class Matrix(NamedTuple):
    """A matrix that a token passes, in one layer or outside the layers, in its scheme's codec."""

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
            yield Matrix(find_codec(scheme.formats(role).codec).matrix_bytes(n, p), True)
    head = find_codec(scheme.lm_head.codec)
    if e != h:
        yield Matrix(head.matrix_bytes(e, h), False)
        yield Matrix(head.matrix_bytes(h, e), False, only_for_logits=True)
    yield Matrix(head.matrix_bytes(e, m.vocab_size), False, only_for_logits=True)


def cache_bits(m: ModelSpec, scheme: Scheme) -> float:
    """Return the stored bits of an element of the KV cache, with its share of a scale."""
    stored = parse_format(scheme.attention.kv_cache)
    return stored.bits + (16 / m.head_dim if stored.kind is Kind.INTEGER else 0)


def footprint(m: ModelSpec, scheme: Scheme, longest: int, batch: int) -> dict[str, float]:
    """Return the bytes of parameters and KV cache at the longest context."""
    embedding, head = find_codec(scheme.embedding), find_codec(scheme.lm_head.codec)
    h, f, e = m.hidden_size, m.intermediate_size, m.embedding_size
    q, kv = m.num_attention_heads * m.head_dim, m.num_key_value_heads * m.head_dim
    found = {"weights": sum(each.bytes for each in matrices(m, scheme) if each.in_layer)}
    tied = m.tie_word_embeddings and head.name == embedding.name
    found["lm_head"] = 0.0 if tied else head.matrix_bytes(e, m.vocab_size)
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
