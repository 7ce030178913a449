"""Closed-form counting: a model under a scenario in a scheme, as a tally."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from functools import cache
from typing import Literal

from pydantic import Field

from ..errors import AccumulatorError, InputError
from ..files.reading import read, validate
from ..files.records import Record, choices
from ..inputs import catalogue
from ..inputs.formats import Format, Kind, parse_format
from ..inputs.machine import Machine, load_machine
from ..inputs.model import ModelSpec
from ..inputs.scenario import Scenario
from ..inputs.scheme import AttentionFormats, LinearFormats, Scheme
from ..tally import AddOnlyWork, Key, MacKey, Operation, OpTally
from .operators import AttentionProduct, Elementwise, Gemm, Operator, operators

Convention = Literal["paper", "system"]


class ElementwiseFunction(Record):
    """Operations of one function, an element and a vector."""

    why: str
    element: dict[Operation, int]
    vector: dict[Operation, int] = Field(default_factory=dict)


class ElementwiseFunctions(Record):
    """The file ``elementwise.yaml``."""

    edition: int
    functions: dict[str, ElementwiseFunction]


@cache
def elementwise_functions() -> ElementwiseFunctions:
    """Return how norms, softmax, RoPE, activations and quantizers are written out."""
    return validate(ElementwiseFunctions, read(catalogue.shared_file("elementwise.yaml")))


def check_convention(convention: str, scenario: Scenario) -> None:
    """Refuse what contradicts a convention.

    The paper convention fixes full attention and no LM head.

    Raises
    ------
    InputError
        If the convention is unknown or fixes another value than the scenario has.
    """
    if convention not in choices(Convention):
        raise InputError(f"unknown convention {convention!r}; known: paper, system")
    if convention == "paper":
        if scenario.attention != "full":
            raise InputError(
                "--attention causal contradicts --convention paper, which fixes full attention"
            )
        if scenario.lm_head != "none":
            raise InputError(
                f"--lm-head {scenario.lm_head} contradicts --convention paper, "
                "which counts no LM head"
            )


def accumulating_in(scheme: Scheme, accumulator: str | None, convention: Convention) -> Scheme:
    """Return a scheme with its 16-bit float sums accumulated as asked; None leaves it as it is.

    Raises
    ------
    InputError
        If a format is asked for under the paper convention, which fixes the operands' own.
    """
    if accumulator is None:
        return scheme
    if convention == "paper":
        raise InputError(
            f"--float-accumulator {accumulator} contradicts --convention paper, "
            "which fixes FP16 sums"
        )
    return scheme.with_float_accumulator(accumulator)


def count(
    model: ModelSpec,
    scenario: Scenario,
    scheme: Scheme,
    convention: Convention = "system",
    machine: Machine | None = None,
) -> OpTally:
    """Count the operations of a model in closed form.

    Parameters
    ----------
    model : ModelSpec
        The model.
    scenario : Scenario
        What is asked of it.
    scheme : Scheme
        The number formats.
    convention : str
        ``paper``: the energy model behind the BitNet papers' tables. Every dense product of
        (m, n) by (n, p) is m n p multiplications and m (n - 1) p additions in the operands'
        format; an add-only one is m (n - 1) p additions without an accumulator width and
        m p + m n multiplications for the scales; QK^T is one product with n = query width; nothing
        else counts. ``system``: real accumulator widths on L lanes, and every elementwise step.
    machine : Machine, optional
        Its lanes and its tokens a weight fetch enter the system convention; ``edge`` if absent.

    Returns
    -------
    OpTally
        Counts by scope, role, operation and format.

    Raises
    ------
    InputError
        If the scenario contradicts the convention or the model, or a given integer accumulator
        could overflow.
    """
    check_convention(convention, scenario)
    counter: _Counter
    if convention == "paper":
        counter = _PaperCounter(scheme)
    else:
        counter = _SystemCounter(scheme, machine or load_machine())
    try:
        counter.take(operators(model, scenario))
    except AccumulatorError as error:
        raise InputError(f"scheme {scheme.name}: {error}") from None
    return counter.tally


class _Counter(ABC):
    """What the two conventions share: MACs, and elementwise functions written out."""

    def __init__(self, scheme: Scheme) -> None:
        self.scheme = scheme
        self.tally = OpTally()
        self.functions = elementwise_functions().functions

    def take(self, found: Iterable[Operator]) -> None:
        for op in found:
            if isinstance(op, Gemm):
                self.gemm(op, self.scheme.formats(op.role))
            elif isinstance(op, AttentionProduct):
                self.attention(op, self.scheme.attention)
            else:
                self.elementwise(op)

    @abstractmethod
    def gemm(self, op: Gemm, formats: LinearFormats) -> None: ...

    @abstractmethod
    def attention(self, op: AttentionProduct, formats: AttentionFormats) -> None: ...

    @abstractmethod
    def elementwise(self, op: Elementwise) -> None: ...

    def function(self, scope: str, role: str, name: str, elements: int, vectors: int) -> None:
        steps = self.functions[name]
        form = self.scheme.elementwise
        for operation, each in steps.element.items():
            self.tally.add(Key(scope, role, operation, form), each * elements)
        for operation, each in steps.vector.items():
            self.tally.add(Key(scope, role, operation, form), each * vectors)

    def hadamard(self, op: Gemm) -> None:
        block = op.n & -op.n  # the largest power of two that divides the width
        additions = op.m * op.n * (block.bit_length() - 1) * op.repeat
        form = self.scheme.elementwise
        self.tally.add(Key(op.scope, "hadamard", "add", form, form), additions)

    def note_macs(self, op: Gemm | AttentionProduct, act: str, weight: str, acc: str) -> None:
        self.tally.mac_counts[MacKey(op.scope, op.role, act, weight, acc)] += op.macs

    def note_add_only(self, op: Gemm, formats: LinearFormats, slots: float) -> None:
        outputs = op.m * op.p * op.repeat
        terms = op.n * (1 - formats.weight_zeros)
        work = AddOnlyWork(outputs * max(terms - 1, 0), outputs * terms, outputs * slots)
        self.tally.add_only = self.tally.add_only.plus(work)


class _PaperCounter(_Counter):
    """BitNet (arXiv 2310.11453), Table 1, as its figures reproduce; see docs/conventions.md."""

    def elementwise(self, op: Elementwise) -> None:
        """Count nothing: the paper convention leaves these steps out."""

    def gemm(self, op: Gemm, formats: LinearFormats) -> None:
        act, weight = formats.activation_format, formats.weight_format
        outputs = op.m * op.p * op.repeat
        key = Key(op.scope, op.role, "mul", act.name)
        if weight.add_only:
            adder = paper_adder(act)
            width = "" if adder == act.name else adder
            adds = key._replace(operation="ternary-add", accumulator=width)
            self.tally.add(adds, outputs * (op.n - 1))
            self.note_add_only(op, formats, op.n)
        else:
            # Widths that differ are multiplied at the wider one; a dequantized weight is a float.
            form = weight.name if act.kind is weight.kind and weight.bits > act.bits else act.name
            self.tally.add(key._replace(format=form), op.macs)
            adder = paper_adder(parse_format(form))
            adds = key._replace(operation="add", format=form, accumulator=adder)
            self.tally.add(adds, outputs * (op.n - 1))
        self.note_macs(op, act.name, weight.name, adder)
        if formats.hadamard:
            self.hadamard(op)
        form = self.scheme.elementwise
        if formats.rescales:
            scaling = (op.m * op.p + op.m * op.n) * op.repeat
            self.tally.add(Key(op.scope, "rescale", "mul", form), scaling)
        if formats.dequantizes:
            weights = op.n * op.p * op.repeat
            self.function(op.scope, "dequantize", "dequantize", weights, 0)

    def attention(self, op: AttentionProduct, formats: AttentionFormats) -> None:
        form = formats.operand
        width = op.heads * op.head_dim
        self.tally.add(Key(op.scope, op.role, "mul", form), op.macs)
        # One (S x h)(h x S) product for QK^T, not one a head: its n is the query width.
        alone = op.pairs if op.role == "attention-score" else op.queries * width
        adder = paper_adder(formats.operand_format)
        self.tally.add(Key(op.scope, op.role, "add", form, adder), op.macs - alone)
        self.note_macs(op, form, form, adder)


def paper_adder(form: Format | str) -> str:
    """Return the adder that the papers price: FP16 for half floats, never narrower than INT8."""
    if isinstance(form, str):
        # Of a product of unlike integers the wider operand counts.
        form = max((parse_format(name) for name in form.split("*")), key=lambda one: one.bits)
    if form.kind is Kind.FLOAT:
        return "fp16" if form.bits == 16 else form.name
    return "int8" if form.bits < 8 else form.name


class _SystemCounter(_Counter):
    """Real accumulator widths, L lanes, and everything that is not a matrix product."""

    def __init__(self, scheme: Scheme, machine: Machine) -> None:
        super().__init__(scheme)
        self.machine = machine

    def elementwise(self, op: Elementwise) -> None:
        self.function(op.scope, op.role, op.function, op.elements, op.vectors)

    def gemm(self, op: Gemm, formats: LinearFormats) -> None:
        act, weight = formats.activation_format, formats.weight_format
        accumulator = formats.accumulator_format(op.n)
        active = 1.0
        if self.machine.skips_inactive_weights:
            active = 1 - formats.inactive
        self._products(op, act.name, weight.name, round(op.macs * active), accumulator)
        outputs = op.m * op.p * op.repeat
        if act.kind is Kind.FLOAT and not weight.add_only:
            self._float_sums(op, act.name, accumulator, round(outputs * (op.n - 1) * active))
        else:
            chunks = -(-op.n // self.machine.lanes)
            bits = act.bits + (0 if weight.add_only else weight.bits)
            adder: Operation = "ternary-add" if weight.add_only else "add"
            self._lane_sums(
                op, adder, act.name, bits, accumulator, round(outputs * chunks * active)
            )
            if weight.add_only:
                self.note_add_only(op, formats, chunks * self.machine.lanes * active)
        self._around(op, formats)

    def _around(self, op: Gemm, formats: LinearFormats) -> None:
        vectors = op.m * op.repeat
        if op.quantizes_input and formats.quantizer != "none":
            if formats.hadamard:
                self.hadamard(op)
            self.function(op.scope, "quantize", formats.quantizer, vectors * op.n, vectors)
        if formats.rescales:
            self.function(op.scope, "rescale", "rescale", vectors * op.p, vectors)
        if formats.dequantizes:
            fetches = -(-op.m // self.machine.tokens) * op.n * op.p * op.repeat
            self.function(op.scope, "dequantize", "dequantize", fetches, 0)

    def attention(self, op: AttentionProduct, formats: AttentionFormats) -> None:
        operand, stored = formats.operand_format, formats.kv_format
        scoring = op.role == "attention-score"
        # QK^T reduces over head_dim, AV over the context.
        outputs = (op.pairs if scoring else op.queries * op.head_dim) * op.heads
        last = op.step.contexts.last
        longest = op.head_dim if scoring else min(last, op.window or last)
        accumulator = formats.accumulator_format(longest)
        weight = operand.name if formats.dequantizes else stored.name
        self._products(op, operand.name, weight, op.macs, accumulator)
        if operand.kind is Kind.FLOAT:
            self._float_sums(op, operand.name, accumulator, op.macs - outputs)
        else:
            lanes = self.machine.lanes
            if scoring:
                chunks = outputs * -(-op.head_dim // lanes)
            else:
                each = op.step.contexts.chunks(lanes, op.window) * op.batch * op.layers
                chunks = each * op.heads * op.head_dim
            bits = operand.bits + stored.bits
            self._lane_sums(op, "add", operand.name, bits, accumulator, chunks)
        if stored.kind is Kind.INTEGER:
            self._kv_scales(op, formats)

    def _kv_scales(self, op: AttentionProduct, formats: AttentionFormats) -> None:
        width = op.kv_heads * op.head_dim
        if formats.dequantizes:
            self.function(
                op.scope, "dequantize", "dequantize-symmetric", kv_fetches(op, self.machine), 0
            )
        else:
            scores = op.pairs if op.role == "attention-score" else op.queries * op.head_dim
            self.function(op.scope, "rescale", "rescale", scores * op.heads, 0)
        self.function(op.scope, "quantize", "absmax", op.queries * width, op.queries * op.kv_heads)

    def _products(
        self, op: Gemm | AttentionProduct, act: str, weight: str, macs: int, accumulator: str
    ) -> None:
        self.note_macs(op, act, weight, accumulator)
        first, second = parse_format(act), parse_format(weight)
        if second.add_only:
            return
        same = second == first or first.kind is Kind.FLOAT
        form = act if same else f"{act}*{weight}"
        self.tally.add(Key(op.scope, op.role, "mul", form), macs)

    def _float_sums(
        self, op: Gemm | AttentionProduct, act: str, accumulator: str, additions: int
    ) -> None:
        self.tally.add(Key(op.scope, op.role, "add", act, accumulator), additions)

    def _lane_sums(
        self,
        op: Gemm | AttentionProduct,
        adder: Operation,
        act: str,
        bits: int,
        accumulator: str,
        chunks: int,
    ) -> None:
        """Count the adders of an L-lane unit that takes `chunks` groups of L terms.

        A group passes a tree of L/2 adders one bit wider than a term, L/4 of two bits more, ...,
        and then the accumulator.
        """
        final = parse_format(accumulator)
        key = Key(op.scope, op.role, adder, act, accumulator)
        lanes = self.machine.lanes
        for depth in range(1, lanes.bit_length()):
            width = accumulator
            if final.kind is not Kind.FLOAT:
                width = f"int{min(bits + depth, final.bits)}"
            self.tally.add(key._replace(accumulator=width), chunks * (lanes >> depth))
        self.tally.add(key, chunks)


def register_sharing(
    found: Iterable[Operator], machine: Machine
) -> dict[tuple[str, str], tuple[int, int]]:
    """Return how many tokens share a weight's register, and rows an activation's, by product.

    A weight stays for T tokens as far as the product has so many, an activation feeds R rows as
    far as it has so many outputs; keys and values are the weights of attention, for the queries of
    the heads that share them. Where passes of one name differ, the fewer.

    Returns
    -------
    dict
        (scope, role) -> (tokens, rows).
    """
    shared: dict[tuple[str, str], tuple[int, int]] = {}
    for op in found:
        if isinstance(op, Gemm):
            tokens, outputs = op.m, op.p
        elif isinstance(op, AttentionProduct):
            tokens = op.heads // op.kv_heads * op.step.tokens
            first = op.step.contexts.first
            scoring = op.role == "attention-score"
            outputs = min(first, op.window or first) if scoring else op.head_dim
        else:
            continue
        here = (min(tokens, machine.tokens), min(outputs, machine.rows))
        before = shared.get((op.scope, op.role), here)
        shared[op.scope, op.role] = (min(here[0], before[0]), min(here[1], before[1]))
    return shared


def kv_fetches(op: AttentionProduct, machine: Machine) -> int:
    """Return how often an element of the KV cache is read on chip, for one of the two products.

    A fetched key or value serves up to T queries: those of the heads that share it, and of the
    tokens of a pass.
    """
    group = op.heads // op.kv_heads
    shares = -(-group * op.step.tokens // machine.tokens)
    mean_reads = op.pairs * shares
    return -(-mean_reads * op.kv_heads * op.head_dim // op.step.tokens)
