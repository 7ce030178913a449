"""Scenarios: a prefill, a decode step or a request, with its lengths and batch."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import InputError, named, unknown_name
from ..files.records import choices
from .model import ModelSpec

Phase = Literal["prefill", "decode", "request"]
Attention = Literal["full", "causal"]
LmHead = Literal["all", "last", "none"]

#: No released model has a longer context.
MAX_TOKENS = 1 << 30
MAX_BATCH = 1 << 20

#: Phase -> the lengths that it uses -> their names in messages.
_USED: Mapping[Phase, Mapping[str, str]] = {
    "prefill": {"tokens": "prefill"},
    "decode": {"context": "decode"},
    "request": {"tokens": "prompt", "generate": "generate"},
}


@dataclass(frozen=True)
class Scenario:
    """The work asked of a model: one prefill, decode step or request.

    Attributes
    ----------
    phase : str
        ``prefill``: `tokens` positions at once. ``decode``: one new token that attends to
        `context` positions, itself included. ``request``: a prefill of `tokens`, then `generate`
        decode steps, at contexts tokens + 1 to tokens + generate.
    tokens, context, generate : int
        Lengths, in tokens; 0 for those that the phase does not use.
    batch : int
        Number of sequences processed together.
    attention : str
        ``causal``: a position attends to itself and to those before it. ``full``: in a prefill,
        every position attends to all.
    lm_head : str
        Positions whose logits are computed: ``all``, ``last`` of each pass, ``none``.

    Raises
    ------
    InputError
        If the phase, the attention or the LM head is unknown, or a length or the batch is not a
        positive integer within bounds.

    Examples
    --------
    >>> Scenario("decode", context=2048).new_tokens
    1
    >>> Scenario("prefill", tokens=0)
    Traceback (most recent call last):
    bitnet_hw.errors.InputError: prefill: 0 tokens; give 1 to 1073741824
    """

    phase: Phase
    tokens: int = 0
    context: int = 0
    generate: int = 0
    batch: int = 1
    attention: Attention = "causal"
    lm_head: LmHead = "last"

    def __post_init__(self) -> None:
        for what, given, known in (
            ("phase", self.phase, choices(Phase)),
            ("attention", self.attention, choices(Attention)),
            ("LM head", self.lm_head, choices(LmHead)),
        ):
            if given not in known:
                raise unknown_name(what, str(given), known)
        lengths = (self.tokens, self.context, self.generate, self.batch)
        if any(type(length) is not int for length in lengths):
            raise InputError(f"tokens, context, generate and batch are integers, found {lengths}")
        used = _USED[self.phase]
        if self.phase == "decode" and not (self.tokens or self.context or self.generate):
            raise InputError("decode needs context=, the positions that the new token attends to")
        for name in ("tokens", "context", "generate"):
            value = getattr(self, name)
            if name in used and not 0 < value <= MAX_TOKENS:
                raise InputError(f"{used[name]}: {value} tokens; give 1 to {MAX_TOKENS}")
            if name not in used and value:
                raise InputError(
                    f"{name}: {value}, but a {self.phase} has only {' and '.join(used)}"
                )
        if not 0 < self.batch <= MAX_BATCH:
            raise InputError(f"batch: {self.batch}; give 1 to {MAX_BATCH}")

    def checked(self, model: ModelSpec | None = None) -> Scenario:
        """Return the scenario itself if a model can run it.

        Raises
        ------
        InputError
            If the model's learned positions end before the scenario does.
        """
        if (
            model is not None
            and model.positions == "learned"
            and self.last_position > (model.max_position_embeddings or 0)
        ):
            raise InputError(
                f"{model.name} has {model.max_position_embeddings} learned positions; "
                f"the scenario needs {self.last_position}"
            )
        return self

    def replace(self, **changes: Any) -> Scenario:  # noqa: ANN401  any field
        """Return a copy with some values changed, checked as a whole.

        Raises
        ------
        InputError
            If there is no such value, or the changed scenario is not valid.

        Examples
        --------
        >>> Scenario("decode", context=2048).replace(batch=8).new_tokens
        8
        """
        for name in changes:
            if name not in _FIELDS:
                raise unknown_name("scenario value", name, _FIELDS)
        return dataclasses.replace(self, **changes)

    @property
    def last_position(self) -> int:
        """Longest context, which is also the final length of the KV cache."""
        return self.context if self.phase == "decode" else self.tokens + self.generate

    @property
    def new_tokens(self) -> int:
        """Number of tokens by which figures per token are divided.

        Prefill: batch x tokens, which the user sends. Decode: batch. Request: batch x generate,
        which the user receives.
        """
        each = {"prefill": self.tokens, "decode": 1, "request": self.generate}[self.phase]
        return self.batch * each

    def as_dict(self) -> dict[str, Any]:
        """Return the values that the phase uses, for JSON."""
        lengths = {
            "prefill": {"tokens": self.tokens},
            "decode": {"context": self.context},
            "request": {"prompt": self.tokens, "generate": self.generate},
        }[self.phase]
        rest = {"batch": self.batch, "attention": self.attention, "lm_head": self.lm_head}
        return {"phase": self.phase, **lengths, **rest}

    def describe(self) -> str:
        """Return the scenario in words."""
        what = {
            "prefill": f"prefill of {_tokens(self.tokens)}",
            "decode": f"decode of one token at context {self.context}",
            "request": f"prompt of {_tokens(self.tokens)}, then {self.generate} generated",
        }[self.phase]
        head = {
            "all": "LM head on all positions",
            "last": "LM head on the last position",
            "none": "no LM head",
        }[self.lm_head]
        return f"{what}, batch {self.batch}, {self.attention} attention, {head}"


def _tokens(number: int) -> str:
    return "1 token" if number == 1 else f"{number} tokens"


def as_scenario(scenario: object) -> Scenario:
    """Return a scenario as it is.

    Raises
    ------
    InputError
        If it is anything else.
    """
    if not isinstance(scenario, Scenario):
        raise InputError(
            "scenario must be a Scenario, such as Scenario('decode', context=2048); found "
            f"{named(scenario)}"
        )
    return scenario


_FIELDS = tuple(field.name for field in dataclasses.fields(Scenario))
