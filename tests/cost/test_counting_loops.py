"""Closed-form counting compared with a walk through the model, one operation at a time.

The walk uses no sums in closed form: it loops over sequences, passes, layers, tokens, heads and
terms, and adds one to a counter for each operation, where that would be executed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitnet_hw.cost.counting import count
from bitnet_hw.inputs.codecs import CODECS
from bitnet_hw.inputs.elementwise import elementwise_functions
from bitnet_hw.inputs.formats import parse_format
from bitnet_hw.inputs.machine import Machine, load_machine
from bitnet_hw.inputs.model import ModelSpec
from bitnet_hw.inputs.scenario import Scenario
from bitnet_hw.inputs.scheme import Scheme, load_scheme

Row = tuple[str, str, str, str]  # role, operation, format, accumulator

#: Codec -> weights under one scale, shortened here to the size of the models below.
GROUPS = {"q8_0": 4, "q4_0": 4, "q6_k": 3, "q2_0": 3, "q1_0": 5}


@pytest.fixture(autouse=True)
def _short_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let groups be shorter than the rows of tiny models; the bytes do not count here."""
    for name, group in GROUPS.items():
        shorter = CODECS[name]._replace(group=group, block=group)
        monkeypatch.setitem(CODECS, name, shorter)


class Walk:
    """Walk through one scenario, step by step, with counters instead of arithmetic."""

    def __init__(
        self, model: ModelSpec, scenario: Scenario, scheme: Scheme, machine: Machine | None
    ) -> None:
        self.model, self.scenario, self.scheme, self.machine = model, scenario, scheme, machine
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
        if self.machine and m.positions == "learned":
            for _ in tokens:
                self._elementwise("residual", "position", m.hidden_size)
        for window in windows:
            self._layer(tokens, first + new, window)
        if self.machine and m.final_norm:
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
            if self.machine and m.lm_head_bias:
                self._elementwise("bias", "bias", m.vocab_size)
            if self.machine and m.lm_head_softcap:
                self._elementwise("lm-head", "softcap", m.vocab_size)

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
        if self.machine is None:
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
        acc = form if self.machine is None else self.scheme.attention.accumulator
        if self.machine is None:
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
            if self.machine and first and formats.quantizer != "none":
                self._elementwise("quantize", formats.quantizer, n)
            for _ in range(p):
                if weight.add_only and self.machine is None:
                    self.slots += n
                    self.outputs_of_width[n] += 1
                    for _ in range(n):
                        self.macs[role] += 1
                    for _ in range(n - 1):
                        self._note(role, "ternary-add", act.name, "")
                elif act.kind.value == "float" or self.machine is None:
                    if self.machine and weight.kind.value != "float":
                        self.dequantized += n
                    acc = act.name if self.machine is None else formats.accumulator
                    self._dense_dot(role, n, act.name, acc)
                else:
                    self._lane_dot(role, n)
            if formats.activation.startswith("int"):
                self._scales(n, p)
        if self.machine and self.dequantized:
            # A weight that the tokens share is fetched, and becomes a float, once per T of them.
            shared = -(-len(tokens) // self.machine.tokens)
            self._elementwise("dequantize", "dequantize", shared * self.dequantized // len(tokens))
            self.dequantized = 0

    def _scales(self, n: int, p: int) -> None:
        if self.machine is not None:
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
        assert self.machine is not None
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
        lanes = min(self.machine.lanes, scaled) if len(runs) > 1 else self.machine.lanes
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


@st.composite
def _models(draw: st.DrawFn) -> ModelSpec:
    shared = draw(st.integers(1, 2))
    kv_heads = draw(st.integers(1, 2))
    layers = draw(st.integers(1, 2))
    window = draw(st.none() | st.integers(1, 6))
    flags = ["gated", "tie_word_embeddings", "qk_norm", "sub_norms", "qkv_bias",
             "attention_out_bias", "ffn_bias", "attention_softcap", "final_norm", "lm_head_bias",
             "lm_head_softcap"]  # fmt: skip
    return ModelSpec.model_validate(
        {
            "name": "tiny",
            "hidden_size": draw(st.integers(2, 7)),
            "num_hidden_layers": layers,
            "num_attention_heads": shared * kv_heads,
            "num_key_value_heads": kv_heads,
            "head_dim": draw(st.integers(1, 4)),
            "intermediate_size": draw(st.integers(1, 9)),
            "activation": draw(st.sampled_from(["silu", "gelu", "relu2"])),
            "vocab_size": draw(st.integers(1, 7)),
            "norm": draw(st.sampled_from(["rmsnorm", "layernorm"])),
            "positions": draw(st.sampled_from(["rope", "learned", "none"])),
            "max_position_embeddings": 64,
            "sliding_window": window,
            "sliding_window_layers": draw(st.integers(0, layers)) if window else None,
        }
        | {flag: draw(st.booleans()) for flag in flags}
    )


@st.composite
def _scenarios(draw: st.DrawFn) -> Scenario:
    phase: Any = draw(st.sampled_from(["prefill", "decode", "request"]))
    attention: Any = draw(st.sampled_from(["causal", "full"]))
    lm_head: Any = draw(st.sampled_from(["all", "last", "none"]))
    return Scenario(
        phase,
        tokens=draw(st.integers(1, 5)) if phase != "decode" else 0,
        context=draw(st.integers(1, 7)) if phase == "decode" else 0,
        generate=draw(st.integers(1, 3)) if phase == "request" else 0,
        batch=draw(st.integers(1, 2)),
        attention=attention,
        lm_head=lm_head,
    )


def _closed(tally: Any) -> dict[Row, int]:
    """Return a tally by role, operation, format and accumulator."""
    return dict(tally.by("role", "operation", "format", "accumulator"))


def _check_three_numbers(tally: Any, walk: Walk, zeros: float) -> None:
    terms = sum(width * (1 - zeros) * n for width, n in walk.outputs_of_width.items())
    additions = sum(
        max(width * (1 - zeros) - 1, 0) * n for width, n in walk.outputs_of_width.items()
    )
    assert tally.add_only.executed_adder_slots == walk.slots
    assert tally.add_only.non_zero_terms == pytest.approx(terms)
    assert tally.add_only.logical_additions == pytest.approx(additions)


@given(
    _models(),
    _scenarios(),
    st.sampled_from(["fp16", "bf16", "w8a8", "bitnet-b1", "bitnet-b1.58"]),
    st.integers(1, 9),
)
@settings(deadline=None, max_examples=60)
def test_system_convention_equals_the_walk(
    model: ModelSpec, scenario: Scenario, name: str, lanes: Any
) -> None:
    machine = load_machine("edge").replace(lanes=lanes)
    scheme = load_scheme(name)
    walk = Walk(model, scenario, scheme, machine)
    tally = count(model, scenario, scheme, "system", machine)
    assert _closed(tally) == {key: n for key, n in walk.counts.items() if n}
    assert tally.macs_by_role() == dict(walk.macs)
    _check_three_numbers(tally, walk, scheme.linear.weight_zeros)


@given(
    _models(),
    _scenarios(),
    st.sampled_from(["q8_0", "q4_0", "q2_0", "q1_0", "mlx-ternary-g128", "int8-channel"]),
    st.integers(1, 9),
)
@settings(deadline=None, max_examples=60)
def test_scales_per_group_equal_the_walk(
    model: ModelSpec, scenario: Scenario, name: str, lanes: int
) -> None:
    machine = load_machine("edge").replace(lanes=lanes)
    scheme = load_scheme(name)
    walk = Walk(model, scenario, scheme, machine)
    tally = count(model, scenario, scheme, "system", machine)
    found = _closed(tally)
    if scheme.embedding != "fp16":  # rows of the embedding become floats
        tokens = sum(new for _, new in walk._passes()) * scenario.batch
        width = model.hidden_size * (2 if model.positions == "learned" else 1)
        for operation in ("mul", "add"):
            walk.counts["dequantize", operation, "fp16", ""] += tokens * width
    assert found == {key: n for key, n in walk.counts.items() if n}
    assert tally.macs_by_role() == dict(walk.macs)
    if scheme.add_only:
        _check_three_numbers(tally, walk, scheme.linear.weight_zeros)


@given(
    _models(),
    _scenarios(),
    st.sampled_from(["fp16", "fp32", "w8a8", "bitnet-b1", "bitnet-b1.58"]),
)
@settings(deadline=None, max_examples=60)
def test_paper_convention_equals_the_walk(model: ModelSpec, scenario: Scenario, name: str) -> None:
    scenario = scenario.replace(attention="full", lm_head="none")
    scheme = load_scheme(name)
    walk = Walk(model, scenario, scheme, None)
    tally = count(model, scenario, scheme, "paper")
    assert _closed(tally) == {key: n for key, n in walk.counts.items() if n}
    assert tally.macs_by_role() == dict(walk.macs)
    _check_three_numbers(tally, walk, scheme.linear.weight_zeros)


def _integer_attention(model: ModelSpec, scenario: Scenario, lanes: int) -> tuple[int, int]:
    """Walk through both attention products on L lanes; return groups of terms, and terms."""
    walk = Walk.__new__(Walk)
    walk.model, walk.scenario = model, scenario
    groups = terms = 0
    windows = [model.sliding_window] * (model.sliding_window_layers or 0)
    windows += [None] * (model.num_hidden_layers - len(windows))
    for first, new in walk._passes():
        for window in windows * scenario.batch * model.num_attention_heads:
            for position in range(first, first + new):
                keys = walk._visible(position, first + new, window)
                dots = [list(range(model.head_dim)) for _ in keys]
                dots += [keys for _ in range(model.head_dim)]
                for dot in dots:
                    terms += len(dot)
                    while dot:
                        dot, groups = dot[lanes:], groups + 1
    return groups, terms


@given(_models(), _scenarios(), st.sampled_from([1, 2, 4]))
@settings(deadline=None, max_examples=30)
def test_integer_attention_equals_the_walk(
    model: ModelSpec, scenario: Scenario, lanes: Any
) -> None:
    data = load_scheme("w8a8").model_dump(exclude_unset=True)
    data["attention"] = {"operand": "int8", "kv_cache": "int8", "accumulator": "exact"}
    scheme = Scheme.model_validate(data)
    machine = load_machine("edge").replace(lanes=lanes)
    groups, terms = _integer_attention(model, scenario, lanes)
    tally = count(model, scenario, scheme, "system", machine)
    products = [key for key in tally.counts if key.role in ("attention-score", "attention-value")]
    muls = sum(tally.counts[key] for key in products if key.operation == "mul")
    adds = sum(tally.counts[key] for key in products if key.operation == "add")
    assert muls == terms
    assert adds == groups * lanes  # a tree of L - 1 adders and the accumulator
