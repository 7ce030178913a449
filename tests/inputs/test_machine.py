"""Machines: those that ship, a user's own, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from bitnet_hw.errors import InputError
from bitnet_hw.files.reading import read
from bitnet_hw.inputs import catalogue
from bitnet_hw.inputs.codecs import CODECS, GROUPED
from bitnet_hw.inputs.formats import parse_format
from bitnet_hw.inputs.machine import DEFAULT_MACHINE, Machine, load_machine
from bitnet_hw.inputs.machine_schema import schema_text
from bitnet_hw.inputs.model import load_model
from bitnet_hw.inputs.scheme import load_scheme
from bitnet_hw.inputs.unit import Pair

ROOT = Path(__file__).parents[2]
SCHEMA = ROOT / "docs" / "schema" / "machine-2.json"
ROWS = yaml.safe_load((ROOT / "analyses" / "validation" / "rows.yaml").read_text("utf-8"))
NAMES = catalogue.names("machines")

GOOD = """\
schema: 2
name: mine
family: {device: gpu, generation: Mine, stack: none}
sources:
  sheet: {title: Data sheet}
units:
  - name: gpu
    kind: programmable
    peak_mac_per_s:
      fp16xfp16: {value: 1.0e+12, source: sheet}
    reached_share:
      fp16xfp16: {value: 0.5, assumed: usual}
unpacking:
  - codecs: [q4_0, q8_0]
    seconds_per_weight: {value: 1.0e-13, assumed: usual}
memories:
  - name: dram
    kind: HBM2
    holds: {weights: 1, kv-cache: 1, activations: 1, embedding: 1}
    capacity_bytes: {value: 8.0e+9, source: sheet}
    bandwidth_bytes_per_s: {value: 1.0e+11, source: sheet}
overlap: {value: 0, assumed: usual}
boundary: {covers: GPU board}
"""
ARRAY = GOOD.replace("kind: programmable", "kind: array")

#: Devices without measurements of their own in rows.yaml, and those that are no product.
FURTHER = {
    "rtx-3090-llama-cpp-2023", "h100-pcie-llama-cpp-2023", "m3-max-40-llama-cpp-2023",
    "rtx-3080-llama-cpp-2026", "gb10-llama-cpp-2026", "strix-halo-rocm-llama-cpp-2026",
    "m2-ultra-cpu-4-t-mac", "m2-ultra-cpu-bitnet-cpp", "kv260-tellme-v2", "u280-tereffic-hbm",
    "vitallm", "arty-a7-ternfpga", "raspberry-pi-4",
}  # fmt: skip
HYPOTHETICAL = {"edge", "server"}
#: Ordinary devices: the cost of unpacking differs by codec there.
PROGRAMMED = [
    name for name in NAMES if load_machine(name).family.device in ("gpu", "soc-gpu", "cpu")
]


def test_the_machines_of_the_measurements_and_the_further_ones_ship() -> None:
    assert set(NAMES) == {row["machine"] for row in ROWS["rows"]} | FURTHER | HYPOTHETICAL
    assert {name for name in NAMES if load_machine(name).hypothetical} == HYPOTHETICAL
    assert load_machine().name == DEFAULT_MACHINE == "edge"


def test_the_rows_of_measurements_name_what_the_catalogue_has() -> None:
    ids = [row["id"] for row in ROWS["rows"]]
    assert len(set(ids)) == len(ids) == 75
    for row in ROWS["rows"]:
        assert load_model(row["model"])
        assert load_scheme(row["weights"])
        assert row["source"] in ROWS["sources"]
        assert ("energy_per_token_j" in row or "power_w" in row) is ("boundary" in row), row["id"]
        if "boundary" in row:
            assert row["boundary"] == str(load_machine(row["machine"]).boundary)


@pytest.mark.parametrize("name", NAMES)
def test_every_figure_of_a_shipped_machine_has_a_basis(name: str) -> None:
    data = yaml.safe_load(catalogue.path_of("machines", name).read_text("utf-8"))
    found = list(_figures(data))
    assert len(found) == len(list(load_machine(name).figures())) > 5
    named = set()
    for path, figure in found:
        basis = {"source", "fitted", "borrowed_from", "assumed"} & set(figure)
        assert len(basis) == 1, path
        named |= {figure["source"]} if "source" in figure else set()
    # A work from which figures were fitted or assumed may stand there for its citation alone.
    assert named <= set(data.get("sources", {}))
    assert all("title" in source for source in data.get("sources", {}).values())


def _figures(data: Any, path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Find figures by their key ``value``, independently of the records."""
    if isinstance(data, dict) and "value" in data:
        yield path, data
    elif isinstance(data, dict | list):
        items = data.items() if isinstance(data, dict) else enumerate(data)
        for key, value in items:
            yield from _figures(value, f"{path}.{key}")


@pytest.mark.parametrize(
    ("name", "pair", "tera_operations"),
    [
        # As vendors quote them: two operations per MAC, dense.
        ("rtx-4090-llama-cpp-2026", "fp16xfp16", 330.3),  # accumulated in FP16
        ("rtx-4090-llama-cpp-2026", "int8xint8", 660.6),
        ("a100-80gb-gpt-fast", "bf16xbf16", 312),
        ("a100-40gb-bitnet-gpu", "int8xint8", 78),  # dp4a: 4 x FP32 rate of 19.5
        ("h100-sxm-tensorrt-llm", "fp8-e4m3xfp8-e4m3", 3958 / 2),  # 3958 counts sparsity
        ("mi250x-gcd-gpt-fast", "fp16xfp16", 383 / 2),  # one of two dies
        ("m2-ultra-76-llama-cpp-2023", "fp16xfp16", 27.2),
        ("gtx-1080-ti-llama-cpp-2026", "fp16xfp16", 11.34),  # as FP32
        ("vitallm", "int8xternary", 0.512),
    ],
)
def test_peak_rates_are_half_of_the_operations_that_vendors_quote(
    name: str, pair: str, tera_operations: float
) -> None:
    activation, _, weight = pair.partition("x")
    wanted = Pair(parse_format(activation), parse_format(weight))
    found = load_machine(name).unit_for(wanted)
    assert found is not None
    unit, ran = found
    assert ran == wanted
    assert unit.peak(ran) == pytest.approx(tera_operations * 1e12 / 2, rel=2e-3)


@pytest.mark.parametrize(
    ("name", "giga_bytes"),
    [
        ("rtx-4090-llama-cpp-2023", 384 * 21 / 8),  # pins x Gb/s
        ("a100-80gb-pcie-llama-cpp-2023", 5120 * 3.024 / 8),
        ("m4-pro-mlx", 256 * 8.533 / 8),
        ("ryzen-5950x-bitnet-cpp", 128 * 3.2 / 8),
        ("raspberry-pi-4", 32 * 3.2 / 8),
        ("u280-tereffic-hbm", 2048 * 1.8 / 8),
    ],
)
def test_bandwidths_are_pins_times_data_rate(name: str, giga_bytes: float) -> None:
    memory = load_machine(name).main_memory
    assert memory.bandwidth_bytes_per_s is not None
    assert memory.bandwidth_bytes_per_s.value == pytest.approx(giga_bytes * 1e9, rel=2e-3)


@pytest.mark.parametrize("name", PROGRAMMED)
def test_a_programmed_device_runs_every_scheme_and_prices_every_codec_once(name: str) -> None:
    machine = load_machine(name)
    for activation, weight in (("fp16", "fp16"), ("bf16", "bf16"), ("int8", "ternary"),
                               ("fp16", "int4"), ("fp8-e4m3", "fp8-e4m3")):  # fmt: skip
        found = machine.unit_for(Pair(parse_format(activation), parse_format(weight)))
        assert found is not None, (activation, weight)
    listed = [codec for entry in machine.unpacking for codec in entry.codecs]
    assert len(listed) == len(set(listed))
    # The codecs of any group size, which no software has as its own, may take the entry for any.
    assert {*CODECS, "any"} - set(GROUPED) <= set(listed)
    floats = machine.unpacking_of("bf16")
    assert floats is not None
    assert floats.seconds_per_weight is not None
    assert floats.seconds_per_weight.value == 0


def test_a_gpu_without_int8_rate_widens_to_fp16() -> None:
    ternary = Pair(parse_format("int8"), parse_format("ternary"))
    for name, ran in (("m4-pro-mlx", "fp16xfp16"), ("rtx-4090-llama-cpp-2026", "int8xint8")):
        found = load_machine(name).unit_for(ternary)
        assert found is not None
        assert str(found[1]) == ran


def test_the_schema_is_current_and_fits_every_shipped_machine() -> None:
    command = f"python -m bitnet_hw.inputs.machine_schema {SCHEMA.relative_to(ROOT)}"
    assert SCHEMA.read_text("utf-8") == schema_text(), f"run {command}"
    schema = json.loads(SCHEMA.read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for name in NAMES:
        validator.validate(read(catalogue.path_of("machines", name)).data)


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("overlap: {value: 0,", "overlap: {value: 2,"),
        ("assumed: usual}", "}"),
        ("covers: GPU board", "covers: GPU bord"),
        ("schema: 2", "schema: 1"),
        ("overlap:", "overlaps:"),
    ],
)
def test_the_schema_refuses_what_the_record_refuses(right: str, wrong: str) -> None:
    validator = jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text("utf-8")))
    assert validator.is_valid(yaml.safe_load(GOOD))
    assert not validator.is_valid(yaml.safe_load(GOOD.replace(right, wrong, 1)))
    with pytest.raises(InputError):
        Machine.model_validate(yaml.safe_load(GOOD.replace(right, wrong, 1)))


def test_a_users_own_machine(tmp_path: Path) -> None:
    mine = _load(tmp_path, GOOD)
    assert mine.capacity_bytes == 8e9
    assert mine.main_memory.rate == 1e11
    fp16 = parse_format("fp16")
    assert mine.units[0].rate(Pair(fp16, fp16)) == 0.5e12
    assert mine.unit_for(Pair(parse_format("fp32"), parse_format("fp32"))) is None


@pytest.mark.parametrize(
    ("right", "wrong", "line", "message"),
    [
        ("{value: 1.0e+12, source: sheet}", "{value: 1.0e+12}", 10,
         "units.0.peak_mac_per_s.fp16xfp16.value: 1e+12 needs its basis beside it: source"),
        # Numbers in the unit of data sheets rather than in that of the key.
        ("{value: 1.0e+12, source", "{value: 1.0, source", 10,
         "units.0.peak_mac_per_s.fp16xfp16: 1 MAC/s are too few for any real part; is it in "
         "another unit? Write 29 TMAC/s as 2.9e+13"),
        ("{value: 1.0e+11, source", "{value: 100, source", 21,
         "bandwidth_bytes_per_s: 100 bytes per second are too few for any real part; is it in "
         "another unit? Write 256 GB/s as 2.56e+11"),
        ("{value: 1.0e-13, assumed", "{value: 0.1, assumed", 15,
         "unpacking.0.seconds_per_weight: 0.1 seconds per weight are too many for any real part"),
        ("overlap:", "overheads: {seconds_per_layer: {value: 40, assumed: x}}\noverlap:", 22,
         "overheads.seconds_per_layer: 40 seconds are too many for any real part; is it in "
         "another unit? Write 40 us as 4.0e-5"),
        ("{value: 1.0e+12, source: sheet}", "{value: 1.0e+12, source: sheat}", 10,
         "source 'sheat' is not under sources; did you mean 'sheet'"),
        ("{value: 1.0e+12, source: sheet}", "{value: 1.0e+12, source: sheet, assumed: x}", 10,
         "units.0.peak_mac_per_s.fp16xfp16.assumed: contradicts source"),
        ("{value: 1.0e+12, source: sheet}", "{value: 0, source: sheet}", 10,
         "fp16xfp16.value: must be greater than 0, found 0"),
        ("{value: 1.0e+12, source: sheet}", "{value: -1.0e+12, source: sheet}", 10,
         "fp16xfp16.value: must be greater than 0, found -1000000000000"),
        ("{value: 1.0e+12, source: sheet}", "{value: .nan, source: sheet}", 10,
         "fp16xfp16.value: must be a finite number"),
        ("{value: 1.0e+12, source: sheet}", "1.0e+12", 10,
         "units.0.peak_mac_per_s.fp16xfp16: must be a mapping of keys"),
        ("{value: 1.0e+12, source: sheet}", "{value: 1, low: 2, assumed: x}", 10,
         "value: 1 is outside its interval 2 to 1"),
        ("      fp16xfp16: {value: 1.0", "      fp16: {value: 1.0", 9,
         "'fp16' is not a pair of formats"),
        ("      fp16xfp16: {value: 1.0", "      fp16xfp61: {value: 1.0", 9,
         "unknown number format 'fp61'"),
        ("    kind: programmable", "    kind: programable", 8,
         "units.0.kind: must be one of 'array', 'programmable', found 'programable'"),
        ("value: 0.5, assumed", "value: 1.5, assumed", 12, "must be at most 1, found 1.5"),
        ("value: 0.5, assumed", "value: 0, assumed", 12, "must be greater than 0, found 0"),
        ("[q4_0, q8_0]", "[q4__0, q8_0]", 14,
         "unpacking.0.codecs: unknown codec 'q4__0'; did you mean 'q4_0'"),
        ("[q4_0, q8_0]", "[q4_0, q4_0]", 14, "unpacking.0.codecs: 'q4_0' is listed twice"),
        ("value: 1.0e-13", "value: -1.0e-13", 15, "must be at least 0"),
        ("weights: 1, kv-cache: 1,", "weights: 1,", 16,
         "memories: none holds kv-cache; name it under holds of one of them"),
        ("kv-cache: 1,", "kv_cache: 1,", 19, "holds: unknown key 'kv_cache'; did you mean"),
        ("{weights: 1,", "{weights: 0,", 19, "holds.weights: must be greater than 0, found 0"),
        ("value: 8.0e+9", "value: 0", 20, "capacity_bytes.value: must be greater than 0, found 0"),
        ("    bandwidth_bytes_per_s: {value: 1.0e+11, source: sheet}\n", "", 17,
         "bandwidth_bytes_per_s: is missing; HBM2 outside the chip needs it"),
        ("overlap: {value: 0,", "overlap: {value: 2,", 22, "overlap.value: must be at most 1"),
        ("covers: GPU board", "covers: GPU bord", 23,
         "boundary.covers: must be one of 'core', 'chip', 'package'"),
        ("boundary: {covers: GPU board}\n", "", None, "key 'boundary' is missing"),
        ("schema: 2\n", "", None, "schema is missing; write `schema: 2`"),
        ("schema: 2", "schema: 3", 1, "schema: must be 2, found 3"),
        ("device: gpu", "device: tpu", 3, "family.device: must be one of 'asic', 'fpga', 'gpu'"),
        ("overlap:", "overlapp:", 22, "unknown key 'overlapp'; did you mean 'overlap'"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_with_its_line(
    tmp_path: Path, right: str, wrong: str, line: int | None, message: str
) -> None:
    assert right in GOOD
    with pytest.raises(InputError) as caught:
        _load(tmp_path, GOOD.replace(right, wrong, 1))
    text = str(caught.value)
    assert "\n" not in text
    assert message in text
    assert "mine.yaml" + ("" if line is None else f":{line}:") in text


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ("", "units.0.clock_hz: is missing; a unit of kind array needs it"),
        ("    clock_hz: {value: 1.0e+6, assumed: x}\n",
         "units.0.executes: is missing; a unit of kind array needs it"),
        ("    clock_hz: {value: 1.0e+6, assumed: x}\n    executes: [int8xternary]\n",
         "units.0.peak_mac_per_s: does not apply to a unit of kind array"),
        ("    lanes: 65537\n", "units.0.lanes: must be at most 65536, found 65537"),
        ("    rows: 0\n", "units.0.rows: must be greater than 0, found 0"),
    ],
)  # fmt: skip
def test_an_array_needs_a_clock_and_its_pairs(tmp_path: Path, extra: str, message: str) -> None:
    text = ARRAY.replace("    kind: array\n", "    kind: array\n" + extra)
    with pytest.raises(InputError, match=rf"mine\.yaml:\d+: {message}"):
        _load(tmp_path, text)


@pytest.mark.parametrize(
    ("key", "instead"),
    [
        ("rows: 32", r"units\[\]\.rows"),
        ("dram: HBM2", r"memories\[\]\.kind"),
        ("efficiency: 0.7", r"memories\[\]\.reached_share"),
        ("static_w: 1.0", r"power\.idle_w\.core"),
    ],
)
def test_a_file_of_version_1_is_told_what_to_write(tmp_path: Path, key: str, instead: str) -> None:
    path = tmp_path / "old.yaml"
    path.write_text(f"name: old\n{key}\n", "utf-8")
    name = key.partition(":")[0]
    message = rf"old\.yaml:2: {name}: is a key of version 1; write `schema: 2` and give it as "
    with pytest.raises(InputError, match=message + instead) as caught:
        load_machine(path)
    assert "\n" not in str(caught.value)


def test_a_file_of_version_1_that_says_so_is_told_the_same(tmp_path: Path) -> None:
    path = tmp_path / "old.yaml"
    path.write_text("schema: 1\nname: old\nsource: assumed\nrows: 32\n", "utf-8")
    with pytest.raises(InputError, match=r"old\.yaml:4: rows: is a key of version 1; write `sch"):
        load_machine(path)


@pytest.mark.parametrize("content", ["kv-cache", "activations"])
def test_a_rom_holds_nothing_that_is_written(content: str) -> None:
    memory = load_machine("edge").memories[0].replace(kind="ROM", holds={"weights": 1})
    assert memory.on_chip
    with pytest.raises(InputError, match=rf"holds\.{content}: a ROM cannot be written"):
        memory.replace(holds={"weights": 1, content: 1})


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean 'server'"):
        load_machine("serwer")
    with pytest.raises(InputError, match="unknown unit 'tenary-array'"):
        load_machine("edge").with_unit("tenary-array", lanes=8)


def test_one_figure_is_changed_by_its_path() -> None:
    machine = load_machine("m4-pro-mlx")
    paths = [path for path, figure in machine.figures() if figure.free]
    path = ("memories", 0, "reached_share")
    assert path in paths
    share = machine.memories[0].reached_share
    assert share is not None
    changed = machine.with_figure(path, share.replace(value=0.9))
    assert changed.main_memory.rate == pytest.approx(0.9 * 273e9)
    assert machine.main_memory.reached_share == share


def _load(folder: Path, text: str) -> Machine:
    path = folder / "mine.yaml"
    path.write_text(text, encoding="utf-8")
    return load_machine(path)
