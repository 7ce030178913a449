"""``count --trace`` as a command: the forms of its output, and one line for every mistake."""

from __future__ import annotations

import builtins
import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

Run = Callable[..., Any]
SCHEMA = Path(__file__).parent.parent.parent / "docs" / "schema" / "count-2.json"
MODEL = """
import torch

def build():
    torch.manual_seed(0)
    layers = {"q_proj": torch.nn.Linear(64, 32, bias=False), "lm_head": torch.nn.Linear(32, 8)}
    model = torch.nn.Sequential()
    for name, layer in layers.items():
        model.add_module(name, layer)
    with torch.no_grad():
        model.q_proj.weight.copy_(torch.tensor([1.0, -1.0, 0.0, 1.0]).repeat(32, 16) * 0.1)
    return model, (torch.randn(2, 64),)

def named():
    model, (x,) = build()
    return model, {"input": x}

def on_meta():
    model, (x,) = build()
    return model.to("meta"), x.to("meta")

def odd():
    class Odd(torch.nn.Module):
        def forward(self, x):
            return x.log()
    return Odd(), torch.ones(3)

def wrong_shape():
    return build()[0], torch.ones(3, 3)

def only_a_model():
    return build()[0]

def three():
    return 1, 2, 3

def no_model():
    return 7, ()

def fails():
    raise KeyError("weights.bin")

number = 3
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Write a module into the working folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "traced_here", raising=False)
    (tmp_path / "traced_here.py").write_text(MODEL)
    return "traced_here"


@pytest.mark.parametrize("function", ["build", "named"])
def test_json_has_the_form_of_count(run: Run, module: str, function: str) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    result = run("count", "--trace", f"{module}:{function}", "--json")
    assert result.code == 0, result.err
    found = json.loads(result.out)
    jsonschema.validate(found, json.loads(SCHEMA.read_text()))
    assert found["macs"] == 2 * (64 * 32 + 32 * 8)
    assert found["macs_by_role"] == {"qkv": 2 * 64 * 32, "lm-head": 2 * 32 * 8}
    assert found["multiplications"] == 2 * 32 * 8
    assert found["additions"] == 2 * 32 * (48 - 1) + 2 * 8 * 31 + 2 * 8
    assert found["add_only"]["weight_zeros"] == 0.25
    assert found["add_only"]["weight_zeros_basis"] == "traced"
    assert found["unknown"] == []
    assert {row["scope"] for row in found["rows"]} == {"q_proj", "lm_head"}


def test_csv_and_text(run: Run, module: str) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    rows = list(
        csv.DictReader(io.StringIO(run("count", "--trace", f"{module}:build", "--csv").out))
    )
    assert sum(int(row["count"]) for row in rows if row["operation"] == "ternary-add") == 64 * 47
    text = run("count", "--trace", f"{module}:build").out
    assert "Sequential" in text
    assert "0.25 of the weights" in text


def test_declared_zeros_on_meta(run: Run, module: str) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    text = run("count", "--trace", f"{module}:on_meta").out
    assert "declare ternary ones with --weight-zeros" in text
    result = run(
        "count", "--trace", f"{module}:on_meta", "--json",
        "--weight-zeros", "q_proj=0.5", "--activations", "q_proj=int8",
    )  # fmt: skip
    (row,) = [r for r in json.loads(result.out)["rows"] if r["operation"] == "ternary-add"]
    assert (row["count"], row["format"], row["accumulator"]) == (64 * 31, "int8", "int14")


def test_strict(run: Run, module: str) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    loose = run("count", "--trace", f"{module}:odd")
    assert loose.code == 0
    assert "no formula, not counted: aten.log.default in Odd, calls: 1" in loose.out
    strict = run("count", "--trace", f"{module}:odd", "--strict")
    assert strict.code == 2
    assert "aten.log.default" in strict.err


@pytest.mark.parametrize(
    ("reference", "says"),
    [
        ("traced_here", "give module:callable"),
        ("traced_here:absent", "traced_here has no 'absent'"),
        ("nowhere_at_all:build", "No module named 'nowhere_at_all'"),
        ("traced_here:number", "expected a function, found an object of type int"),
        ("traced_here:only_a_model", "must return (model, inputs), found Sequential"),
        ("traced_here:three", "must return (model, inputs), found a tuple of 3"),
        ("traced_here:no_model", "takes a torch.nn.Module, found int"),
        ("traced_here:fails", "the function raised KeyError: 'weights.bin'"),
        ("traced_here:wrong_shape", "the model raised RuntimeError"),
    ],
)
def test_mistakes_in_the_reference(run: Run, module: str, reference: str, says: str) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    assert module
    result = run("count", "--trace", reference)
    assert result.code == 2
    assert result.out == ""
    assert says in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("bitnet-b1.58-2b4t", "--trace", "m:f"), "CONFIG contradicts --trace"),
        (("--trace", "m:f", "--scheme", "fp16"), "--scheme contradicts --trace"),
        (("--trace", "m:f", "--decode", "5"), "--decode contradicts --trace"),
        (("--trace", "m:f", "--weight-zeros", "0.3"), "give PATTERN=VALUE"),
        (("--trace", "m:f", "--weight-zeros", "*=few"), "'few' is not a fraction"),
        (("bitnet-b1.58-2b4t", "--strict"), "need --trace"),
        ((), "count needs a CONFIG, or --trace"),
    ],
)
def test_contradictory_options(run: Run, arguments: tuple[str, ...], says: str) -> None:
    result = run("count", *arguments)
    assert result.code == 2
    assert says in result.err


def test_pytorch_missing(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "plain_here.py").write_text("def build():\n    return object(), ()\n")
    whole = builtins.__import__

    def without_torch(name: str, *rest: Any) -> Any:
        if name == "torch":
            raise ImportError(name)
        return whole(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without_torch)
    result = run("count", "--trace", "plain_here:build")
    assert result.code == 3
    assert "pip install 'bitnet-hw[torch]'" in result.err
