"""Every mistake gets one line that says what is wrong and where, and leaves no file behind."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Run = Callable[..., Any]
MODEL = "bitnet-b1.58-2b4t"

GOOD = {
    "name": "mine",
    "hidden_size": "64",
    "num_hidden_layers": "2",
    "num_attention_heads": "4",
    "intermediate_size": "128",
    "gated": "true",
    "activation": "silu",
    "vocab_size": "100",
    "tie_word_embeddings": "true",
}


def _model(tmp_path: Path, **changes: str | None) -> Path:
    path = tmp_path / "model.yaml"
    data = {key: value for key, value in (GOOD | changes).items() if value is not None}
    path.write_text("".join(f"{key}: {value}\n" for key, value in data.items()))
    return path


def _refused(result: Any, *parts: str) -> None:
    assert result.code == 2
    assert result.out == ""
    lines = result.err.splitlines()
    assert len(lines) == 1, result.err
    assert lines[0].startswith("bitnet-hw: error: ")
    for part in parts:
        assert part in lines[0]


def test_the_unchanged_model_is_valid(run: Run, tmp_path: Path) -> None:
    assert run("count", _model(tmp_path)).code == 0


@pytest.mark.parametrize(
    ("changes", "parts"),
    [
        ({"hiden_size": "64", "hidden_size": None}, ("model.yaml:", "did you mean 'hidden_size'")),
        ({"hidden_size": "0"}, ("model.yaml:2: hidden_size: must be greater than 0, found 0",)),
        ({"hidden_size": "-64"}, ("hidden_size", "-64")),
        ({"hidden_size": "99999999996"}, ("hidden_size", "must be at most 1048576")),
        (
            {"hidden_size": "sixty"},
            ("model.yaml:2: hidden_size: must be an integer, found 'sixty'",),
        ),
        ({"num_attention_heads": "5"}, ("model.yaml:4: num_attention_heads", "do not divide")),
        ({"vocab_size": None}, ("key 'vocab_size' is missing",)),
        (
            {"activation": "swiglu"},
            ("model.yaml:7: activation: must be one of 'silu', 'gelu', 'relu', 'relu2'", "swiglu"),
        ),
        ({"name": "''"}, ("model.yaml:1: name: must not be empty",)),
        ({"gated": "'yes'"}, ("gated: must be true or false, found 'yes'",)),
    ],
)
def test_a_wrong_model(
    run: Run, tmp_path: Path, changes: dict[str, str | None], parts: tuple[str, ...]
) -> None:
    _refused(run("count", _model(tmp_path, **changes)), *parts)


def test_files_that_are_not_models(run: Run, tmp_path: Path) -> None:
    _refused(run("count", "no/such/file.yaml"), "no/such/file.yaml", "no such file")
    _refused(run("count", "bitnet-b1.58-2b4"), "unknown model", MODEL)
    _refused(run("count", tmp_path), "no config.json")
    broken = tmp_path / "broken.yaml"
    broken.write_text("name: x\nhidden_size: [1,\n")
    _refused(run("count", broken), "broken.yaml:3", "not valid YAML", "the file ends inside")
    broken = tmp_path / "config.json"
    broken.write_text('{"model_type": "llama",\n "hidden_size": }\n')
    _refused(run("count", broken), "config.json:2", "not valid JSON", "cannot be read from '}'")
    broken.write_text('{"model_type": "mixtral", "num_local_experts": 8}')
    _refused(run("count", broken), "config.json", "model_type")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("count", MODEL, "--scheme", "bitnet-b158"), ("unknown scheme", "bitnet-b1.58")),
        (("estimate", MODEL, "--energy-table", "7nn"), ("unknown energy table", "7nm")),
        (("estimate", MODEL, "--energy-table", "5um"), ("unknown energy table", "45nm")),
        (("estimate", MODEL, "--energy-table", ","), ("no energy table",)),
        (("estimate", MODEL, "--machine", "egde"), ("unknown machine", "'edge'")),
        (("estimate", MODEL, "--lanes", "65537"), ("--lanes 65537", "1 to 65536")),
        (("estimate", MODEL, "--codec", "base3", "--scheme", "fp16"), ("--codec base3", "fp16")),
        (("estimate", MODEL, "--codec", "int4-g64"), ("did you mean 'int4-g64-sym'",)),
        (("estimate", MODEL, "--scheme", "fp16,fp16"), ("scheme fp16 is named twice",)),
        (("estimate", MODEL, "--memory", "lots"), ("memory size 'lots'", "80GB")),
        (("footprint", MODEL, "--memory", "16"), ("'16' has no unit", "16GB or 16GiB")),
        (("estimate", MODEL, "--memory", "16"), ("'16' has no unit", "16GB or 16GiB")),
        (("estimate", MODEL, "--scale-node", "HP45:HP7"), ("HP45@0.9:HP7@0.7",)),
        (
            ("estimate", MODEL, "--energy-table", "45nm", "--scale-node", "HP45@0.9:HP6@0.7"),
            ("unknown scaling node", "HP16"),
        ),
        (("estimate", MODEL, "--scale-node", "HP45@0.9:HP7@0.7"), ("7 nm", "starts at 45 nm")),
        (("estimate", MODEL, "--scale-node", "HP45@0.9:HP7@9"), ("0.4 to 1.3 V",)),
        (("count", MODEL, "--prefill", "0"), ("prefill: 0 tokens",)),
        (("count", MODEL, "--decode", "-3"), ("decode: -3 tokens",)),
        (("count", MODEL, "--prefill", "1", "--decode", "1"), ("exclude each other",)),
        (("count", MODEL, "--prompt", "1"), ("--generate",)),
        (("count", MODEL, "--batch", "0"), ("batch: 0",)),
        (("count", MODEL, "--prefill", "many"), ("--prefill many: must be an integer",)),
        (("count", MODEL, "--prefill=many"), ("--prefill many: must be an integer",)),
        (("count", MODEL, "--prefill"), ("--prefill needs a value",)),
        (("count", MODEL, "--json=yes"), ("--json takes no value",)),
        (("count", MODEL, "--frobnicate"), ("unknown option '--frobnicate'", "count --help")),
        (("count", MODEL, "--prefil", "8"), ("'--prefil'", "did you mean '--prefill'?")),
        (
            ("count", MODEL, "--attention", "casual"),
            ("--attention casual: must be one of full, causal", "did you mean 'causal'?"),
        ),
        (("estimate", "--json"), ("CONFIGS is missing", "estimate --help")),
        (("verilog", "ternary"), ("--output is missing",)),
        (("models", "a", "b"), ("unexpected arguments", "bitnet-hw models [OPTIONS] [NAME]")),
        (("simulate", "--weights", "no.npy"), ("--weights no.npy: no such file",)),
        (("simulate", "--stalls", "some"), ("--stalls some: must be a number",)),
        (("count", MODEL, "--json", "--csv"), ("exclude each other",)),
        (("count", "gpt2", "--decode", "4096"), ("1024 learned positions", "4096")),
        (("conut", MODEL), ("unknown command 'conut'; did you mean 'count'?",)),
        (("tables", "show", "8nm"), ("unknown energy table",)),
        (("tables", "8nm"), ("unknown energy table",)),
        (("tables", "check", "none.yaml"), ("none.yaml", "no such file")),
        (("report", MODEL, "-o", ""), ("--output is empty; give a folder",)),
        (("export", MODEL, "-o", ""), ("--output is empty; give a folder",)),
        (("verilog", "-o", " "), ("--output is empty; give a file",)),
        (("verilog", "-o", "pe.v", "--testbench="), ("--testbench is empty; give a file",)),
        (("simulate", "--vcd", ""), ("--vcd is empty; give a file",)),
        (("census", ""), ("PATH is empty; give a file or a folder",)),
        (("tables", "check", ""), ("FILE is empty; give a file",)),
        (("count", MODEL, "--checkpoint", ""), ("--checkpoint is empty",)),
        (("estimate", MODEL, MODEL), (f"two of the models are called '{MODEL}'",)),
        (("footprint", MODEL, MODEL), (f"two of the models are called '{MODEL}'",)),
        (
            ("estimate", MODEL, "--memory", "8GB", "--by", "part"),
            ("--memory applies only without",),
        ),
        (("verilog", "-o", "pe.v", "--rows", "8"), ("--rows applies only with --testbench",)),
        (("verilog", "-o", "pe.v", "--k", "8"), ("--k applies only with --testbench",)),
        (("verilog", "-o", "pe.v", "--seed", "1"), ("--seed applies only with --testbench",)),
        (("verilog", "-o", "pe.v", "--no-dsp"), ("--no-dsp applies only with --ecp5",)),
        (("measure", "--liberty", "a.lib", "--node", "7"), ("--node applies only with --table",)),
        (("measure", "--liberty", "a.lib", "--base", "7nm"), ("--base applies only with --table",)),
        (("estimate", MODEL, "--attention", "full"), ("--attention full applies to a prefill",)),
        (("count", MODEL, "--decode", "9", "--attention", "full"), ("applies to a prefill",)),
        (("count", MODEL, "--decode", "0"), ("--decode 0: the new token attends",)),
        (("estimate", MODEL, "--scheme", "fp16,"), ("an empty name in --scheme fp16,",)),
        (("estimate", MODEL, "--energy-table", ",7nm"), ("an empty name in --energy-table ,7nm",)),
        (
            ("estimate", MODEL, "--energy-table", "7nm,jouppi-2021-7nm"),
            ("7nm and jouppi-2021-7nm are the same energy table; name it once",),
        ),
        (("estimate", MODEL, "--by", "part,role"), ("--by part,role: give one field",)),
        (("count", "xyzzy"), ("unknown model 'xyzzy'; see `bitnet-hw models`",)),
        (("count", MODEL, "--machine", "xyzzy"), ("unknown machine 'xyzzy'",)),
    ],
)
def test_a_wrong_argument(run: Run, arguments: tuple[str, ...], parts: tuple[str, ...]) -> None:
    _refused(run(*arguments), *parts)


@pytest.mark.parametrize(
    ("flag", "value"),
    [
        ("--attention", "causal"),
        ("--lm-head", "last"),
        ("--float-accumulator", "fp32"),
        ("--machine", "edge"),
        ("--lanes", "8"),
    ],
)
def test_flags_that_contradict_the_paper_convention(run: Run, flag: str, value: str) -> None:
    for command in ("count", "estimate"):
        result = run(command, MODEL, "--convention", "paper", flag, value)
        _refused(result, f"{flag} {value}", "--convention paper")


def test_an_unpriced_operation_names_table_and_operation(run: Run, tmp_path: Path) -> None:
    table = tmp_path / "thin.yaml"
    table.write_text(
        "schema: 1\nkind: operations\nname: thin\ntitle: thin\nnode_nm: 5\n"
        "sources: {a: {authors: A, title: B, venue: C, year: 2026}}\n"
        "operations:\n"
        "  - {operation: add, format: int8, pj: 0.1, kind: published, boundary: op, source: a,"
        " locator: T1}\n"
    )
    result = run("estimate", MODEL, "--energy-table", table, "--scheme", "bitnet-b1.58")
    _refused(result, "thin", "fp16")


def test_a_table_without_a_source_does_not_load(run: Run, tmp_path: Path) -> None:
    table = tmp_path / "bare.yaml"
    table.write_text(
        "schema: 1\nkind: operations\nname: bare\ntitle: bare\nnode_nm: 5\n"
        "sources: {a: {authors: A, title: B, venue: C, year: 2026}}\n"
        "operations:\n"
        "  - {operation: add, format: int8, pj: 0.1, kind: published, boundary: op}\n"
    )
    _refused(run("tables", "check", table), "bare.yaml:8", "'source' is missing")


def test_an_impossible_scheme(run: Run, tmp_path: Path) -> None:
    scheme = tmp_path / "odd.yaml"
    head = "{weight: fp16, activation: fp16, accumulator: fp32, codec: fp16}"
    scheme.write_text(
        "name: odd\n"
        "linear: {weight: ternary, activation: int8, accumulator: int16, codec: 2bit}\n"
        "attention: {operand: fp16, kv_cache: fp16, accumulator: fp32}\n"
        f"lm_head: {head}\nembedding: fp16\nelementwise: fp16\n"
    )
    _refused(run("count", MODEL, "--scheme", scheme), "accumulator int16 overflows", "int20")
    scheme.write_text(scheme.read_text().replace("codec: 2bit", "codec: int8"))
    _refused(run("count", MODEL, "--scheme", scheme), "odd.yaml:2: linear", "codec int8")


@pytest.mark.parametrize(
    ("kind", "name", "old", "new", "flag"),
    [
        ("schemes", "bitnet-b1.58", "0.310", "0.500", "--scheme"),
        ("machines", "edge", "rows: 32", "rows: 64", "--machine"),
    ],
)
def test_a_changed_copy_needs_a_name_of_its_own(
    run: Run, tmp_path: Path, kind: str, name: str, old: str, new: str, flag: str
) -> None:
    copy = tmp_path / "copy.yaml"
    text = run(kind, name, "--yaml").out
    assert old in text
    copy.write_text(text.replace(old, new))
    line = 1 + next(i for i, one in enumerate(text.splitlines()) if one.startswith("name:"))
    parts = (f"copy.yaml:{line}: name: {name!r}", "a name of its own")
    _refused(run("estimate", MODEL, flag, copy), *parts)


def test_a_changed_table_needs_name_and_alias_of_its_own(run: Run, tmp_path: Path) -> None:
    copy = tmp_path / "copy.yaml"
    text = run("tables", "show", "7nm", "--yaml").out.replace("pj: 0.007", "pj: 0.009")
    copy.write_text(text)
    line = 1 + next(i for i, one in enumerate(text.splitlines()) if one.startswith("aliases:"))
    _refused(run("estimate", MODEL, "--energy-table", copy), "7nm", "a name of its own")
    copy.write_text(text.replace("jouppi-2021-7nm", "mine"))
    _refused(
        run("tables", "check", copy),
        f"copy.yaml:{line}: aliases: '7nm' belongs to",
        "jouppi-2021-7nm; remove it or choose another",
    )
    copy.write_text(text.replace("jouppi-2021-7nm", "mine").replace("[7nm]", "[]"))
    assert run("tables", "check", copy).code == 0


def test_two_schemes_of_one_name_are_refused(run: Run, tmp_path: Path) -> None:
    copy = tmp_path / "copy.yaml"
    copy.write_text(run("schemes", "fp16", "--yaml").out)
    _refused(run("estimate", MODEL, "--scheme", f"fp16,{copy}"), "two of the schemes", "'fp16'")


def test_a_price_of_zero_does_not_load(run: Run, tmp_path: Path) -> None:
    table = tmp_path / "free.yaml"
    text = run("tables", "show", "7nm", "--yaml").out
    text = text.replace("jouppi-2021-7nm", "free").replace("[7nm]", "[]")
    table.write_text(text.replace("pj: 0.007", "pj: 0"))
    _refused(run("tables", "check", table), "free.yaml", "pj: must be greater than 0")


def test_a_table_says_which_schemes_it_cannot_price(run: Run, tmp_path: Path) -> None:
    table = tmp_path / "thin.yaml"
    text = run("tables", "show", "7nm", "--yaml").out
    text = text.replace("jouppi-2021-7nm", "thin").replace("[7nm]", "[]")
    lines = [line for line in text.splitlines() if "format: bf16" not in line]
    table.write_text("\n".join(lines) + "\n")
    out = run("tables", "check", table).out
    assert "scheme bf16 cannot be priced: no price for mul of bf16; it has: " in out
    assert "scheme fp16 " not in out


def test_numbers_in_scientific_notation(run: Run, tmp_path: Path) -> None:
    machine = tmp_path / "fast.yaml"
    text = run("machines", "edge", "--yaml").out.replace("name: edge", "name: fast")
    for written in ("1e9", "1.0e9", "1.5E+9"):
        machine.write_text(text.replace("value: 5.0e+8", f"value: {written}"))
        assert run("machines", machine).code == 0


@pytest.mark.parametrize("arguments", [("count", MODEL), ("estimate", MODEL, "--json")])
def test_a_full_disk_is_one_line(arguments: tuple[str, ...]) -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("this system has no /dev/full")
    code = "import sys; from bitnet_hw.cli import main; sys.exit(main(sys.argv[1:]))"
    with full.open("w") as out:
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], stdout=out, stderr=subprocess.PIPE, text=True,
            check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.splitlines() == ["bitnet-hw: error: cannot write: No space left on device"]


@pytest.mark.parametrize(("flag", "value"), [("--codec", "base3"), ("--memory", "8GB")])
def test_memory_contradicts_the_paper_convention(run: Run, flag: str, value: str) -> None:
    result = run("estimate", MODEL, "--convention", "paper", flag, value)
    _refused(result, f"{flag} {value}", "--convention paper")


def test_a_config_without_a_model_type(run: Run, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text('{"hidden_size": 64}')
    _refused(run("count", tmp_path), "config.json", "model_type")
    _refused(run("count", ""), "no model is named")


def test_the_design_is_not_written_if_the_test_bench_cannot_be(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = run(
        "verilog", "--lanes", 2, "-o", tmp_path / "pe.v", "--testbench", tmp_path / "file" / "tb.v"
    )
    assert result.code == 2
    assert len(result.err.splitlines()) == 1
    assert {path.name for path in tmp_path.iterdir()} == {"file"}


def test_two_models_of_one_name_are_refused(run: Run, tmp_path: Path) -> None:
    copy = _model(tmp_path, name="llama-2-7b")
    for command in ("estimate", "footprint", "report"):
        _refused(run(command, copy, "llama-2-7b"), "two of the models are called 'llama-2-7b'")


def test_a_folder_given_as_an_energy_table(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("folder", "7nm", "dram"):
        (tmp_path / name).mkdir()
    _refused(run("estimate", MODEL, "--energy-table", "folder"), "folder: is a folder; a file was")
    # The name of a shipped file keeps its meaning.
    assert run("tables", "show", "7nm").code == run("tables", "show", "dram").code == 0


def test_an_output_below_a_file_is_refused(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "m2.yaml"
    file.write_text("")
    for below in (file, file / "x", file / "x" / "y"):
        _refused(run("export", MODEL, "-o", below), f"{file} is a file; give a folder")
    _refused(run("verilog", "-o", file / "pe.v"), f"{file} is a file; give a folder")
    assert list(tmp_path.iterdir()) == [file]
