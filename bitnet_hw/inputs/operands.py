"""Formats of the operands and accumulator of a matrix product."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from ..files.records import Record, wrong_value
from .accumulators import accumulator_of, check_rule
from .codecs import CODECS, Codec, Granularity, find_codec, names_in_brief
from .formats import Format, Kind, parse_format

Quantizer = Literal["none", "absmax", "absmean", "absmax-topk"]
Fraction = Annotated[float, Field(ge=0, lt=1)]


class LinearFormats(Record):
    """Formats of a matrix product with stored weights.

    Attributes
    ----------
    weight, activation : str
        Operand formats.
    accumulator : str
        A format, or ``exact``: an integer as wide as the reduction length requires.
    codec : str
        Codec that stores the weights.
    quantizer : str
        Quantizer that turns the layer's input into `activation`; its steps are counted.
    activation_max : int, optional
        Largest magnitude of an integer activation. Default: 2**(bits-1) - 1.
    weight_zeros : float
        Fraction of zero weights, assumed or measured.
    inactive : float
        Fraction of the weights whose input column or output row a zero activation leaves unused
        (one minus "activated parameters" in the a4.8 paper).
    hadamard : bool
        Whether the input passes a Hadamard transform before it is quantized.
    dequantized : bool
        Whether a fetched ternary or binary weight becomes a float in `activation`'s format before
        it is multiplied, as in kernels that know no add-only product. Integer weights with float
        activations always do.
    """

    weight: str
    activation: str
    accumulator: str
    codec: str
    quantizer: Quantizer = "none"
    activation_max: Annotated[int, Field(gt=0)] | None = None
    weight_zeros: Fraction = 0.0
    inactive: Fraction = 0.0
    hadamard: bool = False
    dequantized: bool = False

    @field_validator("weight", "activation")
    @classmethod
    def _known_format(cls, name: str) -> str:
        return parse_format(name).name

    @field_validator("codec")
    @classmethod
    def _known_codec(cls, name: str) -> str:
        return find_codec(name).name

    @model_validator(mode="after")
    def _check(self) -> Self:
        weight, activation = self.weight_format, self.activation_format
        if not self.stored_by(self.codec):
            fitting = [name for name in CODECS if self.stored_by(name)]
            raise ValueError(
                f"codec {self.codec} cannot store {self.weight} weights; "
                f"fitting: {names_in_brief(fitting) or 'none'}"
            )
        if activation.add_only:
            raise ValueError(f"activations cannot be {self.activation}")
        if weight.kind is Kind.FLOAT and weight != activation:
            raise ValueError(f"{self.weight} weights need {self.weight} activations")
        if self.dequantized and (activation.kind is not Kind.FLOAT or weight.kind is Kind.FLOAT):
            raise wrong_value(
                "dequantized",
                f"{self.weight} weights with {self.activation} activations cannot be dequantized; "
                "it takes ternary, binary or integer weights and float activations",
            )
        check_rule(self.accumulator, activation)
        return self

    def stored_by(self, codec: str) -> bool:
        """Return whether a codec can store the weights.

        Raises
        ------
        InputError
            If there is no such codec.
        """
        weight, stored = self.weight_format, find_codec(codec)
        wide_enough = weight.add_only or weight.bits == stored.bits
        return weight.kind in stored.kinds and wide_enough

    @property
    def weight_format(self) -> Format:
        """Format that `weight` names."""
        return parse_format(self.weight)

    @property
    def activation_format(self) -> Format:
        """Format that `activation` names."""
        return parse_format(self.activation)

    @property
    def stored(self) -> Codec:
        """Codec that `codec` names."""
        return find_codec(self.codec)

    @property
    def dequantizes(self) -> bool:
        """Whether a fetched weight must become a float before it is multiplied."""
        integers = self.weight_format.kind is Kind.INTEGER
        return self.dequantized or (integers and self.activation_format.kind is Kind.FLOAT)

    @property
    def add_only(self) -> bool:
        """Whether the products need no multiplication."""
        return self.weight_format.add_only and not self.dequantized

    @property
    def multiplied(self) -> Format:
        """Format of the weights as the machine multiplies them, or chooses signs by them."""
        dequantized = self.dequantized and self.weight_format.add_only
        return self.activation_format if dequantized else self.weight_format

    @property
    def rescales(self) -> bool:
        """Whether the sum is multiplied by the scales of weights or activations before use."""
        floats = self.activation_format.kind is Kind.FLOAT
        return not floats or self.add_only or (self.quantizer != "none" and not self.dequantizes)

    def terms_of_scale(self, k: int) -> int:
        """Return how many terms of a dot product of length k are summed before a scale applies.

        All of them, unless weights that are not dequantized have a scale per group.
        """
        grouped = self.stored.granularity is Granularity.GROUP and self.rescales
        return min(k, self.stored.group) if grouped else k

    def accumulator_format(self, k: int) -> Format:
        """Return the format of the sum of k terms.

        Raises
        ------
        AccumulatorError
            If a given integer accumulator could overflow.
        """
        if self.activation_format.kind is Kind.FLOAT:
            return parse_format(self.accumulator)
        top = self.activation_max or self.activation_format.symmetric_max
        return accumulator_of(self.accumulator, top * self._largest_weight, k)

    @property
    def _largest_weight(self) -> int:
        weight = self.weight_format
        # The codes of groups use the whole range of two's complement: -8 to 7 in q4_0.
        whole = weight.kind is Kind.INTEGER and self.stored.granularity is Granularity.GROUP
        return weight.symmetric_max + whole


class AttentionFormats(Record):
    """Formats of the two products of attention, and of the KV cache.

    Attributes
    ----------
    operand : str
        Format of queries and scores, and of keys and values as operands.
    kv_cache : str
        Format in which keys and values are stored: the operands' own, an integer format, or a
        narrower float format. A narrower float is rounded once when it is written, and widened
        without cost when it is read.
    accumulator : str
        A format, or ``exact``.
    """

    operand: str
    kv_cache: str
    accumulator: str

    @field_validator("operand", "kv_cache")
    @classmethod
    def _known_format(cls, name: str) -> str:
        return parse_format(name).name

    @model_validator(mode="after")
    def _check(self) -> Self:
        operand, stored = parse_format(self.operand), parse_format(self.kv_cache)
        if operand.add_only or stored.add_only:
            raise ValueError("operand and kv_cache must be float or integer formats")
        narrower = operand.kind is Kind.FLOAT and stored.bits < operand.bits
        if stored.kind is Kind.FLOAT and stored != operand and not narrower:
            raise ValueError(f"a {self.kv_cache} KV cache needs {self.kv_cache} operands")
        check_rule(self.accumulator, operand)
        return self

    @property
    def operand_format(self) -> Format:
        """Format that `operand` names."""
        return parse_format(self.operand)

    @property
    def kv_format(self) -> Format:
        """Format that `kv_cache` names."""
        return parse_format(self.kv_cache)

    @property
    def narrows(self) -> bool:
        """Whether keys and values are stored in a narrower float format than their operands'."""
        return self.kv_format.kind is Kind.FLOAT and self.kv_format != self.operand_format

    @property
    def dequantizes(self) -> bool:
        """Whether a fetched key or value must become a float before it is multiplied."""
        return self.kv_format.kind is Kind.INTEGER and self.operand_format.kind is Kind.FLOAT

    def accumulator_format(self, k: int) -> Format:
        """Return the accumulator's format for a reduction length.

        Raises
        ------
        AccumulatorError
            If a given integer accumulator could overflow.
        """
        operand, stored = self.operand_format, self.kv_format
        if operand.kind is Kind.FLOAT:
            return parse_format(self.accumulator)
        return accumulator_of(self.accumulator, operand.symmetric_max * stored.symmetric_max, k)


class LinearOverride(Record):
    """The values in which one role differs from `Scheme.linear`; None for the others."""

    weight: str | None = None
    activation: str | None = None
    accumulator: str | None = None
    codec: str | None = None
    quantizer: Quantizer | None = None
    activation_max: Annotated[int, Field(gt=0)] | None = None
    weight_zeros: Fraction | None = None
    inactive: Fraction | None = None
    hadamard: bool | None = None
    dequantized: bool | None = None

    @model_validator(mode="after")
    def _refuse_null(self) -> Self:
        for key in self.model_fields_set:
            if getattr(self, key) is None:
                raise wrong_value(key, "must not be null; give a value or leave the key out")
        return self

    def given(self) -> dict[str, Any]:
        """Return the values that differ, by key."""
        return {key: getattr(self, key) for key in self.model_fields_set}
