"""``count``, ``estimate`` and ``footprint`` as commands."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bitnet_hw.inputs.track_record import Entry, TrackRecord

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
        keys = ("mul_j", "add_j", "other_j", "memory_j", "unpacking_j", "static_j")
        parts = [one[key] for key in keys]
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
        "system convention on edge (hypothetical), LPDDR5X; energy of chip and DRAM",
        "prices of bare operations",
        "projections and FFN of fp16 on float-array, R = 8 rows, L = 8 lanes, T = 8 tokens per",
        "projections and FFN of bitnet-b1.58 on ternary-array, R = 32 rows, L = 32 lanes, T = 8",
        "bitnet-b1.58: arithmetic of projections and FFN with adder trees of 32 lanes: 18.91 µJ; "
        "with one accumulation per term: 39.06 µJ",
        "bound by",
        "role lm-head",
        "multiplications",
        "range of prices",
        "mean power",
        "tokens per second of decode",
    ):
        assert phrase in text
    assert "whole MACs" not in text
    assert "whole MACs" in run("estimate", MODEL, "--energy-table", "asap7-prelayout").out
    rows = list(csv.DictReader(io.StringIO(run("estimate", MODEL, "--csv").out)))
    assert len(rows) == 4
    assert rows[0]["context"] == "2048"
    assert (rows[0]["hypothetical"], rows[0]["boundary"]) == ("True", "chip and DRAM")


def test_measured_gates_lead_and_bare_operations_stand_beside_them(run: Run) -> None:
    tables = [one["energy_table"] for one in json.loads(run("estimate", MODEL, "--json").out)]
    assert tables == ["asap7-prelayout"] * 2 + ["7nm"] * 2
    paper = json.loads(run("estimate", MODEL, "--convention", "paper", "--json").out)
    assert [one["energy_table"] for one in paper] == ["7nm"] * 2 + ["45nm"] * 2


def test_lanes_are_those_of_the_ternary_array(run: Run) -> None:
    narrow, wide = (
        json.loads(run("estimate", MODEL, "--lanes", n, "--prefill", 64, "--json").out)
        for n in (1, 64)
    )
    # A prefill is bound by arithmetic: 64 times as many lanes, but the same FP16 array.
    assert narrow[0] == wide[0]
    assert narrow[1]["busy_s"]["compute"] > 10 * wide[1]["busy_s"]["compute"]
    counted = json.loads(run("count", MODEL, "--lanes", 16, "--json").out)
    assert counted["lanes"] == 16


def _programmable(folder: Path, **changes: str) -> Path:
    """Write a machine without an array, whose energy leaves DRAM out."""
    figure = "{value: %s, assumed: for this test}"
    path = folder / "gpu.yaml"
    path.write_text(
        "schema: 2\nname: gpu\n"
        "family: {device: gpu, generation: none, stack: none}\n"
        "units:\n  - name: cores\n    kind: programmable\n"
        f"    peak_mac_per_s: {{fp16xfp16: {figure % '1e13'}, int8xint8: {figure % '2e13'}}}\n"
        "memories:\n  - name: vram\n    kind: GDDR6\n"
        "    holds: {weights: 1, kv-cache: 1, activations: 1, embedding: 1}\n"
        f"    capacity_bytes: {figure % changes.get('capacity', '24e9')}\n"
        f"    bandwidth_bytes_per_s: {figure % '5e11'}\n"
        f"overlap: {figure % '0'}\n"
        f"power: {{active_w: {figure % '2.5'}}}\n"
        "boundary: {covers: chip}\n",
        encoding="utf-8",
    )
    return path


def test_a_machine_without_an_array_has_no_lanes(run: Run, tmp_path: Path) -> None:
    result = run("estimate", MODEL, "--machine", _programmable(tmp_path), "--lanes", 8)
    assert result.code == 2
    assert len(result.err.splitlines()) == 1
    assert "--lanes 8: machine gpu has no unit of kind array" in result.err
    assert "cores (kind programmable)" in result.err


def test_dram_outside_the_boundary_is_said_to_be(run: Run, tmp_path: Path) -> None:
    machine = _programmable(tmp_path)
    text = run("estimate", MODEL, "--machine", machine).out
    assert "energy of chip; DRAM is outside it" in text
    assert re.search(r"vram: weights +outside, 4.8\d GB", text)
    assert "hypothetical" not in text
    for one in json.loads(run("estimate", MODEL, "--machine", machine, "--json").out):
        assert one["memory_j"] == 0
        assert one["static_j"] == pytest.approx(2.5 * one["latency_s"])
        assert one["mean_power_w"] == pytest.approx(one["energy_j"] / one["latency_s"])


def test_an_empty_range_is_not_printed(run: Run, tmp_path: Path) -> None:
    # Operations at 7 nm have one price each, and DRAM is outside the boundary: there is no range.
    args = ("estimate", MODEL, "--machine", _programmable(tmp_path), "--energy-table", "7nm")
    assert re.search(r"range of prices +- +-\n", run(*args).out)
    text = run("estimate", MODEL, "--energy-table", "7nm").out
    low, high = re.findall(r"range of prices +(\S+ mJ) to (\S+ mJ)", text)[0]
    assert low != high


_JOULES = {"J": 1.0, "mJ": 1e-3, "µJ": 1e-6, "nJ": 1e-9, "pJ": 1e-12}


@pytest.mark.parametrize("machine", ["edge", "rtx-4090-llama-cpp-2026", "ryzen-5950x-bitnet-cpp"])
def test_the_rows_of_the_table_add_up_to_the_energy(run: Run, machine: str) -> None:
    text = run("estimate", MODEL, "--machine", machine, "--scheme", "bitnet-b1.58").out
    table = text.split("\n\n")[0]

    def joules(title: str) -> float:
        cell = re.search(rf"^{title} +([\d.]+) (\S?J)", table, re.MULTILINE)
        return float(cell[1]) * _JOULES[cell[2]] if cell else 0.0

    titles = re.findall(r"^([a-z-]+: [a-z-]+) ", table, re.MULTILINE)
    kinds = ("multiplications", "additions", "whole MACs", "other operations")
    assert joules("static") > 0
    total = sum(map(joules, (*kinds, *titles, "static")))
    assert total == pytest.approx(joules("energy"), rel=2e-3)  # cells have four digits


def test_a_kind_of_dram_without_a_price_is_refused(run: Run, tmp_path: Path) -> None:
    path = _programmable(tmp_path)
    text = path.read_text("utf-8").replace("kind: GDDR6", "kind: GDDR9")
    path.write_text(text.replace("covers: chip", "covers: board"), "utf-8")
    result = run("estimate", MODEL, "--machine", path)
    assert result.code == 2
    assert len(result.err.splitlines()) == 1
    assert "machine gpu, memory vram: dram-2 has no price for DRAM 'GDDR9'" in result.err
    assert "or give energy_pj_per_bit" in result.err


@pytest.mark.parametrize("scenario", [("--decode", 64), ("--prefill", 16)])
def test_an_unchecked_estimate_is_a_bound(
    run: Run, tmp_path: Path, scenario: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = TrackRecord.model_validate({"schema": 1, "entries": ()})
    monkeypatch.setattr("bitnet_hw.cost.result.load_track_record", lambda: record)
    for machine in ("edge", _programmable(tmp_path)):
        text = run("estimate", MODEL, *scenario, "--machine", machine).out
        assert re.search(r"off by, speed +not checked: upper bound", text)
        assert re.search(r"off by, energy +not checked: lower bound", text)


def test_the_error_of_checked_estimates_is_printed(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = Entry(
        quantity="speed", work="decode, narrow weights", status="blind", rows=7, machines=3,
        median=1.3, low=0.9, high=1.9, typical_factor=1.31, worst_factor=2.04,
    )  # fmt: skip
    record = TrackRecord.model_validate({"schema": 1, "entries": (entry,)})
    monkeypatch.setattr("bitnet_hw.cost.result.load_track_record", lambda: record)
    text = run("estimate", MODEL).out
    row = next(line for line in text.splitlines() if line.startswith("off by, speed"))
    # The baseline's weights are wide, and of that class nothing was checked.
    assert row.split(maxsplit=3)[3].split("  ")[0] == "not checked: upper bound"
    assert row.endswith("x1.31, at worst x2.04")
    bound = "an upper bound, without measurements of the machine or its relatives"
    assert f"speed of bitnet-b1.58: {bound}: off by x1.31" in text
    assert "over 7 published values" in text


def test_both_rates_of_a_request_are_named(run: Run) -> None:
    args = ("estimate", MODEL, "--prompt", 64, "--generate", 8, "--energy-table", "7nm")
    rows = {line[:38].strip(): line[38:].split() for line in run(*args).out.splitlines()}
    found = json.loads(run(*args, "--json").out)
    for i, one in enumerate(found):
        whole = float(rows["tokens per second, prefill included"][i])
        assert whole == pytest.approx(8 / one["latency_s"], rel=1e-3)
        decode = float(rows["tokens per second of decode"][i])
        left = one["latency_s"] - one["time_to_first_token_s"]
        assert decode == pytest.approx(8 / left, rel=1e-3)
    prefill = run("estimate", MODEL, "--prefill", 64).out
    assert "tokens per second of prefill" in prefill
    assert "of decode" not in prefill


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


def test_a_model_that_its_machine_cannot_hold(run: Run) -> None:
    # 70 billion FP16 parameters take 140 GB, and 2-bit ones 18 GB; the edge machine has 8 GB.
    args = ("estimate", "llama-2-70b", "--energy-table", "7nm")
    lines = run(*args).out.splitlines()
    batch = next(one for one in lines if one.startswith("largest batch"))
    assert batch.split()[:5] == ["largest", "batch", "in", "8.00", "GB"]
    assert batch.count("0: does not fit") == 2
    fits = next(one for one in lines if one.startswith("fits the machine"))
    assert "no: 131 GB too large" in fits
    found = json.loads(run(*args, "--json").out)
    assert [one["largest_batch"] for one in found] == [0, 0]
    assert [one["fits"] for one in found] == [False, False]
    # Weights alone: 137.7 GB of FP16, of which 8 GB and a few MB of buffers hold a part.
    assert found[0]["excess_bytes"] == pytest.approx(131e9, rel=0.01)


@pytest.mark.parametrize("model", ["llama-2-70b", "llama-2-7b"])
def test_no_saving_over_or_of_a_model_that_does_not_fit(run: Run, model: str) -> None:
    # The 7B model fits in ternary, but not in FP16, the baseline.
    args = ("estimate", model, "--energy-table", "7nm")
    text = run(*args).out
    assert "no saving: fp16 does not fit edge" in text
    assert "\u00d7" not in text
    given = run(*args, "--oversized").out
    row = next(line for line in given.splitlines() if line.startswith("savings"))
    assert row.count("\u00d7") == 2
    assert "no: " in given


def test_prices_with_different_boundaries_give_no_saving(run: Run) -> None:
    # The measured gates have no FP32 element: its MACs are priced as bare operations.
    args = ("--scheme", "fp32,bitnet-b1.58", "--energy-table", "asap7-prelayout")
    result = run("estimate", MODEL, *args, "--machine", "server")
    assert result.code == 0
    assert "no saving: a ratio across price boundaries is refused" in result.out


def test_a_context_beyond_the_longest_of_a_model_gives_one_warning(run: Run) -> None:
    args = ("estimate", "llama-2-7b", "bitnet-b1.58-2b4t", "--decode")
    warning = (
        "bitnet-hw: warning: the scenario needs 5000 positions, more than the longest context of "
        "llama-2-7b (4096), bitnet-b1.58-2b4t (4096)"
    )
    assert run(*args, "5000").err.splitlines() == [warning]
    assert run(*args, "4096").err == ""
    assert run("count", "llama-2-7b", "--prompt", "4000", "--generate", "97").err.count("\n") == 1
