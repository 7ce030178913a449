"""Products, operators and passes of the implementation in `rebuilt.py`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from bitnet_hw.inputs.formats import Format, Kind

from .rebuilt_units import Choice

#: Role, operation, format of the operands, format of the adder.
Row = tuple[str, Any, str, str]


def add(energy: list[float], price: Any, number: float) -> None:
    """Add a number of operations or bits at the price and at both ends of its band."""
    for i, pj in enumerate((price.pj, price.low, price.high)):
        energy[i] += number * pj


@dataclass
class Product:
    """One matrix product of a phase, over all its layers and passes."""

    role: str
    choice: Choice
    act: Format
    weight: Format
    acc: Format
    lanes: int
    active: float = 1.0
    zero_factor: float = 1.0
    macs: int = 0
    dots: int = 0
    tree_passes: int = 0
    #: Largest numbers of tokens and rows that share the registers of a whole MAC's operands.
    sharing: tuple[int, int] = (1 << 30, 1 << 30)

    @property
    def slots(self) -> float:
        """Slots of lanes that are executed, idle lanes included."""
        return self.tree_passes * self.lanes * self.active

    @property
    def form(self) -> str:
        if self.weight == self.act or self.act.kind is Kind.FLOAT:
            return self.act.name
        return f"{self.act.name}*{self.weight.name}"

    def share(self, tokens: int, rows: int) -> None:
        before, unit = self.sharing, self.choice.unit
        self.sharing = min(before[0], tokens, unit.tokens), min(before[1], rows, unit.rows)

    def operations(self) -> Iterator[tuple[Any, str, str, int]]:
        """Yield operation, operand format, adder format and number."""
        if not self.weight.add_only:
            yield "mul", self.form, "", round(self.slots)
            if self.act.kind is Kind.FLOAT:
                idle = round(self.slots) - round(self.macs * self.active)
                number = round((self.macs - self.dots) * self.active) + idle
                yield "add", self.act.name, self.acc.name, number
                return
        name = "ternary-add" if self.weight.add_only else "add"
        executed = round(self.tree_passes * self.active)
        bits = self.act.bits + (0 if self.weight.add_only else self.weight.bits)
        sums, level = self.lanes, 0
        while sums > 1:
            level += 1
            width = f"int{min(bits + level, self.acc.bits)}"
            width = self.acc.name if self.acc.kind is Kind.FLOAT else width
            yield name, self.act.name, width, sums // 2 * executed
            sums = sums // 2 + sums % 2
        yield name, self.act.name, self.acc.name, executed


@dataclass
class Operator:
    """One operator of one pass, over all its layers: what takes time."""

    compute: float = 0.0  # s on one chip
    codec: str = ""
    unpacked: int = 0
    cache_reads: int = 0  # elements of keys or values, times the tokens of the pass
    query_bits: float = 0.0  # part of the bits at the near memory that jumps with the context
    in_attention: bool = False  # whether the time of its arithmetic jumps in the same way
    bits: defaultdict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))


@dataclass
class Pass:
    """One pass through the model: the contexts of the tokens of one sequence."""

    phase: str
    contexts: list[int]
    longest: int
    operators: defaultdict[tuple[str, str], Operator] = field(
        default_factory=lambda: defaultdict(Operator)
    )
