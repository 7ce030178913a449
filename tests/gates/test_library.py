"""Reading Liberty: units, compression, and errors with file and line."""

from __future__ import annotations

import gzip
import re
from pathlib import Path
from typing import Any

import pytest

from bitnet_hw.errors import InputError
from bitnet_hw.gates.library import Library, read_library


def near(value: Any) -> Any:
    """Compare by relative tolerance only, since farads are far below pytest's absolute one."""
    return pytest.approx(value, rel=1e-9, abs=0)


def write(folder: Path, text: str, name: str = "lib.lib") -> Path:
    path = folder / name
    path.write_text(text)
    return path


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


def test_numbers_of_the_tiny_library(tiny: Library) -> None:
    nand = tiny.cell("NAND2_X1")
    assert nand.area == 0.75
    assert nand.cell_leakage == near(1.2e-9)
    assert nand.pins["A"].capacitance == near((1e-15, 1e-15))
    arc = nand.pins["Y"].arcs[0]
    assert arc.delay[0] is not None
    assert arc.delay[0].at(20e-12, 5e-15) == near((5 + 0.25 * 20 + 2.2 * 5) * 1e-12)
    # Beyond the axes the outermost segment is extended: load 40 fF, transition 100 ps.
    assert arc.delay[0].at(100e-12, 40e-15) == near((5 + 25 + 88) * 1e-12)
    dff = tiny.cell("DFF_X1")
    assert dff.flip_flop is not None
    assert dff.is_clock(dff.pins["CK"])
    assert not dff.is_clock(dff.pins["D"])
    assert (tiny.voltage, tiny.temperature, tiny.corner) == (1.0, 25.0, "typical")


def test_other_units_give_the_same_library(tiny: Library, tiny_text: str, tmp_path: Path) -> None:
    text = tiny_text.replace('time_unit : "1ps"', "time_unit : 1ns")
    text = text.replace("capacitive_load_unit (1, ff)", 'capacitive_load_unit (0.001,"pf")')
    text = text.replace('leakage_power_unit : "1nW"', 'leakage_power_unit : "1pW"')
    other = read_library(write(tmp_path, text))
    for name in ("INV_X1", "DFF_X1"):
        ours, theirs = tiny.cell(name), other.cell(name)
        assert theirs.cell_leakage == near((ours.cell_leakage or 0) / 1000)
        for pin in ours.pins:
            assert theirs.pins[pin].capacitance == near(ours.pins[pin].capacitance)
        ours_rise, theirs_rise = (
            next(iter(cell.outputs)).powers[0].rise for cell in (ours, theirs)
        )
        assert ours_rise is not None
        assert theirs_rise is not None
        assert theirs_rise.values == near(ours_rise.values)
        assert theirs_rise.first == near([1000 * s for s in ours_rise.first])


def test_a_compressed_file_is_the_same_library(
    tiny: Library, tiny_text: str, tmp_path: Path
) -> None:
    path = tmp_path / "anything"
    path.write_bytes(gzip.compress(tiny_text.encode()))
    assert read_library(path).sha256 == tiny.sha256


def test_unknown_attributes_comments_and_continuations_are_ignored(
    tiny: Library, tiny_text: str, tmp_path: Path
) -> None:
    text = tiny_text.replace(
        "  cell (INV_X1) {",
        '  vendor_thing : "a; b { c";\n  define (x, y, z);\n'
        '  odd_group ("q") { deep () { k : 1; } }\n'
        "  cell (INV_X1) {\n    /* } not a brace { */ shape_hint : 7",
    )
    text = text.replace('", "', '", \\\n "', 40)
    other = read_library(write(tmp_path, text))
    assert other.cell("INV_X1").pins == tiny.cell("INV_X1").pins


def test_two_one_sided_power_groups_are_joined(
    tiny: Library, tiny_text: str, tmp_path: Path
) -> None:
    inverter = tiny_text[tiny_text.index("  cell (INV_X1)") : tiny_text.index("  cell (BUF_X1)")]
    fall = re.search(r" *fall_power .*\n", inverter)
    assert fall
    split = inverter.replace(
        fall[0], f'      }}\n      internal_power () {{\n        related_pin : "A";\n{fall[0]}'
    )
    other = read_library(write(tmp_path, tiny_text.replace(inverter, split)))
    assert other.cell("INV_X1").pins == tiny.cell("INV_X1").pins


def _without(text: str, pattern: str) -> str:
    found, n = re.subn(pattern, "", text)
    assert n
    return found


_POWER = r"internal_power \(\) \{(?:[^{}]|\{[^{}]*\})*\}"


def test_a_library_without_internal_power_is_refused(tiny_text: str, tmp_path: Path) -> None:
    path = write(tmp_path, _without(tiny_text, _POWER))
    line = line_of(tiny_text, "library (tiny)")
    with pytest.raises(InputError, match=rf"lib\.lib:{line}: .*no internal power"):
        read_library(path)


def test_a_library_without_flip_flops_is_refused(tiny_text: str, tmp_path: Path) -> None:
    text = tiny_text[: tiny_text.index("  cell (DFF_X1)")] + "}\n"
    with pytest.raises(InputError, match=r"lib\.lib:\d+: .*no flip-flop"):
        read_library(write(tmp_path, text))


@pytest.mark.parametrize(
    "part", ["cell (XOR2_X1) {", "rise_transition (grid)", 'function : "!(A+B)']
)
def test_a_truncated_library_is_refused_with_the_line(
    tiny_text: str, tmp_path: Path, part: str
) -> None:
    at = tiny_text.index(part) + len(part)
    with pytest.raises(InputError, match=r"lib\.lib:\d+: .*truncated") as caught:
        read_library(write(tmp_path, tiny_text[:at]))
    line = int(str(caught.value).split(":")[1])
    assert line <= line_of(tiny_text, part)


def test_a_truncated_compressed_library_is_refused(tiny_text: str, tmp_path: Path) -> None:
    path = tmp_path / "lib.lib.gz"
    path.write_bytes(gzip.compress(tiny_text.encode())[:1000])
    with pytest.raises(InputError, match="truncated or damaged"):
        read_library(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('time_unit : "1ps"', 'time_unit : "1 fortnight"', "time_unit"),
        ("capacitive_load_unit (1, ff)", "capacitive_load_unit (1, mm)", "capacitive_load_unit"),
        ('leakage_power_unit : "1nW";', "", "leakage_power_unit is missing"),
        ('index_2 ("1, 4, 16")', 'index_2 ("1, 4")', "values, but its axes make"),
        ("fall_power (slew_only)", "fall_power (nowhere)", "'nowhere' is not defined"),
        ('index_1 ("2, 10, 40")', 'index_1 ("2, 10, 4")', "does not increase"),
        ("capacitance : 0.8;", "", "pin CK has no capacitance"),
        ("capacitance : 0.8", "capacitance : eight", "'eight' is not a number"),
        ('function : "IQ";', "", "DFF_X1: output Q has no function"),
        ('function : "IQ";', 'function : "IQ +";', "function: an operand is missing"),
        ("cell_leakage_power : 6.0;", "", "no leakage power"),
        ("area : 4.0;", "", "no area"),
    ],
)
def test_a_fault_names_file_and_line(
    tiny_text: str, tmp_path: Path, old: str, new: str, message: str
) -> None:
    path = write(tmp_path, tiny_text.replace(old, new))
    with pytest.raises(InputError, match=re.escape(message)) as caught:
        read_library(path).cell("DFF_X1")
    assert re.match(rf"{re.escape(str(path))}:\d+: ", str(caught.value))


def test_a_clock_pin_without_energy_is_refused(tiny_text: str, tmp_path: Path) -> None:
    clock = tiny_text.index("pin (CK)")
    text = tiny_text[:clock] + re.sub(_POWER, "", tiny_text[clock:], count=1)
    library = read_library(write(tmp_path, text))
    with pytest.raises(InputError, match=r"lib\.lib:\d+: .*clock pin CK has no internal power"):
        library.cell("DFF_X1")


@pytest.mark.parametrize("content", ["", "hello", "cell (A) { }", "library (x) { } }", "\x00\x01"])
def test_text_that_is_not_a_library_is_refused(tmp_path: Path, content: str) -> None:
    with pytest.raises(InputError, match=r"lib\.lib"):
        read_library(write(tmp_path, content))


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        read_library(tmp_path / "none.lib")
