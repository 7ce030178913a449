"""A model under a scenario, as operators: GEMMs, attention products, elementwise steps."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ..inputs.model import ModelSpec
from ..inputs.scenario import Scenario


class Contexts(NamedTuple):
    """How many positions each query of one sequence attends to: `first` to `last`, each `times`."""

    first: int
    last: int
    times: int

    def pairs(self, window: int | None) -> int:
        """Return the number of (query, key) pairs, where no query sees more than `window`."""
        cut = self._cut(window)
        rising = (self.first + cut) * (cut - self.first + 1) // 2
        return self.times * (rising + (self.last - cut) * (window or 0))

    def chunks(self, lanes: int, window: int | None) -> int:
        """Return the sum over the queries of ceil(context / lanes)."""

        def below(n: int) -> int:  # sum of ceil(i / lanes) for i = 1..n
            whole, rest = divmod(n, lanes)
            return lanes * whole * (whole + 1) // 2 + rest * (whole + 1)

        cut = self._cut(window)
        rising = below(cut) - below(self.first - 1)
        return self.times * (rising + (self.last - cut) * -(-(window or 0) // lanes))

    def _cut(self, window: int | None) -> int:
        """Return the last context that still rises; at least first - 1, where the sum is empty."""
        return self.last if window is None else min(self.last, max(window, self.first - 1))


class Step(NamedTuple):
    """Passes through the model that differ only in their context.

    Attributes
    ----------
    tokens : int
        Positions of one sequence that a pass computes.
    passes : int
        How many passes.
    contexts : Contexts
        What the queries of all these passes attend to.
    """

    tokens: int
    passes: int
    contexts: Contexts


def steps(scenario: Scenario) -> Iterator[Step]:
    """Yield the passes through the model, alike ones together."""
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


class Gemm(NamedTuple):
    """A product with stored weights: (m, n) activations by (n, p) weights, `repeat` times.

    Attributes
    ----------
    scope, role : str
        Module path and role.
    m, n, p : int
        Rows of activations, reduction length, outputs.
    repeat : int
        Layers x passes.
    quantizes_input : bool
        Whether this is the first product that takes its input; Q, K and V share one.
    """

    scope: str
    role: str
    m: int
    n: int
    p: int
    repeat: int
    quantizes_input: bool = True

    @property
    def macs(self) -> int:
        """Products over all repetitions, m x n x p each."""
        return self.m * self.n * self.p * self.repeat


class AttentionProduct(NamedTuple):
    """QK^T (``attention-score``) or AV (``attention-value``) of all layers of one kind.

    Attributes
    ----------
    scope, role : str
        Module path and role.
    heads, kv_heads, head_dim : int
        As in the model.
    window : int or None
        Positions that the layers see.
    step : Step
        Passes and contexts of one sequence.
    batch, layers : int
        Multiplicities.
    """

    scope: str
    role: str
    heads: int
    kv_heads: int
    head_dim: int
    window: int | None
    step: Step
    batch: int
    layers: int

    @property
    def pairs(self) -> int:
        """(query, key) pairs of one head over the whole batch and all layers."""
        return self.step.contexts.pairs(self.window) * self.batch * self.layers

    @property
    def queries(self) -> int:
        """Queries of one head over the whole batch and all layers."""
        return self.step.tokens * self.step.passes * self.batch * self.layers

    @property
    def macs(self) -> int:
        """One a pair and element of the head, over all heads."""
        return self.pairs * self.heads * self.head_dim


class Elementwise(NamedTuple):
    """Steps an element and a vector, by a function of ``elementwise.yaml``."""

    scope: str
    role: str
    function: str
    elements: int
    vectors: int


Operator = Gemm | AttentionProduct | Elementwise


def operators(model: ModelSpec, scenario: Scenario) -> list[Operator]:
    """Return everything that a model does in a scenario, whatever its number formats.

    Parameters
    ----------
    model : ModelSpec
        The model.
    scenario : Scenario
        What is asked of it.

    Returns
    -------
    list of Operator
        Alike layers and alike passes stand in one operator with their number.
    """
    scenario.checked(model)
    return [op for step in steps(scenario) for op in step_operators(model, scenario, step)]


def step_operators(model: ModelSpec, scenario: Scenario, step: Step) -> list[Operator]:
    """Return what the passes of one step do."""
    m = scenario.batch * step.tokens
    everywhere = model.num_hidden_layers * step.passes
    found: list[Operator] = []
    h, q, kv, f = model.hidden_size, model.query_width, model.key_width, model.intermediate_size

    def gemm(path: str, role: str, n: int, p: int, first: bool = True) -> None:
        found.append(Gemm(f"layers.*.{path}", role, m, n, p, everywhere, first))

    def each(path: str, function: str, width: int, per_layer: int = 1, role: str = "") -> None:
        vectors = m * everywhere * per_layer
        scope = f"layers.*.{path}"
        found.append(Elementwise(scope, role or function, function, vectors * width, vectors))

    if model.norms_per_layer:
        each("norm", model.norm, h, model.norms_per_layer, "norm")
    gemm("self_attn.q_proj", "qkv", h, q)
    gemm("self_attn.k_proj", "qkv", h, kv, first=False)
    gemm("self_attn.v_proj", "qkv", h, kv, first=False)
    if model.qkv_bias:
        each("self_attn.qkv", "bias", q + 2 * kv)
    if model.qk_norm:
        heads = model.num_attention_heads + model.num_key_value_heads
        each("self_attn.qk_norm", model.norm, model.head_dim, heads, "norm")
    if model.positions == "rope":
        each("self_attn", "rope", round((q + kv) * model.rotary_fraction))
    for window, layers in model.layer_windows:
        found.extend(_attention(model, scenario, step, window, layers))
    if model.sub_norms:
        each("self_attn.sub_norm", model.norm, q, role="norm")
        each("mlp.sub_norm", model.norm, f, role="norm")
    gemm("self_attn.o_proj", "attention-out", q, h)
    if model.attention_out_bias:
        each("self_attn.o_proj", "bias", h)
    if model.gated:
        gemm("mlp.gate_proj", "ffn-gate", h, f)
    gemm("mlp.up_proj", "ffn-up", h, f, first=not model.gated)
    each("mlp", model.activation, f, role="activation")
    if model.gated:
        each("mlp", "gate", f, role="activation")
    gemm("mlp.down_proj", "ffn-down", f, h)
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
    m = scenario.batch * step.tokens
    vectors = m * step.passes
    if e != h:
        yield Gemm("embed_in", "embedding", m, e, h, step.passes)
    if model.positions == "learned":
        yield Elementwise("embed_positions", "residual", "position", vectors * h, vectors)
    if model.final_norm:
        yield Elementwise("norm", "norm", model.norm, vectors * h, vectors)
    if scenario.lm_head == "none":
        return
    positions = m if scenario.lm_head == "all" else scenario.batch
    if e != h:
        yield Gemm("embed_out", "embedding", positions, h, e, step.passes)
    yield Gemm("lm_head", "lm-head", positions, e, model.vocab_size, step.passes)
    rows = positions * step.passes
    if model.lm_head_bias:
        yield Elementwise("lm_head", "bias", "bias", rows * model.vocab_size, rows)
    if model.lm_head_softcap:
        yield Elementwise("lm_head", "lm-head", "softcap", rows * model.vocab_size, rows)
