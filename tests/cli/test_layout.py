"""Tables on a narrow terminal, which must show every digit."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from typing import Any

import pytest

from bitnet_hw.cli.layout import Column, fit
from bitnet_hw.cli.output import print_table

Run = Callable[..., Any]
MODEL = "bitnet-b1.58-2b4t"
COMMANDS = [
    ["machines"],
    ["machines", "edge"],
    ["models"],
    ["models", MODEL],
    ["schemes"],
    ["schemes", "bitnet-a4.8"],
    ["footprint", MODEL],
    ["footprint", MODEL, "gpt2", "--memory", "16GB"],
    ["estimate", MODEL],
    ["estimate", MODEL, "--scheme", "fp32,fp16,bf16,w8a8,w4a16,bitnet-b1.58,bitnet-a4.8"],
]
#: A number with its grouping or its unit, such as 2,412,820,480, 4.17 GB or 12.3 %, or several.
_ONE = r"\d[\d,.]*(?: ?(?:[kMGTmµnpf]?(?:B|J|s|Hz|B/s)|%|\u00d7))?"
NUMBER = re.compile(rf"{_ONE}(?:(?:, | \+ |/){_ONE})*")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Return a function that makes standard output a terminal with a number of columns."""

    def make(columns: int) -> None:
        monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
        monkeypatch.setenv("COLUMNS", str(columns))
        monkeypatch.setenv("TERM", "xterm")  # rich gives a dumb terminal 80 columns
        monkeypatch.setenv("NO_COLOR", "1")

    return make


def _plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.mark.parametrize("columns", [40, 80, 200])
@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_terminal_shows_every_number_that_a_pipe_does(
    run: Run, terminal: Callable[[int], None], arguments: list[str], columns: int
) -> None:
    piped = run(*arguments)
    terminal(columns)
    drawn = run(*arguments)
    assert piped.code == drawn.code == 0
    lines = _plain(drawn.out).splitlines()
    heading, *rows = piped.out.splitlines()
    numbers = 0
    shown = "\n".join(lines)
    for row in rows:
        for cell in re.split(r"\s{2,}", row.strip()):
            if NUMBER.fullmatch(cell):
                numbers += 1
                assert re.search(rf"(?<![\d.,]){re.escape(cell)}(?![\d.,])", shown), (cell, heading)
    assert numbers or arguments[0] == "schemes"
    assert not re.search(r"\d…", re.sub(r"(?m)^.*(arXiv|http).*$", "", shown))


@pytest.mark.parametrize("columns", [40, 80])
@pytest.mark.parametrize("arguments", [["machines"], ["models"], ["schemes"]], ids=" ".join)
def test_a_list_fits_the_width_of_the_terminal(
    run: Run, terminal: Callable[[int], None], arguments: list[str], columns: int
) -> None:
    terminal(columns)
    assert max(len(line) for line in _plain(run(*arguments).out).splitlines()) <= columns


def test_a_table_that_is_too_wide_becomes_blocks(run: Run, terminal: Callable[[int], None]) -> None:
    terminal(80)
    lines = _plain(run("machines").out).splitlines()
    server = lines[lines.index("server") :]
    # As written in the catalogue: 128 x 128 lanes at 1 GHz; 70 percent of 3.28 TB/s.
    assert server[3].split() == ["ternary", "16.4", "TMAC/s"]
    assert server[7].split() == ["bandwidth", "2.29", "TB/s"]
    terminal(300)
    assert _plain(run("machines").out).splitlines()[0].split()[:4] == [
        "name", "kind", "stack", "ternary",
    ]  # fmt: skip


@pytest.mark.parametrize("command", ["estimate", "count", "footprint"])
def test_text_around_a_table_is_broken_between_words(
    run: Run, terminal: Callable[[int], None], command: str
) -> None:
    scenario = "decode of one token at context 2048, batch 1, causal attention, LM head on the last"
    assert scenario in run(command, MODEL).out
    terminal(40)
    lines = _plain(run(command, MODEL).out).splitlines()
    first = next(i for i, line in enumerate(lines) if "decode" in line)
    assert scenario in " ".join(lines[first : first + 5])
    assert max(map(len, lines[first : first + 5])) <= 40


def test_text_is_narrowed_before_numbers(
    capsys: pytest.CaptureFixture[str], terminal: Callable[[int], None]
) -> None:
    terminal(40)
    columns = [Column("n", "right"), Column("text", long="wrap"), Column("m", "right")]
    print_table(columns, [("1,234,567,890", "several words that wrap", "98.76 GB")])
    out = _plain(capsys.readouterr().out)
    row = next(line for line in out.splitlines() if "1,234,567,890" in line)
    assert row.rstrip().endswith("98.76 GB")
    assert len(out.splitlines()) == 4


@pytest.mark.parametrize(
    ("available", "widths"), [(60, [8, 30, 6]), (42, [8, 24, 6]), (30, [8, 12, 6]), (29, None)]
)
def test_widths(available: int, widths: list[int] | None) -> None:
    columns = [Column("name"), Column("text", long="cut"), Column("n", "right")]
    assert fit(columns, [["a" * 8, "b" * 30, "123456"]], available) == widths


@pytest.mark.parametrize("number", ["1" * 60, "12.34 GB, " * 5 + "12.34 GB"])
def test_a_number_wider_than_the_terminal_is_still_whole(
    capsys: pytest.CaptureFixture[str], terminal: Callable[[int], None], number: str
) -> None:
    terminal(40)
    print_table(["name", Column("n", "right")], [("x", number)])
    assert number in _plain(capsys.readouterr().out)
