"""Savings to show: the ratio of two estimates, or the reason why there is none."""

from __future__ import annotations

from typing import NamedTuple

from ..errors import InputError
from .band import Band
from .estimates import Estimate
from .forms import does_not_fit
from .ratios import ratio


class Saving(NamedTuple):
    """A savings ratio; or None, and the reason in words."""

    band: Band | None
    reason: str = ""

    @property
    def value(self) -> float | None:
        """The ratio without its range; None without one."""
        return None if self.band is None else self.band.value


def saving(baseline: Estimate, other: Estimate, *, oversized: bool = False) -> Saving:
    """Return the energy of `baseline` divided by that of `other`, if the two may be compared.

    Parameters
    ----------
    baseline, other : Estimate
        Estimates that differ in nothing but their scheme.
    oversized : bool
        Whether models that do not fit their machine are compared too.

    Examples
    --------
    >>> from bitnet_hw.cost.estimates import estimate
    >>> of = [estimate("llama-2-70b", name, "7nm") for name in ("fp16", "bitnet-b1.58")]
    >>> saving(*of).band, saving(*of).reason
    (None, 'fp16 does not fit edge: 131 GB too large')
    """
    if not oversized:
        for of in (baseline, other):
            if not of.fits:
                return Saving(None, f"{of.scheme.name} {does_not_fit(of)}")
    if other.energy.value <= 0:
        return Saving(None, f"{other.scheme.name} takes no energy inside the boundary")
    try:
        return Saving(ratio(baseline, other))
    except InputError as error:  # prices with different boundaries
        return Saving(None, str(error))
