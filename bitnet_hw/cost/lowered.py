"""Lowered operators: shapes with formats, on a machine, with everything that determines cost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from ..inputs.formats import Format, Kind
from ..inputs.machine import Machine, Unit
from ..inputs.memory import Content
from ..inputs.model import ModelSpec
from ..inputs.scenario import Scenario
from ..inputs.scheme import Scheme
from ..inputs.unit import Pair
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
        Number of additions.
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
        Shape, from which the numbers of MACs, sums and accesses follow.
    unit : Unit
        Unit of the machine that computes it.
    pair : Pair
        Formats in which the unit multiplies, after a weight has become a float where it does.
    activation, weight, accumulator : Format
        Formats in which the operands are multiplied and the sums accumulate.
    adders : tuple of Adder
        Additions: those that the adder trees execute, and the K - 1 of a dense float dot product.
    slots : int
        Slots of lanes that the terms of the dot products fill, those of idle lanes included.
    active : float
        Share of the slots that the machine executes.
    weight_zeros, inactive : float
        Share of zero weights; share of weights that the machine skips because a zero activation
        leaves them unused.
    zero_factor : float
        Average energy of an add-only MAC, relative to one whose weight is not zero.
    input_bits, output_bits : int
        Bits of an activation that is read, and of a result that is written.
    codec : str
        Storage of the second operand: a codec, or the format of the KV cache.
    code_bits, element_bits : float
        Stored bits of an element of the second operand, without and with its share of the scales.
    token_bits : int
        Bits of a token's inputs and outputs, which the activation buffer holds.
    held_bits : int
        Bits of other live activations: the residual stream and, for the up projection, the gate.
    rescales, dequantizes : bool
        Whether the sum is multiplied by scales; whether the weights are first converted to floats.
    hadamard_adds : int
        Additions of the Hadamard transform of the input; 0 without a transform.
    """

    shape: Product
    unit: Unit
    pair: Pair
    activation: Format
    weight: Format
    accumulator: Format
    adders: tuple[Adder, ...]
    slots: int
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

    @property
    def executed_macs(self) -> float:
        """MACs that the machine executes: ceil(K / L) L per dot product, idle lanes included."""
        return self.slots * self.active

    @property
    def idle_macs(self) -> int:
        """MACs that the machine executes in lanes that dot products leave idle."""
        return round(self.executed_macs) - round(self.shape.macs * self.active)

    @property
    def occupied_slots(self) -> float:
        """Slots of lanes for which the unit is occupied: those of idle rows included.

        The p outputs of an activation take ceil(p / R) R rows. Idle rows take time but no energy,
        since their clock can be gated.
        """
        rows = self.unit.rows
        return self.executed_macs * self.shape.row_groups(rows) * rows / self.shape.outputs

    @property
    def unpacked(self) -> int:
        """Stored weights that are turned into operands: once per fetch of a weight."""
        return self.shape.fetches(self.unit.tokens) if self.operand == "weights" else 0

    @property
    def crossing_bits(self) -> int:
        """Bits of inputs and results that leave a machine without memory for activations.

        Scores stay on chip between the two products of attention.
        """
        moved = 0
        if self.role != "attention-value":
            moved += self.shape.inputs * self.input_bits
        if self.role != "attention-score":
            moved += self.shape.outputs * self.output_bits
        return moved

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
        """Format of the multiplications, ``int8*int4`` if operands differ; None without any."""
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
        """Return the three counts of an add-only product that executes a number of adder slots."""
        terms = self.shape.longest * (1 - self.weight_zeros)
        outputs = self.shape.outputs
        return AddOnlyWork(outputs * max(terms - 1, 0), outputs * terms, slots)


class LoweredStep(NamedTuple):
    """An elementwise step, as numbers of operations.

    Attributes
    ----------
    scope, role : str
        Module path and role.
    format, accumulator : str
        Format of the operands; format of the adder, if it differs.
    counts : mapping of str to int
        Operation -> number.
    """

    scope: str
    role: str
    format: str
    counts: dict[Operation, int]
    accumulator: str = ""


class Lookup(NamedTuple):
    """Reads of an embedding table: number of tokens, bits read per token, and where it lies.

    A token table that is also the LM head lies with the weights.
    """

    tokens: int
    bits: float
    lies_with: Content


class StoredMatrix(NamedTuple):
    """A matrix as its codec stores it: role, number of layers, bytes per layer."""

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
        LM head; 0 if it shares the embedding table.
    embedding : float
        Token and learned position embeddings, including a tied LM head.
    tables : tuple of float
        The embedding tables: of tokens and, where they are learned, of positions.
    norms_and_biases : float
        Gains and biases, in the elementwise format.
    kv_element_bits : float
        Stored bits of an element of the KV cache, including its share of a scale.
    """

    matrices: tuple[StoredMatrix, ...]
    lm_head: float
    embedding: float
    tables: tuple[float, ...]
    norms_and_biases: float
    kv_element_bits: float


class Run(NamedTuple):
    """Consecutive passes whose costs change linearly from the first to the last."""

    phase: Literal["prefill", "decode"]
    passes: int
    first: Lowered
    last: Lowered


@dataclass(frozen=True, repr=False)
class Lowered:
    """The lowered operators of a model in a scenario, in a scheme, on a machine.

    Attributes
    ----------
    model, scenario, scheme, machine
        Inputs of the lowering.
    products : tuple of LoweredProduct
        Matrix products.
    steps : tuple of LoweredStep
        All other operators: norms, softmax, quantizers, scales ...
    lookups : tuple of Lookup
        Reads of the embedding tables.
    elementwise : Format
        Format of the elementwise steps.
    """

    model: ModelSpec
    scenario: Scenario
    scheme: Scheme
    machine: Machine
    products: tuple[LoweredProduct, ...]
    steps: tuple[LoweredStep, ...]
    lookups: tuple[Lookup, ...]
    elementwise: Format

    def __repr__(self) -> str:
        """Return one line: what was lowered, and how much there is of it."""
        return (
            f"Lowered: {self.model.name} in {self.scheme.name} on {self.machine.name}, "
            f"{self.scenario.describe()}: {len(self.products)} matrix products, "
            f"{len(self.steps)} other steps"
        )

    @property
    def streamed_weight_bytes(self) -> float:
        """Bytes of every matrix that a token passes, including the LM head if it is computed."""
        matrices = {p.scope: p for p in self.products if p.operand == "weights"}
        return sum(p.shape.stored * p.element_bits / 8 for p in matrices.values())
