"""Expansions: operations that no table lists, as additions and multiplications."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ..files.records import Record, wrong_value
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


class Expansions(PriceFile):
    """The rules for operations that no table lists.

    Attributes
    ----------
    operations : mapping
        Operation -> the additions and multiplications that it costs.
    widths : mapping
        ``add`` and ``mul`` -> how a width between published ones is priced, in words.
    """

    label: ClassVar[str] = "list of expansions"

    kind: Literal["expansions"]
    operations: dict[Operation, ExpansionRule]
    widths: dict[str, str]


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
