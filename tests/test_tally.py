"""The tally: sums, comparison and display."""

from __future__ import annotations

import builtins
import json
from typing import Any

import pytest

from bitnet_hw.errors import InputError, ToolMissingError
from bitnet_hw.tally import AddOnlyWork, Key, MacKey, OpTally


def tally() -> OpTally:
    found = OpTally()
    found.add(Key("layers.0", "qkv", "ternary-add", "int8", "int20"), 1000)
    found.add(Key("layers.0", "norm", "mul", "fp16"), 192)
    found.add(Key("layers.1", "norm", "mul", "fp16"), 8)
    found.add(Key("layers.1", "norm", "rsqrt", "fp16"), 3)
    found.mac_counts[MacKey("layers.0", "qkv", "int8", "ternary", "int20")] = 1_500
    found.add_only = AddOnlyWork(1000, 1010, 1500)
    return found


def test_an_unknown_field_is_one_clear_line() -> None:
    assert tally().by("role", "operation")["norm", "mul"] == 200
    with pytest.raises(InputError) as caught:
        tally().by("role", "nonsense")
    assert str(caught.value) == (
        "a tally has no field 'nonsense' to group by; known: scope, role, operation, format, "
        "accumulator, side"
    )


def test_tallies_are_equal_if_they_count_the_same() -> None:
    assert tally() == tally()
    read = tally()
    _ = read.counts[Key("layers.9", "norm", "add", "fp16")]  # leaves a zero
    assert read == tally()
    for key in (Key("layers.0", "norm", "mul", "fp16"), Key("layers.2", "norm", "mul", "fp16")):
        other = tally()
        other.add(key, 1)
        assert other != tally()
    other = tally()
    other.add_only = AddOnlyWork()
    assert other != tally()
    assert tally() != 3
    with pytest.raises(TypeError, match="unhashable"):
        hash(tally())


def test_it_shows_its_totals() -> None:
    assert repr(tally()).splitlines() == [
        "OpTally of 4 rows",
        "  MACs              1,500",
        "  multiplications     200",
        "  additions         1,000",
        "  other operations      3",
    ]
    shown = tally()._repr_html_()
    assert shown.count("<tr>") == 4
    assert "<th>additions</th>" in shown
    assert "1,000</td>" in shown


def test_plain_data_survives_json() -> None:
    found = json.loads(json.dumps(tally().as_dict()))
    assert found["macs_by_role"] == {"qkv": 1500}
    assert (found["multiplications"], found["additions"], found["other_operations"]) == (
        200,
        1000,
        3,
    )
    assert sum(row["count"] for row in found["rows"]) == tally().total() == 1203
    assert found["add_only"]["non_zero_terms"] == 1010


def test_a_data_frame() -> None:
    pytest.importorskip("pandas", reason="pandas is not installed")
    frame = tally().to_frame()
    assert list(frame.columns) == [*Key._fields, "count"]
    assert frame[frame.role == "norm"]["count"].sum() == 203
    assert list(OpTally().to_frame().columns) == list(frame.columns)


def test_a_data_frame_without_pandas(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = builtins.__import__

    def without_pandas(name: str, *rest: Any) -> Any:
        if name == "pandas":
            raise ImportError(name)
        return whole(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_pandas)
    with pytest.raises(ToolMissingError, match="needs pandas: pip install pandas"):
        tally().to_frame()
