"""Memories of a machine, nearest first, and what each may hold."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from ..files.records import Record, choices, wrong_value
from .figures import NotNegative, Positive, Share, at_least

#: What a memory may hold.
Content = Literal["weights", "kv-cache", "activations", "embedding"]
#: Kinds of memory on the chip; every other kind is one of the DRAM price list.
OnChipKind = Literal["SRAM", "ROM", "eDRAM"]
ON_CHIP = choices(OnChipKind)
#: Contents that are written while a model runs, which a ROM cannot hold.
_WRITTEN = ("kv-cache", "activations")


class Memory(Record):
    """A memory of a machine.

    Attributes
    ----------
    name : str
        Name, unique in its machine, by which estimates list its traffic.
    kind : str
        ``SRAM``, ``ROM`` or ``eDRAM`` on the chip, or a kind of the DRAM price list, whose prices
        apply where `energy_pj_per_bit` is absent.
    holds : mapping of str to float
        ``weights`` (with the LM head), ``kv-cache``, ``activations``, ``embedding`` -> share of
        the capacity that it may take, from above 0 to 1; placed in the order given.
    capacity_bytes : Positive, optional
        Size, bytes; absent where it is not known, and then everything fits.
    bandwidth_bytes_per_s : Positive, optional
        Peak bandwidth, bytes per second; absent on the chip where it bounds nothing.
    reached_share : Share, optional
        Share of the peak bandwidth that is reached; 1 if absent.
    energy_pj_per_bit : NotNegative, optional
        Energy per bit moved, pJ, in place of the price of its kind.
    static_w : NotNegative, optional
        Leakage or refresh, W.
    area_um2 : Positive, optional
        Area, um2, in place of that which its kind and size give.
    """

    name: Annotated[str, Field(min_length=1, max_length=40)]
    kind: Annotated[str, Field(min_length=1, max_length=40)]
    holds: dict[Content, Annotated[float, Field(gt=0, le=1)]]
    capacity_bytes: Positive | None = None
    bandwidth_bytes_per_s: (
        Annotated[Positive, at_least(1e3, "bytes per second", "256 GB/s as 2.56e+11")] | None
    ) = None
    reached_share: Share | None = None
    energy_pj_per_bit: NotNegative | None = None
    static_w: NotNegative | None = None
    area_um2: Positive | None = None

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not self.holds:
            raise wrong_value("holds", "must name at least one content")
        written = [content for content in self.holds if content in _WRITTEN]
        if self.read_only and written:
            raise wrong_value(
                f"holds.{written[0]}",
                "a ROM cannot be written; it may hold weights and embedding",
            )
        if self.bandwidth_bytes_per_s is None and not self.on_chip:
            raise wrong_value(
                "bandwidth_bytes_per_s", f"is missing; {self.kind} outside the chip needs it"
            )
        if self.on_chip and self.capacity_bytes is None:
            raise wrong_value("capacity_bytes", f"is missing; {self.kind} on the chip needs it")
        return self

    @property
    def on_chip(self) -> bool:
        """Whether it lies on the chip."""
        return self.kind in ON_CHIP

    @property
    def read_only(self) -> bool:
        """Whether it is a ROM, which holds contents but is never written."""
        return self.kind == "ROM"

    @property
    def buffers(self) -> bool:
        """Whether contents of farther memories may pass through it on their way to a unit."""
        return self.on_chip and not self.read_only

    @property
    def rate(self) -> float | None:
        """Bandwidth that is reached, bytes per second; None where it bounds nothing."""
        if self.bandwidth_bytes_per_s is None:
            return None
        share = 1.0 if self.reached_share is None else self.reached_share.value
        return self.bandwidth_bytes_per_s.value * share

    def room(self, content: Content) -> float:
        """Return the bytes that a content may take; infinite where the size is not known."""
        if content not in self.holds:
            return 0.0
        if self.capacity_bytes is None:
            return float("inf")
        return self.holds[content] * self.capacity_bytes.value
