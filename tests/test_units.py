"""Quantities and memory sizes in the form that people write."""

from __future__ import annotations

import pytest

from bitnet_hw.errors import InputError
from bitnet_hw.units import parse_size, quantity


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("80GB", 80_000_000_000),
        ("16GiB", 17_179_869_184),
        ("1.5 kB", 1500),
        (" 512 MiB ", 536_870_912),
        ("2tib", 2_199_023_255_552),
        ("1e9 B", 1_000_000_000),
        ("7 b", 7),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["16", "1e9", " 16 ", "0.5"])
def test_a_size_without_a_unit_gets_two_suggestions(text: str) -> None:
    number = text.strip()
    with pytest.raises(InputError, match=f"has no unit; write {number}GB or {number}GiB"):
        parse_size(text)


@pytest.mark.parametrize(
    "text", ["", "GB", "-1GB", "0", "0GB", "nan", "inf GB", "80 gigs", "1e30B", "1_000GB", "1..2GB"]
)
def test_texts_that_are_not_sizes(text: str) -> None:
    with pytest.raises(InputError, match="write a positive size such as 80GB or 16GiB"):
        parse_size(text)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (999.96, "B", "1.00 kB"),
        (157_286_400, "B", "157 MB"),
        (0.5, "B", "0.500 B"),
        (7e-15, "J", "7.00 fJ"),
        (0, "J", "0 J"),
        (None, "J", "-"),
        (2.4e9, "", "2.40 B"),
    ],
)
def test_quantities(value: float | None, unit: str, text: str) -> None:
    assert quantity(value, unit) == text
