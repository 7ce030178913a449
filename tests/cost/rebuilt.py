"""A second, plain implementation of the system convention, by the rules of the documentation.

It follows docs/conventions.md, docs/files.md and docs/energy-tables.md sentence by sentence, in
plain loops over passes, layers, sequences, tokens and heads. It shares the inputs and the prices
with the package, but nothing of the cost model, which `test_rebuilt.py` compares with it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from math import ceil

from bitnet_hw.inputs.codecs import Granularity, find_codec
from bitnet_hw.inputs.elementwise import elementwise_functions
from bitnet_hw.inputs.formats import Kind, parse_format
from bitnet_hw.inputs.machine import Machine
from bitnet_hw.inputs.model import ModelSpec
from bitnet_hw.inputs.scenario import Scenario
from bitnet_hw.inputs.scheme import Scheme
from bitnet_hw.prices.loading import load_dram_prices
from bitnet_hw.prices.tables import EnergyTable
from bitnet_hw.tally import MacKey

from .rebuilt_parts import Pass, Product, Row, add
from .rebuilt_sizes import cache_bits, footprint, matrices


@dataclass
class Rebuilt:
    """Every figure of an estimate."""

    model: ModelSpec
    scheme: Scheme
    scenario: Scenario
    machine: Machine
    table: EnergyTable
    counts: Counter[Row] = field(default_factory=Counter)  # of elementwise steps
    executed: Counter[Row] = field(default_factory=Counter)  # of matrix products
    bits: defaultdict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))
    products: dict[tuple[str, str, str], Product] = field(default_factory=dict)
    passes: list[Pass] = field(default_factory=list)
    widest_bits: float = 0.0

    def __post_init__(self) -> None:
        m, scenario = self.model, self.scenario
        self.width_bits = parse_format(self.scheme.elementwise).bits
        self.q, self.kv = m.num_attention_heads * m.head_dim, m.num_key_value_heads * m.head_dim
        passed = sum(
            matrix.bytes
            for matrix in matrices(m, self.scheme)
            if scenario.lm_head != "none" or not matrix.only_for_logits
        )
        self.resident = passed <= self.machine.weight_buffer_bytes
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
        for each in self.passes:
            self.now = each
            self.run()
        self.fetch_cache()
        self.logic = self.price_logic()
        self.time()
        self.price()
        longest, batch = self.passes[-1].longest, scenario.batch
        self.footprint = footprint(m, self.scheme, longest, batch)
        self.footprint["activations"] = self.widest_bits / 8

    # -- operators -----------------------------------------------------------------------------

    def run(self) -> None:
        """Walk through one pass of the model, in the order of its operators."""
        m, h, f = self.model, self.model.hidden_size, self.model.intermediate_size
        tokens = self.scenario.batch * len(self.now.contexts)
        head_rows = tokens if self.scenario.lm_head == "all" else self.scenario.batch
        embedding = find_codec(self.scheme.embedding)
        looked_up = [m.embedding_size] + ([h] if m.positions == "learned" else [])
        for _ in range(tokens):
            for width in looked_up:
                self.dram("embedding", embedding.row_bits(width))
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
        of, machine, elementwise = self.scheme.formats(role), self.machine, self.width_bits
        act, weight = parse_format(of.activation), parse_format(of.weight)
        codec = find_codec(of.codec)
        is_float = act.kind is Kind.FLOAT
        dequantizes = is_float and (weight.kind is Kind.INTEGER or of.dequantized)
        multiplied = act if of.dequantized and weight.add_only else weight
        quantizes = of.quantizer != "none"
        rescales = not dequantizes and (not is_float or multiplied.add_only or quantizes)
        by_group = codec.granularity is Granularity.GROUP and not dequantizes
        group = min(codec.group, n) if by_group and rescales else n
        lanes = min(machine.lanes, group) if group < n else machine.lanes
        acc = parse_format(of.accumulator) if of.accumulator != "exact" else None
        if acc is None:
            top = of.activation_max or 2 ** (act.bits - 1) - 1
            if not weight.add_only:
                grouped = codec.granularity is Granularity.GROUP
                top *= 2 ** (weight.bits - 1) - (0 if grouped else 1)
            acc = parse_format(f"int{(top * group).bit_length() + 1}")
        inactive = of.inactive if machine.skips_inactive_weights else 0.0
        zero = 1 - machine.weight_zero_saving * of.weight_zeros
        product = self.products.setdefault(
            (self.now.phase, name, role),
            Product(role, act, multiplied, acc, lanes, 1 - inactive, zero),
        )
        product.sharing = (min(product.sharing[0], rows), min(product.sharing[1], p))
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
        if dequantizes:
            self.step("dequantize", "dequantize", ceil(rows / machine.tokens) * n * p)
        self.now.macs += rows * n * p * (1 - inactive)
        # Memory
        stored = codec.matrix_bytes(n, p) * 8
        out = parse_format(self.scheme.attention.operand).bits if role == "qkv" else elementwise
        token_bits = n * act.bits + p * out
        fitting = machine.activation_buffer_bytes * 8 // token_bits
        block = max(1, min(rows, fitting))
        if not self.resident:
            self.dram("weights", ceil(rows / block) * stored * (1 - inactive**block))
        if not fitting:
            self.dram("activations", rows * token_bits)
        shared = min(machine.tokens, rows)
        fetched = ceil(rows / machine.tokens) * stored * (1 - inactive**shared)
        self.bits["weight-sram", "weights"] += fetched
        moved = rows * n * ceil(p / machine.rows) * act.bits + rows * p * out
        self.bits["activation-sram", "activations"] += moved
        live = self.model.hidden_size + (p if role == "ffn-up" and self.model.gated else 0)
        self.widest_bits = max(self.widest_bits, rows * (token_bits + live * elementwise))

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
        after = self.scheme.formats("attention-out").activation_format.bits
        kinds = (("attention-score", hd), ("attention-value", longest))
        products = []
        for role, terms in kinds:
            if of.accumulator == "exact":
                top = (2 ** (act.bits - 1) - 1) * (2 ** (operand.bits - 1) - 1)
                acc = parse_format(f"int{(top * terms).bit_length() + 1}")
            else:
                acc = parse_format(of.accumulator)
            key = (self.now.phase, f"attention {window}", role)
            made = Product(role, act, operand, acc, machine.lanes)
            products.append(self.products.setdefault(key, made))
        scores, values = products
        group = m.num_attention_heads // m.num_key_value_heads
        for product, outputs in ((scores, min(seen)), (values, hd)):
            before = product.sharing
            product.sharing = (min(before[0], group * tokens), min(before[1], outputs))
        moved = 0
        for context in seen:
            for _ in range(m.num_attention_heads):
                scores.macs += context * hd
                scores.dots += context
                scores.tree_passes += context * ceil(hd / machine.lanes)
                values.macs += context * hd
                values.dots += hd
                values.tree_passes += hd * ceil(context / machine.lanes)
                self.step("softmax", "softmax", context)
                if m.attention_softcap:
                    self.step("softmax", "softcap", context)
                if integer_cache and not dequantizes:
                    self.step("rescale", "rescale", context, vectors=0)
                    self.step("rescale", "rescale", hd, vectors=0)
                moved += ceil(context / machine.rows) * hd * act.bits + context * act.bits
                moved += context * ceil(hd / machine.rows) * act.bits + hd * after
            for _ in range(m.num_key_value_heads):
                for product in products:
                    product.cache_reads += context * hd * ceil(group * tokens / machine.tokens)
                    if integer_cache:
                        self.step("quantize", "absmax", hd)
                    elif stored != act:
                        self.step("quantize", "narrow", hd)
            self.now.macs += 2 * context * hd * m.num_attention_heads
        self.bits["activation-sram", "activations"] += moved
        fitting = machine.activation_buffer_bytes * 8 // (self.q * (act.bits + after))
        block = max(1, min(tokens, fitting))
        positions = sum(seen)
        if tokens > 1:
            reach = tokens if window is None else min(tokens, window + block - 1)
            positions = sum(reach for _ in range(0, tokens, block))
        self.dram(
            "kv-cache", 2 * (positions + tokens) * self.kv * cache_bits(self.model, self.scheme)
        )

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

    def dram(self, content: str, bits: float) -> None:
        self.bits["dram", content] += bits
        self.now.dram_bits += bits

    def fetch_cache(self) -> None:
        """Fetch keys and values on chip; what the tokens of a pass share is rounded at the end."""
        of, bits = self.scheme.attention, cache_bits(self.model, self.scheme)
        integer = parse_format(of.kv_cache).kind is Kind.INTEGER
        for (phase, *_), product in self.products.items():
            if product.cache_reads:
                tokens = self.scenario.tokens if phase == "prefill" else 1
                fetches = ceil(product.cache_reads / tokens)
                self.bits["weight-sram", "kv-cache"] += fetches * bits
                if integer and product.act.kind is Kind.FLOAT:
                    self.step("dequantize", "dequantize-symmetric", fetches, vectors=0)

    def price_logic(self) -> list[float]:
        """Return the energy of all operations and both ends of its band, pJ."""
        table = self.table
        self.macs = sum(product.macs for product in self.products.values())
        sharing: dict[tuple[str, str], tuple[int, int]] = {}
        for (_, name, role), product in self.products.items():
            t, r = sharing.get((name, role), (self.machine.tokens, self.machine.rows))
            sharing[name, role] = (min(t, product.sharing[0]), min(r, product.sharing[1]))
        logic = [0.0] * 3
        for (_, name, role), product in self.products.items():
            formats = (product.act.name, product.weight.name, product.acc.name)
            price = table.mac_price(MacKey(name, role, *formats), *sharing[name, role])
            if price is not None:
                factor = product.zero_factor if product.weight.add_only else 1.0
                both = dict.fromkeys((product.act.name, product.weight.name))
                number = round(product.macs * product.active)
                self.executed[role, "mac", "*".join(both), product.acc.name] += number
                add(logic, price, number * factor)
                continue
            for operation, form, adder, number in product.operations():
                factor = product.zero_factor if operation == "ternary-add" else 1.0
                add(logic, table.price(operation, form, adder), number * factor)
                self.executed[role, operation, form, adder] += number
        for (_, operation, form, adder), number in self.counts.items():
            add(logic, table.price(operation, form, adder), number)
        return logic

    def price(self) -> None:
        """Price everything: J by level, with both ends of the band."""
        table, machine = self.table, self.machine
        prices = {
            "dram": load_dram_prices().price(machine.dram),
            "weight-sram": table.sram_price(machine.weight_buffer_bytes),
            "activation-sram": table.sram_price(machine.activation_buffer_bytes),
        }
        self.joules = {"logic": [pj * 1e-12 for pj in self.logic]}
        for (level, _), bits in self.bits.items():
            add(self.joules.setdefault(level, [0.0] * 3), prices[level], bits * 1e-12)
        if machine.static_w is not None and machine.dram_static_w is not None:
            power = machine.static_w + machine.dram_static_w
            self.joules["static"] = [power * self.seconds["total"]] * 3

    def time(self) -> None:
        machine = self.machine
        kinds = ("total", "prefill", "decode", "compute", "dram", "bound by compute")
        self.seconds = dict.fromkeys(kinds, 0.0)
        for each in self.passes:
            compute = each.macs / (machine.rows * machine.lanes * machine.clock_hz)
            moving = each.dram_bits / 8 / (machine.efficiency * machine.bandwidth_bytes_per_s)
            self.seconds[each.phase] += max(compute, moving)
            self.seconds["total"] += max(compute, moving)
            self.seconds["bound by compute"] += compute if compute > moving else 0.0
            self.seconds["compute"] += compute
            self.seconds["dram"] += moving
