"""Processing elements by how they are built: the same element with and without Booth recoding."""

from __future__ import annotations

from dataclasses import dataclass

from ..rtl.integer import IntegerSpec
from ..rtl.pe import PESpec


@dataclass(frozen=True)
class Variant:
    """A processing element, and how synthesis builds its multipliers.

    Attributes
    ----------
    spec : PESpec
        Specification of the element.
    booth : bool
        Whether multipliers use Booth recoding.
    """

    spec: PESpec
    booth: bool = False

    @property
    def activation(self) -> str:
        """Format of the activations: ``int8``, ``fp16`` ..."""
        return f"int{self.spec.act_bits}" if isinstance(self.spec, IntegerSpec) else "fp16"

    @property
    def weight(self) -> str:
        """Format of the weights, after which elements are named."""
        return self.spec.name

    @property
    def accumulator(self) -> str:
        """Format of the accumulator: ``fp32``, ``int21`` ..."""
        accumulate = getattr(self.spec, "accumulate", None)
        return accumulate if isinstance(accumulate, str) else f"int{self.spec.sum_shape.width}"

    @property
    def label(self) -> str:
        """Name in tables and messages."""
        booth = ", Booth" if self.booth else ""
        act = "" if self.activation in ("int8", self.weight) else f" on {self.activation}"
        return f"{self.spec.name}{act}{booth}, {self.accumulator} sum"
