"""Operators of a model in a scenario: GEMMs, attention products and elementwise steps.

Operators have shapes only; `lowering` adds number formats and the machine.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ..inputs.model import ModelSpec, as_model
from ..inputs.roles import layer_matrices
from ..inputs.scenario import Scenario
from .products import AttentionProduct, Contexts, Gemm, Product, Step


def steps(scenario: Scenario) -> Iterator[Step]:
    """Yield the passes through the model; the decode steps of a request are one item."""
    if scenario.phase == "decode":
        yield Step(1, 1, Contexts(scenario.context, scenario.context, 1))
        return
    tokens = scenario.tokens
    if scenario.attention == "full":
        yield Step(tokens, 1, Contexts(tokens, tokens, tokens))
    else:
        yield Step(tokens, 1, Contexts(1, tokens, 1))
    if scenario.phase == "request":
        yield Step(1, scenario.generate, Contexts(tokens + 1, tokens + scenario.generate, 1))


class Elementwise(NamedTuple):
    """A function of ``elementwise.yaml`` applied to vectors."""

    scope: str
    role: str
    function: str
    elements: int
    vectors: int


Operator = Product | Elementwise


def operators(model: ModelSpec | str | Path, scenario: Scenario) -> list[Operator]:
    """Return the operators of a model in a scenario.

    Parameters
    ----------
    model : ModelSpec, str or Path
        Model, its name in the catalogue, or its file.
    scenario : Scenario
        Workload: phase, lengths, batch.

    Returns
    -------
    list of Operator
        Identical layers, and passes that differ only in context, are one operator with a number.

    Examples
    --------
    >>> found = operators("gpt2", Scenario("decode", context=64))
    >>> found[1].scope, found[1].m, found[1].n, found[1].p, found[1].layers
    ('layers.*.self_attn.q_proj', 1, 768, 768, 12)
    """
    model = as_model(model)
    return [op for step in steps(scenario) for op in step_operators(model, scenario, step)]


def step_operators(model: ModelSpec, scenario: Scenario, step: Step) -> list[Operator]:
    """Return the operators of the passes of one step."""
    m = scenario.batch * step.tokens
    layers = model.num_hidden_layers
    found: list[Operator] = []
    h, q, kv, f = model.hidden_size, model.query_width, model.key_width, model.intermediate_size
    matrices = {matrix.path: matrix for matrix in layer_matrices(model)}

    def gemm(path: str) -> None:
        matrix = matrices[path]
        found.append(
            Gemm(
                f"layers.*.{path}", matrix.role, m, matrix.n, matrix.p, layers, step.passes,
                matrix.first_of_input,
            )
        )  # fmt: skip

    def each(path: str, function: str, width: int, per_layer: int = 1, role: str = "") -> None:
        vectors = m * layers * step.passes * per_layer
        scope = f"layers.*.{path}"
        found.append(Elementwise(scope, role or function, function, vectors * width, vectors))

    if model.norms_per_layer:
        each("norm", model.norm, h, model.norms_per_layer, "norm")
    for name in ("q_proj", "k_proj", "v_proj"):
        gemm(f"self_attn.{name}")
    if model.qkv_bias:
        each("self_attn.qkv", "bias", q + 2 * kv)
    if model.qk_norm:
        heads = model.num_attention_heads + model.num_key_value_heads
        each("self_attn.qk_norm", model.norm, model.head_dim, heads, "norm")
    if model.positions == "rope":
        each("self_attn", "rope", round((q + kv) * model.rotary_fraction))
    for window, number in model.layer_windows:
        found.extend(_attention(model, scenario, step, window, number))
    if model.sub_norms:
        each("self_attn.sub_norm", model.norm, q, role="norm")
        each("mlp.sub_norm", model.norm, f, role="norm")
    gemm("self_attn.o_proj")
    if model.attention_out_bias:
        each("self_attn.o_proj", "bias", h)
    if model.gated:
        gemm("mlp.gate_proj")
    gemm("mlp.up_proj")
    each("mlp", model.activation, f, role="activation")
    if model.gated:
        each("mlp", "gate", f, role="activation")
    gemm("mlp.down_proj")
    if model.ffn_bias:
        each("mlp", "bias", h + f * (2 if model.gated else 1))
    each("residual", "residual", h, 2)
    found.extend(_around_the_layers(model, scenario, step))
    return found


def _attention(
    model: ModelSpec, scenario: Scenario, step: Step, window: int | None, layers: int
) -> Iterator[Operator]:
    scope = "layers.*.self_attn" + (f"[window={window}]" if window else "")
    sizes = (model.num_attention_heads, model.num_key_value_heads, model.head_dim)
    score = AttentionProduct(scope, "attention-score", *sizes, window, step, scenario.batch, layers)
    yield score
    yield score._replace(role="attention-value")
    scores, rows = (n * model.num_attention_heads for n in (score.pairs, score.queries))
    yield Elementwise(scope, "softmax", "softmax", scores, rows)
    if model.attention_softcap:
        yield Elementwise(scope, "softmax", "softcap", scores, rows)


def _around_the_layers(model: ModelSpec, scenario: Scenario, step: Step) -> Iterator[Operator]:
    h, e = model.hidden_size, model.embedding_size
    m, passes = scenario.batch * step.tokens, step.passes
    vectors = m * passes
    if e != h:
        yield Gemm("embed_in", "embedding", m, e, h, 1, passes)
    if model.positions == "learned":
        yield Elementwise("embed_positions", "residual", "position", vectors * h, vectors)
    if model.final_norm:
        yield Elementwise("norm", "norm", model.norm, vectors * h, vectors)
    if scenario.lm_head == "none":
        return
    positions = m if scenario.lm_head == "all" else scenario.batch
    if e != h:
        yield Gemm("embed_out", "embedding", positions, h, e, 1, passes)
    yield Gemm("lm_head", "lm-head", positions, e, model.vocab_size, 1, passes)
    rows = positions * passes
    if model.lm_head_bias:
        yield Elementwise("lm_head", "bias", "bias", rows * model.vocab_size, rows)
    if model.lm_head_softcap:
        yield Elementwise("lm_head", "softcap", "softcap", rows * model.vocab_size, rows)
