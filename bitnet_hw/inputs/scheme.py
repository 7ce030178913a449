"""Schemes: the number format of every operand and accumulator of every role."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, field_validator, model_validator

from ..errors import RecordError
from ..files.records import Record, wrong_value
from .accumulators import EXACT
from .codecs import find_codec
from .formats import Format, Kind, parse_format
from .load import Loader, read_record
from .operands import AttentionFormats, LinearFormats, LinearOverride
from .roles import LinearRole

__all__ = [
    "AttentionFormats",
    "LinearFormats",
    "LinearOverride",
    "LinearRole",
    "Scheme",
    "as_scheme",
    "load_scheme",
]


@lru_cache(maxsize=1024)
def _overridden(linear: LinearFormats, override: LinearOverride) -> LinearFormats:
    return linear.replace(**override.given())


class Scheme(Record):
    """The format of every operand and accumulator of every role.

    Attributes
    ----------
    name, description, source : str
        Name, one line of description, and publication.
    linear : LinearFormats
        The projections and the FFN.
    overrides : mapping
        Role -> the values in which it differs from `linear`.
    attention : AttentionFormats
        QK^T, AV and the KV cache.
    lm_head : LinearFormats
        The LM head.
    embedding : str
        Codec of the embedding table, any of them: its rows are read with their scales and become
        floats.
    elementwise : str
        Format of norms, softmax, RoPE, activation functions, residual sums, scales.
    published : bool
        Whether a paper prints energy figures for it under the paper convention.
    weight_zeros_from : str
        Checkpoint in which the zero weights were counted; empty if their fraction is assumed.
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
            except RecordError as error:
                key = ".".join(("overrides", role, *map(str, error.path)))
                raise wrong_value(key, error.reason) from None
        return self

    def formats(self, role: str) -> LinearFormats:
        """Return the formats of a role with stored weights."""
        # Projections into and out of a narrower embedding have the LM head's formats.
        if role in ("lm-head", "embedding"):
            return self.lm_head
        override = self.overrides.get(role)  # type: ignore[call-overload]  # any role may be asked
        return self.linear if override is None else _overridden(self.linear, override)

    @property
    def add_only(self) -> bool:
        """Whether the projections and the FFN need no multiplication."""
        return self.linear.add_only

    def with_codec(self, codec: str) -> Scheme:
        """Return the scheme with its projections and FFN stored by another codec.

        Raises
        ------
        InputError
            If the codec cannot store the scheme's weights.

        Examples
        --------
        >>> load_scheme("bitnet-b1.58").with_codec("base3").linear.codec
        'base3'
        """
        return self._changed(codec=codec)

    @property
    def weight_zeros_basis(self) -> str:
        """Basis of the fraction of zero weights: ``assumed``, or ``measured in NAME``."""
        name = self.weight_zeros_from
        return f"measured in {name}" if name else "assumed"

    def with_weight_zeros(
        self, zeros: float, by_role: Mapping[LinearRole, float] | None = None, source: str = ""
    ) -> Scheme:
        """Return the scheme with another fraction of zero weights.

        Parameters
        ----------
        zeros : float
            Fraction in the roles that `by_role` does not name.
        by_role : mapping, optional
            Role -> fraction of its weights.
        source : str
            Checkpoint in which the zeros were counted; empty for an assumption.

        Raises
        ------
        InputError
            If a fraction is not in [0, 1).
        """
        changed = self._changed(weight_zeros=zeros)
        overrides = {role: {"weight_zeros": fraction} for role, fraction in (by_role or {}).items()}
        for role, override in changed.overrides.items():
            overrides[role] = override.given() | overrides.get(role, {})
        return changed.replace(overrides=overrides, weight_zeros_from=source)

    def with_kv_cache(self, form: str) -> Scheme:
        """Return the scheme with another KV cache.

        An integer format, that of the operands, or a narrower float format.
        """
        return self._replaced(attention={"kv_cache": form})

    def with_float_accumulator(self, accumulator: str) -> Scheme:
        """Return the scheme with every sum of 16-bit or 8-bit floats in another format.

        Raises
        ------
        InputError
            If it cannot accumulate sums of 16-bit or 8-bit floats.
        """

        def changed(accumulates: str, operand: Format) -> str:
            narrow = operand.kind is Kind.FLOAT and operand.bits <= 16
            return accumulator if narrow else accumulates

        return self._with_accumulators(changed)

    def with_exact_integer_sums(self) -> Scheme:
        """Return the scheme with every integer sum as wide as its reduction length needs."""
        return self._with_accumulators(
            lambda accumulates, operand: EXACT if operand.kind is Kind.INTEGER else accumulates
        )

    def _with_accumulators(self, changed: Callable[[str, Format], str]) -> Scheme:
        """Return the scheme with accumulators computed from the present ones and the operands."""

        def of(formats: LinearFormats) -> str:
            return changed(formats.accumulator, formats.activation_format)

        linear = of(self.linear)
        overrides = {role: override.given() for role, override in self.overrides.items()}
        for role, values in overrides.items():
            accumulator = of(self.formats(role))
            if "accumulator" in values or accumulator != linear:
                values["accumulator"] = accumulator
        attention = changed(self.attention.accumulator, self.attention.operand_format)
        return self._replaced(
            overrides=overrides,
            linear={"accumulator": linear},
            lm_head={"accumulator": of(self.lm_head)},
            attention={"accumulator": attention},
        )

    def _changed(self, **changes: str | float) -> Scheme:
        """Return the scheme with other values in every role but the LM head."""
        overrides = {
            role: {key: value for key, value in override.given().items() if key not in changes}
            for role, override in self.overrides.items()
        }
        return self._replaced(overrides=overrides, linear=changes)

    def _replaced(
        self, overrides: Mapping[LinearRole, Any] | None = None, **parts: Mapping[str, object]
    ) -> Scheme:
        """Return the scheme with other overrides, and other values in the given parts."""
        changes: dict[str, object] = {
            part: getattr(self, part).model_dump(exclude_unset=True) | dict(values)
            for part, values in parts.items()
        }
        return self.replace(**changes, **({} if overrides is None else {"overrides": overrides}))


_LOADER = Loader("schemes", Scheme, read_record(Scheme))


def load_scheme(name: str | Path) -> Scheme:
    """Return a scheme by its catalogue name, or from a YAML file.

    Parameters
    ----------
    name : str or path
        A catalogue name, or the path of a file.

    Raises
    ------
    InputError
        If there is no such scheme, or the file is not valid.

    Examples
    --------
    >>> load_scheme("bitnet-b1.58").linear.weight
    'ternary'
    """
    return _LOADER.load(name)


def as_scheme(scheme: Scheme | str | Path) -> Scheme:
    """Return a scheme as it is, or load it by its name or path; see `load_scheme`.

    Examples
    --------
    >>> as_scheme("fp16") is as_scheme(load_scheme("fp16"))
    True
    """
    return _LOADER.resolve(scheme)
