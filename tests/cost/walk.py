"""A walk through a model, one operation at a time.

The walk uses no closed form: it loops over sequences, passes, layers, tokens, heads and terms, and
increments a counter at each point where an operation would be executed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from bitnet_hw.inputs.elementwise import elementwise_functions
from bitnet_hw.inputs.formats import parse_format
from bitnet_hw.inputs.machine import Machine
from bitnet_hw.inputs.model import ModelSpec
from bitnet_hw.inputs.scenario import Scenario
from bitnet_hw.inputs.scheme import Scheme

Row = tuple[str, str, str, str]  # role, operation, format, accumulator

#: Codec -> weights under one scale, shortened to suit models a few weights wide.
GROUPS = {"q8_0": 4, "q4_0": 4, "q6_k": 3, "q2_0": 3, "q1_0": 5}


class Walk:
    """Walk through one scenario, in which each operation increments a counter."""

    def __init__(
        self, model: ModelSpec, scenario: Scenario, scheme: Scheme, machine: Machine | None
    ) -> None:
        self.model, self.scenario, self.scheme = model, scenario, scheme
        #: The only unit, which executes everything; None under the paper convention.
        self.unit = machine and machine.units[0]
        self.counts: Counter[Row] = Counter()
        self.macs: Counter[str] = Counter()
        self.slots = 0
        self.outputs_of_width: Counter[int] = Counter()
        self.dequantized = 0
        for first, new in self._passes():
            self._pass(first, new)

    def _passes(self) -> Iterator[tuple[int, int]]:
        """Yield (earlier positions, new positions) of every pass."""
        s = self.scenario
        if s.phase == "decode":
            yield s.context - 1, 1
            return
        yield 0, s.tokens
        if s.phase == "request":
            for i in range(s.generate):
                yield s.tokens + i, 1

    def _pass(self, first: int, new: int) -> None:
        m = self.model
        windows = [m.sliding_window] * (m.sliding_window_layers or 0)
        windows += [None] * (m.num_hidden_layers - len(windows))
        tokens = [(b, first + i) for b in range(self.scenario.batch) for i in range(new)]
        if self.unit and m.positions == "learned":
            for _ in tokens:
                self._elementwise("residual", "position", m.hidden_size)
        for window in windows:
            self._layer(tokens, first + new, window)
        if self.unit and m.final_norm:
            for _ in tokens:
                self._elementwise("norm", m.norm, m.hidden_size)
        asked = [
            (b, position)
            for b, position in tokens
            if self.scenario.lm_head == "all"
            or (self.scenario.lm_head == "last" and position == first + new - 1)
        ]
        self._linear("lm-head", m.hidden_size, m.vocab_size, asked, True)
        for _ in asked:
            if self.unit and m.lm_head_bias:
                self._elementwise("bias", "bias", m.vocab_size)
            if self.unit and m.lm_head_softcap:
                self._elementwise("softcap", "softcap", m.vocab_size)

    def _layer(self, tokens: list[tuple[int, int]], end: int, window: int | None) -> None:
        m = self.model
        h, q = m.hidden_size, m.num_attention_heads * m.head_dim
        kv, f = m.num_key_value_heads * m.head_dim, m.intermediate_size
        for width, first in ((q, True), (kv, False), (kv, False)):
            self._linear("qkv", h, width, tokens, first)
        for _, position in tokens:
            self._attend(position, end, window)
        self._linear("attention-out", q, h, tokens, True)
        if m.gated:
            self._linear("ffn-gate", h, f, tokens, True)
        self._linear("ffn-up", h, f, tokens, not m.gated)
        self._linear("ffn-down", f, h, tokens, True)
        if self.unit is None:
            return
        for _ in tokens:
            for _ in range(m.norms_per_layer):
                self._elementwise("norm", m.norm, h)
            for width in (q, f) if m.sub_norms else ():
                self._elementwise("norm", m.norm, width)
            for _ in range(m.num_attention_heads + m.num_key_value_heads if m.qk_norm else 0):
                self._elementwise("norm", m.norm, m.head_dim)
            if m.positions == "rope":
                self._elementwise("rope", "rope", q + kv)
            for width in (q, kv, kv) if m.qkv_bias else ():
                self._elementwise("bias", "bias", width)
            for width in (h,) if m.attention_out_bias else ():
                self._elementwise("bias", "bias", width)
            for width in ((f, f, h) if m.gated else (f, h)) if m.ffn_bias else ():
                self._elementwise("bias", "bias", width)
            self._elementwise("activation", m.activation, f)
            if m.gated:
                self._elementwise("activation", "gate", f)
            for _ in range(2):
                self._elementwise("residual", "residual", h)

    def _visible(self, position: int, end: int, window: int | None) -> list[int]:
        """List the positions that a query attends to."""
        seen = list(range(end if self.scenario.attention == "full" else position + 1))
        return seen if window is None else seen[-window:]

    def _attend(self, position: int, end: int, window: int | None) -> None:
        m, form = self.model, self.scheme.attention.operand
        keys = self._visible(position, end, window)
        acc = form if self.unit is None else self.scheme.attention.accumulator
        if self.unit is None:
            # The papers count one product over all heads.
            for _ in keys:
                self._dense_dot("attention-score", m.num_attention_heads * m.head_dim, form, acc)
        else:
            for _ in range(m.num_attention_heads):
                for _ in keys:
                    self._dense_dot("attention-score", m.head_dim, form, acc)
                self._elementwise("softmax", "softmax", len(keys))
                if m.attention_softcap:
                    self._elementwise("softmax", "softcap", len(keys))
        for _ in range(m.num_attention_heads):
            for _ in range(m.head_dim):
                self._dense_dot("attention-value", len(keys), form, acc)

    def _linear(
        self, role: str, n: int, p: int, tokens: list[tuple[int, int]], first: bool
    ) -> None:
        formats = self.scheme.formats(role)
        act, weight = parse_format(formats.activation), parse_format(formats.weight)
        for _ in tokens:
            if self.unit and first and formats.quantizer != "none":
                self._elementwise("quantize", formats.quantizer, n)
            for _ in range(p):
                if weight.add_only and self.unit is None:
                    self.slots += n
                    self.outputs_of_width[n] += 1
                    for _ in range(n):
                        self.macs[role] += 1
                    for _ in range(n - 1):
                        self._note(role, "ternary-add", act.name, "")
                elif act.kind.value == "float" or self.unit is None:
                    if self.unit and weight.kind.value != "float":
                        self.dequantized += n
                    acc = act.name if self.unit is None else formats.accumulator
                    self._dense_dot(role, n, act.name, acc)
                else:
                    self._lane_dot(role, n)
            if formats.activation.startswith("int"):
                self._scales(n, p)
        if self.unit and self.dequantized:
            # A weight that the tokens share is fetched, and becomes a float, once per T of them.
            shared = -(-len(tokens) // self.unit.tokens)
            self._elementwise("dequantize", "dequantize", shared * self.dequantized // len(tokens))
            self.dequantized = 0

    def _scales(self, n: int, p: int) -> None:
        if self.unit is not None:
            self._elementwise("rescale", "rescale", p)
            return
        for _ in range(n):
            self._note("rescale", "mul", self.scheme.elementwise, "")
        for _ in range(p):
            self._note("rescale", "mul", self.scheme.elementwise, "")

    def _dense_dot(self, role: str, n: int, form: str, accumulator: str) -> None:
        for i in range(n):
            self.macs[role] += 1
            self._note(role, "mul", form, "")
            if i:
                self._note(role, "add", form, accumulator)

    def _lane_dot(self, role: str, n: int) -> None:
        """Walk through groups of L terms: products, a tree whose sums grow, an accumulator."""
        assert self.unit is not None
        formats = self.scheme.formats(role)
        act, weight = parse_format(formats.activation), parse_format(formats.weight)
        top = formats.activation_max or 2 ** (act.bits - 1) - 1
        scaled = GROUPS.get(formats.codec, n)
        # The codes of groups reach -2**(bits - 1).
        code = 2 ** (weight.bits - 1) - (formats.codec not in GROUPS)
        worst = top * min(scaled, n) * (1 if weight.add_only else code)
        acc = next(b for b in range(2, 99) if -(2 ** (b - 1)) <= -worst and worst < 2 ** (b - 1))
        if weight.add_only:
            self.outputs_of_width[n] += 1
        runs = [list(range(n))[i : i + scaled] for i in range(0, n, scaled)]
        if len(runs) > 1:
            for _ in runs:
                for operation in ("round", "mul", "add"):
                    self._note("rescale", operation, "fp32", "")
        # A unit that is wider than a group works as several units of the group's size.
        lanes = min(self.unit.lanes, scaled) if len(runs) > 1 else self.unit.lanes
        for terms in runs:
            self._run(role, terms, acc, lanes)

    def _run(self, role: str, terms: list[int], acc: int, lanes: int) -> None:
        """Walk through terms of one scale, L at a time."""
        formats = self.scheme.formats(role)
        act, weight = parse_format(formats.activation), parse_format(formats.weight)
        adder = "ternary-add" if weight.add_only else "add"
        product = "" if weight == act else f"*{weight.name}"
        while terms:
            group, terms = terms[:lanes], terms[lanes:]
            for _ in group:
                self.macs[role] += 1
                if not weight.add_only:
                    self._note(role, "mul", act.name + product, "")
            bits = [act.bits + (0 if weight.add_only else weight.bits)] * lanes
            self.slots += len(bits) if weight.add_only else 0
            while len(bits) > 1:
                sums = []
                for a, b in zip(bits[::2], bits[1::2], strict=False):
                    wide = max(a, b) + 1
                    self._note(role, adder, act.name, f"int{min(wide, acc)}")
                    sums.append(wide)
                bits = sums + bits[len(bits) - len(bits) % 2 :]  # an odd one is passed on
            self._note(role, adder, act.name, f"int{acc}")

    def _elementwise(self, role: str, function: str, width: int) -> None:
        steps = elementwise_functions().functions[function]
        form = self.scheme.elementwise
        for _ in range(width):
            for operation, number in steps.element.items():
                self.counts[role, operation, form, ""] += number
        for operation, number in steps.vector.items():
            self.counts[role, operation, form, ""] += number

    def _note(self, role: str, operation: str, form: str, accumulator: str) -> None:
        self.counts[role, operation, form, accumulator] += 1
