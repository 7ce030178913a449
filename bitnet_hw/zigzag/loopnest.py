"""Matrix products as loop nests, the form in which design-space explorers take a workload."""

from __future__ import annotations

import re
from typing import NamedTuple

from ..cost.estimates import Estimate
from ..cost.memory import output_bits
from ..cost.operators import AttentionProduct, Gemm, operators
from ..errors import InputError
from ..inputs.formats import parse_format
from ..tally import MacKey


class Layer(NamedTuple):
    """One matrix product as a loop nest.

    ``O[b][h][d][k] += I[b][h][d][c] * W[b][h][c][k]``; without b and h where the weights are the
    model's own.

    Attributes
    ----------
    name, scope, role : str
        Its name in the files; module path and role in the tally.
    macs_key : MacKey
        Operand and accumulator formats.
    b, h, d, c, k : int
        Sequences, key/value heads, rows of activations, reduction length, outputs.
    repeat : int
        How often the model does it: layers x passes.
    weight_bits, input_bits, output_bits, accumulator_bits : int
        Stored and moved widths.
    energy_j : float
        Of all its MACs and repetitions, as priced here.
    """

    name: str
    scope: str
    role: str
    macs_key: MacKey
    b: int
    h: int
    d: int
    c: int
    k: int
    repeat: int
    weight_bits: int
    input_bits: int
    output_bits: int
    accumulator_bits: int
    energy_j: float

    @property
    def macs(self) -> int:
        """MACs of one repetition."""
        return self.b * self.h * self.d * self.c * self.k

    @property
    def pj_per_mac(self) -> float:
        """Energy of one MAC, pJ: multiplication, addition, its share of the adder tree."""
        return self.energy_j * 1e12 / (self.macs * self.repeat)

    @property
    def group(self) -> str:
        """Name of the folder that holds it: alike MACs, alike energy."""
        key = self.macs_key
        return f"{key.activation}-{key.weight}-{key.accumulator}-n{self.c}"

    @property
    def activation_bits(self) -> int:
        """Bits of the whole input and the whole output."""
        each = self.c * self.input_bits + self.k * self.output_bits
        return self.b * self.h * self.d * each


def layers(of: Estimate) -> list[Layer]:
    """Return the matrix products of an estimate as loop nests.

    Parameters
    ----------
    of : Estimate
        Under the system convention, of a single pass.

    Raises
    ------
    InputError
        If the estimate has no machine, several passes, a triangular attention, or weights
        stored in a fraction of a bit.
    """
    if of.convention != "system":
        raise InputError("the export needs the system convention: formats, buffers and DRAM")
    if of.scenario.phase == "request":
        raise InputError("the export takes one pass: give --prefill or --decode, not --prompt")
    if of.scenario.phase == "prefill" and of.scenario.attention == "causal":
        raise InputError("loop nests are rectangular: give --attention full beside --prefill")
    formats = {(key.scope, key.role): key for key in of.tally.mac_counts}
    joules: dict[tuple[str, str], float] = {}
    for row in of.arithmetic:
        if row.key.operation in ("mul", "add", "ternary-add"):
            place = (row.key.scope, row.key.role)
            joules[place] = joules.get(place, 0.0) + row.joules
    found = []
    for op in operators(of.model, of.scenario):
        if isinstance(op, Gemm | AttentionProduct):
            place = (op.scope, op.role)
            found.append(_layer(op, of, formats[place], joules[place]))
    return found


def _layer(op: Gemm | AttentionProduct, of: Estimate, key: MacKey, joules: float) -> Layer:
    scheme = of.scheme
    accumulator = parse_format(key.accumulator).bits
    if isinstance(op, Gemm):
        formats = scheme.formats(op.role)
        bits = formats.stored.bits
        if bits != int(bits):
            raise InputError(
                f"loop nests move whole bits; codec {formats.codec} stores {bits:.3g} bits a "
                "weight: give --codec 2bit"
            )
        name = op.scope.removeprefix("layers.*.")
        shape = (1, 1, op.m, op.n, op.p)
        widths = (int(bits), formats.activation_format.bits)
        repeat = op.repeat
    else:
        context = op.pairs // op.queries
        scoring = op.role == "attention-score"
        rows = op.heads // op.kv_heads * op.step.tokens
        inner = (op.head_dim, context) if scoring else (context, op.head_dim)
        shape = (op.batch, op.kv_heads, rows, *inner)
        name = op.role + (f".window{op.window}" if op.window else "")
        widths = (scheme.attention.kv_format.bits, scheme.attention.operand_format.bits)
        repeat = op.layers * op.step.passes
    written = output_bits(op, scheme)
    name = re.sub(r"[^A-Za-z0-9_.-]+", "_", name)
    return Layer(
        name, op.scope, op.role, key, *shape, repeat, *widths, written, accumulator, joules
    )
