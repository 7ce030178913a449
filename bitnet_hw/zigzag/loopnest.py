"""Matrix products as loop nests, the form in which design-space explorers take a workload."""

from __future__ import annotations

import re
from typing import NamedTuple

from ..cost.estimates import Estimate
from ..cost.lowered import LoweredProduct
from ..cost.pricing import PRODUCT_OPERATIONS
from ..errors import InputError
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
    if of.memory is None:
        raise InputError("the export needs the system convention: formats, buffers and DRAM")
    if of.scenario.phase == "request":
        raise InputError("the export takes one pass, a prefill or a decode, and no request")
    joules: dict[tuple[str, str], float] = {}
    for row in of.arithmetic:
        if row.key.operation in (*PRODUCT_OPERATIONS, "mac"):
            place = (row.key.scope, row.key.role)
            joules[place] = joules.get(place, 0.0) + row.joules
    return [_layer(product, joules[product.scope, product.role]) for product in of.lowered.products]


def _layer(product: LoweredProduct, joules: float) -> Layer:
    shape, bits = product.shape, product.code_bits
    if shape.nest is None:
        raise InputError("loop nests are rectangular: a prefill needs full attention")
    if bits != int(bits):
        raise InputError(
            f"loop nests move whole bits; codec {product.codec} stores {bits:.3g} bits per "
            "weight: use codec 2bit"
        )
    return Layer(
        re.sub(r"[^A-Za-z0-9_.-]+", "_", shape.name),
        product.scope,
        product.role,
        product.mac_key,
        *shape.nest,
        shape.repeat,
        int(bits),
        product.input_bits,
        product.output_bits,
        product.accumulator.bits,
        joules,
    )
