"""Area of machines, and schemes compared at equal area or equal power.

Areas and energies of a lane are those of energy_tables/asap7-prelayout.yaml, written out by hand:
ternary 20.447 um2 and 0.096197 pJ, INT8 with Booth 67.376 um2, FP16 261.47 um2 and 2.1563 pJ with
FP32 sums, 204.04 um2 with FP16 sums.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bitnet_hw.cost.area import MachineArea, machine_area
from bitnet_hw.cost.equal_silicon import Equalised, equalised
from bitnet_hw.cost.estimates import estimate
from bitnet_hw.cost.lowering import lower
from bitnet_hw.cost.ratios import ratio
from bitnet_hw.errors import InputError
from bitnet_hw.inputs.lanes import with_lanes
from bitnet_hw.inputs.machine import Machine, load_machine
from bitnet_hw.inputs.model import load_model
from bitnet_hw.inputs.scenario import Scenario
from bitnet_hw.inputs.track_record import status
from bitnet_hw.prices.loading import load_table

MODEL = load_model("bitnet-125m")
ASAP7 = load_table("asap7-prelayout")
EDGE = load_machine("edge")
SCENARIO = Scenario("decode", context=16)
BOTH = ("fp16", "bitnet-b1.58")
#: The basis of a figure, as machine files write it.
OWN = {"assumed": "for a test"}


def _area(
    scheme: str = "bitnet-b1.58", machine: Machine = EDGE, table: str = "asap7-prelayout"
) -> MachineArea:
    return machine_area(lower(MODEL, SCENARIO, scheme, machine), load_table(table))


def _equal(*schemes: str, machine: Machine = EDGE, **more: object) -> tuple[Equalised, ...]:
    more = {"table": ASAP7, **more}
    return equalised(MODEL, schemes or BOTH, SCENARIO, machine, **more)  # type: ignore[arg-type]


def _part(area: MachineArea, name: str) -> float | None:
    return next(part.um2 for part in area.parts if part.name == name)


def test_the_arrays_of_the_edge_machine_by_hand() -> None:
    area = _area()
    assert _part(area, "ternary-array") == pytest.approx(20937.728)  # 32 x 32 x 20.447
    assert _part(area, "float-array") == pytest.approx(16734.08)  # 8 x 8 x 261.47
    assert [part.name for part in area.parts] == [
        "ternary-array", "float-array", "weight-sram", "activation-sram",
    ]  # fmt: skip
    # Chang et al., ISSCC 2017: a cell of 0.027 um2 in 7 nm; 70 percent of an array are cells.
    assert _part(area, "weight-sram") == pytest.approx((1 << 23) * 0.027 / 0.7, rel=2e-3)
    assert area.um2 == pytest.approx(sum(part.um2 or 0 for part in area.parts))


def test_a_unit_that_a_scheme_does_not_use_is_not_counted() -> None:
    assert _part(_area("w8a8"), "integer-array") == pytest.approx(256 * 67.376)
    names = [part.name for part in _area("fp16").parts]
    assert "ternary-array" not in names
    assert "integer-array" not in names


def test_a_lane_is_as_large_as_its_largest_product_needs() -> None:
    # a4.8 has INT4 activations (13.485 um2) in some matrices and INT8 ones in others.
    assert _part(_area("bitnet-a4.8"), "ternary-array") == pytest.approx(1024 * 20.447)


def test_the_sum_decides_the_area_of_a_float_lane() -> None:
    wide, narrow = (_equal("fp16", float_accumulator=form)[0] for form in ("fp32", "fp16"))
    assert wide.size == pytest.approx(64 * 261.47)
    assert narrow.size == pytest.approx(64 * 204.04)


def test_figures_of_the_machine_come_before_those_of_the_table() -> None:
    own = EDGE.with_unit("ternary-array", area_um2_per_lane={"int8xternary": {"value": 5.0, **OWN}})
    own = own.with_memory("weight-sram", area_um2={"value": 77.0, **OWN})
    area = _area(machine=own)
    assert _part(area, "ternary-array") == pytest.approx(5120)
    assert _part(area, "weight-sram") == 77
    assert _part(_area(machine=own, table="7nm"), "ternary-array") == pytest.approx(5120)


@pytest.mark.parametrize(
    ("machine", "table", "name", "why"),
    [
        (EDGE, "7nm", "ternary-array", "jouppi-2021-7nm gives no area per lane of int8xternary"),
        (EDGE, "sky130hd-prelayout", "weight-sram", "the area of SRAM at 130 nm is not known"),
        (
            EDGE.with_memory("weight-sram", kind="ROM", holds={"weights": 1}),
            "asap7-prelayout", "weight-sram", "the area of ROM at 7 nm is not known",
        ),
        (
            EDGE.replace(family=EDGE.family.replace(device="fpga")),
            "asap7-prelayout", "ternary-array", "an array on a device of kind fpga",
        ),
        (
            EDGE.replace(family=EDGE.family.replace(device="fpga")),
            "asap7-prelayout", "weight-sram", "the area of SRAM on a device of kind fpga",
        ),
    ],
)  # fmt: skip
def test_an_unknown_part_makes_the_whole_unknown(
    machine: Machine, table: str, name: str, why: str
) -> None:
    area = _area(machine=machine, table=table)
    assert area.um2 is None
    unknown = {part.name: part.basis for part in area.unknown}
    assert why in unknown[name]
    assert area.known_um2 == pytest.approx(sum(part.um2 or 0 for part in area.parts))


def test_equal_area_by_hand() -> None:
    fp16, w8a8, ternary = _equal("fp16", "w8a8", "bitnet-b1.58")
    # The ternary scheme needs most: 1024 ternary lanes, and 64 FP16 lanes for attention.
    assert (ternary.lanes, ternary.difference_percent) == (1024, 0)
    assert ternary.array_size == pytest.approx(20937.728)
    assert ternary.size == fp16.target == w8a8.target == pytest.approx(37671.808)
    # 37671.808 um2 hold 144.08 lanes of 261.47 um2, 18.01 rows of 8.
    assert (fp16.arrays, fp16.lanes) == (("float-array",), 18 * 8)
    assert fp16.size == fp16.array_size == pytest.approx(37651.68)
    assert fp16.difference_percent == pytest.approx(-0.0534, abs=1e-3)
    # 20937.728 um2 beside the same FP16 lanes hold 310.8 lanes of 67.376 um2, 38.8 rows of 8.
    assert (w8a8.arrays, w8a8.lanes) == (("integer-array",), 39 * 8)
    assert w8a8.size == pytest.approx(39 * 8 * 67.376 + 16734.08)
    assert fp16.machine.name == ternary.machine.name == "edge, equal area"
    assert _part(ternary.area, "float-array") == pytest.approx(16734.08)
    for each in (fp16, w8a8, ternary):
        logic = sum(part.um2 or 0 for part in each.area.parts if part.lanes)
        assert logic == pytest.approx(37671.808, rel=3e-3)


def test_equal_power_by_hand() -> None:
    fp16, ternary = _equal(by="power")
    # 64 lanes x 0.5 GHz x 2.1563 pJ and 1024 x 0.5 GHz x 0.096197 pJ; a row of 8 FP16 lanes takes
    # 8.6252 mW, so 13.7 rows.
    assert ternary.size == fp16.target == pytest.approx(0.0690016 + 0.049252864)
    assert ternary.array_size == pytest.approx(0.049252864)
    assert (fp16.lanes, ternary.lanes) == (14 * 8, 1024)
    assert fp16.size == pytest.approx(14 * 8 * 0.5e9 * 2.1563e-12)
    assert ternary.machine.name == "edge, equal power"


def test_power_goes_by_each_clock() -> None:
    slow = EDGE.with_unit("ternary-array", clock_hz={"value": 2.5e8, **OWN})
    # 24.6 mW at half the clock, 69.0 mW of FP16 lanes: 10.9 rows of 8.6252 mW.
    assert _equal(machine=slow, by="power")[0].lanes == 11 * 8


def test_the_order_of_schemes_does_not_matter() -> None:
    assert _equal(*BOTH) == tuple(reversed(_equal(*reversed(BOTH))))


def test_a_variant_of_a_measured_machine_is_not_calibrated() -> None:
    fitted = {"value": 5e8, "fitted": ["row"]}
    measured = EDGE.replace(
        hypothetical=False,
        calibration={"rows_file": "rows.yaml", "date": "2026-01-01", "rows": ["row"],
                     "residuals": {"row": 1.0}},
    )  # fmt: skip
    measured = measured.with_unit("ternary-array", clock_hz=fitted)
    assert status(measured, "speed") == "calibrated"
    for each in _equal(machine=measured):
        assert each.machine.calibration is None
        assert {status(each.machine, what) for what in ("speed", "energy")} == {"blind"}  # type: ignore[arg-type]
    assert status(with_lanes(measured, 64), "speed") == "blind"
    assert with_lanes(measured, 32) == measured


def test_variants_differ_in_rows_and_name_alone() -> None:
    for each in _equal("fp16", "w8a8", "bitnet-b1.58"):
        assert each.machine.hypothetical
        assert each.machine.memories == EDGE.memories
        for unit, before in zip(each.machine.units, EDGE.units, strict=True):
            assert unit.replace(rows=before.rows) == before
            assert unit == before or unit.name in each.arrays
    assert load_machine("edge") == EDGE


def test_a_long_name_stays_a_name() -> None:
    name = _equal(machine=EDGE.replace(name="m" * 80))[1].machine.name
    assert len(name) == 80
    assert name.endswith("m, equal area")


@given(
    rows=st.tuples(st.integers(1, 300), st.integers(1, 300)),
    lanes=st.tuples(st.integers(1, 64), st.integers(1, 64)),
    by=st.sampled_from(["area", "power"]),
)
def test_equalised_arrays_are_within_one_row(
    rows: tuple[int, int], lanes: tuple[int, int], by: str
) -> None:
    machine = EDGE.with_unit("ternary-array", rows=rows[0], lanes=lanes[0])
    machine = machine.with_unit("float-array", rows=rows[1], lanes=lanes[1])
    fp16, ternary = _equal(machine=machine, by=by)
    # FP16 has the float array alone, so that the ternary scheme, with both, needs most.
    assert ternary.machine.units == machine.units
    row = fp16.size * lanes[1] / fp16.lanes
    assert abs(ternary.size - fp16.size) <= row / 2 * (1 + 1e-9)
    # A ternary lane pays for as much of an FP16 lane as it is smaller (both run at one clock).
    per_lane = 261.47 / 20.447 if by == "area" else 2.1563 / 0.096197
    more = fp16.lanes - rows[1] * lanes[1]
    assert abs(more - ternary.lanes / per_lane) <= lanes[1] / 2 * (1 + 1e-9)


def test_a_ratio_on_equal_silicon() -> None:
    found = _equal("fp16", "bitnet-b1.58")
    of = [estimate(MODEL, e.scheme, ASAP7, SCENARIO, machine=e.machine) for e in found]
    band = ratio(*of)
    assert band.value == pytest.approx(of[0].energy.value / of[1].energy.value)
    assert band.low <= band.value <= band.high


@pytest.mark.parametrize(
    "other",
    [
        EDGE.with_unit("ternary-array", lanes=64),
        EDGE.with_unit("ternary-array", clock_hz={"value": 1e9, **OWN}),
        EDGE.with_memory("dram", kind="HBM3"),
        EDGE.replace(name="edge, equal area"),
        EDGE.replace(weight_zero_saving=0.5),
        load_machine("server"),
    ],
)
def test_a_ratio_across_machines_is_still_refused(other: Machine) -> None:
    one = estimate(MODEL, "fp16", ASAP7, SCENARIO, machine=EDGE)
    with pytest.raises(InputError, match="a ratio needs one machine"):
        ratio(one, estimate(MODEL, "bitnet-b1.58", ASAP7, SCENARIO, machine=other))


def test_variants_by_area_and_by_power_are_not_compared() -> None:
    by_area, by_power = (_equal(by=by)[1] for by in ("area", "power"))
    of = [
        estimate(MODEL, e.scheme, ASAP7, SCENARIO, machine=e.machine) for e in (by_area, by_power)
    ]
    with pytest.raises(InputError, match="edge, equal area and edge, equal power"):
        ratio(*of)


def _programmable() -> Machine:
    unit = {
        "name": "gpu", "kind": "programmable",
        "peak_mac_per_s": {"fp16xfp16": {"value": 1e12, **OWN}},
    }  # fmt: skip
    return EDGE.replace(units=(unit,))


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"table": "7nm"}, "unit float-array: energy table jouppi-2021-7nm gives no area per lane"),
        ({"table": "7nm"}, "choose a table of measured MACs (asap7-prelayout)"),
        ({"table": "7nm", "by": "power"}, "write energy_pj_per_mac in the machine's file"),
        ({"machine": _programmable()}, "unit gpu is programmable and has no rows to scale"),
        (
            {"machine": EDGE.replace(family=EDGE.family.replace(device="fpga"))},
            "an array on a device of kind fpga, whose area no energy table gives",
        ),
        (
            {
                "by": "power",
                "machine": EDGE.with_unit(
                    "float-array", energy_pj_per_mac={"floatxfloat": {"value": 0.0, **OWN}}
                ),
            },
            "unit float-array: energy_pj_per_mac is 0",
        ),
        ({"by": "size"}, "unknown quantity to equalise 'size'; known: area, power"),
    ],
)
def test_what_cannot_be_equalised_is_refused(changes: dict[str, object], part: str) -> None:
    with pytest.raises(InputError) as caught:
        _equal(**changes)  # type: ignore[arg-type]
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_schemes_are_refused() -> None:
    with pytest.raises(InputError, match="at least one scheme"):
        equalised(MODEL, [], SCENARIO, EDGE, ASAP7)
    with pytest.raises(InputError, match="must be a list, found 'fp16'"):
        equalised(MODEL, "fp16", SCENARIO, EDGE, ASAP7)


def test_a_lane_that_the_table_did_not_measure_is_refused() -> None:
    with pytest.raises(InputError, match="no area per lane of fp32xfp32 with fp32 sums") as caught:
        _equal("fp32")
    assert "choose a table" not in str(caught.value)


def test_an_array_that_scaling_another_would_idle_is_refused() -> None:
    # 264 FP16 lanes are more than 256 INT8 lanes, but not than the 311 that are as large as 1024
    # ternary ones; these would take attention over if they could compute it.
    machine = EDGE.with_unit("float-array", rows=33)
    machine = machine.with_unit("integer-array", executes=("integerxinteger", "floatxfloat"))
    with pytest.raises(InputError, match="move attention-score from float-array to integer-array"):
        _equal("w8a8", "bitnet-b1.58", machine=machine)


def test_a_unit_beside_the_scaled_one_must_have_a_size() -> None:
    machine = EDGE.replace(units=(EDGE.units[0], *_programmable().units))
    with pytest.raises(InputError, match="unit gpu is programmable and has no rows to scale"):
        _equal("bitnet-b1.58", machine=machine)


def test_records_names_and_files_do_alike(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(EDGE.model_dump_json(by_alias=True, exclude_none=True), "utf-8")
    by_name = equalised("gpt2", BOTH, SCENARIO, "edge", "asap7-prelayout")
    by_file = equalised("gpt2", BOTH, SCENARIO, file, "asap7-prelayout")
    assert [each.machine for each in by_name] == [each.machine for each in by_file]


def test_the_example_of_the_page_prints_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "equal-silicon.md").read_text("utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    exec(code, {})  # noqa: S102  our own page
    assert "# " + capsys.readouterr().out == code.splitlines(keepends=True)[-1]
