"""A second, plain implementation of the system convention, by the rules of the documentation.

It follows docs/conventions.md, docs/files.md and docs/energy-tables.md sentence by sentence, in
plain loops over passes, layers, sequences, tokens and heads. It shares the inputs and the prices
with the package, but nothing of the cost model, which `test_rebuilt.py` compares with it.
`rebuilt_units.py` chooses units, `rebuilt_sizes.py` places contents in memories, and
`rebuilt_sums.py` adds up seconds and joules.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import ceil

from bitnet_hw.inputs.codecs import Granularity, find_codec
from bitnet_hw.inputs.elementwise import elementwise_functions
from bitnet_hw.inputs.formats import Format, Kind, parse_format
from bitnet_hw.inputs.machine import Machine
from bitnet_hw.inputs.model import ModelSpec
from bitnet_hw.inputs.scenario import Scenario
from bitnet_hw.inputs.scheme import Scheme
from bitnet_hw.prices.tables import EnergyTable

from .rebuilt_parts import Operator, Pass, Product, Row
from .rebuilt_sizes import (
    Places,
    cache_bits,
    chosen,
    contents,
    footprint,
    result_bits,
    shares_table,
    widest,
)
from .rebuilt_sums import Sums
from .rebuilt_units import choose


@dataclass
class Rebuilt:
    """Every figure of an estimate."""

    model: ModelSpec
    scheme: Scheme
    scenario: Scenario
    machine: Machine
    table: EnergyTable
    counts: Counter[Row] = field(default_factory=Counter)  # of elementwise steps
    products: dict[tuple[str, str, str], Product] = field(default_factory=dict)
    passes: list[Pass] = field(default_factory=list)

    def __post_init__(self) -> None:
        m, scenario = self.model, self.scenario
        self.q, self.kv = m.num_attention_heads * m.head_dim, m.num_key_value_heads * m.head_dim
        if scenario.phase == "decode":
            self.passes.append(Pass("decode", [scenario.context], scenario.context))
        else:
            tokens = scenario.tokens
            full = scenario.attention == "full"
            contexts = [tokens if full else i + 1 for i in range(tokens)]
            self.passes.append(Pass("prefill", contexts, tokens))
            longest = tokens + scenario.generate
            for i in range(scenario.generate):
                self.passes.append(Pass("decode", [tokens + i + 1], longest))
        self.chips = self.machine.chips.number if self.machine.chips else 1
        self.place()
        for each in self.passes:
            self.now = each
            self.run()
        self.sums = Sums(self)

    def place(self) -> None:
        """Find where the contents lie, as they are at the end of the scenario."""
        m, scenario, batch = self.model, self.scenario, self.scenario.batch
        self.footprint = footprint(m, self.scheme, self.passes[-1].longest, batch)
        rows = [batch * len(each.contexts) for each in self.passes]
        logits = {"all": max(rows), "last": batch, "none": 0}[scenario.lm_head]
        size = widest(m, self.scheme, self.machine, max(rows), logits)
        self.footprint["activations"] = size
        used = contents(m, self.scheme, self.footprint, scenario.lm_head != "none")
        self.places = Places(self.machine, used, self.chips)

    # -- operators -----------------------------------------------------------------------------

    def run(self) -> None:
        """Walk through one pass of the model, in the order of its operators."""
        m, h, f = self.model, self.model.hidden_size, self.model.intermediate_size
        tokens = self.scenario.batch * len(self.now.contexts)
        head_rows = tokens if self.scenario.lm_head == "all" else self.scenario.batch
        embedding = find_codec(self.scheme.embedding)
        tied = self.scenario.lm_head != "none" and shares_table(m, self.scheme)
        looked_up = [("weights" if tied else "embedding", m.embedding_size)]
        looked_up += [("embedding", h)] if m.positions == "learned" else []
        look_up = self.now.operators["look-up", ""]
        for _ in range(tokens):
            for lies_with, width in looked_up:
                for memory, share in self.places.shares[lies_with].items():
                    look_up.bits[memory, "embedding"] += embedding.row_bits(width) * share
                if Kind.FLOAT not in embedding.kinds:
                    self.step("dequantize", "dequantize", width)
            if m.positions == "learned":
                self.step("residual", "position", h)
        if m.embedding_size != h:
            self.gemm("embed_in", "embedding", m.embedding_size, h, tokens)
        for layer in range(m.num_hidden_layers):
            sliding = layer < (m.sliding_window_layers or 0)
            self.layer(tokens, h, f, m.sliding_window if sliding else None)
        if m.final_norm:
            self.steps(tokens, "norm", m.norm, h)
        if self.scenario.lm_head == "none":
            return
        if m.embedding_size != h:
            self.gemm("embed_out", "embedding", h, m.embedding_size, head_rows)
        self.gemm("lm_head", "lm-head", m.embedding_size, m.vocab_size, head_rows)
        if m.lm_head_bias:
            self.steps(head_rows, "bias", "bias", m.vocab_size)
        if m.lm_head_softcap:
            self.steps(head_rows, "softcap", "softcap", m.vocab_size)

    def layer(self, tokens: int, h: int, f: int, window: int | None) -> None:
        m = self.model
        self.steps(tokens * m.norms_per_layer, "norm", m.norm, h)
        self.gemm("q", "qkv", h, self.q, tokens)
        self.gemm("k", "qkv", h, self.kv, tokens, first=False)
        self.gemm("v", "qkv", h, self.kv, tokens, first=False)
        if m.qkv_bias:
            self.steps(tokens, "bias", "bias", self.q + 2 * self.kv)
        if m.qk_norm:
            heads = m.num_attention_heads + m.num_key_value_heads
            self.steps(tokens * heads, "norm", m.norm, m.head_dim)
        if m.positions == "rope":
            self.steps(tokens, "rope", "rope", round((self.q + self.kv) * m.rotary_fraction))
        for _ in range(self.scenario.batch):
            self.attention(window)
        if m.sub_norms:
            self.steps(tokens, "norm", m.norm, self.q)
            self.steps(tokens, "norm", m.norm, f)
        self.gemm("o", "attention-out", self.q, h, tokens)
        if m.attention_out_bias:
            self.steps(tokens, "bias", "bias", h)
        if m.gated:
            self.gemm("gate", "ffn-gate", h, f, tokens)
            self.steps(tokens, "activation", "gate", f)
        self.gemm("up", "ffn-up", h, f, tokens, first=not m.gated)
        self.steps(tokens, "activation", m.activation, f)
        self.gemm("down", "ffn-down", f, h, tokens)
        if m.ffn_bias:
            self.steps(tokens, "bias", "bias", f * (2 if m.gated else 1) + h)
        self.steps(2 * tokens, "residual", "residual", h)

    def gemm(self, name: str, role: str, n: int, p: int, rows: int, first: bool = True) -> None:
        """Count `rows` vectors of n activations by an (n, p) matrix of weights."""
        of, machine = self.scheme.formats(role), self.machine
        act, weight = parse_format(of.activation), parse_format(of.weight)
        codec = find_codec(of.codec)
        is_float = act.kind is Kind.FLOAT
        dequantizes = is_float and (weight.kind is Kind.INTEGER or of.dequantized)
        multiplied = act if of.dequantized and weight.add_only else weight
        quantizes = of.quantizer != "none"
        rescales = not dequantizes and (not is_float or multiplied.add_only or quantizes)
        by_group = codec.granularity is Granularity.GROUP and not dequantizes
        group = min(codec.group, n) if by_group and rescales else n
        choice = chosen(machine, self.scheme, role)
        unit = choice.unit
        lanes = min(unit.lanes, group) if group < n else unit.lanes
        acc = parse_format(of.accumulator) if of.accumulator != "exact" else None
        if acc is None:
            top = of.activation_max or 2 ** (act.bits - 1) - 1
            if not weight.add_only:
                grouped = codec.granularity is Granularity.GROUP
                top *= 2 ** (weight.bits - 1) - (0 if grouped else 1)
            acc = parse_format(f"int{(top * group).bit_length() + 1}")
        asked = (act, act if dequantizes else multiplied)
        if (choice.act, choice.weight) != asked:
            act, multiplied = choice.act, choice.weight
            acc = wide_sum(act)
        inactive = of.inactive if machine.skips_inactive_weights else 0.0
        zero = 1 - machine.weight_zero_saving * of.weight_zeros
        product = self.products.setdefault(
            (self.now.phase, name, role),
            Product(role, choice, act, multiplied, acc, lanes, 1 - inactive, zero),
        )
        product.share(rows, p)
        passes = sum(ceil(min(group, n - start) / lanes) for start in range(0, n, group))
        for _ in range(rows):
            product.macs += n * p
            product.dots += p
            product.tree_passes += passes * p
            if first and quantizes:
                if of.hadamard:
                    block = max(2**i for i in range(21) if n % 2**i == 0)
                    form = self.scheme.elementwise
                    self.counts["hadamard", "add", form, ""] += n * (block.bit_length() - 1)
                self.step("quantize", of.quantizer, n)
            if group < n:
                form = acc.name if acc.kind is Kind.FLOAT else "fp32"
                self.step("rescale", "rescale-group", p * ceil(n / group), form, vectors=0)
            if rescales:
                self.step("rescale", "rescale", p)
        fetches = ceil(rows / unit.tokens)
        if dequantizes:
            self.step("dequantize", "dequantize", fetches * n * p)
        op = self.now.operators[name, role]
        occupied = rows * passes * lanes * ceil(p / unit.rows) * unit.rows * (1 - inactive)
        op.compute += occupied / choice.rate / self.chips
        op.codec = of.codec
        op.unpacked += fetches * n * p
        # Memory
        stored = codec.matrix_bytes(n, p) * 8
        out = result_bits(self.scheme, role)
        held, near = self.tokens_held(n * act.bits + p * out), self.near("activations")
        blocks = self.blocks(rows, held)
        by_block = blocks * stored * (1 - inactive ** (rows / blocks))
        by_unit = fetches * stored * (1 - inactive ** min(unit.tokens, rows))
        roms = {memory.name for memory in machine.memories if memory.kind == "ROM"}
        for memory, share in self.places.shares["weights"].items():
            if memory in roms:
                op.bits[memory, "weights"] += by_unit * share
                continue
            if memory != self.near("weights"):
                op.bits[memory, "weights"] += by_block * share
            if self.near("weights"):
                op.bits[self.near("weights"), "weights"] += by_unit * share
        if near:
            moved = rows * n * ceil(p / unit.rows) * act.bits + rows * p * out
            op.bits[near, "activations"] += moved
            others = [
                memory.name
                for memory in Places.holders(machine, "activations")
                if memory.name != near
            ]
            if others and held < 1:
                moved = rows * (n * act.bits + p * out) * (1 - held)
                op.bits[others[0], "activations"] += moved
        else:
            self.cross(op, rows * (n * act.bits + p * out))
        if role in ("attention-out", "ffn-down"):
            self.reduce(op, rows * p * out)

    def attention(self, window: int | None) -> None:
        """Count attention of one sequence in one layer."""
        m, machine, of = self.model, self.machine, self.scheme.attention
        act, stored = parse_format(of.operand), parse_format(of.kv_cache)
        integer_cache = stored.kind is Kind.INTEGER
        dequantizes = integer_cache and act.kind is Kind.FLOAT
        seen = [
            context if window is None else min(context, window) for context in self.now.contexts
        ]
        tokens, hd = len(seen), m.head_dim
        longest = min(self.now.longest, window or self.now.longest)
        operand = stored if integer_cache and not dequantizes else act
        wide = act.bits
        after = self.scheme.formats("attention-out").activation_format.bits
        kinds = (("attention-score", hd), ("attention-value", longest))
        choice = choose(machine, act, operand)
        unit, widened = choice.unit, (choice.act, choice.weight) != (act, operand)
        products = []
        for role, terms in kinds:
            if widened:
                acc = wide_sum(choice.act)
            elif of.accumulator == "exact":
                top = (2 ** (act.bits - 1) - 1) * (2 ** (operand.bits - 1) - 1)
                acc = parse_format(f"int{(top * terms).bit_length() + 1}")
            else:
                acc = parse_format(of.accumulator)
            key = (self.now.phase, f"attention {window}", role)
            made = Product(role, choice, choice.act, choice.weight, acc, unit.lanes)
            products.append(self.products.setdefault(key, made))
        stored_as_is = stored == act
        act = choice.act
        scores, values = products
        group = m.num_attention_heads // m.num_key_value_heads
        scores.share(group * tokens, min(seen))
        values.share(group * tokens, hd)
        ops = [self.now.operators[f"attention {window}", role] for role, _ in kinds]
        queries, loads = 0, [0, 0]
        for context in seen:
            for _ in range(m.num_attention_heads):
                scores.macs += context * hd
                scores.dots += context
                scores.tree_passes += context * ceil(hd / unit.lanes)
                values.macs += context * hd
                values.dots += hd
                values.tree_passes += hd * ceil(context / unit.lanes)
                self.step("softmax", "softmax", context)
                if m.attention_softcap:
                    self.step("softmax", "softcap", context)
                if integer_cache and not dequantizes:
                    self.step("rescale", "rescale", context, vectors=0)
                    self.step("rescale", "rescale", hd, vectors=0)
                queries += ceil(context / unit.rows) * hd * act.bits
                loads[0] += context * wide
                loads[1] += context * ceil(hd / unit.rows) * act.bits + hd * after
            for _ in range(m.num_key_value_heads):
                for op in ops:
                    op.cache_reads += context * hd * ceil(group * tokens / unit.tokens)
                    if integer_cache:
                        self.step("quantize", "absmax", hd)
                    elif not stored_as_is:
                        self.step("quantize", "narrow", hd)
            for op, terms, outputs in zip(ops, (hd, context), (context, hd), strict=True):
                lane_slots = ceil(terms / unit.lanes) * unit.lanes
                row_slots = ceil(outputs / unit.rows) * unit.rows
                occupied = lane_slots * row_slots * m.num_attention_heads
                op.compute += occupied / choice.rate / self.chips
                op.in_attention = True
        near = self.near("activations")
        if near:
            ops[0].query_bits += queries
            for op, bits in zip(ops, loads, strict=True):
                op.bits[near, "activations"] += bits
        else:
            self.cross(ops[0], tokens * self.q * act.bits)
            self.cross(ops[1], tokens * self.q * after)
        blocks = self.blocks(tokens, self.tokens_held(self.q * (act.bits + after)))
        positions: float = sum(seen)
        if tokens > 1:
            reach = tokens if window is None else window + tokens / blocks - 1
            positions = blocks * min(tokens, reach)
        element = cache_bits(self.model, self.scheme)
        for memory, share in self.places.shares["kv-cache"].items():
            passing = 0 if memory == self.near("kv-cache") else positions
            for op in ops:
                moved = (passing + tokens) * self.kv * element * share
                op.bits[memory, "kv-cache"] += moved

    # -- memories ------------------------------------------------------------------------------

    def near(self, content: str) -> str:
        """Return the name of the nearest memory on the chip for a content; empty without one."""
        found = Places.near(self.machine, content)
        return found.name if found else ""

    def tokens_held(self, token_bits: float) -> float:
        """Return how many tokens' activations fit the nearest memory on the chip."""
        return self.places.rooms.get(self.near("activations"), 0.0) * 8 / token_bits

    def blocks(self, tokens: int, held: float) -> float:
        if not self.near("activations"):
            return 1.0
        return max(1.0, min(tokens, tokens / held if held else tokens))

    def cross(self, op: Operator, bits: float) -> None:
        """Move activations where no memory on the chip may hold them."""
        for memory, share in self.places.shares["activations"].items():
            op.bits[memory, "activations"] += bits * share

    def reduce(self, op: Operator, bits: float) -> None:
        """Sum results over the chips: each sends 2 (N - 1) / N of them."""
        if self.chips > 1:
            op.bits["links", "activations"] += 2 * (self.chips - 1) * bits

    # -- sums ----------------------------------------------------------------------------------

    def steps(self, vectors: int, role: str, function: str, width: int) -> None:
        for _ in range(vectors):
            self.step(role, function, width)

    def step(
        self, role: str, function: str, elements: int, form: str = "", vectors: int = 1
    ) -> None:
        listed = elementwise_functions().functions[function]
        form = form or self.scheme.elementwise
        for operation, number in listed.element.items():
            self.counts[role, operation, form, ""] += number * elements
        for operation, number in listed.vector.items():
            self.counts[role, operation, form, ""] += number * vectors


def wide_sum(act: Format) -> Format:
    """Return the accumulator of a programmable unit for operands that it widens."""
    return parse_format("int32" if act.kind is Kind.INTEGER else "fp32")
