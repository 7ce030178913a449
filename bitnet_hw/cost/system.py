"""The system convention: everything that a machine executes.

Sums of integers have their real widths on L lanes, and every elementwise step is counted, as are
bytes, seconds and static energy. The default scenario is the decode of one token at context 2048,
batch 1.
"""

from __future__ import annotations

from ..inputs.model import ModelSpec
from ..inputs.scenario import Scenario
from ..inputs.scheme import Scheme
from ..tally import Key, OpTally
from .convention import Convention, positions
from .lowered import Lowered

#: Context of the default scenario.
CONTEXT = 2048


class SystemConvention(Convention):
    """The rules of a machine that runs the whole model."""

    name = "system"
    has_machine = True

    def default_scenario(self, *models: ModelSpec) -> Scenario:
        """Return the decode of one token at context 2048."""
        return Scenario("decode", context=positions(CONTEXT, models), batch=1)

    def check(self, scenario: Scenario) -> None:
        """Accept every scenario."""

    def prepared(self, scheme: Scheme, float_accumulator: str | None) -> Scheme:
        """Return the scheme with 16-bit float sums in the given accumulator."""
        if float_accumulator is None:
            return scheme
        return scheme.with_float_accumulator(float_accumulator)

    def count(self, lowered: Lowered) -> OpTally:
        """Return the operations of every product and every step."""
        tally = OpTally()
        for product in lowered.products:
            shape, act = product.shape, product.activation.name
            tally.mac_counts[product.mac_key] += shape.macs
            if product.product_format is not None:
                key = Key(product.scope, product.role, "mul", product.product_format)
                tally.add(key, round(shape.macs * product.active))
            for adder in product.adders:
                key = Key(product.scope, product.role, adder.operation, act, adder.width.name)
                tally.add(key, adder.number)
            if product.weight.add_only:
                work = product.add_only_work(product.executed_macs)
                tally.add_only = tally.add_only.plus(work)
        for step in lowered.steps:
            for operation, number in step.counts.items():
                key = Key(step.scope, step.role, operation, step.format, step.accumulator)
                tally.add(key, number)
        return tally
