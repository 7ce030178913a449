"""Scaling equations between process nodes, from a price file."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ..errors import unknown_name
from .editions import load
from .entries import PriceFile, Source


class NodeScaling(PriceFile):
    """Scaling equations between process nodes.

    Attributes
    ----------
    source : Source
        The work that fits the equations.
    formula : str
        The equation in words.
    energy_coefficients : mapping
        Node -> a, b and c of E(V) = a V^2 + b V + c, in the unit of the paper's coefficients.
    """

    label: ClassVar[str] = "set of scaling equations"

    kind: Literal["scaling"]
    source: Source
    formula: str
    energy_coefficients: dict[str, Annotated[tuple[float, float, float], Field(strict=False)]]

    def energy(self, node: str, volts: float) -> float:
        """Return E(V) = a V^2 + b V + c of a node, in the unit of the paper's coefficients."""
        if node not in self.energy_coefficients:
            raise unknown_name("scaling node", node, self.energy_coefficients)
        a, b, c = self.energy_coefficients[node]
        return a * volts * volts + b * volts + c


def load_scaling(name: str = "") -> NodeScaling:
    """Return the scaling equations: an edition by name, a file, or the newest edition.

    Raises
    ------
    InputError
        If there is none of that name, or the file is not valid.

    Examples
    --------
    >>> load_scaling().energy_coefficients["HP7"]
    (0.1776, -0.09097, 0.02447)
    """
    return load(NodeScaling, name)
