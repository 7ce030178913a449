"""The interface of the two counting conventions, `paper` and `system`."""

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
    """Rules that turn lowered operators into a tally, with the settings that they fix.

    Attributes
    ----------
    name : str
        Name that users write.
    has_machine : bool
        Whether a machine runs the model, so that bytes, seconds and static energy are counted.
    """

    name: ClassVar[ConventionName]
    has_machine: ClassVar[bool]

    @abstractmethod
    def default_scenario(self, *models: ModelSpec) -> Scenario:
        """Return the scenario to use if none is given, within the models' learned positions."""

    @abstractmethod
    def check(self, scenario: Scenario) -> None:
        """Refuse a scenario that contradicts the convention.

        Raises
        ------
        ContradictionError
            If a setting differs from the value that the convention fixes.
        """

    @abstractmethod
    def prepared(self, scheme: Scheme, float_accumulator: str | None) -> Scheme:
        """Return a scheme with the accumulators that the convention uses.

        Parameters
        ----------
        scheme : Scheme
            Scheme as loaded.
        float_accumulator : str or None
            Format in which 16-bit float sums accumulate; None for the scheme's own.

        Raises
        ------
        ContradictionError
            If a format is given, but the convention fixes it.
        """

    @abstractmethod
    def count(self, lowered: Lowered) -> OpTally:
        """Return the operations that lowered operators perform."""

    def check_machine(self, machine: object) -> None:
        """Refuse a machine where the convention has none; None stands for no machine.

        Raises
        ------
        ContradictionError
            If a machine is given.
        """
        if machine is not None and not self.has_machine:
            name = getattr(machine, "name", machine)
            raise self.contradicts(
                "machine", name, "which has no machine: no accumulator width, no memory, no time"
            )

    def contradicts(self, setting: str, value: object, reason: str) -> ContradictionError:
        """Return the error for a setting that the convention fixes to another value."""
        return ContradictionError(setting, value, self.name, reason)


def positions(most: int, models: tuple[ModelSpec, ...]) -> int:
    """Return `most`, or the smallest number of learned positions among the models if smaller."""
    limits = [
        model.max_position_embeddings
        for model in models
        if model.positions == "learned" and model.max_position_embeddings is not None
    ]
    return min([most, *limits])
