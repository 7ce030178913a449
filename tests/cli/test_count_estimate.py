"""``count``, ``estimate`` and ``footprint`` as commands."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
MODEL = "bitnet-b1.58-2b4t"


def test_count_json_has_the_macs_of_flop_counter_mode(run: Run) -> None:
    # FlopCounterMode (torch 2.13) on the same model: one token at 2047 past positions.
    result = run("count", MODEL, "--scheme", "fp16", "--decode", 2048, "--json")
    counted = json.loads(result.out)
    assert counted["macs"] == 2_726_952_960
    muls = sum(row["count"] for row in counted["rows"] if row["operation"] == "mul")
    assert muls == counted["multiplications"]
    assert sum(counted["macs_by_role"].values()) == counted["macs"]


def test_count_csv_is_the_json_in_rows(run: Run) -> None:
    rows = list(csv.DictReader(io.StringIO(run("count", MODEL, "--csv").out)))
    counted = json.loads(run("count", MODEL, "--json").out)
    assert [int(row["count"]) for row in rows] == [row["count"] for row in counted["rows"]]
    assert rows[0].keys() == counted["rows"][0].keys()


def test_count_shows_additions_and_multiplications(run: Run) -> None:
    out = run("count", MODEL).out
    assert "multiplications" in out
    assert "executed adder slots" in out
    assert "assumed, not measured" in out
    assert "L = 32" in out


def test_ternary_projections_and_ffn_multiply_nothing(run: Run) -> None:
    rows = json.loads(run("count", MODEL, "--json").out)["rows"]
    linear = {"qkv", "attention-out", "ffn-gate", "ffn-up", "ffn-down"}
    assert {row["operation"] for row in rows if row["role"] in linear} == {"ternary-add"}


def test_estimate_json_is_a_list_by_model_scheme_and_table(run: Run) -> None:
    schemes, tables = "fp16,bitnet-b1.58", "7nm,45nm"
    result = run(
        "estimate", MODEL, "--scheme", schemes, "--energy-table", tables, "--decode", 2048, "--json"
    )
    found = json.loads(result.out)
    assert [(one["scheme"], one["energy_table"]) for one in found] == [
        ("fp16", "7nm"), ("bitnet-b1.58", "7nm"), ("fp16", "45nm"), ("bitnet-b1.58", "45nm"),
    ]  # fmt: skip
    for one in found:
        parts = [one[key] for key in ("mul_j", "add_j", "other_j", "memory_j", "static_j")]
        assert one["energy_j"] == pytest.approx(sum(part for part in parts if part is not None))
        assert one["energy_low_j"] < one["energy_j"] < one["energy_high_j"]
        assert one["scenario"] == {
            "phase": "decode",
            "context": 2048,
            "batch": 1,
            "attention": "causal",
            "lm_head": "last",
        }
        assert sum(one["operations_j"].values()) == pytest.approx(sum(one["roles_j"].values()))
        moved = sum(row["energy_j"] for row in one["traffic"])
        assert moved == pytest.approx(one["memory_j"])
    # The whole KV cache is read, and one position is written.
    cache = {
        row["level"]: row["bytes"] for row in found[1]["traffic"] if row["content"] == "kv-cache"
    }
    assert cache["dram"] == 30 * 2 * 640 * (2048 + 1) * 2
    # 2,084,044,800 weights at 2 bits, and one FP16 scale for each of 210 matrices.
    assert found[1]["weight_bytes"] == 2_084_044_800 // 4 + 210 * 2
    assert found[0]["weight_bytes"] == 2_084_044_800 * 2
    assert found[1]["kv_bytes"] == 30 * 2 * 640 * 2048 * 2
    assert found[1]["lm_head_bytes"] == 0
    assert found[1]["embedding_bytes"] == 128_256 * 2560 * 2


def test_the_paper_convention_has_neither_memory_nor_time(run: Run) -> None:
    result = run("estimate", "bitnet-6.7b", "--convention", "paper", "--scheme", "fp16", "--json")
    for one in json.loads(result.out):
        assert one["memory_j"] is None
        assert one["latency_s"] is None
        assert one["scenario"]["phase"] == "prefill"
        assert one["scenario"]["tokens"] == 512
    # BitNet, Table 1, 6.7B, 16 bits at 7 nm: 1.14 J and 0.54 J.
    seven = json.loads(result.out)[0]
    assert round(seven["mul_j"], 2) == 1.14
    assert round(seven["add_j"], 2) == 0.54


def test_estimate_text_and_csv(run: Run) -> None:
    text = run("estimate", MODEL, "--energy-table", "7nm").out
    for phrase in (
        "static energy excluded",
        "R = 32 rows, L = 32 lanes, T = 8 tokens per weight fetch, LPDDR4",
        "bitnet-b1.58: arithmetic of projections and FFN with adder trees of 32 lanes: 18.91 µJ; "
        "with one accumulation per term: 39.06 µJ",
        "bound by",
        "role lm-head",
        "multiplications",
    ):
        assert phrase in text
    assert "whole MACs" not in text
    assert "whole MACs" in run("estimate", MODEL, "--energy-table", "asap7-prelayout").out
    rows = list(csv.DictReader(io.StringIO(run("estimate", MODEL, "--csv").out)))
    assert len(rows) == 4
    assert rows[0]["context"] == "2048"


@pytest.mark.parametrize(
    ("arguments", "tokens"),
    [(("--prefill", 16, "--batch", 2), 32), (("--prompt", 16, "--generate", 4), 4)],
)
def test_scenarios(run: Run, arguments: tuple[object, ...], tokens: int) -> None:
    result = run("estimate", MODEL, "--energy-table", "7nm", *arguments, "--json")
    for one in json.loads(result.out):
        assert one["energy_per_token_j"] == pytest.approx(one["energy_j"] / tokens)
        assert one["time_to_first_token_s"] > 0


def test_a_codec_changes_the_schemes_that_it_fits(run: Run) -> None:
    result = run("estimate", MODEL, "--codec", "base3", "--energy-table", "7nm", "--json")
    fp16, ternary = json.loads(result.out)
    assert fp16["weight_bytes"] == 2_084_044_800 * 2
    assert ternary["weight_bytes"] == 2_084_044_800 // 5 + 210 * 2


def test_footprint_shows_every_ternary_codec(run: Run) -> None:
    found = json.loads(run("footprint", MODEL, "--memory", "8GB", "--json").out)
    rows = found["footprints"]
    # Keys and values of 30 layers with 5 heads of 128: two bytes each, or one byte each and a
    # two-byte scale per vector.
    cache = next(row for row in found["kv_cache"] if row["context"] == 2048)
    assert cache["fp16"] == 2048 * 2 * 30 * 5 * 128 * 2
    assert cache["int8"] == 2048 * 2 * 30 * 5 * (128 + 2)
    codecs = {row["codec"]: row for row in rows if row["scheme"] == "bitnet-b1.58"}
    assert set(codecs) == {"2bit", "base3", "entropy"}
    assert codecs["entropy"]["weights_bytes"] < codecs["base3"]["weights_bytes"]
    assert all(row["largest_batch"] > 0 for row in rows)
    assert "2bit" in run("footprint", MODEL).out


@pytest.mark.parametrize(
    ("scheme", "codecs"),
    [
        ("q2_0", ["q2_0", "q2_0-g64", "tq1_0", "tq2_0"]),
        ("q1_0", ["q1_0"]),
        ("bitnet-b1", ["2bit", "1bit"]),
        ("mlx-ternary-g128", ["mlx-2bit-g128"]),
    ],
)
def test_footprint_shows_the_codecs_of_a_family(run: Run, scheme: str, codecs: list[str]) -> None:
    rows = json.loads(run("footprint", MODEL, "--scheme", scheme, "--json").out)["footprints"]
    assert [row["codec"] for row in rows] == codecs


def test_a_codec_is_used_where_its_width_fits(run: Run) -> None:
    args = ("estimate", MODEL, "--energy-table", "7nm", "--codec", "int4-g32", "--json")
    eight, four = json.loads(run(*args, "--scheme", "w8a8,w4a16").out)
    assert eight["weight_bytes"] > 2_084_044_800
    assert four["weight_bytes"] == 2_084_044_800 * 5 // 8
    refused = run(*args, "--scheme", "w8a8")
    assert refused.code == 2
    assert "int4-g32 stores 4-bit integer weights; none of the schemes has any: w8a8" in refused.err


def test_a_scheme_from_a_file(run: Run, tmp_path: Path) -> None:
    scheme = tmp_path / "w4a8.yaml"
    scheme.write_text(
        "name: w4a8\n"
        "linear: {weight: int4, activation: int8, accumulator: exact, codec: int4-g128,"
        " quantizer: absmax}\n"
        "attention: {operand: int8, kv_cache: int8, accumulator: int32}\n"
        "lm_head: {weight: fp16, activation: fp16, accumulator: fp32, codec: fp16}\n"
        "embedding: fp16\n"
        "elementwise: fp16\n"
    )
    result = run("count", MODEL, "--scheme", scheme, "--json")
    assert result.code == 0
    formats = {row["format"] for row in json.loads(result.out)["rows"] if row["role"] == "ffn-up"}
    assert formats == {"int8*int4", "int8"}


def test_a_machine_from_a_file_with_static_power(run: Run, tmp_path: Path) -> None:
    machine = tmp_path / "mine.yaml"
    machine.write_text(
        "name: mine\nrows: 64\nlanes: 16\ntokens: 4\nclock_hz: 1000000000\n"
        "activation_buffer_bytes: 65536\nweight_buffer_bytes: 65536\n"
        "dram: GDDR6\nbandwidth_bytes_per_s: 500000000000\nstatic_w: 2.0\ndram_static_w: 0.5\n"
    )
    result = run("estimate", MODEL, "--machine", machine, "--energy-table", "7nm", "--json")
    for one in json.loads(result.out):
        assert one["static_j"] == pytest.approx(2.5 * one["latency_s"])


def test_a_model_that_its_machine_cannot_hold(run: Run) -> None:
    # 70 billion FP16 parameters take 140 GB; the edge machine has 8 GB.
    args = ("estimate", "llama-2-70b", "--scheme", "fp16", "--energy-table", "7nm")
    line = next(one for one in run(*args).out.splitlines() if one.startswith("largest batch"))
    assert line.split() == ["largest", "batch", "in", "8.00", "GB", "0:", "does", "not", "fit"]
    assert json.loads(run(*args, "--json").out)[0]["largest_batch"] == 0


def test_a_context_beyond_the_longest_of_a_model_gives_one_warning(run: Run) -> None:
    args = ("estimate", "llama-2-7b", "bitnet-b1.58-2b4t", "--decode")
    warning = (
        "bitnet-hw: warning: the scenario needs 5000 positions, more than the longest context of "
        "llama-2-7b (4096), bitnet-b1.58-2b4t (4096)"
    )
    assert run(*args, "5000").err.splitlines() == [warning]
    assert run(*args, "4096").err == ""
    assert run("count", "llama-2-7b", "--prompt", "4000", "--generate", "97").err.count("\n") == 1
