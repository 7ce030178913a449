"""Boolean functions in Liberty's notation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

# In Liberty, a blank between two operands is an AND, and a quote after one is a NOT.
_TOKEN = re.compile(r"\s*(?:([A-Za-z_][\w\[\].]*)|([01](?![\w]))|([!'&*|+^()]))")
_NAME = re.compile(r"(?<!')\b[A-Za-z_][\w\[\].]*")
MAX_INPUTS = 16


@dataclass(frozen=True)
class Expression:
    """A Boolean function of named inputs.

    Attributes
    ----------
    verilog : str
        The function as a Verilog expression, fully parenthesised.
    inputs : tuple of str
        Names of the inputs, in order of first appearance.
    table : int
        Truth table: bit i is the value of the function if input k equals bit k of i.
    """

    verilog: str
    inputs: tuple[str, ...]
    table: int

    @property
    def rows(self) -> int:
        """Number of rows of the truth table."""
        return 1 << len(self.inputs)

    def renamed(self, names: Mapping[str, str]) -> str:
        """Return the Verilog expression with other names."""
        return _NAME.sub(lambda found: names[found[0]], self.verilog)

    def python(self, names: Mapping[str, str]) -> str:
        """Return a bitwise Python expression; ``full`` in it is an integer of all ones."""
        text = self.verilog.replace("1'b0", "0").replace("1'b1", "full").replace("~", "full ^ ")
        return _NAME.sub(lambda found: names.get(found[0], found[0]), text)

    def probability(self, ones: Mapping[str, float]) -> float:
        """Return the probability of a 1, given those of the inputs, which are independent."""
        return self._weigh(self.table, ones)

    def sensitivity(self, name: str, ones: Mapping[str, float]) -> float:
        """Return the probability that a change of one input changes the result."""
        if name not in self.inputs:
            return 0.0
        return self._weigh(self._difference[name], ones)

    def _weigh(self, table: int, ones: Mapping[str, float]) -> float:
        total = 0.0
        chances = [ones[name] for name in self.inputs]
        for row in range(self.rows):
            if table >> row & 1:
                share = 1.0
                for k, chance in enumerate(chances):
                    share *= chance if row >> k & 1 else 1 - chance
                total += share
        return total

    @cached_property
    def _difference(self) -> dict[str, int]:
        found = {}
        for k, name in enumerate(self.inputs):
            bits = 0
            for row in range(self.rows):
                if (self.table >> row ^ self.table >> (row ^ 1 << k)) & 1:
                    bits |= 1 << row
            found[name] = bits
        return found


def parse_expression(text: str) -> Expression:
    """Read a Liberty function.

    Raises
    ------
    ValueError
        If the text is not a function; the message says why.
    """
    tokens: list[str] = []
    at = 0
    body = text.rstrip()
    while at < len(body):
        found = _TOKEN.match(body, at)
        if found is None:
            raise ValueError(
                f"{body[at:].strip()[:20]!r} in the function {text!r} is not an operator"
            )
        tokens.append(found[1] or found[2] or found[3])
        at = found.end()
    if not tokens:
        raise ValueError("the function is empty")
    names = tuple(dict.fromkeys(t for t in tokens if t[0].isalpha() or t[0] == "_"))
    if len(names) > MAX_INPUTS:
        raise ValueError(f"the function has {len(names)} inputs; at most {MAX_INPUTS} are read")
    reader = _Reader(tokens, names, text)
    verilog, table = reader.disjunction()
    if reader.at != len(tokens):
        raise ValueError(f"{tokens[reader.at]!r} is left over in the function {text!r}")
    return Expression(verilog, names, table)


class _Reader:
    """A recursive-descent parser whose nodes are pairs of Verilog text and truth table."""

    def __init__(self, tokens: list[str], names: tuple[str, ...], text: str) -> None:
        self.tokens, self.names, self.text, self.at = tokens, names, text, 0
        self.all = (1 << (1 << len(names))) - 1

    def peek(self) -> str:
        return self.tokens[self.at] if self.at < len(self.tokens) else ""

    def disjunction(self) -> tuple[str, int]:
        left = self.exclusive()
        while self.peek() in ("|", "+"):
            self.at += 1
            right = self.exclusive()
            left = (f"({left[0]} | {right[0]})", left[1] | right[1])
        return left

    def exclusive(self) -> tuple[str, int]:
        left = self.conjunction()
        while self.peek() == "^":
            self.at += 1
            right = self.conjunction()
            left = (f"({left[0]} ^ {right[0]})", left[1] ^ right[1])
        return left

    def conjunction(self) -> tuple[str, int]:
        left = self.factor()
        while (word := self.peek()) and word not in ("|", "+", "^", ")"):
            if word in ("&", "*"):
                self.at += 1
            right = self.factor()
            left = (f"({left[0]} & {right[0]})", left[1] & right[1])
        return left

    def factor(self) -> tuple[str, int]:
        word = self.peek()
        self.at += 1
        if word == "!":
            inner = self.factor()
            return self.negated(inner)
        if word == "(":
            found = self.disjunction()
            if self.peek() != ")":
                raise ValueError(f"a parenthesis is not closed in the function {self.text!r}")
            self.at += 1
        elif word in ("0", "1"):
            found = (f"1'b{word}", self.all if word == "1" else 0)
        elif word in self.names:
            found = (word, self.column(self.names.index(word)))
        else:
            raise ValueError(f"an operand is missing in the function {self.text!r}")
        while self.peek() == "'":
            self.at += 1
            found = self.negated(found)
        return found

    def negated(self, node: tuple[str, int]) -> tuple[str, int]:
        return (f"(~{node[0]})", self.all ^ node[1])

    def column(self, k: int) -> int:
        return sum(1 << row for row in range(1 << len(self.names)) if row >> k & 1)
