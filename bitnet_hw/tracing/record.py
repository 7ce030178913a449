"""The result of a trace: a tally, the work on weights, and the operators without a formula."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import NamedTuple

from ..errors import InputError
from ..inputs.accumulators import accumulator_bits
from ..inputs.formats import FLOATS, Kind, parse_format
from ..tally import AddOnlyWork, Key, MacKey, Operation, OpTally, Side

#: Double precision, in which running code may compute, although no scheme or energy table has it.
FP64 = "fp64"
_FLOATS = frozenset((*FLOATS, FP64))


class Operand(NamedTuple):
    """The format of the numbers in one matrix operand.

    Attributes
    ----------
    format : str
        ``ternary`` or ``binary`` if the values are, ``int8`` or ``int4`` if they are integers times
        a scale, and otherwise the format of the array's data type.
    largest : int
        Largest magnitude of an integer operand, in units of its scale; 0 for a float.
    non_zeros, used_outputs : int, optional
        Number of non-zero weights of a ternary or binary matrix of shape (outputs, K), and number
        of outputs that have any.
    zeros : float
        Declared fraction of zeros in a ternary matrix without values.
    """

    format: str
    largest: int = 0
    non_zeros: int | None = None
    used_outputs: int = 0
    zeros: float = 0.0

    @property
    def is_float(self) -> bool:
        """Whether sums of these numbers are rounded."""
        return self.format in _FLOATS

    @property
    def add_only(self) -> bool:
        """Whether a product with this operand only selects a sign or zero."""
        return self.format in ("ternary", "binary")


class Place(NamedTuple):
    """The place of an operation: module path, role and side."""

    scope: str
    role: str
    side: Side = "token"


class TracedTally(OpTally):
    """The tally of a traced run: the work that depends on the input.

    `bitnet_hw.price_tally` prices it like the tally of the closed form.

    Attributes
    ----------
    weight_work : OpTally
        Work on stored tensors alone (quantizing or unpacking weights, position tables, masks). It
        is the same for every input, so it can be done once. Its rows have the side ``weight`` and
        are not part of the counts of this tally.
    unknown : mapping of (str, str) to int
        (module path, operator) -> calls, for operators without a formula, which are not counted.
    undeclared : set of str
        Module paths of products whose stored weights had neither values nor a declared fraction
        of zeros (on the meta device) and therefore count as dense.
    """

    def __init__(self) -> None:
        super().__init__()
        self.weight_work = OpTally()
        self.unknown: defaultdict[tuple[str, str], int] = defaultdict(int)
        self.undeclared: set[str] = set()

    def _content(self) -> tuple[object, ...]:
        mine = super()._content()
        return *mine, self.weight_work, dict(self.unknown), self.undeclared

    def totals(self) -> dict[str, int]:
        """Return the totals, with the work on stored tensors alone and the calls not counted."""
        totals = {**super().totals(), "on stored tensors alone": self.weight_work.total()}
        if self.unknown:
            totals["calls without a formula"] = sum(self.unknown.values())
        return totals

    def with_weight_work(self) -> OpTally:
        """Return one tally with the rows of both sides."""
        return self.merged(self.weight_work)

    def side(self, side: Side) -> OpTally:
        """Return the tally of one side."""
        return self if side == "token" else self.weight_work

    def steps(self, place: Place, form: str, counts: Mapping[Operation, int]) -> None:
        """Count elementwise operations of one format."""
        tally = self.side(place.side)
        for operation, count in counts.items():
            tally.add(Key(place.scope, place.role, operation, form, "", place.side), count)

    def product(
        self, place: Place, m: int, k: int, outputs: int, activation: Operand, weight: Operand
    ) -> None:
        """Count m x `outputs` dot products of length k.

        Parameters
        ----------
        place : Place
            Place of the product.
        m : int
            Number of vectors that each row of the weight operand multiplies.
        k : int
            Reduction length.
        outputs : int
            Number of rows of the weight operand, over all batches.
        activation, weight : Operand
            The two operands. If one is a float, the product is a float product, unless the weight
            is ternary or binary.
        """
        if not m * k * outputs:
            return
        tally = self.side(place.side)
        form, accumulator = _product_formats(activation, weight, k)
        mac = MacKey(place.scope, place.role, activation.format, weight.format, accumulator)
        tally.mac_counts[mac] += m * k * outputs
        key = Key(place.scope, place.role, "mul", form, "", place.side)
        adds = key._replace(operation="add", accumulator=accumulator)
        if not weight.add_only:
            tally.add(key, m * k * outputs)
            tally.add(adds, m * (k - 1) * outputs)
            return
        if weight.non_zeros is None:
            terms = round(k * (1 - weight.zeros) * outputs)
            logical = round(max(k * (1 - weight.zeros) - 1, 0) * outputs)
        else:
            terms = weight.non_zeros
            logical = terms - weight.used_outputs
        tally.add(adds._replace(operation="ternary-add"), m * logical)
        work = AddOnlyWork(m * logical, m * terms, m * k * outputs)
        tally.add_only = tally.add_only.plus(work)

    def refuse_unknown(self) -> None:
        """Raise an error if an operator without a formula was called.

        Raises
        ------
        InputError
            With the name of each such operator and its first module path.
        """
        if not self.unknown:
            return
        first: dict[str, str] = {}
        for scope, operator in self.unknown:
            first.setdefault(operator, scope)
        named = ", ".join(f"{operator} (first in {scope})" for operator, scope in first.items())
        raise InputError(f"strict trace: operators without a formula: {named}")


def _product_formats(activation: Operand, weight: Operand, k: int) -> tuple[str, str]:
    """Return the format of the terms and of the accumulator."""
    if weight.add_only:
        form = activation.format
    elif activation.is_float or weight.is_float:
        # An integer operand is converted to float first.
        form = activation.format if activation.is_float else weight.format
    else:
        same = activation.format == weight.format
        form = activation.format if same else f"{activation.format}*{weight.format}"
    if form in _FLOATS:
        return form, FP64 if form == FP64 else "fp32"
    largest = _largest(activation) * _largest(weight)
    return form, f"int{min(accumulator_bits(largest, k), 64)}"


def _largest(operand: Operand) -> int:
    if operand.largest:
        return operand.largest
    known = parse_format(operand.format)
    return known.symmetric_max if known.kind is not Kind.FLOAT else 1
