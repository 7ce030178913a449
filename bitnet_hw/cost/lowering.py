"""Lowering: operators with everything that determines cost, from model, scenario, scheme, machine.

This is the only file of the cost model that asks a scheme for formats. Counting, traffic,
footprint, time, energy, the report's chain of factors and the export read the lowered operators.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ..errors import AccumulatorError, InputError
from ..inputs.codecs import Codec, find_codec
from ..inputs.elementwise import elementwise_functions
from ..inputs.formats import Format, Kind, parse_format
from ..inputs.machine import Machine, Unit, as_machine, load_machine
from ..inputs.model import ModelSpec, as_model
from ..inputs.roles import layer_matrices
from ..inputs.scenario import Scenario, as_scenario
from ..inputs.scheme import LinearFormats, Scheme, as_scheme
from ..inputs.unit import Pair
from ..tally import Operation
from .adders import adder_tree, term_bits
from .lowered import (
    Adder,
    Lookup,
    Lowered,
    LoweredProduct,
    LoweredStep,
    Run,
    Storage,
    StoredMatrix,
)
from .operators import Operator, step_operators, steps
from .products import AttentionProduct, Gemm, Product, Step

#: An integer KV cache stores one FP16 scale per key or value vector of a head.
_KV_SCALE_BITS = 16
#: Format in which the integer sums of groups, each with a scale of its own, are added up.
_GROUP_SUM = "fp32"
#: Accumulators of programmable units, for operands that they widen.
_WIDE_SUM = {Kind.INTEGER: "int32", Kind.FLOAT: "fp32"}


def lower(
    model: ModelSpec | str | Path,
    scenario: Scenario,
    scheme: Scheme | str | Path,
    machine: Machine | str | Path | None = None,
) -> Lowered:
    """Lower a model in a scenario to the operators that a machine executes.

    Parameters
    ----------
    model, scenario, scheme
        Dimensions, workload and number formats. A model and a scheme may be given by name in the
        catalogue or by file.
    machine : Machine, str or Path, optional
        Lanes, sharing of fetches, and buffers. Default: the default machine.

    Raises
    ------
    InputError
        If the scenario does not fit the model, or an integer accumulator that the scheme fixes
        could overflow.

    Examples
    --------
    >>> lowered = lower("bitnet-b1.58-2b4t", Scenario("decode", context=2048), "bitnet-b1.58")
    >>> down = next(product for product in lowered.products if product.role == "ffn-down")
    >>> down.activation.name, down.weight.name, down.accumulator.name
    ('int8', 'ternary', 'int21')
    """
    model, scheme = as_model(model), as_scheme(scheme)
    machine = load_machine() if machine is None else as_machine(machine)
    as_scenario(scenario).checked(model)
    try:
        return _lowered(model, scenario, scheme, machine, steps(scenario))
    except AccumulatorError as error:
        raise InputError(f"scheme {scheme.name}: {error}") from None


def runs(lowered: Lowered) -> Iterator[Run]:
    """Yield the passes of a scenario in order, grouped into runs.

    A run ends where the context reaches an attention window. Within a run, every cost is affine in
    the context, but for the idle lanes and rows of attention and its reads of queries, which are
    taken as if they were; so the first and the last pass determine the others.
    """
    of = lowered
    found = list(steps(of.scenario))

    def alone(step: Step) -> Lowered:
        return _lowered(of.model, of.scenario, of.scheme, of.machine, [step])

    for i, step in enumerate(found):
        decodes = of.scenario.phase == "decode" or i > 0
        if step.passes == 1:
            only = of if len(found) == 1 else alone(step)
            yield Run("decode" if decodes else "prefill", 1, only, only)
            continue
        start, last = step.contexts.first, step.contexts.last
        windows = {window for window, _ in of.model.layer_windows if window}
        for end in [*sorted(w for w in windows if start <= w < last), last]:
            yield Run("decode", end - start + 1, alone(step.single(start)), alone(step.single(end)))
            start = end + 1


def lower_storage(model: ModelSpec | str | Path, scheme: Scheme | str | Path) -> Storage:
    """Return what a model stores in a scheme."""
    model, scheme = as_model(model), as_scheme(scheme)
    head = scheme.lm_head.stored.matrix_bytes(model.embedding_size, model.vocab_size)
    embedding = find_codec(scheme.embedding)
    tables = tuple(embedding.matrix_bytes(width, n) for width, n in model.embedding_tables)
    return Storage(
        matrices=tuple(
            StoredMatrix(
                matrix.role,
                model.num_hidden_layers,
                scheme.formats(matrix.role).stored.matrix_bytes(matrix.n, matrix.p),
            )
            for matrix in layer_matrices(model)
        ),
        lm_head=0.0 if _head_is_embedding(model, scheme) else head,
        # The projections around the embedding have the formats of the LM head.
        embedding=sum(tables)
        + sum(scheme.lm_head.stored.matrix_bytes(n, p) for n, p in model.embedding_projections),
        tables=tables,
        norms_and_biases=model.norm_and_bias_parameters * parse_format(scheme.elementwise).bits / 8,
        kv_element_bits=_kv_element_bits(scheme.attention.kv_format, model.head_dim),
    )


def _head_is_embedding(model: ModelSpec, scheme: Scheme) -> bool:
    """Return whether the LM head and the embedding share one table.

    A tied head whose codec differs from the embedding's is stored as a separate copy.
    """
    return model.tie_word_embeddings and scheme.lm_head.codec == scheme.embedding


def _kv_element_bits(stored: Format, head_dim: int) -> float:
    """Return the stored bits of an element of the KV cache, its share of a scale included."""
    return stored.bits + (_KV_SCALE_BITS / head_dim if stored.kind is Kind.INTEGER else 0)


def _lowered(
    model: ModelSpec,
    scenario: Scenario,
    scheme: Scheme,
    machine: Machine,
    passes: Iterator[Step] | list[Step],
) -> Lowered:
    builder = _Builder(model, scheme, machine)
    lookups = []
    embedding = find_codec(scheme.embedding)
    widths = [width for width, _ in model.embedding_tables]
    tied = scenario.lm_head != "none" and _head_is_embedding(model, scheme)
    for step in passes:
        for op in step_operators(model, scenario, step):
            builder.take(op)
        tokens = scenario.batch * step.tokens * step.passes
        lookups += [
            Lookup(tokens, embedding.row_bits(width), "embedding" if i or not tied else "weights")
            for i, width in enumerate(widths)
        ]
        builder.look_up(embedding, tokens * sum(widths))
    return Lowered(
        model, scenario, scheme, machine,
        tuple(builder.products), tuple(builder.steps), tuple(lookups), builder.elementwise,
    )  # fmt: skip


class _Builder:
    """Builder of lowered operators, to which operators are given one by one."""

    def __init__(self, model: ModelSpec, scheme: Scheme, machine: Machine) -> None:
        self.model, self.scheme, self.machine = model, scheme, machine
        self.products: list[LoweredProduct] = []
        self.steps: list[LoweredStep] = []
        self.elementwise = parse_format(scheme.elementwise)
        self.functions = elementwise_functions().functions

    def take(self, op: Operator) -> None:
        if isinstance(op, Gemm):
            self.gemm(op, self.scheme.formats(op.role))
        elif isinstance(op, AttentionProduct):
            self.attention(op)
        else:
            self.step(*op)

    def look_up(self, codec: Codec, elements: int) -> None:
        """Take elements of the embedding tables, which become floats unless they are stored so."""
        if Kind.FLOAT not in codec.kinds:
            self.step("embedding", "dequantize", "dequantize", elements, 0)

    def step(
        self,
        scope: str,
        role: str,
        function: str,
        elements: int,
        vectors: int,
        form: Format | None = None,
    ) -> None:
        """Take an elementwise function, in the scheme's elementwise format unless one is given."""
        written = self.functions[function]
        counts = {operation: each * elements for operation, each in written.element.items()}
        for operation, each in written.vector.items():
            counts[operation] = counts.get(operation, 0) + each * vectors
        self.steps.append(LoweredStep(scope, role, (form or self.elementwise).name, counts))

    def gemm(self, op: Gemm, formats: LinearFormats) -> None:
        act, weight = formats.activation_format, formats.multiplied
        terms = formats.terms_of_scale(op.n)
        accumulator = formats.accumulator_format(terms)
        asked = Pair(act, act if formats.dequantizes else weight)
        unit, pair = self.unit(op.role, asked)
        if pair != asked:
            (act, weight), accumulator = pair, parse_format(_WIDE_SUM[pair.activation.kind])
        # A tree wider than the group of one scale works as several trees.
        lanes = min(unit.lanes, terms) if terms < op.n else unit.lanes
        passes = op.groups(lanes, terms)
        inactive = formats.inactive if self.machine.skips_inactive_weights else 0.0
        gate = op.p if op.role == "ffn-up" and self.model.gated else 0
        out = self._output_bits(op.role)
        block = op.n & -op.n  # the largest power of two that divides the width
        hadamard = op.inputs * (block.bit_length() - 1) if formats.hadamard else 0
        self.products.append(
            LoweredProduct(
                op, unit, pair, act, weight, accumulator,
                self._adders(op, act, weight, accumulator, passes, lanes, 1 - inactive),
                slots=passes * lanes,
                active=1 - inactive,
                weight_zeros=formats.weight_zeros,
                inactive=inactive,
                zero_factor=1 - self.machine.weight_zero_saving * formats.weight_zeros,
                input_bits=act.bits,
                output_bits=out,
                codec=formats.codec,
                code_bits=formats.stored.bits,
                element_bits=formats.stored.matrix_bytes(op.n, op.p) * 8 / (op.n * op.p),
                token_bits=op.n * act.bits + op.p * out,
                held_bits=op.m * (self.model.hidden_size + gate) * self.elementwise.bits,
                rescales=formats.rescales,
                dequantizes=formats.dequantizes,
                hadamard_adds=hadamard,
            )
        )  # fmt: skip
        if op.first_of_input and formats.quantizer != "none":
            if hadamard:
                form = self.elementwise.name
                self.steps.append(
                    LoweredStep(op.scope, "hadamard", form, {"add": hadamard}, accumulator=form)
                )
            self.step(op.scope, "quantize", formats.quantizer, op.inputs, op.vectors)
        if terms < op.n:
            # Each group's sum becomes a float, takes the group's scale, and joins a float sum.
            sums = accumulator if accumulator.kind is Kind.FLOAT else parse_format(_GROUP_SUM)
            scaled = op.outputs * -(-op.n // terms)
            self.step(op.scope, "rescale", "rescale-group", scaled, 0, sums)
        if formats.rescales:
            self.step(op.scope, "rescale", "rescale", op.outputs, op.vectors)
        if formats.dequantizes:
            fetches = op.fetches(unit.tokens)
            self.step(op.scope, "dequantize", "dequantize", fetches, 0)

    def attention(self, op: AttentionProduct) -> None:
        formats = self.scheme.attention
        act, stored = formats.operand_format, formats.kv_format
        weight = act if formats.dequantizes or formats.narrows else stored
        accumulator = formats.accumulator_format(op.longest)
        after = self.scheme.formats("attention-out").activation_format.bits
        unit, pair = self.unit(op.role, Pair(act, weight))
        if pair != (act, weight):
            (act, weight), accumulator = pair, parse_format(_WIDE_SUM[pair.activation.kind])
        lanes = unit.lanes
        passes = op.groups(lanes)
        self.products.append(
            LoweredProduct(
                op, unit, pair, act, weight, accumulator,
                self._adders(op, act, weight, accumulator, passes, lanes, 1.0),
                slots=passes * lanes,
                active=1.0,
                weight_zeros=0.0,
                inactive=0.0,
                zero_factor=1.0,
                input_bits=act.bits,
                output_bits=self._output_bits(op.role),
                codec=stored.name,
                code_bits=stored.bits,
                element_bits=_kv_element_bits(stored, op.head_dim),
                token_bits=op.heads * op.head_dim * (act.bits + after),
            )
        )  # fmt: skip
        if formats.narrows:
            self.step(op.scope, "quantize", "narrow", op.appended, 0)
        if stored.kind is not Kind.INTEGER:
            return
        if formats.dequantizes:
            fetches = op.fetches(unit.tokens)
            self.step(op.scope, "dequantize", "dequantize-symmetric", fetches, 0)
        else:
            # The scale of a key goes with its scores, that of a value with the sum over it.
            scaled = op.outputs if op.scores else op.queries * op.head_dim * op.heads
            self.step(op.scope, "rescale", "rescale", scaled, 0)
        self.step(op.scope, "quantize", "absmax", op.appended, op.vectors)

    def unit(self, role: str, pair: Pair) -> tuple[Unit, Pair]:
        """Return the unit that computes a pair of operands, and the pair in which it does.

        Raises
        ------
        InputError
            If no unit of the machine executes it.
        """
        found = self.machine.unit_for(pair)
        if found is None:
            have = "; ".join(f"{u.name}: {', '.join(u.pairs)}" for u in self.machine.units)
            raise InputError(
                f"machine {self.machine.name}: no unit has a rate for {pair}, which scheme "
                f"{self.scheme.name} needs for {role}; its units execute {have}; choose "
                "another scheme, or give a unit this rate in the machine's file"
            )
        return found

    def _output_bits(self, role: str) -> int:
        """Return the bits of a result, which has the format of the operand that it becomes."""
        if role in ("qkv", "attention-score"):
            return self.scheme.attention.operand_format.bits
        if role == "attention-value":
            return self.scheme.formats("attention-out").activation_format.bits
        return self.elementwise.bits

    def _adders(
        self,
        op: Product,
        act: Format,
        weight: Format,
        accumulator: Format,
        passes: int,
        lanes: int,
        active: float,
    ) -> tuple[Adder, ...]:
        if act.kind is Kind.FLOAT and not weight.add_only:
            return (Adder("add", accumulator, round((op.macs - op.outputs) * active)),)
        executed = round(passes * active)
        operation: Operation = "ternary-add" if weight.add_only else "add"
        return tuple(
            Adder(operation, width, executed * number)
            for width, number in adder_tree(term_bits(act, weight), accumulator, lanes)
        )
