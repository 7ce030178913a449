"""Files from a user, including hostile ones."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from bitnet_hw.errors import InputError
from bitnet_hw.files import reading, writing
from bitnet_hw.files.reading import read, validate
from bitnet_hw.files.records import Record

#: Writes a file with the given content, and the given name if any.
Write = Callable[..., Path]


class Sample(Record):
    width: int
    share: float = 1.0
    inner: dict[str, int] = Field(default_factory=dict)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_file(content: str | bytes, name: str = "file.yaml") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return write_file


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        validate(Sample, read(path))
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    ("name", "content", "parts"),
    [
        ("a.yaml", "width: 1\n  bad: [\n", ["a.yaml:2", "not valid YAML"]),
        ("a.json", '{"width": 1,\n "share" 2}', ["a.json:2", "not valid JSON"]),
        ("a.yaml", "width: 1\nwidth: 2\n", ["a.yaml:2", "'width' is given twice"]),
        ("a.json", '{"width": 1,\n\t"width": 2}', ["a.json:2", "'width' is given twice"]),
        ("a.yaml", "- 1\n- 2\n", ["top level must be a mapping", "found a list"]),
        ("a.json", "[1]", ["top level must be a mapping", "found a list"]),
        ("a.yaml", "", ["top level must be a mapping", "nothing"]),
        ("a.json", "", ["not valid JSON", "ends too early"]),
        ("a.json", '{"width": 1} x', ["a.json:1", "not valid JSON", "from 'x' on"]),
        ("a.yaml", "width: *a\n", ["a.yaml:1", "alias *a refers to nothing"]),
        ("a.yaml", "width: 1\n---\nwidth: 2\n", ["not valid YAML", "a second document"]),
        ("a.yaml", "width:\n\t- 1\n", ["a.yaml:2", "a tab; indent with spaces"]),
        ("a.yaml", "width: a: b\n", ["a.yaml:1", "a colon"]),
        ("a.yaml", "width: [1\n", ["not valid YAML", "the file ends inside"]),
        ("a.yaml", "width: 'x\n", ["not valid YAML", "the file ends inside"]),
        ("a.json", '{"width": NaN}', ["a.json:1: not valid JSON: NaN"]),
        ("a.json", '{"NaN": "a \\"NaN",\n"width": [1,\nNaN]}', ["a.json:3: not valid JSON: NaN"]),
        ("a.yaml", "width\n", ["a.yaml: the top level must be a mapping of keys, found text"]),
        ("a.yaml", "width:\n", ["a.yaml:1: width: must be an integer, found nothing"]),
        ("a.json", '{"width": 1, "share": -Infinity}', ["-Infinity"]),
        ("a.yaml", "width: 1\nshare: .nan\n", ["a.yaml:2: share: must be a finite number"]),
        ("a.yaml", "width: 1\nshare: .inf\n", ["a.yaml:2: share: must be a finite number"]),
        ("a.yaml", "width: true\n", ["a.yaml:1: width: must be an integer, found True"]),
        ("a.json", '{\n\t"width": "4"\n}', ["a.json:2: width: must be an integer, found '4'"]),
        ("a.yaml", "witdh: 1\n", ["a.yaml:1", "'witdh'", "did you mean 'width'?"]),
        ("a.yaml", "width: 1\ninner:\n  a: x\n", ["a.yaml:3", "inner.a"]),
        ("a.yaml", "share: 1.0\n", ["'width' is missing"]),
        ("a.yaml", "width: &a [*a]\n", ["contains itself"]),
        ("a.yaml", "!!python/object/apply:os.getcwd []", ["not valid YAML", "a tag"]),
        ("a.yaml", "width: 2024-99-99\n", ["not valid YAML", "a date or a number"]),
        ("a.yaml", "? [a]\n: 1\n", ["not valid YAML", "a key"]),
        ("a.json", "[" * 100_000, ["nested too deeply"]),
        ("a.yaml", "width: " + "[" * 20_000 + "]" * 20_000, ["nested too deeply"]),
        ("a.yaml", "width: " + "[" * 1_500_000 + "]" * 1_500_000, ["nested too deeply"]),
        ("a.yaml", "width: " + "- " * 1_000_000, ["a.yaml:1"]),
        ("a.yaml", "width:\n  " + "- " * 1_000_000, ["a.yaml:2: nested too deeply"]),
        ("a.yaml", "width:\n" + " ? " * 5_000 + "a\n", ["nested too deeply"]),
        ("a.json", '{"width": ' + "[" * 500 + "]" * 500 + "}", ["a.json", "width"]),
        ("a.json", '{"width": ' + "9" * 10_000 + "}", ["not valid JSON", "too many digits"]),
    ],
)
def test_one_line_says_what_is_wrong_and_where(
    write: Write, name: str, content: str, parts: list[str]
) -> None:
    message = refusal(write(content, name))
    for part in parts:
        assert part in message


def test_binary_garbage(write: Write) -> None:
    assert "not UTF-8" in refusal(write(bytes(range(256))))
    assert "not valid YAML" in refusal(write(b"\x00\x01\x02"))


def test_missing_file_folder_and_impossible_name(tmp_path: Path) -> None:
    assert "no such file" in refusal(tmp_path / "absent.yaml")
    assert "is a folder" in refusal(tmp_path)
    assert "not a file name" in refusal(Path("a\0b.yaml"))


def test_a_huge_file_and_an_endless_device_are_refused(write: Write) -> None:
    assert "larger than" in refusal(write(b" " * (reading.MAX_DOCUMENT_BYTES + 1)))
    if Path("/dev/zero").exists():
        assert "larger than" in refusal(Path("/dev/zero"))


@pytest.mark.parametrize("merge", [False, True])
def test_an_alias_bomb_is_refused_before_it_expands(write: Write, merge: bool) -> None:
    if merge:
        lines = ["a0: &a0 {k: 1}"]
        lines += [f"a{i}: &a{i}\n  <<: [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    else:
        lines = ["a0: &a0 [1, 1]"]
        lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 12)]
    assert "keys and items" in refusal(write("\n".join(lines)))


def test_an_alias_that_is_used_twice_is_fine(write: Write) -> None:
    document = read(write("a: &x {k: 1}\nb: *x\n"))
    assert document.data == {"a": {"k": 1}, "b": {"k": 1}}


def test_lines_of_json_with_tabs(write: Write) -> None:
    document = read(write('{\n\t"a": 1,\n\t"b": {"c": "x\\ty"}\n}', "a.json"))
    assert document.lines["a",] == 2
    assert document.lines["b", "c"] == 3
    assert document.data["b"]["c"] == "x\ty"


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=8), PLAIN, max_size=4))
def test_json_reads_as_json_loads_reads_it(
    tmp_path_factory: pytest.TempPathFactory, data: dict[str, Any]
) -> None:
    path = tmp_path_factory.mktemp("json") / "a.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    assert read(path).data == data


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused_with_one_line(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("bytes") / "a.yaml"
    path.write_bytes(content)
    try:
        validate(Sample, read(path))
    except InputError as error:
        assert "\n" not in str(error)  # noqa: PT017  reading such bytes may also succeed


def test_a_renamed_key_is_reported_by_its_name_in_the_file() -> None:
    document = reading.Document({"width": "x"}, "c.json", {("width",): 7}, {"width": "n_embd"})
    with pytest.raises(InputError, match=r"c\.json:7: n_embd: must be an integer, found 'x'"):
        validate(Sample, document)


def test_whole_file_leaves_nothing_behind_and_overwrites_nothing_unasked(tmp_path: Path) -> None:
    target = tmp_path / "out.txt"

    def write_half() -> None:
        with writing.whole_file(target) as temporary:
            temporary.write_text("half")
            raise KeyError

    with pytest.raises(KeyError):
        write_half()
    assert list(tmp_path.iterdir()) == []
    writing.write_text(target, "first")
    with pytest.raises(InputError, match="already exists"):
        writing.write_text(target, "second")
    assert target.read_text() == "first"
    writing.write_text(target, "second", force=True)
    assert target.read_text() == "second"
    assert list(tmp_path.iterdir()) == [target]
