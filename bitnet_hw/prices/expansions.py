"""Expansions: prices of operations and floats that no table lists, derived from those it does."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, field_validator, model_validator

from ..files.records import Record, wrong_value
from ..inputs.formats import Kind, parse_format
from ..tally import Operation
from .editions import load
from .entries import PriceFile


class ExpansionRule(Record):
    """An operation as additions and multiplications of the same format."""

    why: str
    mul: Annotated[int, Field(ge=0)] = 0
    add: Annotated[int, Field(ge=0)] = 0
    int8_add: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _costs_something(self) -> Self:
        if not (self.mul or self.add or self.int8_add):
            raise wrong_value("add", "an expansion must have an operation; nothing is free")
        return self


class FloatRule(Record):
    """A float format that is priced by one that a table lists.

    Attributes
    ----------
    like : str
        The listed format.
    significand, like_significand : int
        Bits of both significands, the leading one included.
    why : str
        The reason for the derivation.
    """

    like: str
    significand: Annotated[int, Field(ge=1)]
    like_significand: Annotated[int, Field(ge=1)]
    why: str

    @field_validator("like")
    @classmethod
    def _is_float(cls, name: str) -> str:
        if parse_format(name).kind is not Kind.FLOAT:
            raise ValueError(f"must be a float format, found {name}")
        return name


class Expansions(PriceFile):
    """The rules for operations and float formats that no table lists.

    Attributes
    ----------
    operations : mapping
        Operation -> the additions and multiplications that it costs.
    widths : mapping
        ``add`` and ``mul`` -> how a width between published ones is priced, in words.
    floats : mapping
        Float format that no table lists -> the listed one that prices it. `operations.py` holds
        the formula.
    float_widths : mapping
        ``add`` and ``mul`` -> that formula in words.
    """

    label: ClassVar[str] = "list of expansions"

    kind: Literal["expansions"]
    operations: dict[Operation, ExpansionRule]
    widths: dict[str, str]
    floats: dict[str, FloatRule] = Field(default_factory=dict)
    float_widths: dict[str, str] = Field(default_factory=dict)

    @field_validator("floats")
    @classmethod
    def _name_floats(cls, floats: dict[str, FloatRule]) -> dict[str, FloatRule]:
        for name in floats:
            if parse_format(name).kind is not Kind.FLOAT:
                raise ValueError(f"{name} is not a float format")
        return floats


def load_expansions(name: str = "") -> Expansions:
    """Return the rules for operations that no table lists.

    Parameters
    ----------
    name : str
        An edition by name, or a file. Default: the newest edition.

    Raises
    ------
    InputError
        If there is none of that name, or the file is not valid.

    Examples
    --------
    >>> rule = load_expansions().operations["rsqrt"]
    >>> rule.mul, rule.add
    (6, 2)
    """
    return load(Expansions, name)
