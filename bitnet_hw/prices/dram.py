"""The price list of DRAM by kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ..errors import MissingPriceError
from ..files.records import wrong_value
from .editions import load
from .entries import (
    ACCESS_BITS,
    ListedPrice,
    Picojoules,
    Price,
    PriceFile,
    Source,
    Sourced,
    Text,
    check_sources,
)


class DramEntry(Sourced):
    """One row of the DRAM price list: a range in pJ per 64 bits."""

    dram: Text
    low_pj_per_64b: Picojoules
    high_pj_per_64b: Picojoules


class DramPrices(PriceFile):
    """The price list of DRAM by kind, independent of the logic's process node.

    Attributes
    ----------
    sources : mapping
        Key -> the work.
    kinds : tuple of DramEntry
        One range per kind of DRAM, pJ per 64 bits.
    """

    label: ClassVar[str] = "DRAM price list"

    kind: Literal["dram"]
    sources: dict[str, Source]
    kinds: Annotated[tuple[DramEntry, ...], Field(strict=False, min_length=1)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        check_sources("kinds", self.kinds, self.sources)
        names = [entry.dram for entry in self.kinds]
        for i, entry in enumerate(self.kinds):
            if entry.dram in names[:i]:
                raise wrong_value(f"kinds.{i}", f"DRAM {entry.dram} is listed twice")
            if entry.low_pj_per_64b > entry.high_pj_per_64b:
                raise wrong_value(f"kinds.{i}", f"the range of {entry.dram} ends below its start")
        return self

    def price(self, dram: str) -> Price:
        """Return the energy per bit: the middle of the published range, its ends as band.

        Parameters
        ----------
        dram : str
            Kind of DRAM, such as ``LPDDR4``.

        Raises
        ------
        MissingPriceError
            If the list has no such kind.

        Examples
        --------
        >>> price = load_dram_prices().price("LPDDR4")
        >>> price.low, price.pj, price.high
        (8.0, 11.0, 14.0)
        """
        for entry in self.kinds:
            if entry.dram == dram:
                return self._per_bit(entry)
        have = ", ".join(entry.dram for entry in self.kinds)
        raise MissingPriceError(f"{self.name} has no price for DRAM {dram!r}; it has: {have}")

    def entries(self) -> Iterator[ListedPrice]:
        """Yield the price of every kind of DRAM, pJ per bit."""
        for entry in self.kinds:
            yield ListedPrice(entry.dram, "pJ per bit", self._per_bit(entry))

    def _per_bit(self, entry: DramEntry) -> Price:
        low, high = (x / ACCESS_BITS for x in (entry.low_pj_per_64b, entry.high_pj_per_64b))
        source, middle = self.sources[entry.source], (low + high) / 2
        return Price(middle, low, high, entry.kind, "op", source, entry.locator, entry.formula)


def load_dram_prices(name: str = "") -> DramPrices:
    """Return the DRAM price list.

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
    >>> load_dram_prices().price("HBM2").pj
    5.46875
    """
    return load(DramPrices, name)
