"""The price of an operation: listed, interpolated between widths, expanded, or scaled."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple, Self

from pydantic import model_validator

from ..errors import MissingPriceError
from ..files.records import wrong_value
from ..inputs.formats import Kind, parse_format
from ..tally import Operation
from .entries import Boundary, ListedPrice, Picojoules, Price, Source, Sourced
from .expansions import ExpansionRule, Expansions, FloatRule


class OperationEntry(Sourced):
    """One row of `OperationTable.operations`.

    Attributes
    ----------
    operation, format : str
        The operation and the format of its operands.
    pj, low_pj, high_pj : float
        Energy and the range that the source gives, pJ.
    boundary : str
        ``op`` or ``pe``; see `Price`.
    """

    operation: Operation
    format: str
    pj: Picojoules
    low_pj: Picojoules | None = None
    high_pj: Picojoules | None = None
    boundary: Boundary

    @model_validator(mode="after")
    def _check(self) -> Self:
        parse_format(self.format)
        low, high = self.low_pj, self.high_pj
        if (low is not None and low > self.pj) or (high is not None and high < self.pj):
            raise wrong_value("pj", f"{self.pj} lies outside its own range, {low} to {high}")
        return self

    def price(self, source: Source, table: str) -> Price:
        """Return the listed price."""
        low = self.pj if self.low_pj is None else self.low_pj
        high = self.pj if self.high_pj is None else self.high_pj
        return Price(
            self.pj, low, high, self.kind, self.boundary, source, self.locator, self.formula, table
        )


class _Width(NamedTuple):
    """A listed integer operation: its size (bits, or product of the widths), price and format."""

    size: int
    price: Price
    form: str


@dataclass(frozen=True, eq=False)
class ListedOperations:
    """The operations of a table, ready for look-ups.

    It never changes and is compared by identity, so `find` can cache its results: a changed table
    has another object.
    """

    table: str
    prices: Mapping[tuple[str, str], Price]
    widths: Mapping[str, tuple[_Width, ...]]
    expansions: Expansions

    @classmethod
    def of(
        cls,
        table: str,
        operations: tuple[OperationEntry, ...],
        sources: Mapping[str, Source],
        expansions: Expansions,
    ) -> ListedOperations:
        """Build the look-ups of a table from its entries."""
        prices: dict[tuple[str, str], Price] = {}
        for e in operations:
            prices[e.operation, e.format] = e.price(sources[e.source], table)
        widths: dict[str, list[_Width]] = {"add": [], "mul": []}
        for (operation, form), price in prices.items():
            parsed = parse_format(form)
            if operation in widths and parsed.kind is Kind.INTEGER:
                size = parsed.bits if operation == "add" else parsed.bits**2
                widths[operation].append(_Width(size, price, form))
        by_size = {operation: tuple(sorted(found)) for operation, found in widths.items()}
        return cls(table, prices, by_size, expansions)

    def entries(self) -> Iterator[ListedPrice]:
        """Yield every operation that the table lists."""
        for (operation, form), price in self.prices.items():
            yield ListedPrice(f"{operation} {form}", "pJ per operation", price)


# Cached by the identity of the frozen look-ups: hashing a table's content took longer than the
# look-up itself, and copies of a record would share a dictionary inside it. Errors are not cached.
@lru_cache(maxsize=1 << 14)
def find(listed: ListedOperations, operation: Operation, form: str, accumulator: str) -> Price:
    """Return the energy of one operation; see `EnergyTable.price`."""
    if operation in ("add", "ternary-add"):
        width = accumulator or form
        # A table may list this addition with the selection of the sign included.
        own = listed.prices.get((operation, width))
        return own or _primitive(listed, "add", width)
    if operation == "mul":
        return _primitive(listed, "mul", form)
    if (operation, form) in listed.prices:
        return listed.prices[operation, form]
    rule = listed.expansions.operations.get(operation)
    if rule is None:
        raise MissingPriceError(
            f"neither energy table {listed.table} nor {listed.expansions.name} prices "
            f"{operation} of {form}"
        )
    return _expanded(listed, operation, form, rule)


def _expanded(listed: ListedOperations, operation: str, form: str, rule: ExpansionRule) -> Price:
    parts: list[tuple[int, str, Price]] = []
    if rule.mul:
        parts.append((rule.mul, "mul", _primitive(listed, "mul", form)))
    if rule.add:
        parts.append((rule.add, "add", _primitive(listed, "add", form)))
    if rule.int8_add:
        parts.append((rule.int8_add, "int8 add", _primitive(listed, "add", "int8")))
    terms = " + ".join(f"{number} {text}" for number, text, _ in parts)
    return parts[0][2]._replace(
        pj=sum(number * price.pj for number, _, price in parts),
        low=sum(number * price.low for number, _, price in parts),
        high=sum(number * price.high for number, _, price in parts),
        kind="derived",
        formula=f"{operation} of {form} = {terms} ({listed.expansions.name}: {rule.why})",
    )


def _primitive(listed: ListedOperations, operation: Literal["add", "mul"], form: str) -> Price:
    """Return the price of an addition or a multiplication, listed or derived for its format."""
    price = listed.prices.get((operation, form))
    if price is not None:
        return price
    operands = [parse_format(name) for name in form.split("*")]
    if all(operand.kind is Kind.INTEGER for operand in operands):
        size = operands[0].bits
        if operation == "mul":
            size = operands[0].bits * operands[-1].bits
        return _integer(listed, operation, form, size)
    rule = listed.expansions.floats.get(form)
    if rule is not None and (operation, rule.like) in listed.prices:
        return _narrow_float(listed, operation, form, rule)
    have = ", ".join(f"{op} {fmt}" for op, fmt in sorted(listed.prices))
    raise MissingPriceError(
        f"energy table {listed.table} has no price for {operation} of {form}; it has: {have}"
    )


def _narrow_float(
    listed: ListedOperations, operation: Literal["add", "mul"], form: str, rule: FloatRule
) -> Price:
    """Derive a float from a wider one that is listed: the middle of two rules, which are its band.

    A multiplication lies between the product of the significands' widths and the whole width, an
    addition between an integer addition of its width and the whole width.
    """
    wide, bits = listed.prices[operation, rule.like], parse_format(form).bits
    of_width = bits / parse_format(rule.like).bits
    if operation == "mul":
        share = (rule.significand / rule.like_significand) ** 2
        low, least = wide.low * share, f"product of the significands ({share:.3f})"
    else:
        adder = _primitive(listed, "add", f"int{bits}")
        low, least = adder.low, f"int{bits} add"
    high = wide.high * of_width
    low = min(low, high)
    return wide._replace(
        pj=(low + high) / 2,
        low=low,
        high=high,
        kind="derived",
        formula=f"{operation} of {form}: {rule.like} between {least} and whole width "
        f"({of_width:g}), middle ({listed.expansions.name}: {rule.why})",
    )


def _integer(
    listed: ListedOperations, operation: Literal["add", "mul"], form: str, size: int
) -> Price:
    """Interpolate affinely between the two listed widths around a size.

    The lines through the origin and each neighbour bound the band. Outside the listed widths the
    energy is proportional to the size.
    """
    known = listed.widths[operation]
    if not known:
        raise MissingPriceError(f"energy table {listed.table} has no integer {operation}")
    at = bisect_left([width.size for width in known], size)
    what = "width" if operation == "add" else "product of the widths"
    if at in (0, len(known)):
        end = known[0 if at == 0 else -1]
        return end.price.times(
            size / end.size, f"{operation} of {form}: {end.form} in proportion to the {what}"
        )
    below, above = known[at - 1], known[at]
    if above.size == size:
        return above.price.times(1, f"{operation} of {form}: {above.form} has the same {what}")
    share = (size - below.size) / (above.size - below.size)
    lines = [near.price.pj * size / near.size for near in (below, above)]
    value = below.price.pj + share * (above.price.pj - below.price.pj)
    return below.price._replace(
        pj=value,
        low=min(value, *lines),
        high=max(value, *lines),
        kind="derived",
        formula=f"{operation} of {form}: affine in the {what} between {below.form} and "
        f"{above.form}; band: in proportion to either",
    )
