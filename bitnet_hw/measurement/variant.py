"""Variants of a processing element: with and without Booth recoding of its multipliers."""

from __future__ import annotations

from dataclasses import dataclass

from ..rtl.pe import PESpec


@dataclass(frozen=True)
class Variant:
    """A processing element and the form of its multipliers.

    Attributes
    ----------
    spec : PESpec
        Specification of the element.
    booth : bool
        Whether synthesis builds the multipliers with Booth recoding.
    """

    spec: PESpec
    booth: bool = False

    @property
    def label(self) -> str:
        """Name in tables and messages."""
        spec = self.spec
        booth = ", Booth" if self.booth else ""
        usual = spec.activation_format in ("int8", spec.weight_format)
        activation = "" if usual else f" on {spec.activation_format}"
        return f"{spec.name}{activation}{booth}, {spec.accumulator_format} sum"
