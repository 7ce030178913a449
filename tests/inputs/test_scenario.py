"""Scenarios are checked when they are made."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from typing import Any

import pytest

from bitnet_hw.errors import InputError
from bitnet_hw.inputs.scenario import MAX_TOKENS, Scenario


def test_values_by_position_and_by_keyword() -> None:
    decode = Scenario("decode", context=2048)
    assert decode == Scenario("decode", 0, 2048) == Scenario(phase="decode", context=2048)
    assert len({decode, Scenario("decode", context=2048), decode.replace(batch=2)}) == 2
    request = Scenario("request", tokens=9, generate=4, batch=3)
    assert (request.new_tokens, request.last_position) == (12, 13)
    with pytest.raises(FrozenInstanceError):
        decode.batch = 3  # type: ignore[misc]  # what is asserted


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"phase": "encode", "tokens": 1}, "unknown phase 'encode'; did you mean 'decode'?"),
    ({"phase": "prefill"}, f"prefill: 0 tokens; give 1 to {MAX_TOKENS}"),
    ({"phase": "decode", "context": -3}, f"decode: -3 tokens; give 1 to {MAX_TOKENS}"),
    ({"phase": "request", "generate": 3}, f"prompt: 0 tokens; give 1 to {MAX_TOKENS}"),
    ({"phase": "request", "tokens": 3}, f"generate: 0 tokens; give 1 to {MAX_TOKENS}"),
    ({"phase": "decode", "context": 9, "tokens": 8}, "tokens: 8, but a decode has only context"),
    ({"phase": "prefill", "tokens": 8, "generate": 1}, "generate: 1, but a prefill has only toke"),
    ({"phase": "decode", "context": 9, "batch": 0}, "batch: 0; give 1 to 1048576"),
    ({"phase": "decode", "context": 9.0}, "tokens, context, generate and batch are integers, "),
    ({"phase": "decode", "context": True}, "tokens, context, generate and batch are integers, "),
    ({"phase": "decode", "context": 9, "attention": "ful"}, "unknown attention 'ful'; did you"),
    ({"phase": "decode", "context": 9, "lm_head": "first"}, "unknown LM head 'first'; "),
]


@pytest.mark.parametrize(("values", "message"), WRONG)
def test_values_that_make_no_sense_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as caught:
        Scenario(**values)
    assert str(caught.value).startswith(message)
    assert "--" not in str(caught.value)


@pytest.mark.parametrize(("values", "message"), WRONG)
def test_replace_refuses_the_same_values(values: dict[str, Any], message: str) -> None:
    good = Scenario("prefill", tokens=5)
    unset = {"tokens": 0, "context": 0, "generate": 0}
    with pytest.raises(InputError) as caught:
        good.replace(**(unset | values))
    assert str(caught.value).startswith(message)
    assert good == Scenario("prefill", tokens=5)


def test_an_unknown_value_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError, match="'contxt'; did you mean 'context'"):
        Scenario("decode", context=3).replace(contxt=5)
