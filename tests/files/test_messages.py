"""Validation errors are in our own words, whatever pydantic's wording."""

from __future__ import annotations

import importlib
import math
import pkgutil
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, ValidationError, field_validator

import bitnet_hw
from bitnet_hw.errors import InputError, RecordError
from bitnet_hw.files.document import Document
from bitnet_hw.files.messages import FALLBACK, SENTENCES, explain
from bitnet_hw.files.reading import read, validate
from bitnet_hw.files.records import Record, wrong_value

#: Error types that `explain` words by itself, without an entry in `SENTENCES`.
SPECIAL = {"missing", "unknown_key", "extra_forbidden", "wrong_value", "value_error"}


class Inner(Record):
    count: int = 1


class Sample(Record):
    width: Annotated[int, Field(gt=0, le=1 << 20)] = 1
    share: Annotated[float, Field(ge=0.25, lt=1)] = 0.5
    name: Annotated[str, Field(min_length=1, max_length=8, pattern="^[a-z]*$")] = "x"
    code: Annotated[str, Field(min_length=2)] = "xy"
    gated: bool = True
    kind: Literal["rope", "none"] = "rope"
    lanes: Literal[1, 2, 4] = 1
    only: Literal["one"] = "one"
    inner: Inner = Inner()
    items: Annotated[list[int], Field(min_length=1, max_length=2)] = Field(default_factory=list)
    by_name: dict[str, Inner] = Field(default_factory=dict)
    by_kind: dict[Literal["qkv", "ffn-down"], int] = Field(default_factory=dict)
    even: Annotated[int, Field(multiple_of=2)] = 2
    checked: str = ""

    @field_validator("checked")
    @classmethod
    def _check(cls, text: str) -> str:
        if text == "odd":
            raise ValueError("is odd")
        if text == "custom":
            raise wrong_value("deeper", "has its own words")
        return text


@pytest.mark.parametrize(
    ("yaml", "line"),
    [
        ("width: x", "1: width: must be an integer, found 'x'"),
        ("width: 1.5", "1: width: must be an integer, found 1.5"),
        ("width: 0", "1: width: must be greater than 0, found 0"),
        ("width: 1048577", "1: width: must be at most 1048576, found 1048577"),
        ("share: x", "1: share: must be a number, found 'x'"),
        ("share: .inf", "1: share: must be a finite number, found inf"),
        ("share: 0.2", "1: share: must be at least 0.25, found 0.2"),
        ("share: 1.0", "1: share: must be less than 1, found 1.0"),
        ("name: 3", "1: name: must be text, found 3"),
        ("name: ''", "1: name: must not be empty, found ''"),
        ("code: x", "1: code: must have at least 2 characters, found 'x'"),
        ("name: aaaaaaaaa", "1: name: must have at most 8 characters, found 'aaaaaaaaa'"),
        ("name: A", "1: name: must match the pattern ^[a-z]*$, found 'A'"),
        ("gated: 'yes'", "1: gated: must be true or false, found 'yes'"),
        ("kind: rop", "1: kind: must be one of 'rope', 'none', found 'rop'"),
        ("lanes: 3", "1: lanes: must be one of 1, 2, 4, found 3"),
        ("only: two", "1: only: must be 'one', found 'two'"),
        ("inner: 3", "1: inner: must be a mapping of keys, found 3"),
        ("inner:\n  count: x", "2: inner.count: must be an integer, found 'x'"),
        ("inner:\n  cuont: 1", "2: inner: unknown key 'cuont'; did you mean 'count'?"),
        ("items: 3", "1: items: must be a list, found 3"),
        ("items: []", "1: items: must not be empty, found []"),
        ("items: [1, 2, 3]", "1: items: must have at most 2 items, found [1, 2, 3]"),
        ("items: [1, x]", "1: items.1: must be an integer, found 'x'"),
        ("by_name: 3", "1: by_name: must be a mapping of keys, found 3"),
        ("by_name: {Horowitz: 3}", "1: by_name.Horowitz: must be a mapping of keys, found 3"),
        ("by_name:\n  '[a]': 3", "2: by_name.[a]: must be a mapping of keys, found 3"),
        ("by_kind: {ffn-dwn: 1}", "1: by_kind: unknown key 'ffn-dwn'; did you mean 'ffn-down'?"),
        ("even: 3", "1: even: must be a multiple of 2, found 3"),
        ("checked: odd", "1: checked: is odd"),
        ("checked: custom", "1: checked.deeper: has its own words"),
        ("1: x", "1: unknown key 1; known: by_kind, by_name, checked, code, even, gated, "),
    ],
)
def test_a_mistake_of_every_type(tmp_path: Path, yaml: str, line: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(f"{yaml}\n")
    with pytest.raises(RecordError) as caught:
        validate(Sample, read(path))
    message = str(caught.value).removeprefix(f"{path}:")
    assert message == line if not line.endswith(", ") else message.startswith(line)


def test_an_unknown_error_type_has_a_sentence_too() -> None:
    error = ValidationError.from_exception_data(
        "Sample", [{"type": "time_delta_type", "loc": ("width",), "input": 3}]
    )
    assert str(explain(error, Document({"width": 3}, "a.yaml"))) == (
        f"a.yaml: width: {FALLBACK}, found 3"
    )


def _records() -> list[type[Record]]:
    for module in pkgutil.walk_packages(bitnet_hw.__path__, "bitnet_hw."):
        if module.name.split(".")[1] in {"inputs", "files", "prices", "cost"}:
            importlib.import_module(module.name)

    def below(record: type[Record]) -> Iterator[type[Record]]:
        for each in record.__subclasses__():
            yield each
            yield from below(each)

    return [each for each in below(Record) if each.__module__.startswith("bitnet_hw.")]


WRONG: list[Any] = [
    None, True, 0, -1, 1, 3, 10**12, 0.5, 1e30, math.nan, math.inf, "", "x", "x" * 200, [], [3], {},
    {"x": 3}, b"",
]  # fmt: skip


@pytest.mark.parametrize("record", _records(), ids=lambda record: record.__name__)
def test_no_wording_but_ours_reaches_the_user(record: type[Record]) -> None:
    met = set()
    for name, field in record.model_fields.items():
        for value in WRONG:
            data = {field.alias or name: value}
            try:
                record.__pydantic_validator__.validate_python(data)
            except ValidationError as error:
                found = error.errors()
                met |= {problem["type"] for problem in found}
                message = str(explain(error, Document(data, "a.yaml")))
                assert "\n" not in message
                for problem in found:
                    if problem["type"] not in ("value_error", "wrong_value", "unknown_key"):
                        assert problem["msg"] not in message
    assert met
    assert met <= SENTENCES.keys() | SPECIAL


def test_records_made_in_python_are_refused_in_our_words() -> None:
    with pytest.raises(InputError, match=r"^Inner: count: must be an integer, found 'x'$"):
        Inner(count="x")  # type: ignore[arg-type]  # what is asserted
    with pytest.raises(InputError, match=r"^Inner: unknown key 'cuont'; did you mean 'count'\?$"):
        Inner.model_validate({"cuont": 1})
    with pytest.raises(InputError, match=r"^Inner: must be a mapping of keys, found 3$"):
        Inner.model_validate(3)
