"""Shapes of matrix products, with the numbers of MACs, sums and accesses in any format.

`Gemm` and `AttentionProduct` have the same interface.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

#: Source of a product's second operand.
Operand = Literal["weights", "kv-cache"]


class Contexts(NamedTuple):
    """Numbers of positions that queries attend to: `first` to `last`, each for `times` queries."""

    first: int
    last: int
    times: int

    def pairs(self, window: int | None) -> int:
        """Return the number of (query, key) pairs; a query sees at most `window` positions."""
        cut = self._cut(window)
        rising = (self.first + cut) * (cut - self.first + 1) // 2
        return self.times * (rising + (self.last - cut) * (window or 0))

    def groups(self, size: int, window: int | None) -> int:
        """Return the sum over the queries of ceil(context / size)."""

        def below(n: int) -> int:  # sum of ceil(i / size) for i = 1..n
            whole, rest = divmod(n, size)
            return size * whole * (whole + 1) // 2 + rest * (whole + 1)

        cut = self._cut(window)
        rising = below(cut) - below(self.first - 1)
        return self.times * (rising + (self.last - cut) * -(-(window or 0) // size))

    def _cut(self, window: int | None) -> int:
        """Return the last context within the window; first - 1 if none is."""
        return self.last if window is None else min(self.last, max(window, self.first - 1))


class Step(NamedTuple):
    """Passes through the model that differ only in their context.

    Attributes
    ----------
    tokens : int
        Positions of one sequence that a pass computes.
    passes : int
        Number of passes.
    contexts : Contexts
        Contexts of the queries of all these passes.
    """

    tokens: int
    passes: int
    contexts: Contexts

    def single(self, context: int) -> Step:
        """Return one of the passes, whose queries all attend to `context` positions."""
        return Step(self.tokens, 1, Contexts(context, context, 1))


class Nest(NamedTuple):
    """A matrix product as a rectangular loop nest.

    ``O[b][h][d][k] += I[b][h][d][c] * W[b][h][c][k]``: sequences, key/value heads, rows of
    activations, reduction length, outputs; b and h are 1 where the weights are the model's own.
    """

    b: int
    h: int
    d: int
    c: int
    k: int


class Gemm(NamedTuple):
    """A product with stored weights: (m, n) activations by (n, p) weights, in identical layers.

    Attributes
    ----------
    scope, role : str
        Module path and role.
    m, n, p : int
        Rows of activations, reduction length, outputs.
    layers, passes : int
        Number of layers with this matrix, and number of passes through each.
    first_of_input : bool
        Whether this is the first product that takes its input; Q, K and V share an input.
    """

    scope: str
    role: str
    m: int
    n: int
    p: int
    layers: int
    passes: int
    first_of_input: bool = True

    @property
    def operand(self) -> Operand:
        """Source of the second operand."""
        return "weights"

    @property
    def name(self) -> str:
        """Short name: the module path inside its layer."""
        return self.scope.removeprefix("layers.*.")

    @property
    def repeat(self) -> int:
        """Number of repetitions."""
        return self.layers * self.passes

    @property
    def macs(self) -> int:
        """MACs over all repetitions, m x n x p each."""
        return self.m * self.n * self.p * self.repeat

    @property
    def outputs(self) -> int:
        """Dot products over all repetitions."""
        return self.m * self.p * self.repeat

    @property
    def paper_outputs(self) -> int:
        """Dot products as the papers count them."""
        return self.outputs

    @property
    def inputs(self) -> int:
        """Activations over all repetitions."""
        return self.m * self.n * self.repeat

    @property
    def vectors(self) -> int:
        """Vectors of activations over all repetitions."""
        return self.m * self.repeat

    @property
    def operands(self) -> int:
        """Weights over all repetitions."""
        return self.n * self.p * self.repeat

    @property
    def stored(self) -> int:
        """Weights of all layers."""
        return self.n * self.p * self.layers

    @property
    def appended(self) -> int:
        """Elements that join the second operand: none."""
        return 0

    @property
    def longest(self) -> int:
        """Reduction length of the longest dot product."""
        return self.n

    @property
    def tokens(self) -> int:
        """Tokens of a pass; as many of them as fit the activation buffer form a block."""
        return self.m

    @property
    def sharers(self) -> int:
        """Vectors of activations that one fetched weight can serve."""
        return self.m

    @property
    def fewest_outputs(self) -> int:
        """Smallest number of outputs that one activation feeds."""
        return self.p

    @property
    def nest(self) -> Nest:
        """The loop nest of one repetition."""
        return Nest(1, 1, self.m, self.n, self.p)

    def groups(self, lanes: int, terms: int) -> int:
        """Return the number of groups of up to L terms in all dot products.

        A group of L terms lies within one run of `terms` terms, which share a scale.
        """
        runs, rest = divmod(self.n, terms)
        return self.outputs * (runs * -(-terms // lanes) + -(-rest // lanes))

    def fetches(self, shared_by: int) -> int:
        """Return the number of on-chip reads of weights, each shared by `shared_by` vectors."""
        return -(-self.m // shared_by) * self.operands

    def streamed(self, blocks: float) -> float:
        """Return the number of reads of weights from far memory, once per block of tokens."""
        return blocks * self.operands

    def row_groups(self, rows: int) -> int:
        """Return the number of groups of up to R outputs, which one activation feeds together."""
        return self.vectors * -(-self.p // rows)

    def input_reads(self, rows: int) -> int:
        """Return the number of on-chip reads of activations, each of which feeds R outputs."""
        return self.inputs * -(-self.p // rows)


class AttentionProduct(NamedTuple):
    """QK^T (``attention-score``) or AV (``attention-value``) of all layers of one kind.

    The second operand is the KV cache. QK^T reduces over head_dim and has one output per position;
    AV reduces over the positions and has head_dim outputs.

    Attributes
    ----------
    scope, role : str
        Module path and role.
    heads, kv_heads, head_dim : int
        Attention heads, key/value heads, and width of a head.
    window : int or None
        Largest number of positions that a query sees in these layers; None for no limit.
    step : Step
        Passes and contexts of one sequence.
    batch, layers : int
        Numbers of sequences and of layers.
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
    def operand(self) -> Operand:
        """Source of the second operand."""
        return "kv-cache"

    @property
    def scores(self) -> bool:
        """Whether this is QK^T."""
        return self.role == "attention-score"

    @property
    def name(self) -> str:
        """Short name: the role, and the window if there is one."""
        return self.role + (f".window{self.window}" if self.window else "")

    @property
    def repeat(self) -> int:
        """Number of repetitions per sequence."""
        return self.layers * self.step.passes

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
        """MACs over all heads: one per pair and element of the head."""
        return self.pairs * self.heads * self.head_dim

    @property
    def outputs(self) -> int:
        """Dot products over all heads."""
        return (self.pairs if self.scores else self.queries * self.head_dim) * self.heads

    @property
    def paper_outputs(self) -> int:
        """Dot products as the papers count them: QK^T is one product over all heads."""
        return self.pairs if self.scores else self.outputs

    @property
    def inputs(self) -> int:
        """Elements of the first operand: queries, or scores."""
        return (self.queries * self.head_dim if self.scores else self.pairs) * self.heads

    @property
    def vectors(self) -> int:
        """Keys (or values) that join the cache, over all key/value heads."""
        return self.queries * self.kv_heads

    @property
    def stored(self) -> int:
        """Weights: none."""
        return 0

    @property
    def operands(self) -> int:
        """Elements of the keys (or values) that each pass sees, over all repetitions."""
        return round(self.streamed(1))

    @property
    def appended(self) -> int:
        """Elements of the keys (or values) that join the cache."""
        return self.vectors * self.head_dim

    @property
    def longest(self) -> int:
        """Reduction length of the longest dot product."""
        last = self.step.contexts.last
        return self.head_dim if self.scores else min(last, self.window or last)

    @property
    def tokens(self) -> int:
        """Tokens of one sequence that a pass computes."""
        return self.step.tokens

    @property
    def sharers(self) -> int:
        """Queries that can share a fetched key or value: those of its heads, for every token."""
        return self.heads // self.kv_heads * self.step.tokens

    @property
    def fewest_outputs(self) -> int:
        """Smallest number of outputs that one element of the first operand feeds."""
        first = self.step.contexts.first
        return min(first, self.window or first) if self.scores else self.head_dim

    @property
    def nest(self) -> Nest | None:
        """The loop nest of one repetition; None if contexts differ between queries."""
        contexts = self.step.contexts
        if contexts.first != contexts.last:
            return None
        context = min(contexts.last, self.window or contexts.last)
        inner = (self.head_dim, context) if self.scores else (context, self.head_dim)
        return Nest(self.batch, self.kv_heads, self.sharers, *inner)

    def groups(self, lanes: int) -> int:
        """Return the number of groups of up to L terms in all dot products."""
        if self.scores:
            return self.outputs * -(-self.head_dim // lanes)
        return self._context_groups(lanes) * self.heads * self.head_dim

    def fetches(self, shared_by: int) -> int:
        """Return the number of on-chip reads of keys (or values).

        Each read is shared by `shared_by` queries, taken from the heads of a group and the tokens
        of a pass.
        """
        reads = self.pairs * -(-self.sharers // shared_by)
        return -(-reads * self.kv_heads * self.head_dim // self.step.tokens)

    def streamed(self, blocks: float) -> float:
        """Return the number of reads of keys (or values) from far memory, once per block of tokens.

        A decode step reads the whole cache; a prefill reads, for each block, the part that the
        block can see.
        """
        step = self.step
        positions: float
        if step.tokens == 1:
            positions = step.contexts.pairs(self.window)
        else:
            block = step.tokens / blocks
            reach = step.tokens if self.window is None else self.window + block - 1
            positions = blocks * min(step.tokens, reach) * step.passes
        return positions * self.batch * self.layers * self.kv_heads * self.head_dim

    def row_groups(self, rows: int) -> int:
        """Return the number of groups of up to R outputs, which one activation feeds together."""
        if self.scores:
            return self._context_groups(rows) * self.heads
        return self.queries * self.heads * -(-self.head_dim // rows)

    def input_reads(self, rows: int) -> int:
        """Return the number of on-chip reads of queries (or scores), each feeding R outputs."""
        if self.scores:
            return self._context_groups(rows) * self.head_dim * self.heads
        return self.pairs * -(-self.head_dim // rows) * self.heads

    def _context_groups(self, size: int) -> int:
        return self.step.contexts.groups(size, self.window) * self.batch * self.layers


#: A matrix product with either kind of second operand.
Product = Gemm | AttentionProduct
