"""The paper convention: the energy model behind the BitNet papers' tables.

One forward pass over 512 tokens, full attention, no LM head. A dense product of (m, n) by (n, p)
takes m n p multiplications and m (n - 1) p additions in the operands' format. An add-only product
takes m (n - 1) p additions of at least 8 bits, however wide the sum becomes, and m p + m n
multiplications by the scales. QK^T is one product over all heads. Other steps, memory and time are
not counted. Source: BitNet (arXiv 2310.11453), Table 1; docs/conventions.md says how closely the
convention reproduces it.
"""

from __future__ import annotations

from ..inputs.elementwise import elementwise_functions
from ..inputs.formats import Format, Kind, parse_format
from ..inputs.model import ModelSpec
from ..inputs.scenario import Scenario
from ..inputs.scheme import Scheme
from ..tally import Key, MacKey, OpTally
from .convention import Convention, positions
from .lowered import Lowered, LoweredProduct

#: Tokens of the papers' forward pass.
TOKENS = 512


class PaperConvention(Convention):
    """The rules of the BitNet papers' energy tables."""

    name = "paper"
    has_machine = False

    def default_scenario(self, *models: ModelSpec) -> Scenario:
        """Return the papers' forward pass over 512 tokens."""
        tokens = positions(TOKENS, models)
        return Scenario("prefill", tokens=tokens, attention="full", lm_head="none")

    def check(self, scenario: Scenario) -> None:
        """Refuse causal attention and an LM head."""
        if scenario.attention != "full":
            raise self.contradicts("attention", scenario.attention, "which fixes full attention")
        if scenario.lm_head != "none":
            raise self.contradicts("lm_head", scenario.lm_head, "which counts no LM head")

    def prepared(self, scheme: Scheme, float_accumulator: str | None) -> Scheme:
        """Return the scheme with integer sums as wide as they need: the papers give no width."""
        if float_accumulator is not None:
            raise self.contradicts("float_accumulator", float_accumulator, "which fixes FP16 sums")
        return scheme.with_exact_integer_sums()

    def count(self, lowered: Lowered) -> OpTally:
        """Return the operations of the matrix products and of their scales."""
        tally = OpTally()
        for product in lowered.products:
            _count_product(tally, product)
            if product.operand == "weights":
                _count_scales(tally, product, lowered.elementwise.name)
        return tally


def adder(form: Format | str) -> str:
    """Return the adder that the papers price: FP16 for floats up to 16 bits, and at least INT8."""
    if isinstance(form, str):
        # A product of integers of different widths is added at the wider one.
        form = max((parse_format(name) for name in form.split("*")), key=lambda one: one.bits)
    if form.kind is Kind.FLOAT:
        return "fp16" if form.bits <= 16 else form.name
    return "int8" if form.bits < 8 else form.name


def _count_product(tally: OpTally, product: LoweredProduct) -> None:
    shape, act = product.shape, product.activation
    # Keys and values are counted in the queries' format.
    weight = act if product.operand == "kv-cache" else product.weight
    key = Key(product.scope, product.role, "mul", act.name)
    additions = shape.macs - shape.paper_outputs
    if weight.add_only:
        sums = adder(act)
        width = "" if sums == act.name else sums
        tally.add(key._replace(operation="ternary-add", accumulator=width), additions)
        tally.add_only = tally.add_only.plus(product.add_only_work(shape.macs))
    else:
        # Widths that differ are multiplied at the wider one; a dequantized weight is a float.
        form = weight if act.kind is weight.kind and weight.bits > act.bits else act
        sums = adder(form)
        tally.add(key._replace(format=form.name), shape.macs)
        tally.add(key._replace(operation="add", format=form.name, accumulator=sums), additions)
    mac = MacKey(product.scope, product.role, act.name, weight.name, sums)
    tally.mac_counts[mac] += shape.macs


def _count_scales(tally: OpTally, product: LoweredProduct, form: str) -> None:
    shape = product.shape
    tally.add(Key(product.scope, "hadamard", "add", form, form), product.hadamard_adds)
    if product.rescales:
        tally.add(Key(product.scope, "rescale", "mul", form), shape.outputs + shape.inputs)
    if product.dequantizes:
        written = elementwise_functions().functions["dequantize"]
        for operation, each in written.element.items():
            tally.add(Key(product.scope, "dequantize", operation, form), each * shape.operands)
