"""Export to ZigZag: complete, consistent with the counts, and written whole or not at all."""

from __future__ import annotations

import importlib.util
import json
import logging
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bitnet_hw.cost.estimates import Estimate, estimate
from bitnet_hw.errors import InputError
from bitnet_hw.inputs.machine import load_machine
from bitnet_hw.inputs.model import load_model
from bitnet_hw.inputs.scenario import Scenario
from bitnet_hw.inputs.scheme import load_scheme
from bitnet_hw.prices.loading import load_table
from bitnet_hw.tally import MacKey
from bitnet_hw.zigzag.export import EXPECTED, README, loop_order, write_zigzag
from bitnet_hw.zigzag.loopnest import Layer, layers

Run = Callable[..., Any]
MODEL = "bitnet-b1.58-2b4t"
DECODE = Scenario("decode", context=2048)


def _estimate(scheme: str = "bitnet-b1.58", scenario: Scenario = DECODE, **kwargs: Any) -> Estimate:
    return estimate(load_model(MODEL), load_scheme(scheme), load_table("7nm"), scenario, **kwargs)


def _files(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """Return the workload of every folder of an export."""
    return {
        path.parent.name: yaml.safe_load(path.read_text(encoding="utf-8"))
        for path in folder.glob("*/workload.yaml")
    }


def test_loops_hold_every_mac(tmp_path: Path) -> None:
    write_zigzag(_estimate(), tmp_path / "out")
    said = json.loads((tmp_path / "out" / EXPECTED).read_text(encoding="utf-8"))
    repeats = {x["name"]: x["repeat"] for group in said["groups"].values() for x in group}
    macs = sum(
        prod(layer["loop_sizes"]) * repeats[layer["name"]]
        for group in _files(tmp_path / "out").values()
        for layer in group
    )
    # FlopCounterMode's count of the same step, with the LM head on one position.
    assert macs == 2_726_952_960


def test_streams_add_up_to_the_golden_case(tmp_path: Path) -> None:
    """Compare with 521 MB of weights, 157 MB of KV cache and 657 MB of LM head."""
    write_zigzag(_estimate(), tmp_path / "out")
    said = json.loads((tmp_path / "out" / EXPECTED).read_text(encoding="utf-8"))
    sizes: dict[str, float] = {}
    for group in said["groups"].values():
        for x in group:
            part = {"lm-head": "head", "attention-out": "projections and FFN"}.get(
                x["role"], "kv" if x["role"].startswith("attention-") else "projections and FFN"
            )
            read = x["bytes"].get("dram: weights", 0) + x["bytes"].get("dram: kv-cache", 0)
            sizes[part] = sizes.get(part, 0) + read * x["repeat"]
    assert {part: round(size / 1e6) for part, size in sizes.items()} == {
        "projections and FFN": 521,
        "kv": 157,
        "head": 657,
    }


def test_unit_energies_are_those_of_the_golden_case(tmp_path: Path) -> None:
    """Compare, for one lane and FP16 sums, with 0.039, 0.157 and 0.164 mJ."""
    machine = load_machine().replace(lanes=1)
    of = _estimate(machine=machine, float_accumulator="fp16")
    write_zigzag(of, tmp_path / "out")
    said = json.loads((tmp_path / "out" / EXPECTED).read_text(encoding="utf-8"))
    repeats = {x["name"]: x["repeat"] for group in said["groups"].values() for x in group}
    millijoules = {"ternary": 0.0, "attention": 0.0, "lm_head": 0.0}
    for folder, workload in _files(tmp_path / "out").items():
        text = (tmp_path / "out" / folder / "accelerator.yaml").read_text(encoding="utf-8")
        unit = yaml.safe_load(text)["operational_array"]["unit_energy"]
        for layer in workload:
            part = layer["name"].split("-")[0]
            part = part if part in millijoules else "ternary"
            macs = prod(layer["loop_sizes"]) * repeats[layer["name"]]
            millijoules[part] += macs * unit * 1e-9
    assert {part: round(value, 3) for part, value in millijoules.items()} == {
        "ternary": 0.039,
        "attention": 0.157,
        "lm_head": 0.164,
    }


def test_the_energy_of_every_product_is_exported() -> None:
    of = _estimate("bitnet-a4.8")
    products = {"qkv", "attention-out", "ffn-gate", "ffn-up", "ffn-down", "lm-head"}
    products |= {"attention-score", "attention-value"}
    exported = sum(x.pj_per_mac * x.macs * x.repeat for x in layers(of)) * 1e-12
    estimated = sum(
        c.joules for role, c in of.by("role", level="logic").items() if role in products
    )
    assert exported == pytest.approx(estimated, rel=1e-12)


def test_grouped_queries_share_a_head() -> None:
    score = next(x for x in layers(_estimate()) if x.role == "attention-score")
    assert (score.h, score.d, score.c, score.k) == (5, 4, 128, 2048)


def test_memory_prices_are_those_of_a_bit_times_the_word(tmp_path: Path) -> None:
    (group, *_) = write_zigzag(_estimate(), tmp_path / "out")
    text = (tmp_path / "out" / group / "accelerator.yaml").read_text(encoding="utf-8")
    memories = yaml.safe_load(text)["memories"]
    per_bit = {
        name: memory["r_cost"] / memory["ports"][0]["bandwidth_max"]
        for name, memory in memories.items()
    }
    # 1 MB of SRAM at 7 nm: 14 pJ for 64 bits; LPDDR4: 8 to 14 pJ per bit.
    assert per_bit["weight_buffer"] == pytest.approx(14 / 64)
    assert per_bit["activation_buffer"] == pytest.approx(14 / 64)
    assert per_bit["dram"] == pytest.approx(11)
    assert per_bit["weight_register"] == per_bit["accumulators"] == 0
    assert all(m["r_cost"] == m["w_cost"] for m in memories.values())


def test_a_buffer_of_many_macros_pays_for_its_wires(tmp_path: Path) -> None:
    machine = load_machine().replace(weight_buffer_bytes=16 << 20, activation_buffer_bytes=16 << 10)
    (group, *_) = write_zigzag(_estimate(machine=machine), tmp_path / "out")
    text = (tmp_path / "out" / group / "accelerator.yaml").read_text(encoding="utf-8")
    memories = yaml.safe_load(text)["memories"]
    weight, activation = (
        memories[name]["r_cost"] / memories[name]["ports"][0]["bandwidth_max"]
        for name in ("weight_buffer", "activation_buffer")
    )
    # 14 pJ for 64 bits, and 0.1 pJ per bit and mm over 3/4 of the sides that 16 MiB add to 1 MiB.
    side = (8 * 0.0386 * 2**20 * 1e-6) ** 0.5
    assert weight == pytest.approx(14 / 64 + 0.1 * 0.75 * (4 - 1) * side)
    # Halfway, in octaves, between 8 and 32 KiB.
    assert activation == pytest.approx((7.5 * 8.5) ** 0.5 / 64)


def test_activations_that_do_not_fit_go_to_dram(tmp_path: Path) -> None:
    long = Scenario("prefill", tokens=512, attention="full")
    for name, scenario, top in (("short", DECODE, ["I2"]), ("long", long, ["I1", "I2", "O"])):
        groups = write_zigzag(_estimate(scenario=scenario), tmp_path / name)
        down = next(group for group in groups if group.endswith("n6912"))
        text = (tmp_path / name / down / "accelerator.yaml").read_text(encoding="utf-8")
        assert yaml.safe_load(text)["memories"]["dram"]["operands"] == top


@given(
    d=st.integers(1, 300),
    c=st.integers(1, 64).map(lambda n: 32 * n),
    k=st.integers(1, 64).map(lambda n: 32 * n),
    h=st.integers(1, 8),
)
def test_loop_order_covers_the_layer(d: int, c: int, k: int, h: int) -> None:
    key = MacKey("x", "qkv", "int8", "ternary", "int20")
    x = Layer("x", "x", "qkv", key, 1, h, d, c, k, 1, 2, 8, 16, 20, 1.0)
    machine = load_machine()
    order = loop_order(machine, x)
    assert all(size > 1 for _, size in order)
    if order:
        sizes = {dim: prod(n for key, n in order if key == dim) for dim in "DCKH"}
        wanted = {"D": d, "C": c // machine.lanes, "K": k // machine.rows, "H": h}
        assert sizes == wanted


def test_a_table_of_whole_macs_is_exported() -> None:
    of = estimate(
        load_model(MODEL), load_scheme("bitnet-b1.58"), load_table("asap7-prelayout"),
        Scenario("decode", context=64),
    )  # fmt: skip
    # A ternary MAC as the table lists it, with an activation's register shared by 32 rows.
    (down,) = (x for x in layers(of) if x.role == "ffn-down")
    entry = next(mac for mac in of.table.macs if mac.weight == "ternary")
    assert down.pj_per_mac == pytest.approx(entry.shared(1, 32))
    products = {"qkv", "attention-out", "ffn-gate", "ffn-up", "ffn-down", "lm-head",
                "attention-score", "attention-value"}  # fmt: skip
    mine = sum(x.pj_per_mac * x.macs * x.repeat for x in layers(of)) * 1e-12
    theirs = sum(c.joules for role, c in of.by("role", level="logic").items() if role in products)
    assert mine == pytest.approx(theirs, rel=1e-12)


@pytest.mark.parametrize(
    ("scenario", "part"),
    [
        (Scenario("request", tokens=8, generate=2), "one pass"),
        (Scenario("prefill", tokens=8), "full attention"),
    ],
)
def test_scenarios_without_a_loop_nest_are_refused(scenario: Scenario, part: str) -> None:
    with pytest.raises(InputError, match=part):
        layers(_estimate(scenario=scenario))


def test_the_paper_convention_is_refused() -> None:
    paper = estimate(load_model(MODEL), load_scheme("fp16"), load_table("7nm"), convention="paper")
    with pytest.raises(InputError, match="system convention"):
        layers(paper)


def test_the_command_writes_whole_or_not_at_all(run: Run, tmp_path: Path) -> None:
    out = tmp_path / "out"
    arguments = ("export", MODEL, "--decode", "64", "-o", out)
    first = run(*arguments)
    assert first.code == 0, first.err
    assert {README, EXPECTED} <= {path.name for path in out.iterdir()}
    before = (out / EXPECTED).read_bytes()

    again = run(*arguments)
    assert again.code == 2
    assert "--force" in again.err
    assert (out / EXPECTED).read_bytes() == before

    (out / "notes.txt").write_text("mine", encoding="utf-8")
    assert run("export", MODEL, "--decode", "65", "-o", out, "--force").code == 0
    assert (out / EXPECTED).read_bytes() != before
    said = json.loads((out / EXPECTED).read_text(encoding="utf-8"))
    # No folder of the earlier export is left, and the user's own file is untouched.
    assert {path.name for path in out.iterdir() if path.is_dir()} == set(said["groups"])
    assert (out / "notes.txt").read_text(encoding="utf-8") == "mine"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize(
    ("extra", "part"),
    [
        (("--codec", "base3"), "1.6 bits"),
        (("--prefill", "64"), "--attention full"),
        (("--scheme", "fp16,w8a8"), "one scheme"),
        (("--energy-table", "7nm,45nm"), "one energy table"),
        (("--scheme", "bitnet-b1.59"), "did you mean"),
    ],
)
def test_bad_arguments_leave_no_file(
    run: Run, tmp_path: Path, extra: tuple[str, ...], part: str
) -> None:
    result = run("export", MODEL, "-o", tmp_path / "out", *extra)
    assert result.code == 2
    assert len(result.err.splitlines()) == 1
    assert part in result.err
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_the_way_is_left_alone(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("mine", encoding="utf-8")
    result = run("export", MODEL, "-o", path, "--force")
    assert result.code == 2
    assert path.read_text(encoding="utf-8") == "mine"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "arguments",
    [
        ("--decode", "300", "--batch", "3", "--machine", "server", "--scheme", "bitnet-a4.8"),
        ("--prefill", "100", "--attention", "full", "--scheme", "w4a16", "--energy-table", "45nm"),
    ],
)
def test_zigzag_reads_every_folder(run: Run, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    if importlib.util.find_spec("zigzag") is None:
        pytest.skip("zigzag-dse is not installed")
    from zigzag.api import get_hardware_performance_zigzag

    logging.disable(logging.WARNING)
    out = tmp_path / "out"
    assert run("export", "bitnet-b1.58-1.3b", "-o", out, *arguments).code == 0
    said = json.loads((out / EXPECTED).read_text(encoding="utf-8"))
    for group, expected in said["groups"].items():
        *_, evaluations = get_hardware_performance_zigzag(
            str(out / group / "workload.yaml"),
            str(out / group / "accelerator.yaml"),
            str(out / group / "mapping.yaml"),
            opt="energy",
            dump_folder=str(tmp_path / "dump"),
            loma_show_progress_bar=False,
        )
        found = {e.layer.name: e for e, _ in evaluations[0][1]}
        for x in expected:
            assert found[x["name"]].layer.total_mac_count == x["macs"]
            assert found[x["name"]].mac_energy == pytest.approx(x["mac_energy_pj"], rel=1e-9)
    logging.disable(logging.NOTSET)
