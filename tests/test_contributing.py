"""CONTRIBUTING.md: the files that it names exist, and say what it says of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
ANSWERS = dict(re.findall(r"^\| (.+\?) \| `(.+)` \|$", TEXT, flags=re.MULTILINE))

#: Part of a question -> what only the file that answers it can hold.
HOLDS = {
    "DRAM traffic": "def traffic(",
    "default batch and context": "CONTEXT = 2048",
    "71.4": "b1.58.fig3.left",
    "GGUF type 35": "def count(",
    "width of an accumulator": "def accumulator_bits(",
    "processing element": "FAMILY",
    "paper convention": "class PaperConvention",
    "`wq`": '"wq"',
    "int21": "affine in the",
    "JSON form of `count`": '"Count"',
    "published measurements": "class RowFile",
    "share fitted figures": "def pooled(",
}


def test_every_question_has_an_answer() -> None:
    assert len(ANSWERS) == len(HOLDS)


@pytest.mark.parametrize("part", HOLDS)
def test_one_file_answers(part: str) -> None:
    (file,) = (file for question, file in ANSWERS.items() if part in question)
    assert HOLDS[part] in (ROOT / file).read_text("utf-8")


def test_every_path_in_it_exists() -> None:
    named = set(re.findall(r"`((?:[\w.]+/)+[\w.-]*)`", TEXT))
    missing = {
        path
        for path in named
        if not ((ROOT / path).exists() or (ROOT / "bitnet_hw" / path).exists())
    }
    assert not missing
