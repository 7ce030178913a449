"""``bitnet-hw tables``: every kind of price file, by name and from a user's file."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from bitnet_hw.prices.loading import FOLDER

Run = Callable[..., Any]
FILES = sorted(path.stem for path in FOLDER.glob("*.yaml"))


def _data(name: str) -> dict[str, Any]:
    data: dict[str, Any] = yaml.safe_load((FOLDER / f"{name}.yaml").read_text("utf-8"))
    return data


def test_the_list_shows_every_file_with_its_number_of_entries(run: Run) -> None:
    lines = {line.split()[0]: line.split() for line in run("tables").out.splitlines()}
    for name in FILES:
        data = _data(name)
        lists = ("operations", "sram", "macs", "kinds", "energy_coefficients", "wires",
                 "areas", "macros", "arrays", "leakage")  # fmt: skip
        count = sum(len(data.get(key, ())) for key in lists)
        assert count > 0
        assert data["kind"] in lines[name]
        assert str(count) in lines[name], name
    assert "7nm" in lines["jouppi-2021-7nm"]


def test_a_mac_table_shows_its_macs(run: Run) -> None:
    done = run("tables", "show", "asap7-prelayout")
    assert done.code == 0
    lines = done.out.splitlines()
    assert sum(line.startswith("MAC ") for line in lines) == len(_data("asap7-prelayout")["macs"])
    assert "pJ per MAC" in done.out
    assert "everything but MACs is priced by jouppi-2021-7nm" in done.out
    booth = next(line for line in lines if "int8, int28" in line and "booth" in line)
    assert "0.38673" in booth


@pytest.mark.parametrize("name", FILES)
def test_json_holds_the_file_and_its_prices(run: Run, name: str) -> None:
    found, data = json.loads(run("tables", "show", name, "--json").out), _data(name)
    for key in ("macs", "operations", "sram", "kinds"):
        if isinstance(data.get(key), list):
            assert len(found[key]) == len(data[key])
            for written, read in zip(found[key], data[key], strict=True):
                assert read.items() <= written.items()
    prices = {"macs": 13, "dram": 5, "on-chip": 7, "operations": 13, "expansions": 0, "scaling": 0}
    assert len(found["prices"]) >= prices[data["kind"]]
    for price in found["prices"]:
        assert price.keys() == {
            "what", "unit", "pj", "low_pj", "high_pj", "kind", "boundary", "source", "read_in",
            "locator", "formula",
        }  # fmt: skip


def test_the_json_list_holds_every_file(run: Run) -> None:
    found = json.loads(run("tables", "--json").out)
    assert sorted(one["name"] for one in found) == FILES


@pytest.mark.parametrize("name", ["dram", "on-chip", "expansions", "scaling", "7nm", *FILES])
def test_yaml_prints_the_file_of_every_kind(run: Run, name: str) -> None:
    done = run("tables", "show", name, "--yaml")
    assert done.code == 0
    kinds = {"dram": "dram-2", "on-chip": "on-chip-1", "expansions": "expansions-2",
             "scaling": "stillmaker-2017", "7nm": "jouppi-2021-7nm"}  # fmt: skip
    assert done.out == (FOLDER / f"{kinds.get(name, name)}.yaml").read_text("utf-8")


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_the_users_is_shown_and_checked(run: Run, tmp_path: Path, name: str) -> None:
    file = tmp_path / "own.yaml"
    data, text = _data(name), (FOLDER / f"{name}.yaml").read_text("utf-8")
    text = text.replace(f"name: {name}", "name: own").replace(data["title"], "Our own", 1)
    text = re.sub(r"aliases: .*\n", "", text)
    file.write_text(text, encoding="utf-8")
    assert run("tables", "show", file, "--yaml").out == text
    assert "own: Our own" in run("tables", "show", file).out
    done = run("tables", "check", file)
    assert done.code == 0
    assert f"own is valid, of kind {data['kind']}" in done.out
    assert run("tables", "show", file, "--json").code == 0


def test_a_changed_copy_of_any_kind_needs_a_name_of_its_own(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "copy.yaml"
    file.write_text((FOLDER / "dram-1.yaml").read_text("utf-8").replace("512", "513"), "utf-8")
    done = run("tables", "check", file)
    assert done.code == 2
    assert "'dram-1'" in done.err
    assert "a name of its own" in done.err


def test_units_read_as_an_engineer_writes_them(run: Run) -> None:
    assert "pJ per 64-bit access" in run("tables", "show", "7nm").out
    assert "pJ per bit" in run("tables", "show", "dram").out


@pytest.mark.parametrize("name", ["asap7-prelayout", "7nm", "dram", "on-chip", "45nm"])
def test_no_digit_is_cut_on_a_terminal_of_80_columns(name: str) -> None:
    """Look for every energy of the table among the words on the terminal."""
    if sys.platform == "win32":
        pytest.skip("needs a pseudo-terminal")
    import pty

    parent, child = pty.openpty()
    code = "import sys; from bitnet_hw.cli import main; sys.exit(main(sys.argv[1:]))"
    process = subprocess.Popen(
        [sys.executable, "-c", code, "tables", "show", name], stdout=child, close_fds=True,
        env={**os.environ, "COLUMNS": "80", "TERM": "xterm", "NO_COLOR": "1"},
    )  # fmt: skip
    os.close(child)
    drawn = b""
    while True:
        try:
            part = os.read(parent, 65536)
        except OSError:  # Linux raises it when the other end is closed
            break
        if not part:
            break
        drawn += part
    os.close(parent)
    assert process.wait() == 0
    text = drawn.decode()
    words = set(text.replace("│", " ").split())
    from bitnet_hw.prices.loading import load_price_file

    for entry in load_price_file(name).entries():
        assert f"{entry.price.pj:g}" in words, entry.what


def test_a_table_shows_how_other_buffers_are_priced(run: Run) -> None:
    out = run("tables", "show", "7nm").out
    between, banks = (
        next(line for line in out.splitlines() if line.startswith(f"SRAM {size}"))
        for size in ("64 KiB", "16 MiB")
    )
    assert "0.146751" in between  # 8.5 x (14 / 8.5)^(1/5) / 64
    assert "between macros of 32768 and 1048576 bytes" in between
    assert "derived" in between
    assert "0.346783" in banks  # 14 / 64 + 0.1 x 0.75 x (2.276 - 0.569)
    assert "wires, 0.1 pJ per bit and mm" in banks
    assert "pJ per bit of a buffer" not in run("tables", "show", "dram").out


def test_areas_leakage_and_simulated_arrays_are_shown(run: Run) -> None:
    lines = run("tables", "show", "on-chip").out.splitlines()
    area = next(line for line in lines if line.startswith("SRAM at 7 nm"))
    assert "0.0386" in area
    leakage = next(line for line in lines if "itrs-lstp at 360 K" in line)
    assert "0.23454 to 1104.9" in leakage
    array = next(line for line in lines if "65536 KiB: 681.17" in line)
    assert array.startswith("SRAM at 45 nm")
