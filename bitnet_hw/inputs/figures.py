"""Figures: numbers of a machine, each with its source, or with the rows that it was fitted to."""

from __future__ import annotations

from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, Field, model_validator

from ..files.records import Record, wrong_value

#: Where a figure comes from, in the order in which a reader may trust it.
Basis = Literal["source", "fitted", "borrowed", "assumed"]
_BASES = ("source", "fitted", "borrowed_from", "assumed")


class Figure(Record):
    """A number with exactly one basis: `source`, `fitted`, `borrowed_from` or `assumed`.

    Attributes
    ----------
    value : float
        The number, in the unit that its key names.
    source : str, optional
        Key of the machine's `sources`.
    fitted : tuple of str, optional
        Names of the published measurements that the number was fitted to.
    borrowed_from : str, optional
        Machines whose measurements gave the number, because this one's own do not determine it.
    assumed : str, optional
        Why this number was chosen, where nothing gives it.
    low, high : float, optional
        Interval: of a fit, where 90 percent of its probability lies; else as the source says.
    free : bool
        Whether a calibration may change the number.
    note : str
        A remark for readers.
    """

    value: float
    source: str | None = None
    fitted: Annotated[tuple[str, ...], Field(strict=False, min_length=1)] | None = None
    borrowed_from: str | None = None
    assumed: str | None = None
    low: float | None = None
    high: float | None = None
    free: bool = False
    note: str = ""

    @model_validator(mode="after")
    def _one_basis(self) -> Self:
        given = [key for key in _BASES if getattr(self, key)]
        if not given:
            raise wrong_value(
                "value",
                f"{self.value:g} needs its basis beside it: source (a key of the file's sources), "
                "fitted (names of rows), borrowed_from or assumed (why)",
            )
        if len(given) > 1:
            raise wrong_value(given[1], f"contradicts {given[0]}; a figure has one basis")
        low = self.value if self.low is None else self.low
        high = self.value if self.high is None else self.high
        if not low <= self.value <= high:
            raise wrong_value(
                "value", f"{self.value:g} is outside its interval {low:g} to {high:g}"
            )
        return self

    @property
    def basis(self) -> Basis:
        """Where the number comes from."""
        if self.source:
            return "source"
        if self.fitted:
            return "fitted"
        return "borrowed" if self.borrowed_from else "assumed"


class Positive(Figure):
    """A figure above zero."""

    value: Annotated[float, Field(gt=0)]


class NotNegative(Figure):
    """A figure of zero or more."""

    value: Annotated[float, Field(ge=0)]


class Share(Figure):
    """A figure above 0 and up to 1."""

    value: Annotated[float, Field(gt=0, le=1)]


class Fraction(Figure):
    """A figure from 0 to 1."""

    value: Annotated[float, Field(ge=0, le=1)]


FigureT = TypeVar("FigureT", bound=Figure)


def at_least(least: float, unit: str, likely: str) -> AfterValidator:
    """Return a check that refuses a number which must have been meant in a larger unit.

    Parameters
    ----------
    least : float
        Smallest number that any real part has, in `unit`.
    unit : str
        Unit of the key, in words.
    likely : str
        How the number that was probably meant is written.
    """

    def check(figure: FigureT) -> FigureT:
        if figure.value < least:
            raise ValueError(
                f"{figure.value:g} {unit} are too few for any real part; is it in another unit? "
                f"Write {likely}"
            )
        return figure

    return AfterValidator(check)


def at_most(most: float, unit: str, likely: str) -> AfterValidator:
    """Return a check that refuses a number which must have been meant in a smaller unit.

    Parameters are those of `at_least`, with the largest number instead of the smallest.
    """

    def check(figure: FigureT) -> FigureT:
        if figure.value > most:
            raise ValueError(
                f"{figure.value:g} {unit} are too many for any real part; is it in another unit? "
                f"Write {likely}"
            )
        return figure

    return AfterValidator(check)
