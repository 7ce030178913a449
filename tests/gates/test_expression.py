"""Liberty's Boolean functions against Python's own operators."""

from __future__ import annotations

import pytest

from bitnet_hw.gates.expression import parse_expression


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("!((a1*a2)+b)", lambda a1, a2, b: not ((a1 and a2) or b)),
        ("a b'", lambda a, b: a and not b),
        ("(a b)' | c", lambda a, b, c: not (a and b) or c),
        ("a^b^c", lambda a, b, c: a ^ b ^ c),
        ("!a&b|c", lambda a, b, c: ((not a) and b) or c),
        ("a + b * c", lambda a, b, c: a or (b and c)),
        ("(s & !a) + (!s & b)", lambda s, a, b: (s and not a) or (not s and b)),
        ("a & 1", lambda a: a),
    ],
)
def test_truth_table(text: str, meaning: object) -> None:
    found = parse_expression(text)
    assert callable(meaning)
    for row in range(found.rows):
        given = {name: bool(row >> k & 1) for k, name in enumerate(found.inputs)}
        assert bool(found.table >> row & 1) == bool(meaning(**given)), (text, given)
        python = found.verilog.replace("~", "1 ^ ").replace("1'b", "")
        assert bool(eval(python, {}, given)) == bool(meaning(**given))  # noqa: S307  our own text


def test_probability_and_sensitivity_of_a_gate() -> None:
    aoi = parse_expression("!((A1*A2)+B)")
    ones = {"A1": 0.5, "A2": 0.25, "B": 0.2}
    assert aoi.probability(ones) == pytest.approx((1 - 0.5 * 0.25) * 0.8)
    assert aoi.sensitivity("B", ones) == pytest.approx(1 - 0.125)
    assert aoi.sensitivity("A1", ones) == pytest.approx(0.25 * 0.8)
    assert aoi.sensitivity("Z", ones) == 0


@pytest.mark.parametrize("text", ["", "A +", "(A", "A $ B", "A)", "* B"])
def test_text_that_is_not_a_function_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="function"):
        parse_expression(text)
