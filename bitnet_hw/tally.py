"""The tally: how many operations of which number format a workload performs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from .errors import InputError, ToolMissingError
from .inputs.elementwise import Operation as Operation  # re-exported with `Key`

if TYPE_CHECKING:
    import pandas as pd

Side = Literal["token", "weight"]


class Key(NamedTuple):
    """The key of one row of a tally.

    Attributes
    ----------
    scope : str
        Layer or module path.
    role : str
        Purpose of the operation: qkv, attention-score, ffn-down, lm-head, norm, quantize ...
    operation : str
        ``ternary-add`` is an addition or subtraction that a ternary or binary weight selects.
        ``mac`` appears in priced rows only: a whole MAC in place of its parts.
    format : str
        Format of the operands; ``int8*int4`` where they differ.
    accumulator : str
        Format of the adder that takes the result; empty where the convention gives the adder no
        width of its own, or the operation is not an addition.
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
    """The formats of a MAC: one term of a matrix product, whatever performs it."""

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
        max(z - 1, 0) per dot product with z non-zero weights.
    non_zero_terms : float
        z per dot product: the census figure.
    executed_adder_slots : float
        ceil(K / L) * L per dot product on L lanes, zeros and padding included.
    """

    logical_additions: float = 0.0
    non_zero_terms: float = 0.0
    executed_adder_slots: float = 0.0

    def plus(self, other: AddOnlyWork) -> AddOnlyWork:
        """Return the sum of each number."""
        return AddOnlyWork(*(a + b for a, b in zip(self, other, strict=True)))


class OpTally:
    """Counts by key, one count per row.

    Two tallies of the same class are equal if they count the same.

    Attributes
    ----------
    counts : mapping of Key to int
        Operations.
    mac_counts : mapping of MacKey to int
        MACs: m n p of every matrix product, whose multiplications and additions are in `counts`.
    add_only : AddOnlyWork
        The three numbers of add-only products.

    Examples
    --------
    >>> tally = OpTally()
    >>> tally.add(Key("layers.0", "norm", "mul", "fp16"), 3 * 64)
    >>> tally.add(Key("layers.0", "norm", "rsqrt", "fp16"), 1)
    >>> tally
    OpTally of 2 rows
      MACs                0
      multiplications   192
      additions           0
      other operations    1
    >>> tally.by("operation")
    {('mul',): 192, ('rsqrt',): 1}
    """

    def __init__(self) -> None:
        self.counts: defaultdict[Key, int] = defaultdict(int)
        self.mac_counts: defaultdict[MacKey, int] = defaultdict(int)
        self.add_only = AddOnlyWork()

    __hash__ = None  # type: ignore[assignment]  # a tally grows, so its hash would not last

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return self._content() == other._content()

    def _content(self) -> tuple[object, ...]:
        """Return the content by which tallies are compared."""
        # Reading a missing key of a defaultdict leaves a zero behind.
        counts = {key: count for key, count in self.counts.items() if count}
        macs = {key: count for key, count in self.mac_counts.items() if count}
        return counts, macs, self.add_only

    def __repr__(self) -> str:
        lines = {name: f"{count:,}" for name, count in self.totals().items()}
        wide, long = max(map(len, lines)), max(map(len, lines.values()))
        body = "".join(f"\n  {name:{wide}}  {text:>{long}}" for name, text in lines.items())
        return f"{type(self).__name__} of {len(self.counts)} rows{body}"

    def _repr_html_(self) -> str:
        """Return the totals as a table, for notebooks."""
        rows = "".join(
            f'<tr><th>{escape(name)}</th><td style="text-align: right">{count:,}</td></tr>'
            for name, count in self.totals().items()
        )
        title = f"{type(self).__name__} of {len(self.counts)} rows"
        return f"<table><caption>{title}</caption><tbody>{rows}</tbody></table>"

    @property
    def macs(self) -> int:
        """MACs of every matrix product, whatever its format."""
        return sum(self.mac_counts.values())

    def add(self, key: Key, count: int) -> None:
        """Count operations; a count of zero leaves no row."""
        if count:
            self.counts[key] += count

    def total(self, *operations: Operation) -> int:
        """Return the count of the given operations, or of all."""
        return sum(
            n for key, n in self.counts.items() if not operations or key.operation in operations
        )

    def totals(self) -> dict[str, int]:
        """Return MACs, multiplications, additions and all other operations, by name."""
        multiplications, additions = self.total("mul"), self.total("add", "ternary-add")
        return {
            "MACs": self.macs,
            "multiplications": multiplications,
            "additions": additions,
            "other operations": self.total() - multiplications - additions,
        }

    def by(self, *fields: str) -> dict[tuple[str, ...], int]:
        """Return the counts grouped by the named fields of `Key`.

        Raises
        ------
        InputError
            If there is no such field.
        """
        for name in fields:
            if name not in Key._fields:
                raise InputError(
                    f"a tally has no field {name!r} to group by; known: {', '.join(Key._fields)}"
                )
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
        """Yield one mapping per row, for CSV and JSON: the fields of `Key`, and ``count``."""
        for key, count in self.counts.items():
            yield {**key._asdict(), "count": count}

    def to_frame(self) -> pd.DataFrame:
        """Return the rows as a data frame: a column per field of `Key`, and ``count``.

        Raises
        ------
        ToolMissingError
            If pandas is not installed.
        """
        try:
            import pandas as pd
        except ImportError:
            raise ToolMissingError(
                "a data frame of a tally needs pandas: pip install pandas"
            ) from None
        return pd.DataFrame(list(self.rows()), columns=[*Key._fields, "count"])

    def as_dict(self) -> dict[str, Any]:
        """Return totals, MACs by role, add-only work and rows as plain data, for JSON."""
        totals = self.totals()
        return {
            "macs": totals["MACs"],
            "multiplications": totals["multiplications"],
            "additions": totals["additions"],
            "other_operations": totals["other operations"],
            "macs_by_role": self.macs_by_role(),
            "add_only": self.add_only._asdict(),
            "rows": list(self.rows()),
        }

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
