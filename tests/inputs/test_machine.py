"""Machines: the two that ship, and a user's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from bitnet_hw.errors import InputError
from bitnet_hw.inputs import catalogue
from bitnet_hw.inputs.machine import DEFAULT_MACHINE, load_machine

GOOD = """\
name: mine
rows: 4
lanes: 8
tokens: 2
clock_hz: 1.0e+6
activation_buffer_bytes: 1024
weight_buffer_bytes: 2048
dram: HBM2
bandwidth_bytes_per_s: 1.0e+9
"""


def test_the_two_shipped_machines() -> None:
    edge, server = load_machine(), load_machine("server")
    assert DEFAULT_MACHINE == edge.name == "edge"
    assert (edge.rows, edge.lanes, edge.tokens, edge.clock_hz) == (32, 32, 8, 500e6)
    assert (edge.activation_buffer_bytes, edge.weight_buffer_bytes) == (1 << 20, 1 << 20)
    assert (edge.dram, edge.bandwidth_bytes_per_s, edge.efficiency) == ("LPDDR4", 25.6e9, 0.7)
    assert (server.rows, server.lanes, server.tokens, server.clock_hz) == (128, 128, 128, 1e9)
    assert (server.activation_buffer_bytes, server.weight_buffer_bytes) == (16 << 20, 16 << 20)
    assert (server.dram, server.bandwidth_bytes_per_s, server.efficiency) == ("HBM2", 900e9, 0.7)
    assert catalogue.names("machines") == ("edge", "server")
    assert edge.static_w is None is server.static_w


def test_a_users_own_machine(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(GOOD, encoding="utf-8")
    mine = load_machine(str(file))
    assert mine.efficiency == 0.7
    assert mine.macs_per_second() == 4 * 8 * 1e6


@pytest.mark.parametrize(
    ("wrong", "line", "message"),
    [
        ("lanes: 0", 3, "lanes: must be greater than 0, found 0"),
        ("lanes: 65537", 3, "lanes: must be at most 65536, found 65537"),
        ("rows: 0", 2, "rows: must be greater than 0, found 0"),
        ("rows: -1", 2, "rows: must be greater than 0, found -1"),
        ("rows: many", 2, "rows: must be an integer, found 'many'"),
        ("clock_hz: .nan", 5, "clock_hz: must be a finite number"),
        ("clock_hz: .inf", 5, "clock_hz: must be a finite number"),
        ("dram: ''", 8, "dram: must not be empty"),
        ("dram: 5", 8, "dram: must be text, found 5"),
    ],
)
def test_a_mistake_is_named_with_its_line(
    tmp_path: Path, wrong: str, line: int, message: str
) -> None:
    key = wrong.partition(":")[0]
    text = "".join(
        f"{wrong}\n" if row.startswith(f"{key}:") else row for row in GOOD.splitlines(keepends=True)
    )
    file = tmp_path / "mine.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=rf"mine\.yaml:{line}: {message}"):
        load_machine(str(file))


def test_an_unknown_key_is_answered_with_the_nearest(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(GOOD + "efficency: 0.5\n", encoding="utf-8")
    with pytest.raises(InputError, match=r"mine\.yaml:10.*did you mean 'efficiency'"):
        load_machine(str(file))


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'server'"):
        load_machine("serwer")
