"""Number formats and accumulator widths."""

from __future__ import annotations

import re
from enum import Enum
from functools import lru_cache
from typing import NamedTuple

from ..errors import InputError, unknown_name


class Kind(Enum):
    """Kind of representation of a number."""

    FLOAT = "float"
    INTEGER = "int"
    TERNARY = "ternary"
    BINARY = "binary"


class Format(NamedTuple):
    """A number format.

    Attributes
    ----------
    name : str
        As written in files and shown in reports: ``fp16``, ``fp8-e4m3``, ``int8``, ``ternary``.
    kind : Kind
        Float, two's-complement integer, ternary (-1, 0, +1) or binary (-1, +1).
    bits : int
        Width of one element as an operand, 2 for a ternary one. The width of a stored weight
        depends on its codec.
    """

    name: str
    kind: Kind
    bits: int

    @property
    def add_only(self) -> bool:
        """Whether a factor of this format only selects a sign, so that a MAC is an addition."""
        return self.kind in (Kind.TERNARY, Kind.BINARY)

    @property
    def symmetric_max(self) -> int:
        """Largest magnitude under symmetric quantization: 127 for int8, 1 for ternary and binary.

        Raises
        ------
        ValueError
            For a float format, whose sums are rounded and have no exact width.
        """
        if self.kind is Kind.FLOAT:
            raise ValueError(f"{self.name} has no integer magnitude")
        return 1 if self.add_only else (1 << (self.bits - 1)) - 1


_NAMED = {
    "fp32": Format("fp32", Kind.FLOAT, 32),
    "fp16": Format("fp16", Kind.FLOAT, 16),
    "bf16": Format("bf16", Kind.FLOAT, 16),
    "fp8-e4m3": Format("fp8-e4m3", Kind.FLOAT, 8),
    "fp8-e5m2": Format("fp8-e5m2", Kind.FLOAT, 8),
    "ternary": Format("ternary", Kind.TERNARY, 2),
    "binary": Format("binary", Kind.BINARY, 1),
}
#: Names of the float formats.
FLOATS = tuple(form.name for form in _NAMED.values() if form.kind is Kind.FLOAT)
_INTEGER = re.compile(r"int([1-9]\d?)")
_MAX_INTEGER_BITS = 64


@lru_cache(maxsize=256)
def parse_format(name: str) -> Format:
    """Return the number format with a given name.

    Parameters
    ----------
    name : str
        ``fp32``, ``fp16``, ``bf16``, ``fp8-e4m3``, ``fp8-e5m2`` (Micikevicius et al., FP8 Formats
        for Deep Learning, arXiv 2209.05433), ``ternary``, ``binary``, or ``int2`` to ``int64``.

    Raises
    ------
    InputError
        If there is no such format.

    Examples
    --------
    >>> parse_format("int8").symmetric_max
    127
    """
    if name in _NAMED:
        return _NAMED[name]
    match = _INTEGER.fullmatch(name)
    if match is None:
        raise unknown_name("number format", name, [*_NAMED, "int4", "int8", "int16", "int32"])
    bits = int(match.group(1))
    if not 2 <= bits <= _MAX_INTEGER_BITS:
        raise InputError(f"number format {name!r}: an integer has 2 to {_MAX_INTEGER_BITS} bits")
    return Format(name, Kind.INTEGER, bits)
