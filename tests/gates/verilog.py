"""A reader of structural Verilog, the form of the netlists in the OpenSTA references."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable
from pathlib import Path

from bitnet_hw.errors import InputError
from bitnet_hw.gates.netlist import ONE, ZERO, Instance, Netlist

_MAX_INDEX = 1 << 16

_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*|\(\*.*?\*\)", re.DOTALL)
_TOKEN = re.compile(
    r"\s*(\\\S+|[A-Za-z_][\w$]*|\d+\s*'\s*[bdhBDH][0-9a-fA-FxXzZ_]+|\d+|[()\[\]{},;:.=#])"
)


def read_compressed_verilog(path: Path) -> Netlist:
    """Read a compressed Verilog file."""
    return read_verilog(gzip.decompress(path.read_bytes()).decode(), str(path))


def read_verilog(text: str, origin: str) -> Netlist:
    """Read flat structural Verilog: ports, wires, ``assign`` of nets, instances with named pins."""
    return _Verilog(text, origin).module()


class _Verilog:
    def __init__(self, text: str, origin: str) -> None:
        blank = _COMMENT.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), text)
        self.origin = origin
        self.tokens: list[tuple[str, int]] = []
        at = 0
        end = len(blank.rstrip())
        line = 1
        while at < end:
            found = _TOKEN.match(blank, at)
            line += blank.count("\n", at, found.start(1) if found else at)
            if found is None:
                rest = blank[at:].strip().partition("\n")[0][:30]
                raise InputError(f"{origin}:{line}: not structural Verilog: {rest!r}")
            self.tokens.append((found[1], line))
            line += blank.count("\n", found.start(1), found.end())
            at = found.end()
        self.at = 0
        self.ranges: dict[str, tuple[int, int]] = {}
        self.alias: dict[str, str] = {}

    def error(self, message: str) -> InputError:
        line = self.tokens[min(self.at, len(self.tokens) - 1)][1] if self.tokens else 1
        return InputError(f"{self.origin}:{line}: {message}")

    def next(self, expected: str = "") -> str:
        if self.at >= len(self.tokens):
            raise self.error("the file ends inside the module: truncated")
        word = self.tokens[self.at][0]
        if expected and word != expected:
            raise self.error(f"expected {expected!r}, found {word!r}")
        self.at += 1
        return word

    def peek(self) -> str:
        return self.tokens[self.at][0] if self.at < len(self.tokens) else ""

    def module(self) -> Netlist:
        self.next("module")
        name = self.identifier()
        while self.next() != ";":
            pass
        inputs: dict[str, list[str]] = {}
        outputs: dict[str, list[str]] = {}
        instances: list[Instance] = []
        while (word := self.peek()) != "endmodule":
            if word in ("input", "output", "wire"):
                self.at += 1
                if self.peek() == "wire":
                    self.at += 1
                span = self.range() if self.peek() == "[" else None
                while True:
                    net = self.identifier()
                    if span is not None:
                        self.ranges[net] = span
                    if word != "wire":
                        (inputs if word == "input" else outputs)[net] = self.bits(net)
                    if self.next() == ";":
                        break
            elif word == "assign":
                self.at += 1
                left = self.expression()
                self.next("=")
                right = self.expression()
                self.next(";")
                if len(left) != len(right):
                    raise self.error(f"assign of {len(right)} bits to {len(left)}")
                self.alias.update(zip(left, right, strict=True))
            else:
                instances.append(self.instance())
        return Netlist(
            name,
            {port: self.resolved(bits) for port, bits in inputs.items()},
            {port: self.resolved(bits) for port, bits in outputs.items()},
            [
                Instance(i.name, i.cell, {p: self.resolved([n])[0] for p, n in i.pins.items()})
                for i in instances
            ],
        )

    def resolved(self, nets: Iterable[str]) -> list[str]:
        found = []
        for net in nets:
            seen = set()
            while net in self.alias:
                if net in seen:
                    raise InputError(f"{self.origin}: assign of {net} to itself")
                seen.add(net)
                net = self.alias[net]
            found.append(net)
        return found

    def identifier(self) -> str:
        word = self.next()
        if not (word[0].isalpha() or word[0] in "_\\"):
            raise self.error(f"expected a name, found {word!r}")
        return word.removeprefix("\\")

    def integer(self) -> int:
        word = self.next()
        if not word.isdecimal() or int(word) > _MAX_INDEX:
            raise self.error(f"expected an index up to {_MAX_INDEX}, found {word!r}")
        return int(word)

    def range(self) -> tuple[int, int]:
        self.next("[")
        high = low = self.integer()
        if self.peek() == ":":
            self.next()
            low = self.integer()
        self.next("]")
        return high, low

    def bits(self, net: str) -> list[str]:
        if net not in self.ranges:
            return [net]
        high, low = self.ranges[net]
        return [f"{net}[{i}]" for i in _span(high, low)]

    def expression(self) -> list[str]:
        word = self.peek()
        if word == "{":
            parts = []
            while self.next() != "}":
                parts.append(self.expression())
            return [bit for part in reversed(parts) for bit in part]
        if word[:1].isdigit():
            return self.constant(self.next())
        net = self.identifier()
        if self.peek() == "[":
            high, low = self.range()
            return [f"{net}[{i}]" for i in _span(high, low)]
        return self.bits(net)

    def constant(self, word: str) -> list[str]:
        size, quote, digits = word.replace(" ", "").replace("_", "").partition("'")
        if not quote:
            raise self.error(f"a constant without width: {word}")
        if int(size) > _MAX_INDEX:
            raise self.error(f"a constant of {size} bits")
        base = {"b": 2, "d": 10, "h": 16}[digits[0].lower()]
        try:
            value = int(re.sub("[xXzZ]", "0", digits[1:]), base)
        except ValueError:
            raise self.error(f"{word} is not a constant") from None
        return [ONE if value >> i & 1 else ZERO for i in range(int(size))]

    def instance(self) -> Instance:
        cell = self.identifier()
        name = self.identifier()
        self.next("(")
        pins: dict[str, str] = {}
        while self.peek() == ".":
            self.next()
            pin = self.identifier()
            self.next("(")
            nets = [] if self.peek() == ")" else self.expression()
            self.next(")")
            if len(nets) > 1:
                raise self.error(f"pin {pin} of {name} is {len(nets)} bits wide")
            if nets:
                pins[pin] = nets[0]
            if self.peek() == ",":
                self.next()
        self.next(")")
        self.next(";")
        return Instance(name, cell, pins)


def _span(high: int, low: int) -> range:
    return range(low, high + 1) if high >= low else range(low, high - 1, -1)
