"""What is asked of a model: prefill, decode or a request, and its lengths."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

from ..errors import InputError, unknown_name
from ..files.records import choices
from .model import ModelSpec

Phase = Literal["prefill", "decode", "request"]
Attention = Literal["full", "causal"]
LmHead = Literal["all", "last", "none"]

#: No context is longer in any released model.
MAX_TOKENS = 1 << 30
MAX_BATCH = 1 << 20


class Scenario(NamedTuple):
    """What is asked of the model.

    Attributes
    ----------
    phase : str
        ``prefill``: `tokens` positions at once. ``decode``: one new token that attends to
        `context` positions, itself included. ``request``: a prefill of `tokens`, then `generate`
        decode steps, at contexts tokens + 1 to tokens + generate.
    tokens, context, generate : int
        As the phase uses them; 0 where it does not.
    batch : int
        Sequences side by side.
    attention : str
        ``causal``: a position attends to itself and what precedes it. ``full``: in a prefill,
        every position attends to all.
    lm_head : str
        Positions whose logits are computed: ``all``, ``last`` of each pass, ``none``.
    """

    phase: Phase
    tokens: int = 0
    context: int = 0
    generate: int = 0
    batch: int = 1
    attention: Attention = "causal"
    lm_head: LmHead = "last"

    def checked(self, model: ModelSpec | None = None) -> Scenario:
        """Return the scenario itself if it makes sense, for a model where one is given.

        Raises
        ------
        InputError
            If a length or the batch is not positive or absurd, or the model's learned positions
            end before the scenario does.
        """
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
        needed = {
            "prefill": {"prefill": self.tokens},
            "decode": {"decode": self.context},
            "request": {"prompt": self.tokens, "generate": self.generate},
        }[self.phase]
        for what, value in needed.items():
            if not 0 < value <= MAX_TOKENS:
                raise InputError(f"{what}: {value} tokens; give 1 to {MAX_TOKENS}")
        if not 0 < self.batch <= MAX_BATCH:
            raise InputError(f"batch: {self.batch}; give 1 to {MAX_BATCH}")
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

    @property
    def last_position(self) -> int:
        """The longest context, which is also the length of the KV cache at the end."""
        return self.context if self.phase == "decode" else self.tokens + self.generate

    @property
    def new_tokens(self) -> int:
        """Tokens that a user receives or hands in: the divisor of "a token" figures.

        Prefill: batch x tokens. Decode: batch. Request: batch x generate.
        """
        each = {"prefill": self.tokens, "decode": 1, "request": self.generate}[self.phase]
        return self.batch * each

    def as_dict(self) -> dict[str, Any]:
        """Return what the phase uses, for JSON."""
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
        heads = {"all": "all positions", "last": "the last position", "none": "no position"}
        return (
            f"{what}, batch {self.batch}, {self.attention} attention, "
            f"LM head on {heads[self.lm_head]}"
        )


def _tokens(number: int) -> str:
    return "1 token" if number == 1 else f"{number} tokens"
