"""Lowered operators: shapes with formats, on a machine, with all that cost depends on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from ..inputs.formats import Format, Kind
from ..inputs.machine import Machine
from ..inputs.model import ModelSpec
from ..inputs.scenario import Scenario
from ..inputs.scheme import Scheme
from ..tally import AddOnlyWork, MacKey, Operation
from .products import Operand, Product


class Adder(NamedTuple):
    """Additions of one width.

    Attributes
    ----------
    operation : str
        ``add``, or ``ternary-add`` where a ternary or binary weight chooses the sign.
    width : Format
        Format of the adder.
    number : int
        How many.
    """

    operation: Operation
    width: Format
    number: int


@dataclass(frozen=True, slots=True)
class LoweredProduct:
    """A matrix product with its formats, on a machine.

    Attributes
    ----------
    shape : Gemm or AttentionProduct
        Its shape, which answers how many MACs, sums and accesses it takes.
    activation, weight, accumulator : Format
        Operands and sum, as multiplied and added.
    adders : tuple of Adder
        Additions that the machine executes.
    active : float
        Share of the MACs that the machine executes.
    weight_zeros, inactive : float
        Shares of zero weights, and of weights that the machine skips since a zero activation
        leaves them unused.
    zero_factor : float
        Energy of an add-only MAC over that of one whose weight is not zero, on average.
    input_bits, output_bits : int
        Bits of an activation that is read and of a result that is written.
    codec : str
        How the second operand is stored: a codec, or the format of the KV cache.
    code_bits, element_bits : float
        Stored bits of an element of the second operand, without and with its share of the scales.
    token_bits : int
        Bits of a token's activations, in and out, that the activation buffer holds.
    held_bits : int
        Bits that wait meanwhile: the residual stream, and the gate beside the up projection.
    rescales, dequantizes : bool
        Whether the sum is multiplied by scales, and whether weights become floats first.
    hadamard_adds : int
        Additions of the Hadamard transform of its input; 0 where there is none.
    adder_slots : int
        Slots of the adder trees that the terms of the dot products take, with padding.
    """

    shape: Product
    activation: Format
    weight: Format
    accumulator: Format
    adders: tuple[Adder, ...]
    active: float
    weight_zeros: float
    inactive: float
    zero_factor: float
    input_bits: int
    output_bits: int
    codec: str
    code_bits: float
    element_bits: float
    token_bits: int
    held_bits: int = 0
    rescales: bool = False
    dequantizes: bool = False
    hadamard_adds: int = 0
    adder_slots: int = 0

    @property
    def scope(self) -> str:
        """Module path."""
        return self.shape.scope

    @property
    def role(self) -> str:
        """Role in the model."""
        return self.shape.role

    @property
    def operand(self) -> Operand:
        """Source of the second operand."""
        return self.shape.operand

    @property
    def product_format(self) -> str | None:
        """Format of the multiplications, ``int8*int4`` where operands differ; None without any."""
        if self.weight.add_only:
            return None
        same = self.weight == self.activation or self.activation.kind is Kind.FLOAT
        return self.activation.name if same else f"{self.activation.name}*{self.weight.name}"

    @property
    def mac_key(self) -> MacKey:
        """Key of its MACs in a tally."""
        formats = (self.activation.name, self.weight.name, self.accumulator.name)
        return MacKey(self.scope, self.role, *formats)

    def add_only_work(self, slots: float) -> AddOnlyWork:
        """Return the three numbers of an add-only product that takes so many adder slots."""
        terms = self.shape.longest * (1 - self.weight_zeros)
        outputs = self.shape.outputs
        return AddOnlyWork(outputs * max(terms - 1, 0), outputs * terms, slots)


class LoweredStep(NamedTuple):
    """An elementwise step, written out in operations.

    Attributes
    ----------
    scope, role : str
        Module path and role.
    format, accumulator : str
        Format of the operands, and of the adder where it has one of its own.
    counts : mapping of str to int
        Operation -> how many.
    """

    scope: str
    role: str
    format: str
    counts: dict[Operation, int]
    accumulator: str = ""


class Lookup(NamedTuple):
    """Rows of the embedding tables that tokens read."""

    tokens: int
    bits: float


class StoredMatrix(NamedTuple):
    """A matrix of a layer as its codec stores it: role, number of layers, bytes of one."""

    role: str
    layers: int
    bytes: float


class Storage(NamedTuple):
    """Everything that a model stores, in bytes.

    Attributes
    ----------
    matrices : tuple of StoredMatrix
        Projections and FFN, scales included.
    lm_head : float
        The LM head; 0 where it is the embedding table, stored alike.
    embedding : float
        Token and learned position embeddings, a tied LM head among them.
    norms_and_biases : float
        Gains and biases, in the elementwise format.
    kv_element_bits : float
        Stored bits of an element of the KV cache, its share of a scale included.
    """

    matrices: tuple[StoredMatrix, ...]
    lm_head: float
    embedding: float
    norms_and_biases: float
    kv_element_bits: float


class Run(NamedTuple):
    """Alike passes, whose costs run evenly from the first pass to the last."""

    phase: Literal["prefill", "decode"]
    passes: int
    first: Lowered
    last: Lowered


@dataclass(frozen=True)
class Lowered:
    """The lowered operators of a model in a scenario, in a scheme, on a machine.

    Attributes
    ----------
    model, scenario, scheme, machine
        What was lowered.
    products : tuple of LoweredProduct
        Matrix products.
    steps : tuple of LoweredStep
        Everything else that computes: norms, softmax, quantizers, scales ...
    lookups : tuple of Lookup
        Reads of the embedding tables.
    """

    model: ModelSpec
    scenario: Scenario
    scheme: Scheme
    machine: Machine
    products: tuple[LoweredProduct, ...]
    steps: tuple[LoweredStep, ...]
    lookups: tuple[Lookup, ...]

    @property
    def streamed_weight_bytes(self) -> float:
        """Bytes of every matrix that a token passes, the LM head among them where it is run."""
        matrices = {p.scope: p for p in self.products if p.operand == "weights"}
        return sum(p.shape.stored * p.element_bits / 8 for p in matrices.values())
