"""Energy tables: what one operation costs at one process node, and where the number comes from."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ..errors import MissingPriceError, unknown_name
from ..files.records import Record, wrong_value
from ..inputs.formats import Kind, parse_format
from ..tally import MacKey, Operation
from .entries import (
    SRAM_WORD_BITS,
    ExpansionRule,
    OperationEntry,
    Price,
    Source,
    SramEntry,
)
from .macs import MacEntry, Provenance, find_mac


class EnergyTable(Record):
    """What operations cost at one process node.

    Attributes
    ----------
    name, title : str
        What it is called.
    aliases : list of str
        Short names.
    node_nm : float
        Process node, nm.
    sources : mapping
        Key -> the work.
    operations : list of OperationEntry
        Arithmetic, pJ.
    sram : list of SramEntry
        SRAM macros by size, pJ a 64-bit access.
    macs : list of MacEntry
        Whole MACs of a simulated processing element.
    base : str
        The table that prices what this one does not: everything but the MACs of a simulated one.
    provenance : Provenance or None
        Of simulated prices.
    """

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    name: Annotated[str, Field(min_length=1, max_length=80)]
    title: str
    aliases: list[str] = Field(default_factory=list)
    node_nm: Annotated[float, Field(gt=0, le=1000)]
    sources: dict[str, Source]
    operations: list[OperationEntry] = Field(default_factory=list)
    sram: list[SramEntry] = Field(default_factory=list)
    macs: list[MacEntry] = Field(default_factory=list)
    base: str = ""
    provenance: Provenance | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.operations and not (self.base and self.macs):
            raise wrong_value("operations", "a table without a base lists at least one operation")
        if self.macs and (self.provenance is None or not self.base):
            raise wrong_value("macs", "simulated MACs need a base table and their provenance")
        parts: dict[str, Sequence[OperationEntry | SramEntry | MacEntry]] = {
            "operations": self.operations,
            "sram": self.sram,
            "macs": self.macs,
        }
        for part, entries in parts.items():
            for i, entry in enumerate(entries):
                if entry.source not in self.sources:
                    raise wrong_value(
                        f"{part}.{i}.source",
                        str(unknown_name("source", entry.source, self.sources)),
                    )
        seen: set[tuple[str, str]] = set()
        for i, op in enumerate(self.operations):
            if (op.operation, op.format) in seen:
                raise wrong_value(f"operations.{i}", f"{op.operation} of {op.format} stands twice")
            seen.add((op.operation, op.format))
        kinds = [(m.activation, m.weight, m.accumulator, m.variant) for m in self.macs]
        for i, kind in enumerate(kinds):
            if kind in kinds[:i]:
                raise wrong_value(f"macs.{i}", f"the MAC {', '.join(kind[:3])} stands twice")
        return self

    @property
    def short_name(self) -> str:
        """The first alias, or the name."""
        return self.aliases[0] if self.aliases else self.name

    @cached_property
    def _listed(self) -> dict[tuple[str, str], Price]:
        return {
            (e.operation, e.format): Price(
                e.pj,
                e.pj if e.low_pj is None else e.low_pj,
                e.pj if e.high_pj is None else e.high_pj,
                e.kind,
                e.boundary,
                self.sources[e.source],
                e.locator,
                e.formula,
                self.name,
            )
            for e in self.operations
        }

    @cached_property
    def _cache(self) -> dict[tuple[str, str, str], Price]:
        return {}

    def price(self, operation: Operation, form: str, accumulator: str = "") -> Price:
        """Return the energy of one operation.

        Parameters
        ----------
        operation : str
            An operation of `bitnet_hw.tally.Operation`.
        form : str
            Format of the operands; ``int8*int4`` for a product of two widths.
        accumulator : str
            For an addition, the format of its adder where that is not the operands' own.

        Returns
        -------
        Price
            As the table lists it, or derived: an expansion, or an interpolated width.

        Raises
        ------
        MissingPriceError
            If neither the table nor the expansions price it.
        """
        key = (operation, form, accumulator)
        if key not in self._cache:
            self._cache[key] = self._find(operation, form, accumulator)
        return self._cache[key]

    def mac_price(self, mac: MacKey, tokens: int = 1, rows: int = 1) -> Price | None:
        """Return the energy of a whole MAC, or None where only its parts are priced.

        Parameters
        ----------
        mac : MacKey
            Its formats.
        tokens, rows : int
            Tokens that share a weight's register, and rows that share an activation's.
        """
        found = find_mac(self.macs, mac.activation, mac.weight, mac.accumulator)
        if found is None:
            return None
        entry, reason = found
        value, shared = entry.pj, ""
        if (tokens, rows) != (1, 1):
            value = entry.shared(tokens, rows)
            shared = (
                f"a weight's register shared by {tokens} tokens, an activation's by {rows} rows"
            )
        spread = entry.spread_pj * value / entry.pj if entry.pj else 0.0
        return Price(
            value,
            max(0.0, value - spread),
            value + spread,
            "derived" if reason or shared else entry.kind,
            "pe",
            self.sources[entry.source],
            entry.locator,
            "; ".join(filter(None, (reason, entry.formula, shared))),
            self.name,
        )

    @cached_property
    def _base(self) -> EnergyTable | None:
        from .loading import load_table

        return load_table(self.base) if self.base else None

    def _find(self, operation: Operation, form: str, accumulator: str) -> Price:
        if self._base is not None and not self.operations:
            return self._base.price(operation, form, accumulator)
        if operation in ("add", "ternary-add"):
            width = accumulator or form
            # A table may know what choosing the sign costs beside the adder.
            own = self._listed.get((operation, width))
            return own or self._primitive("add", width)
        if operation == "mul":
            return self._primitive("mul", form)
        if (operation, form) in self._listed:
            return self._listed[operation, form]
        from .loading import load_expansions

        rules = load_expansions()
        rule = rules.operations.get(operation)
        if rule is None:
            raise MissingPriceError(
                f"neither energy table {self.name} nor {rules.name} prices {operation} of {form}"
            )
        return self._expanded(operation, form, rule, rules.name)

    def _expanded(self, operation: str, form: str, rule: ExpansionRule, edition: str) -> Price:
        parts = [
            (number, text, price)
            for number, text, price in (
                (rule.mul, "mul", self._primitive("mul", form) if rule.mul else None),
                (rule.add, "add", self._primitive("add", form) if rule.add else None),
                (
                    rule.int8_add,
                    "int8 add",
                    self._primitive("add", "int8") if rule.int8_add else None,
                ),
            )
            if number and price is not None
        ]
        terms = " + ".join(f"{number} {text}" for number, text, _ in parts)
        return parts[0][2]._replace(
            pj=sum(number * price.pj for number, _, price in parts),
            low=sum(number * price.low for number, _, price in parts),
            high=sum(number * price.high for number, _, price in parts),
            kind="derived",
            formula=f"{operation} of {form} = {terms} ({edition}: {rule.why})",
        )

    def _primitive(self, operation: Literal["add", "mul"], form: str) -> Price:
        listed = self._listed.get((operation, form))
        if listed is not None:
            return listed
        operands = [parse_format(name) for name in form.split("*")]
        if all(operand.kind is Kind.INTEGER for operand in operands):
            size = operands[0].bits
            if operation == "mul":
                size = operands[0].bits * operands[-1].bits
            return self._integer(operation, form, size)
        have = ", ".join(f"{op} {fmt}" for op, fmt in sorted(self._listed))
        raise MissingPriceError(
            f"energy table {self.name} has no price for {operation} of {form}; it has: {have}"
        )

    def _integer(self, operation: Literal["add", "mul"], form: str, size: int) -> Price:
        power = 1 if operation == "add" else 2
        known = sorted(
            (parse_format(fmt).bits ** power, price, fmt)
            for (op, fmt), price in self._listed.items()
            if op == operation and parse_format(fmt).kind is Kind.INTEGER
        )
        if not known:
            raise MissingPriceError(f"energy table {self.name} has no integer {operation}")
        at = bisect_left([entry[0] for entry in known], size)
        what = "width" if operation == "add" else "product of the widths"
        if at in (0, len(known)):
            there, price, fmt = known[0 if at == 0 else -1]
            return price.times(
                size / there, f"{operation} of {form}: {fmt} in proportion to the {what}"
            )
        (below, low, low_fmt), (above, high, high_fmt) = known[at - 1], known[at]
        if above == size:
            return high.times(1, f"{operation} of {form}: {high_fmt} has the same {what}")
        share = (size - below) / (above - below)
        lines = [low.pj * size / below, high.pj * size / above]
        value = low.pj + share * (high.pj - low.pj)
        return low._replace(
            pj=value,
            low=min(value, *lines),
            high=max(value, *lines),
            kind="derived",
            formula=f"{operation} of {form}: affine in the {what} between {low_fmt} and "
            f"{high_fmt}; band: in proportion to either",
        )

    def sram_price(self, buffer_bytes: int) -> Price:
        """Return the energy of reading or writing one bit of a buffer.

        The smallest published macro that holds the buffer sets the price; a larger buffer is made
        of banks of the largest macro.

        Raises
        ------
        MissingPriceError
            If the table lists no SRAM.
        """
        if self._base is not None and not self.sram:
            return self._base.sram_price(buffer_bytes)
        macros = sorted(self.sram, key=lambda entry: entry.bytes)
        if not macros:
            raise MissingPriceError(f"energy table {self.name} lists no SRAM")
        macro = next((m for m in macros if m.bytes >= buffer_bytes), macros[-1])
        pj = macro.pj_per_64b / SRAM_WORD_BITS
        banked = f", as banks of {macro.bytes} bytes" if buffer_bytes > macro.bytes else ""
        formula = f"{buffer_bytes} bytes{banked}: {macro.pj_per_64b:g} pJ / {SRAM_WORD_BITS} bits"
        source = self.sources[macro.source]
        return Price(pj, pj, pj, macro.kind, "op", source, macro.locator, formula, self.name)
