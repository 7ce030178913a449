"""``census``, and the option ``--checkpoint`` of other commands."""

from __future__ import annotations

import csv
import io
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bitnet_hw.inputs.scheme import load_scheme

Run = Callable[..., Any]
MODEL = "bitnet-b1.58-2b4t"
#: Zeros of each matrix, out of 64 weights.
ZEROS = {"q_proj": 16, "o_proj": 32, "gate_proj": 8, "up_proj": 24, "down_proj": 48}
ROLE = {
    "q_proj": "qkv", "o_proj": "attention-out", "gate_proj": "ffn-gate", "up_proj": "ffn-up",
    "down_proj": "ffn-down",
}  # fmt: skip


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """Return a file with a matrix of 64 weights per role, packed, and an embedding in BF16."""
    header: dict[str, Any] = {}
    body = b""

    def put(name: str, dtype: str, shape: list[int], data: bytes) -> None:
        nonlocal body
        offsets = [len(body), len(body) + len(data)]
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": offsets}
        body += data

    put("model.embed_tokens.weight", "BF16", [4, 8], np.arange(32, dtype=np.uint16).tobytes())
    for module, zeros in ZEROS.items():
        name = f"model.layers.0.mlp.{module}.weight"
        codes = np.array([1] * zeros + [2] * (64 - zeros), np.uint8).reshape(4, 2, 8)
        packed = np.bitwise_or.reduce(codes << np.array([0, 2, 4, 6], np.uint8)[:, None, None])
        put(name, "U8", [2, 8], packed.astype(np.uint8).tobytes())
        put(f"{name}_scale", "BF16", [1], b"\xc0\x3f")
    text = json.dumps(header).encode()
    path = tmp_path / "tiny.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)
    return path


def test_json_has_one_object_per_matrix(run: Run, checkpoint: Path) -> None:
    result = run("census", checkpoint, "--json")
    assert (result.code, result.err) == (0, "")
    found = {one["name"].split(".")[-2]: one for one in json.loads(result.out) if one["ternary"]}
    assert {name: one["zeros"] for name, one in found.items()} == ZEROS
    one = found["o_proj"]
    assert one["shape"] == [8, 8]
    assert one["format"] == "hf-packed"
    assert (one["plus"], one["minus"], one["bytes"]) == (32, 0, 16)
    assert (one["scale"], one["effective_bits"], one["entropy_bits"]) == (1.5, 2, 1)
    assert (one["bytes_2bit"], one["bytes_base3"]) == (16, 13)
    # Rows 0 to 3 hold only zeros, so half of each column is zero.
    assert one["row_zeros"] == {"least": 0, "median": 0.5, "most": 1, "empty": 4}
    assert one["column_zeros"] == {"least": 0.5, "median": 0.5, "most": 0.5, "empty": 0}


def test_csv_is_the_json_in_rows(run: Run, checkpoint: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(run("census", checkpoint, "--csv").out)))
    objects = json.loads(run("census", checkpoint, "--json").out)
    assert [row["name"] for row in rows] == [one["name"] for one in objects]
    ternary = [row for row in rows if row["ternary"] == "True"]
    assert [int(row["zeros"]) for row in ternary] == list(ZEROS.values())
    assert ternary[1]["shape"] == "8x8"
    assert float(ternary[1]["row_zeros_most"]) == 1


def test_table_has_totals_and_what_is_not_ternary(run: Run, checkpoint: Path) -> None:
    out = run("census", checkpoint).out
    assert out.startswith("tiny.safetensors\n")
    zeros = sum(ZEROS.values())
    for phrase in ("o_proj.weight", "8x8", "hf-packed", f"{zeros}", "40.0 %", "entropy", "bf16"):
        assert phrase in out
    # H(0.4) = 0.971 bits: no -1 among these.
    assert "0.9710 bits per weight" in out
    assert "0.0..100.0 %" in out
    assert "100.0 %" not in run("census", checkpoint, "--no-sparsity").out


@pytest.mark.parametrize("columns", [80, 120, 200])
def test_no_number_is_cut_on_a_terminal(
    run: Run, checkpoint: Path, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    pipe = run("census", checkpoint).out
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    out = run("census", checkpoint).out
    lines = out.splitlines()
    assert "…" not in out
    in_pipe = next(line.split() for line in pipe.splitlines() if "o_proj" in line)
    row = next(line for line in lines if "32" in line.split())
    assert len(row) <= columns
    assert set(row.split()[1:]) <= set(in_pipe)
    assert ("Not shown at this width:" in " ".join(out.split())) == (columns < 200)


def test_refusals_are_one_line_and_exit_2(run: Run, checkpoint: Path, tmp_path: Path) -> None:
    data = bytearray(checkpoint.read_bytes())
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(data[:-1])
    pickled = tmp_path / "pytorch_model.bin"
    pickled.write_bytes(b"\x80\x02.")
    for path in (broken, pickled, tmp_path / "none.gguf", tmp_path / "empty"):
        result = run("census", path)
        assert result.code == 2
        assert result.out == ""
        assert result.err.startswith(f"bitnet-hw: error: {path}: ")
        assert result.err.count("\n") == 1


def test_warnings_go_to_standard_error(run: Run, tmp_path: Path) -> None:
    header = {"q_proj.weight": {"dtype": "U8", "shape": [1, 4], "data_offsets": [0, 4]}}
    text = json.dumps(header).encode()
    path = tmp_path / "m.safetensors"
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"\x01\x02\x01\x02")
    result = run("census", path, "--json")
    assert result.code == 0
    assert json.loads(result.out)[0]["shape"] == [4, 4]
    assert result.err.startswith(f"bitnet-hw: warning: {path}: tensor 'q_proj.weight': byte ")
    assert result.err.count("\n") == 1


def test_count_uses_measured_zeros_by_role(run: Run, checkpoint: Path) -> None:
    result = run("count", MODEL, "--checkpoint", checkpoint)
    assert "0.4 of the weights are zero: measured in tiny.safetensors" in result.out
    assert "assumed" not in result.out
    assert "320 ternary weights; bitnet-b1.58-2b4t has 2,084,044,800" in result.err
    counted = json.loads(run("count", MODEL, "--checkpoint", checkpoint, "--json").out)
    # 2B4T, weights of each role in 30 layers: 2560 x 3840, 2560 x 2560, 2560 x 6912 three times.
    weights = {"q_proj": 9_830_400, "o_proj": 6_553_600}
    weights |= dict.fromkeys(("gate_proj", "up_proj", "down_proj"), 17_694_720)
    terms = sum(30 * n * (1 - ZEROS[module] / 64) for module, n in weights.items())
    assert counted["add_only"]["non_zero_terms"] == pytest.approx(terms)
    assert counted["add_only"]["weight_zeros"] == 0.4
    assert counted["add_only"]["weight_zeros_basis"] == "measured in tiny.safetensors"


def test_estimate_uses_measured_zeros_if_the_machine_saves_energy_on_them(
    run: Run, checkpoint: Path, tmp_path: Path
) -> None:
    machine = tmp_path / "skips.yaml"
    shipped = Path(__file__).parents[2] / "bitnet_hw/inputs/catalogue/machines/edge.yaml"
    machine.write_text(
        shipped.read_text().replace("name: edge", "name: skips") + "\nweight_zero_saving: 0.4\n"
    )
    common = (
        "estimate", MODEL, "--scheme", "bitnet-b1.58", "--energy-table", "7nm", "--machine",
        machine, "--json",
    )  # fmt: skip
    assumed = json.loads(run(*common).out)[0]
    measured = json.loads(run(*common, "--checkpoint", checkpoint).out)[0]
    assert measured["add_j"] != assumed["add_j"]
    assert measured["memory_j"] == assumed["memory_j"]


@pytest.mark.usefixtures("blank_figures")
def test_report_says_that_the_zeros_were_measured(
    run: Run, checkpoint: Path, tmp_path: Path
) -> None:
    common = ("report", MODEL, "--scheme", "fp16,bitnet-b1.58", "--energy-table", "7nm")
    folder = tmp_path / "report"
    assert run(*common, "--checkpoint", checkpoint, "-o", folder).code == 0
    for page in ("report.html", "report.md"):
        text = " ".join((folder / page).read_text().split())
        assert "40.0 % of the ternary weights zero (measured in tiny.safetensors)" in text
        assert "Zeros among the weights: 40.0 %, measured in tiny.safetensors." in text
        assert ", assumed." not in text
    data = json.loads((folder / "report.json").read_text())
    zeros = data["weight_zeros"]["bitnet-b1.58"]
    assert zeros["basis"] == "measured in tiny.safetensors"
    assert zeros["by_role"] == {role: ZEROS[name] / 64 for name, role in ROLE.items()}
    assert str(checkpoint) in data["command"]


def test_checkpoints_and_schemes_without_ternary_weights_are_refused(
    run: Run, checkpoint: Path, tmp_path: Path
) -> None:
    plain = tmp_path / "plain.safetensors"
    plain.write_bytes(struct.pack("<Q", 2) + b"{}")
    result = run("count", MODEL, "--checkpoint", plain)
    assert result.code == 2
    assert "no ternary weights among 0 tensors" in result.err
    result = run("count", MODEL, "--scheme", "fp16", "--checkpoint", checkpoint)
    assert result.code == 2
    assert "none of the schemes has any: fp16" in result.err


def test_measured_zeros_replace_those_of_overrides() -> None:
    scheme = load_scheme("bitnet-a4.8").with_weight_zeros(0.5, {"ffn-down": 0.25}, "x")
    assert scheme.formats("ffn-down").weight_zeros == 0.25
    assert scheme.formats("qkv").weight_zeros == 0.5
    assert (
        scheme.formats("ffn-down").inactive
        == load_scheme("bitnet-a4.8").formats("ffn-down").inactive
    )
    assert scheme.weight_zeros_basis == "measured in x"


def test_a_file_of_no_known_kind_is_named_by_its_first_bytes(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "weights.dat"
    file.write_bytes(b"D_%?" + bytes(60))
    result = run("census", file)
    assert result.code == 2
    assert "begins with bytes 44 5f 25 3f: neither GGUF nor safetensors" in result.err
