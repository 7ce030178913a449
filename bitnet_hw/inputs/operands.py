"""Formats of the operands and accumulator of a matrix product."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from ..files.records import Record, wrong_value
from .accumulators import accumulator_of, check_rule
from .codecs import CODECS, Codec, find_codec
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
        weight, activation, codec = self.weight_format, self.activation_format, self.stored
        if weight.kind not in codec.kinds or (not weight.add_only and weight.bits != codec.bits):
            fitting = [
                c.name
                for c in CODECS.values()
                if weight.kind in c.kinds and (weight.add_only or c.bits == weight.bits)
            ]
            raise ValueError(
                f"codec {self.codec} cannot store {self.weight} weights; "
                f"fitting: {', '.join(fitting) or 'none'}"
            )
        if activation.add_only:
            raise ValueError(f"activations cannot be {self.activation}")
        if weight.kind is Kind.FLOAT and weight != activation:
            raise ValueError(f"{self.weight} weights need {self.weight} activations")
        check_rule(self.accumulator, activation)
        return self

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
        return self.weight_format.kind is Kind.INTEGER and self.activation_format.kind is Kind.FLOAT

    @property
    def rescales(self) -> bool:
        """Whether the sum is multiplied by the scales of weights or activations before use."""
        return self.activation_format.kind is Kind.INTEGER or self.weight_format.add_only

    def accumulator_format(self, k: int) -> Format:
        """Return the accumulator's format for a reduction length.

        Raises
        ------
        AccumulatorError
            If a given integer accumulator could overflow.
        """
        if self.activation_format.kind is Kind.FLOAT:
            return parse_format(self.accumulator)
        top = self.activation_max or self.activation_format.symmetric_max
        return accumulator_of(self.accumulator, top * self.weight_format.symmetric_max, k)


class AttentionFormats(Record):
    """Formats of the two products of attention, and of the KV cache.

    Attributes
    ----------
    operand : str
        Format of queries and scores, and of keys and values as operands.
    kv_cache : str
        Format in which keys and values are stored.
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
        if stored.kind is Kind.FLOAT and stored != operand:
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

    @model_validator(mode="after")
    def _refuse_null(self) -> Self:
        for key in self.model_fields_set:
            if getattr(self, key) is None:
                raise wrong_value(key, "must not be null; give a value or leave the key out")
        return self

    def given(self) -> dict[str, Any]:
        """Return the values that differ, by key."""
        return {key: getattr(self, key) for key in self.model_fields_set}
