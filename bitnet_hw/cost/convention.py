"""The interface of a counting convention; `paper` and `system` are the two."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Literal

from ..errors import ContradictionError
from ..inputs.model import ModelSpec
from ..inputs.scenario import Scenario
from ..inputs.scheme import Scheme
from ..tally import OpTally
from .lowered import Lowered

ConventionName = Literal["paper", "system"]


class Convention(ABC):
    """Rules that turn lowered operators into a tally, with what they fix and assume.

    Attributes
    ----------
    name : str
        As users write it.
    has_machine : bool
        Whether a machine is described, so that bytes, seconds and static energy count.
    """

    name: ClassVar[ConventionName]
    has_machine: ClassVar[bool]

    @abstractmethod
    def default_scenario(self, *models: ModelSpec) -> Scenario:
        """Return the scenario for those who name none, within the models' learned positions."""

    @abstractmethod
    def check(self, scenario: Scenario) -> None:
        """Refuse a scenario that contradicts the convention.

        Raises
        ------
        ContradictionError
            Naming the setting and the value that the convention fixes.
        """

    @abstractmethod
    def prepared(self, scheme: Scheme, float_accumulator: str | None) -> Scheme:
        """Return a scheme as the convention lowers it.

        Parameters
        ----------
        scheme : Scheme
            The scheme as its file says.
        float_accumulator : str or None
            Format in which 16-bit float sums accumulate; None for the scheme's own.

        Raises
        ------
        ContradictionError
            If a format is given and the convention fixes another.
        """

    @abstractmethod
    def count(self, lowered: Lowered) -> OpTally:
        """Return the operations that lowered operators perform."""

    def contradicts(self, setting: str, value: object, reason: str) -> ContradictionError:
        """Build the error for a setting whose value the convention fixes otherwise."""
        return ContradictionError(setting, value, self.name, reason)


def positions(most: int, models: tuple[ModelSpec, ...]) -> int:
    """Return `most`, or fewer where one of the models has fewer learned positions."""
    limits = [
        model.max_position_embeddings
        for model in models
        if model.positions == "learned" and model.max_position_embeddings is not None
    ]
    return min([most, *limits])
