"""Suggestions for mistyped names."""

from __future__ import annotations

import pytest

from bitnet_hw.errors import nearest, unknown_name

TABLES = ["jouppi-2021-7nm", "horowitz-2014-45nm", "7nm", "45nm"]
SCHEMES = ["bitnet-b1.58", "bitnet-a4.8", "bitnet-b1", "fp16", "fp32", "bf16", "w8a8"]
MODELS = ["llama-7b", "llama-13b", "llama-2-7b", "bitnet-13b", "bitnet-30b", "opt-125m", "gpt2"]


@pytest.mark.parametrize(
    ("name", "known", "expected"),
    [
        ("bitnet-b158", SCHEMES, "bitnet-b1.58"),
        ("bitnet-b1.59", SCHEMES, "bitnet-b1.58"),  # one digit of three
        ("BitNet-B1.58", SCHEMES, "bitnet-b1.58"),
        ("FP16", SCHEMES, "fp16"),
        ("w8a8 ", SCHEMES, "w8a8"),
        ("lama-7b", MODELS, "llama-7b"),
        ("opt-126m", MODELS, "opt-125m"),
        ("7nn", TABLES, "7nm"),
    ],
)
def test_the_nearest_name_is_suggested(name: str, known: list[str], expected: str) -> None:
    assert nearest(name, known) == expected
    assert str(unknown_name("thing", name, known)).endswith(f"; did you mean {expected!r}?")


@pytest.mark.parametrize(
    ("name", "known"),
    [
        ("5nm", TABLES),
        ("8nm", TABLES),
        ("65nm", TABLES),
        ("fp8", SCHEMES),
        ("w4a4", SCHEMES),
        ("bitnet-b2", SCHEMES),
        ("llama-8b", MODELS),
        ("bitnet-3b", MODELS),
        ("nothing-like-it", MODELS),
    ],
)
def test_a_name_with_another_number_is_not_suggested(name: str, known: list[str]) -> None:
    assert nearest(name, known) is None
    message = str(unknown_name("thing", name, known))
    assert message == f"unknown thing {name!r}; known: {', '.join(sorted(known))}"
