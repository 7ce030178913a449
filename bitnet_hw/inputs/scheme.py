"""Schemes: which number format every operand and accumulator of every role has."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from ..errors import AccumulatorError, InputError
from ..files.reading import read, validate
from ..files.records import Record, wrong_value
from . import catalogue
from .codecs import CODECS, Codec, find_codec
from .formats import Format, Kind, accumulator_bits, parse_format
from .roles import LinearRole as LinearRole

Quantizer = Literal["none", "absmax", "absmean", "absmax-topk"]
Fraction = Annotated[float, Field(ge=0, lt=1)]

#: The accumulator that is as wide as the reduction length needs.
EXACT = "exact"


class LinearFormats(Record):
    """Formats of a matrix product with stored weights.

    Attributes
    ----------
    weight, activation : str
        Operand formats.
    accumulator : str
        A format, or ``exact``: an integer as wide as the reduction length needs.
    codec : str
        How the weights are stored.
    quantizer : str
        What turns the layer's input into `activation`; its steps are counted.
    activation_max : int, optional
        Largest magnitude of an integer activation, 2**(bits-1) - 1 when absent.
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
        _check_accumulator(self.accumulator, activation)
        return self

    @cached_property
    def weight_format(self) -> Format:
        """`weight`, looked up."""
        return parse_format(self.weight)

    @cached_property
    def activation_format(self) -> Format:
        """`activation`, looked up."""
        return parse_format(self.activation)

    @cached_property
    def stored(self) -> Codec:
        """`codec`, looked up."""
        return find_codec(self.codec)

    @property
    def dequantizes(self) -> bool:
        """Whether a fetched weight must become a float before it is multiplied."""
        return self.weight_format.kind is Kind.INTEGER and self.activation_format.kind is Kind.FLOAT

    @property
    def rescales(self) -> bool:
        """Whether the sum is multiplied by the scales of weights or activations before use."""
        return self.activation_format.kind is Kind.INTEGER or self.weight_format.add_only

    def term_max(self) -> int:
        """Return the largest magnitude of one product, for the accumulator's width."""
        top = self.activation_max or self.activation_format.symmetric_max
        return top * self.weight_format.symmetric_max

    def accumulator_format(self, k: int) -> str:
        """Return the accumulator's format for a reduction length.

        Raises
        ------
        InputError
            If a given integer accumulator could overflow.
        """
        if self.activation_format.kind is Kind.FLOAT:
            return self.accumulator
        return _integer_accumulator(self.accumulator, self.term_max(), k)


class AttentionFormats(Record):
    """Formats of the two products of attention, and of the KV cache.

    Attributes
    ----------
    operand : str
        Format of queries, scores and, once read, of keys and values.
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
        _check_accumulator(self.accumulator, operand)
        return self

    @cached_property
    def operand_format(self) -> Format:
        """`operand`, looked up."""
        return parse_format(self.operand)

    @cached_property
    def kv_format(self) -> Format:
        """`kv_cache`, looked up."""
        return parse_format(self.kv_cache)

    @property
    def dequantizes(self) -> bool:
        """Whether a fetched key or value must become a float before it is multiplied."""
        return self.kv_format.kind is Kind.INTEGER and self.operand_format.kind is Kind.FLOAT

    def accumulator_format(self, k: int) -> str:
        """Return the accumulator's format for a reduction length."""
        if self.operand_format.kind is Kind.FLOAT:
            return self.accumulator
        term_max = self.operand_format.symmetric_max * self.kv_format.symmetric_max
        return _integer_accumulator(self.accumulator, term_max, k)


class LinearOverride(Record):
    """What one role has that differs from `Scheme.linear`."""

    weight: str | None = None
    activation: str | None = None
    accumulator: str | None = None
    codec: str | None = None
    quantizer: Quantizer | None = None
    activation_max: Annotated[int, Field(gt=0)] | None = None
    weight_zeros: Fraction | None = None
    inactive: Fraction | None = None
    hadamard: bool | None = None


class Scheme(Record):
    """The format of every operand and accumulator of every role.

    Attributes
    ----------
    name, description, source : str
        What it is and where it comes from.
    linear : LinearFormats
        The projections and the FFN.
    overrides : mapping
        Role -> what differs there.
    attention : AttentionFormats
        QK^T, AV and the KV cache.
    lm_head : LinearFormats
        The LM head.
    embedding : str
        Codec of the embedding table.
    elementwise : str
        Format of norms, softmax, RoPE, activation functions, residual sums, scales.
    published : bool
        Whether a paper prints energy figures for it under the paper convention.
    weight_zeros_from : str
        The checkpoint in which the zeros among the weights were counted; empty where they are
        assumed.
    """

    name: Annotated[str, Field(min_length=1, max_length=80)]
    description: str = ""
    source: str = ""
    linear: LinearFormats
    overrides: dict[LinearRole, LinearOverride] = Field(default_factory=dict)
    attention: AttentionFormats
    lm_head: LinearFormats
    embedding: str
    elementwise: str
    published: bool = False
    weight_zeros_from: str = ""

    @field_validator("embedding")
    @classmethod
    def _check_embedding(cls, embedding: str) -> str:
        return find_codec(embedding).name

    @field_validator("elementwise")
    @classmethod
    def _check_elementwise(cls, elementwise: str) -> str:
        if parse_format(elementwise).kind is not Kind.FLOAT:
            raise ValueError(f"must be a float format, found {elementwise}")
        return elementwise

    @model_validator(mode="after")
    def _check(self) -> Self:
        for role in self.overrides:
            try:
                self.formats(role)
            except ValidationError as error:
                problem = error.errors()[0]
                key = ".".join(("overrides", role, *map(str, problem["loc"])))
                message = problem["msg"].removeprefix("Value error, ")
                raise wrong_value(key, message) from None
        return self

    @cached_property
    def _by_role(self) -> dict[str, LinearFormats]:
        # The projections that lead into and out of a narrower embedding are like the LM head.
        return {"lm-head": self.lm_head, "embedding": self.lm_head}

    def formats(self, role: str) -> LinearFormats:
        """Return the formats of a role with stored weights."""
        known = self._by_role.get(role)
        if known is None:
            override = self.overrides.get(role)  # type: ignore[call-overload]  # any role may be asked
            changes = override.model_dump(exclude_unset=True) if override else {}
            known = (
                LinearFormats.model_validate(self.linear.model_dump() | changes)
                if changes
                else self.linear
            )
            self._by_role[role] = known
        return known

    @property
    def add_only(self) -> bool:
        """Whether the projections and the FFN need no multiplication."""
        return self.linear.weight_format.add_only

    def with_codec(self, codec: str) -> Scheme:
        """Return the scheme with its projections and FFN stored another way.

        Raises
        ------
        InputError
            If the codec cannot store such weights.
        """
        return self._changed(codec=codec)

    @property
    def weight_zeros_basis(self) -> str:
        """What the fraction of zero weights rests on: ``assumed``, or ``measured in NAME``."""
        name = self.weight_zeros_from
        return f"measured in {name}" if name else "assumed"

    def with_weight_zeros(
        self, zeros: float, by_role: Mapping[LinearRole, float] | None = None, source: str = ""
    ) -> Scheme:
        """Return the scheme with another fraction of zero weights.

        Parameters
        ----------
        zeros : float
            Of all weights; of the roles that `by_role` does not name.
        by_role : mapping, optional
            Role -> fraction of its weights.
        source : str
            The checkpoint in which they were counted; empty for an assumption.

        Raises
        ------
        InputError
            If a fraction is not in [0, 1).
        """
        changed = self._changed(weight_zeros=zeros)
        data = changed.model_dump(exclude_unset=True) | {"weight_zeros_from": source}
        overrides = data.setdefault("overrides", {})
        for role, fraction in (by_role or {}).items():
            overrides.setdefault(role, {})["weight_zeros"] = fraction
        return self._rebuilt(data)

    def with_kv_cache(self, form: str) -> Scheme:
        """Return the scheme with another KV cache: an integer format, or that of the operands."""
        data = self.model_dump(exclude_unset=True)
        data["attention"]["kv_cache"] = form
        return Scheme.model_validate(data)

    def with_float_accumulator(self, accumulator: str) -> Scheme:
        """Return the scheme with every 16-bit float sum accumulated in another format.

        Raises
        ------
        InputError
            If such sums cannot be accumulated in it.
        """

        def changed(accumulates: str, operand: Format) -> str:
            is_half = operand.kind is Kind.FLOAT and operand.bits == 16
            return accumulator if is_half else accumulates

        data = self.model_dump(exclude_unset=True)
        for key, formats in (("linear", self.linear), ("lm_head", self.lm_head)):
            data[key]["accumulator"] = changed(formats.accumulator, formats.activation_format)
        for role, override in data.get("overrides", {}).items():
            formats = self.formats(role)
            override["accumulator"] = changed(formats.accumulator, formats.activation_format)
        data["attention"]["accumulator"] = changed(
            self.attention.accumulator, self.attention.operand_format
        )
        return self._rebuilt(data)

    def _changed(self, **changes: str | float) -> Scheme:
        data = self.model_dump(exclude_unset=True)
        data["linear"] |= changes
        for override in data.get("overrides", {}).values():
            for key in changes:
                override.pop(key, None)
        return self._rebuilt(data)

    def _rebuilt(self, data: dict[str, Any]) -> Scheme:
        try:
            return Scheme.model_validate(data)
        except ValidationError as error:
            message = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise InputError(f"scheme {self.name}: {message}") from None


def _check_accumulator(accumulator: str, operand: Format) -> None:
    if accumulator == EXACT:
        if operand.kind is Kind.FLOAT:
            raise ValueError(f"{operand.name} sums have no exact accumulator; give a float format")
        return
    kind = parse_format(accumulator).kind
    if kind is not operand.kind:
        raise ValueError(f"a {accumulator} accumulator does not fit {operand.name} operands")


def _integer_accumulator(accumulator: str, term_max: int, k: int) -> str:
    bits = accumulator_bits(term_max, k)
    if accumulator == EXACT:
        return f"int{bits}"
    if parse_format(accumulator).bits < bits:
        raise AccumulatorError(
            f"accumulator {accumulator} overflows at a reduction length of {k}: int{bits} is needed"
        )
    return accumulator


def load_scheme(name: str) -> Scheme:
    """Return a scheme by catalogue name, or from a YAML file.

    Parameters
    ----------
    name : str
        A catalogue name, or the path of a file that ends in ``.yaml`` or ``.yml``.

    Raises
    ------
    InputError
        If there is no such scheme or the file is not a valid one.
    """
    if name.endswith((".yaml", ".yml")):
        scheme = validate(Scheme, read(Path(name)))
        catalogue.refuse_shipped_name("schemes", scheme.name, Path(name), _from_catalogue, scheme)
        return scheme
    return _from_catalogue(name)


@cache
def _from_catalogue(name: str) -> Scheme:
    return validate(Scheme, read(catalogue.path_of("schemes", name)))
