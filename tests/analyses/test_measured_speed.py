"""Measured speeds: the data, one prediction by hand, and the factors that the README states."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bitnet_hw.errors import InputError

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def speed() -> Iterator[Any]:
    sys.path.insert(0, str(ROOT / "analyses"))
    try:
        yield importlib.import_module("measured_speed")
    finally:
        sys.path.remove(str(ROOT / "analyses"))


def test_every_row_has_a_source_a_device_and_a_scheme(speed: Any) -> None:
    file, devices = speed.load_rows(), speed.load_devices()
    assert len({row.id for row in file.rows}) == len(file.rows) == 84
    assert {row.machine for row in file.rows} <= set(devices)
    for row in file.rows:
        speed.load_scheme(row.scheme)
        assert bool(row.boundary) is (row.quantity in ("energy_per_token_j", "power_w"))


def test_a_row_without_its_source_is_refused(
    speed: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    text = (speed.FOLDER / "rows.yaml").read_text("utf-8")
    (tmp_path / "rows.yaml").write_text(text.replace("source: survey", "source: surveys"), "utf-8")
    monkeypatch.setattr(speed, "FOLDER", tmp_path)
    with pytest.raises(InputError, match=r"rows\.yaml: survey-.*unknown source 'surveys'"):
        speed.load_rows()


def test_a_decode_is_the_bytes_over_seventy_percent_of_the_bandwidth(speed: Any) -> None:
    row = next(r for r in speed.load_rows().rows if r.id == "gpt-fast-a100-llama-2-7b-bf16")
    # Llama-2-7B: 13,214,154,752 bytes of weights (LLM-Viewer's figure), and 105 positions of
    # 2 x 32 x 4096 cached elements of two bytes; an A100 SXM moves 2039 GB/s.
    moved = 13_214_154_752 + 105 * 2 * 32 * 4096 * 2
    ours = speed.predict(row, speed.load_devices()[row.machine])
    # One token's embedding and its new keys and values are the rest.
    assert ours == pytest.approx(0.7 * 2.039e12 / moved, rel=1e-4)


def test_the_readme_states_the_factors_of_today(speed: Any) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    stated = re.findall(r"^\| (\w[^|]*?) \| (\d+) \| ([\d.]+) \| ([\d.]+) to ([\d.]+) \|$", readme,
                        flags=re.MULTILINE)  # fmt: skip
    computed = speed.compare(None).tables[0].rows
    assert [
        (kind, str(n), f"{middle:.1f}", f"{least:.2f}", f"{most:.1f}")
        for kind, n, middle, least, most in computed
    ] == stated
