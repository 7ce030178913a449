"""Matrix products as loop nests, the form of workload that design-space explorers read."""

from __future__ import annotations

import re
from typing import NamedTuple

from ..cost.estimates import Estimate
from ..cost.lowered import LoweredProduct
from ..cost.pricing import PRODUCT_OPERATIONS
from ..errors import InputError
from ..inputs.unit import Unit
from ..tally import MacKey


class Layer(NamedTuple):
    """One matrix product as a loop nest.

    ``O[b][h][d][k] += I[b][h][d][c] * W[b][h][c][k]``; dimensions b and h of size 1, as with the
    model's own weights, are left out of the files.

    Attributes
    ----------
    name, scope, role : str
        Name in the files; module path and role, as in the tally.
    macs_key : MacKey
        Operand and accumulator formats.
    unit : Unit
        Array of the machine that executes it.
    b, h, d, c, k : int
        Numbers of sequences, key/value heads, rows of activations, terms of a sum, and outputs.
    repeat : int
        Number of times that the model executes the layer: layers x passes.
    weight_bits, input_bits, output_bits, accumulator_bits : int
        Widths as stored and moved.
    energy_j : float
        Energy of all its MACs in all repetitions, J.
    """

    name: str
    scope: str
    role: str
    macs_key: MacKey
    unit: Unit
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
        """Energy of one MAC, including its share of the adder tree, pJ."""
        return self.energy_j * 1e12 / (self.macs * self.repeat)

    @property
    def group(self) -> str:
        """Name of the folder that it shares with layers of one unit and one energy per MAC."""
        key = self.macs_key
        return f"{_plain(self.unit.name)}-{key.activation}-{key.weight}-{key.accumulator}-n{self.c}"

    @property
    def activation_bits(self) -> int:
        """Bits of the input and the output together."""
        each = self.c * self.input_bits + self.k * self.output_bits
        return self.b * self.h * self.d * each


def layers(of: Estimate) -> list[Layer]:
    """Return the matrix products of an estimate as loop nests.

    Parameters
    ----------
    of : Estimate
        Estimate of a single pass under the system convention.

    Raises
    ------
    InputError
        If the estimate has no machine, several passes, a prefill with causal attention, weights
        stored in a fractional number of bits, or products on a unit that is not an array.
    """
    if of.memory is None:
        raise InputError("the export needs the system convention, which has buffers and DRAM")
    if of.scenario.phase == "request":
        raise InputError("the export takes one pass, a prefill or a decode, not a request")
    joules: dict[tuple[str, str], float] = {}
    for row in of.arithmetic:
        if row.key.operation in (*PRODUCT_OPERATIONS, "mac"):
            place = (row.key.scope, row.key.role)
            joules[place] = joules.get(place, 0.0) + row.joules
    return [_layer(product, joules[product.scope, product.role]) for product in of.lowered.products]


def _layer(product: LoweredProduct, joules: float) -> Layer:
    shape, bits, unit = product.shape, product.code_bits, product.unit
    if unit.kind != "array":
        raise InputError(
            f"the export describes arrays; unit {unit.name}, which executes {product.pair}, is "
            f"{unit.kind}"
        )
    if shape.nest is None:
        raise InputError("loop nests are rectangular: a prefill needs full attention")
    if bits != int(bits):
        raise InputError(
            f"loop nests move whole bits; codec {product.codec} stores {bits:.3g} bits per "
            "weight: use codec 2bit"
        )
    return Layer(
        _plain(shape.name),
        product.scope,
        product.role,
        product.mac_key,
        unit,
        *shape.nest,
        shape.repeat,
        int(bits),
        product.input_bits,
        product.output_bits,
        product.accumulator.bits,
        joules,
    )


def _plain(name: str) -> str:
    """Return a name with which a file or a folder can be called."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", name)
