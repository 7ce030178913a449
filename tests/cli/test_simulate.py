"""``bitnet-hw simulate`` as a command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bitnet_hw.cli import main
from bitnet_hw.cli.simulate import command
from bitnet_hw.rtl.backends.interface import Backend
from bitnet_hw.rtl.family import FAMILY


def outcome(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    code = main(["simulate", *args])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_json_of_a_random_run(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = outcome(
        capsys,
        *[
            "--pe",
            "ternary",
            "--lanes",
            "8",
            "--k",
            "100",
            "--rows",
            "6",
            "--zeros",
            "0.5",
            "--stalls",
            "0.3",
            "--json",
        ],
    )
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert found["bit_exact"] is True
    assert found["mismatch"] is None
    assert found["macs"] == 600
    assert found["backend"] == "pysim"
    assert found["stalled_cycles"] > 0
    assert found["cycles"] >= 6 * 13 + found["stalled_cycles"]
    assert found["tally"]["executed_adder_slots"] == {"counted": 6 * 104, "closed_form": 6 * 104}
    nonzero = found["tally"]["non_zero_terms"]
    assert nonzero["counted"] == nonzero["closed_form"]
    assert 200 < nonzero["counted"] < 400


def test_the_seed_determines_the_result(capsys: pytest.CaptureFixture[str]) -> None:
    args = ["--lanes", "4", "--k", "20", "--rows", "5", "--stalls", "0.4", "--json", "--seed"]
    first = outcome(capsys, *args, "3")[1]
    assert outcome(capsys, *args, "3")[1] == first
    assert outcome(capsys, *args, "4")[1] != first


def test_text(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = outcome(capsys, *["--pe", "int4", "--lanes", "2", "--k", "9", "--rows", "3"])
    assert (code, err) == (0, "")
    assert "bit-exact        yes" in out
    assert "MACs             27" in out
    assert max(map(len, out.splitlines())) <= 80


def test_every_backend_can_be_chosen() -> None:
    option = next(param for param in command.params if param.name == "backend")
    assert option.type.choices == tuple(backend.value for backend in Backend)


@pytest.mark.parametrize("pe", FAMILY)
def test_every_kind(capsys: pytest.CaptureFixture[str], pe: str) -> None:
    assert (
        outcome(
            capsys, "--pe", pe, *["--lanes", "2", "--k", "9", "--rows", "3", "--stalls", "0.2"]
        )[0]
        == 0
    )


def test_operands_from_files(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    weights = rng.integers(-1, 2, (3, 50), dtype=np.int8)
    tokens = rng.integers(-128, 128, (2, 50), dtype=np.int8)
    np.savez(tmp_path / "w.npz", weights=weights, other=tokens)
    np.save(tmp_path / "x.npy", tokens)
    code, out, _ = outcome(
        capsys, "--weights", str(tmp_path / "w.npz"), "--activations", str(tmp_path / "x.npy"),
        "--lanes", "8", "--json",
    )  # fmt: skip
    found = json.loads(out)
    assert code == 0
    assert (found["rows"], found["k"]) == (6, 50)
    assert found["tally"]["non_zero_terms"]["counted"] == 2 * np.count_nonzero(weights)
    code, out, _ = outcome(
        capsys, "--weights", str(tmp_path / "w.npz"), "--rows", "2", "--lanes", "8", "--json"
    )
    assert json.loads(out)["rows"] == 2


def test_waveforms_are_written_whole_and_replaced_only_with_force(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    vcd = tmp_path / "run.vcd"
    args = ("--lanes", "2", "--k", "4", "--rows", "1", "--vcd", str(vcd))
    assert outcome(capsys, *args)[0] == 0
    assert "out_sum" in vcd.read_text()
    code, _, err = outcome(capsys, *args)
    assert code == 2
    assert "--force" in err
    assert outcome(capsys, *args, "--force")[0] == 0
    assert [path.name for path in tmp_path.iterdir()] == ["run.vcd"]


@pytest.mark.parametrize(
    ("args", "code", "says"),
    [
        ("--pe tenary", 2, "did you mean 'ternary'"),
        ("--lanes 0", 2, "lanes must be 1 to 1024, found 0"),
        ("--k 0", 2, "--k must be at least 1, found 0"),
        ("--k 5000 --k-max 4096", 2, "K is 5000, above --k-max 4096"),
        ("--rows 0", 2, "--rows must be"),
        ("--rows 100000 --k 2560", 2, "give fewer --rows"),
        ("--zeros 2", 2, "--zeros must be 0 to 1"),
        ("--stalls 1", 2, "below 1"),
        ("--seed -1", 2, "seed must be"),
        ("--acc-bits 12", 2, "overflows at k_max 4096"),
        ("--pe binary --zeros 0.3", 2, "no zeros"),
        ("--backend cxxrtl --vcd x.vcd", 2, "--vcd needs the backend pysim, found cxxrtl"),
        ("--backend other", 2, "other"),
        ("--weights nowhere.npy", 2, "nowhere.npy"),
    ],
)
def test_bad_input_is_one_line(
    capsys: pytest.CaptureFixture[str], args: str, code: int, says: str
) -> None:
    found, out, err = outcome(capsys, *args.split())
    assert (found, out) == (code, "")
    assert says in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.array([[0, 3]]), "found 3 at index [0, 1]"),
        (np.array([[0.5, 1]]), "found 0.5"),
        (np.zeros((2, 2, 2), int), "must have the shape (rows, K) or (K,), found (2, 2, 2)"),
        (np.zeros((0, 4), int), "found (0, 4)"),
        (np.array([[None]], dtype=object), "not a .npy or .npz file of numbers"),
    ],
)
def test_the_message_names_a_wrong_file(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, array: np.ndarray, says: str
) -> None:
    path = tmp_path / "bad.npy"
    np.save(path, array)
    code, _, err = outcome(capsys, "--weights", str(path))
    assert code == 2
    assert "bad.npy: " in err
    assert says in err
    assert err.count("\n") == 1


def test_unequal_lengths_and_a_contradicting_k(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    np.save(tmp_path / "w.npy", np.zeros((2, 8), int))
    np.save(tmp_path / "x.npy", np.zeros((2, 9), int))
    weights, tokens = str(tmp_path / "w.npy"), str(tmp_path / "x.npy")
    assert "must be equal" in outcome(capsys, "--weights", weights, "--activations", tokens)[2]
    assert "but --k is 7" in outcome(capsys, "--weights", weights, "--k", "7")[2]


def test_a_missing_tool_has_its_own_exit_code(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    code, _, err = outcome(
        capsys, *["--backend", "verilator", "--lanes", "2", "--k", "4", "--rows", "1"]
    )
    assert code == 3
    assert err.count("\n") == 1


def test_a_mismatch_has_its_own_exit_code(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from bitnet_hw.rtl.ternary import TernarySpec

    right = TernarySpec.compute
    monkeypatch.setattr(TernarySpec, "compute", lambda *args: right(*args) + 1)
    code, out, _ = outcome(capsys, *["--lanes", "2", "--k", "4", "--rows", "2", "--json"])
    found = json.loads(out)
    assert code == 4
    assert found["bit_exact"] is False
    assert found["mismatch"]["row"] == 0
    assert found["mismatch"]["expected"] == found["mismatch"]["got"] + 1
