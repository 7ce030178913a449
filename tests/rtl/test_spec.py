"""Facts that other modules take from a specification: formats, operands, roles of registers."""

from __future__ import annotations

import doctest
import importlib
import re
from pathlib import Path

import numpy as np
import pytest

from bitnet_hw.errors import InputError
from bitnet_hw.inputs.formats import parse_format
from bitnet_hw.rtl.family import FAMILY, make_spec
from bitnet_hw.rtl.simulate import simulate
from bitnet_hw.rtl.verilog import export_verilog


@pytest.mark.parametrize("module", ["simulate", "family"])
def test_the_examples_in_the_docstrings(module: str) -> None:
    result = doctest.testmod(importlib.import_module(f"bitnet_hw.rtl.{module}"))
    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize(
    ("name", "parameters", "formats"),
    [
        ("ternary", {}, ("int8", "ternary", "int21")),
        ("ternary", {"act_bits": 4, "acc_bits": 24}, ("int4", "ternary", "int24")),
        ("binary", {"k_max": 2560}, ("int8", "binary", "int20")),
        ("int8", {}, ("int8", "int8", "int28")),  # 4096 * 2 ** 14 = 2 ** 26
        ("int4", {}, ("int4", "int4", "int20")),
        ("int4", {"act_bits": 8}, ("int8", "int4", "int24")),
        ("fp16", {}, ("fp16", "fp16", "fp32")),
        ("fp16", {"accumulate": "fp16"}, ("fp16", "fp16", "fp16")),
    ],
)
def test_formats(name: str, parameters: dict[str, object], formats: tuple[str, ...]) -> None:
    spec = make_spec(name, **parameters)
    found = (spec.activation_format, spec.weight_format, spec.accumulator_format)
    assert found == formats
    assert [parse_format(each).name for each in found] == list(formats)
    width = spec.sum_format.width if spec.sum_format else spec.sum_shape.width
    assert parse_format(spec.accumulator_format).bits == width


@pytest.mark.parametrize("name", FAMILY)
def test_every_draw_is_taken_by_the_hardware(name: str) -> None:
    spec = make_spec(name)
    rng = np.random.default_rng(1)
    for distribution in ("gaussian", "uniform"):
        spec.check_activations(spec.draw_activations(rng, (50, 40), distribution))
    spec.check_weights(spec.draw_weights(rng, (50, 40), 1 / 3))
    spec.check_activations(spec.quantize_activations(rng.standard_normal((5, 40))))


def test_gaussian_draws_put_the_top_of_the_range_at_three_and_a_half_sigmas() -> None:
    rng = np.random.default_rng(1)
    spec = make_spec("int8")
    for drawn in (spec.draw_activations(rng, (200, 500), "gaussian"),
                  spec.draw_weights(rng, (200, 500), 0.5)):  # fmt: skip
        assert drawn.std() == pytest.approx(127 / 3.5, rel=0.02)
        assert (drawn.min(), drawn.max()) == (-127, 127)
    ternary = make_spec("ternary").draw_weights(rng, (200, 500), 1 / 3)
    assert np.mean(ternary == 0) == pytest.approx(1 / 3, abs=0.01)
    uniform = make_spec("ternary").draw_activations(rng, (200, 500), "uniform")
    assert (uniform.min(), uniform.max()) == (-128, 127)


def test_recorded_activations_are_scaled_row_by_row() -> None:
    spec = make_spec("int8")
    rows = np.array([[0.5, -1.0, 0.25], [0.0, 0.0, 0.0], [4.0, 2.0, -1.0]])
    assert spec.quantize_activations(rows).tolist() == [[64, -127, 32], [0, 0, 0], [127, 64, -32]]
    whole = np.array([[3, -128]])
    assert spec.quantize_activations(whole) is whole


@pytest.mark.parametrize("name", FAMILY)
def test_the_share_of_zeros(name: str) -> None:
    spec = make_spec(name)
    rng = np.random.default_rng(1)
    share = 0.33 if spec.zero_weights else 0.0
    assert np.mean(spec.random_operands(rng, 100, 300)[1] == 0) == pytest.approx(share, abs=0.01)
    if spec.zero_weights:
        assert not spec.random_operands(rng, 3, 9, 1.0)[1].any()
    else:
        with pytest.raises(InputError, match=r"have no zeros, found a share of 0\.5"):
            spec.random_operands(rng, 3, 9, 0.5)
    with pytest.raises(InputError, match=r"must be 0 to 1, found 1\.5"):
        spec.random_operands(rng, 3, 9, 1.5)


def registers(text: str) -> list[list[str]]:
    """Return the names of each register of an export.

    Yosys splits some into nameless ones, which an assignment joins to the name.
    """
    assignment = r"^ *(?:if \(.*\) |else )?(\w+)(?:\[\d+\])? <= "
    found = sorted(set(re.findall(assignment, text, re.MULTILINE)))
    aliases = {part: whole for whole, part in re.findall(r"assign (.*) = (_\d+_);", text)}
    return [re.findall(r"[a-z]\w*", aliases.get(register, register)) for register in found]


@pytest.mark.parametrize("name", FAMILY)
def test_every_data_register_has_a_role(name: str) -> None:
    spec = make_spec(name, lanes=5, zero_gating=FAMILY[name].zero_weights, counters=True)
    roles = {tuple(names): spec.register_role(names) for names in registers(export_verilog(spec))}
    control = {names[0].removeprefix("pe_") for names, role in roles.items() if role == "control"}
    assert {re.sub(r"_\d+$", "", each) for each in control} == {
        "valid", "first", "last", "count", "out_error", "out_valid", "tally",
    }  # fmt: skip
    assert {"accumulator", "pipeline"} <= set(roles.values())
    assert ("activations" in roles.values()) == spec.zero_gating


def test_lists_and_strings_will_do(tmp_path: Path) -> None:
    spec = make_spec("ternary", lanes=2, k_max=4)
    act, wgt = [[1, 2, 3]], [[1, 0, -1]]
    report = simulate(spec, act, wgt, backend="pysim", vcd=str(tmp_path / "run.vcd"))
    assert [spec.decode(code) for code in report.run.sums] == [-2]
    assert (tmp_path / "run.vcd").exists()
    with pytest.raises(InputError, match="unknown backend 'icarus'; known: cxxrtl, pysim"):
        simulate(spec, act, wgt, backend="icarus")
    assert "negedge rst_n" in export_verilog(spec, reset="async-low")
    with pytest.raises(InputError, match="unknown reset 'none'"):
        export_verilog(spec, reset="none")


def test_a_failed_simulation_says_so_in_its_short_form(monkeypatch: pytest.MonkeyPatch) -> None:
    spec = make_spec("ternary", lanes=2, k_max=4)
    monkeypatch.setattr(type(spec), "compute", lambda *_: np.array([5]))
    report = simulate(spec, [[1, 2]], [[1, 1]])
    assert repr(report).endswith(
        "1 dot product of length 2 in 3 cycles, FAILED (cycle 2, row 0: expected 5, got 3))"
    )
