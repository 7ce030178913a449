"""The tally: how many operations of which number format a workload performs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

Operation = Literal[
    "mul", "add", "ternary-add", "compare", "exp", "div", "rsqrt", "round", "bit", "mac"
]
Side = Literal["token", "weight"]


class Key(NamedTuple):
    """What one row of a tally counts.

    Attributes
    ----------
    scope : str
        Layer or module path.
    role : str
        What the operation is for: qkv, attention-score, ffn-down, lm-head, norm, quantize ...
    operation : str
        ``ternary-add`` is an addition or subtraction that a ternary or binary weight chooses.
        ``mac`` only stands in priced rows: a whole MAC in place of its parts.
    format : str
        Format of the operands; ``int8*int4`` where they differ.
    accumulator : str
        Format of the adder that takes the result, empty where the convention gives it no width of
        its own or the operation is no addition.
    side : str
        ``token``: done for every token. ``weight``: done once for the weights, and foldable.
    """

    scope: str
    role: str
    operation: Operation
    format: str
    accumulator: str = ""
    side: Side = "token"


class MacKey(NamedTuple):
    """The formats of a MAC: one product of the matrix products, whatever performs it."""

    scope: str
    role: str
    activation: str
    weight: str
    accumulator: str


class AddOnlyWork(NamedTuple):
    """Three different numbers for the matrix products with ternary or binary weights.

    Attributes
    ----------
    logical_additions : float
        max(z - 1, 0) a dot product with z non-zero weights.
    non_zero_terms : float
        z a dot product: the census figure.
    executed_adder_slots : float
        ceil(K / L) * L a dot product on L lanes, zeros and padding included.
    """

    logical_additions: float = 0.0
    non_zero_terms: float = 0.0
    executed_adder_slots: float = 0.0

    def plus(self, other: AddOnlyWork) -> AddOnlyWork:
        """Return the sums."""
        return AddOnlyWork(*(a + b for a, b in zip(self, other, strict=True)))


class OpTally:
    """Counts by key. Tidy: one count a row.

    Attributes
    ----------
    counts : mapping of Key to int
        Operations.
    mac_counts : mapping of MacKey to int
        MACs, m n p of every matrix product; what `counts` says of them as muls and adds.
    add_only : AddOnlyWork
        The three numbers of add-only products.
    """

    def __init__(self) -> None:
        self.counts: defaultdict[Key, int] = defaultdict(int)
        self.mac_counts: defaultdict[MacKey, int] = defaultdict(int)
        self.add_only = AddOnlyWork()

    @property
    def macs(self) -> int:
        """MACs of every matrix product, whatever its format."""
        return sum(self.mac_counts.values())

    def add(self, key: Key, count: int) -> None:
        """Count operations; a count of zero leaves no row."""
        if count:
            self.counts[key] += count

    def total(self, *operations: Operation) -> int:
        """Return the count of some operations, or of all."""
        return sum(
            n for key, n in self.counts.items() if not operations or key.operation in operations
        )

    def by(self, *fields: str) -> dict[tuple[str, ...], int]:
        """Return counts summed over every field of `Key` but those named."""
        places = [Key._fields.index(name) for name in fields]
        sums: dict[tuple[str, ...], int] = {}
        for key, count in self.counts.items():
            short = tuple(key[i] for i in places)
            sums[short] = sums.get(short, 0) + count
        return sums

    def macs_by_role(self) -> dict[str, int]:
        """Return the MACs of each role."""
        sums: dict[str, int] = {}
        for key, count in self.mac_counts.items():
            sums[key.role] = sums.get(key.role, 0) + count
        return sums

    def rows(self) -> Iterator[dict[str, Any]]:
        """Yield one mapping a row, for CSV and JSON."""
        for key, count in self.counts.items():
            yield {**key._asdict(), "count": count}

    def merged(self, other: OpTally) -> OpTally:
        """Return the sum of two tallies."""
        both = OpTally()
        for tally in (self, other):
            for key, count in tally.counts.items():
                both.counts[key] += count
            for mac, count in tally.mac_counts.items():
                both.mac_counts[mac] += count
            both.add_only = both.add_only.plus(tally.add_only)
        return both
