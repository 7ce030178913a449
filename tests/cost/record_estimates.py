"""Record `bitnet-hw estimate --json` for random scenarios, and compare a later version with it.

Run this by hand before and after a change that must not change any figure:

    python tests/cost/record_estimates.py record before.json      # before the change
    python tests/cost/record_estimates.py compare before.json     # after it

Every number must agree to a relative 1e-12. The recording is not kept in the repository.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import math
import random
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

# The folder of a script is on the path; under pytest or mypy, this file is not imported.
from machines import random_machine

from bitnet_hw.cli import main

TOLERANCE = 1e-12
MODELS = (
    "bitnet-b1.58-2b4t", "bitnet-125m", "bitnet-b1.58-3b", "gpt2", "opt-350m", "gemma-2-2b",
    "gemma-3-1b", "llama-2-70b", "llama-3.2-1b", "mistral-7b", "qwen3-0.6b", "pythia-160m",
    "phi-3-mini", "bitnet-b1.58-70b",
)  # fmt: skip
SCHEMES = (
    "fp32", "fp16", "bf16", "w8a8", "w4a16", "bitnet-b1", "bitnet-b1.58", "bitnet-a4.8",
    "bitnet-v2",
)  # fmt: skip
TABLES = ("7nm", "45nm", "asap7-prelayout", "ihp-sg13g2-prelayout")


def scenarios(number: int, seed: int) -> list[dict[str, Any]]:
    """Return random models, arguments and machines."""
    draw = random.Random(seed)  # noqa: S311  no secret
    found = []
    for _ in range(number):
        paper = draw.random() < 0.2
        arguments = ["--scheme", ",".join(draw.sample(SCHEMES, 3))]
        arguments += ["--energy-table", draw.choice(TABLES[: 2 if paper else 4])]
        machine = None if paper else _machine(draw)
        arguments += ["--convention", "paper"] if paper else _system(draw)
        if draw.random() < 0.3:
            arguments += ["--batch", str(draw.choice((2, 3, 16, 100)))]
        found.append({"model": draw.choice(MODELS), "arguments": arguments, "machine": machine})
    return found


def _system(draw: random.Random) -> list[str]:
    length = str(draw.choice((1, 7, 64, 500, 512, 1000)))
    kind = draw.random()
    arguments = ["--decode", length]
    if kind < 0.3:
        arguments = ["--prefill", length, "--attention", draw.choice(("full", "causal"))]
    elif kind < 0.6:
        arguments = ["--prompt", length, "--generate", draw.choice(("1", "2", "10", "300"))]
    arguments += ["--lm-head", draw.choice(("last", "all", "none"))]
    if draw.random() < 0.3:
        arguments += ["--float-accumulator", draw.choice(("fp16", "fp32"))]
    return arguments


def _machine(draw: random.Random) -> dict[str, Any]:
    """Return a machine as files write it."""
    return random_machine(draw).model_dump(by_alias=True, exclude_unset=True, mode="json")


def run(scenario: dict[str, Any], folder: Path) -> Any:
    """Return the JSON that the command prints, or its exit code if it fails."""
    arguments = ["estimate", scenario["model"], *scenario["arguments"], "--json"]
    if scenario["machine"] is not None:
        (folder / "drawn.yaml").write_text(yaml.safe_dump(scenario["machine"]), encoding="utf-8")
        arguments += ["--machine", str(folder / "drawn.yaml")]
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    return json.loads(out.getvalue()) if code == 0 else {"refused": code}


def differences(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """Yield a line for each value that differs."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in before.keys() | after.keys():
            if key not in before or key not in after:
                yield f"{path}.{key}: only {'after' if key in after else 'before'}"
            else:
                yield from differences(before[key], after[key], f"{path}.{key}")
    elif isinstance(before, list) and isinstance(after, list):
        if len(before) != len(after):
            yield f"{path}: {len(before)} items before, {len(after)} after"
        for i, (one, other) in enumerate(zip(before, after, strict=False)):
            yield from differences(one, other, f"{path}[{i}]")
    elif isinstance(before, float) and isinstance(after, int | float):
        if not math.isclose(before, after, rel_tol=TOLERANCE, abs_tol=0.0):
            yield f"{path}: {before!r} before, {after!r} after"
    elif before != after:
        yield f"{path}: {before!r} before, {after!r} after"


def _ordered(found: Any) -> Any:
    """Return the JSON with its rows of traffic sorted, because their order has no meaning."""
    for estimate in found if isinstance(found, list) else ():
        if estimate["traffic"]:
            estimate["traffic"].sort(key=lambda row: (row["level"], row["content"]))
    return found


def command() -> int:
    """Record or compare, and return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("action", choices=["record", "compare"])
    parser.add_argument("file", type=Path)
    parser.add_argument(
        "--number", type=int, default=400, help="Number of scenarios to draw. Default: 400."
    )
    parser.add_argument("--seed", type=int, default=1, help="Seed of the random draw. Default: 1.")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        if given.action == "record":
            drawn = scenarios(given.number, given.seed)
            recorded = [{"scenario": one, "found": run(one, Path(name))} for one in drawn]
            given.file.write_text(json.dumps(recorded), encoding="utf-8")
            print(f"{given.file}: {len(recorded)} scenarios")
            return 0
        wrong = 0
        recorded = json.loads(given.file.read_text(encoding="utf-8"))
        for one in recorded:
            after = _ordered(run(one["scenario"], Path(name)))
            lines = list(differences(_ordered(one["found"]), after))
            wrong += bool(lines)
            for line in lines[:5]:
                print(
                    f"{one['scenario']['model']} {' '.join(one['scenario']['arguments'])}: {line}"
                )
    print(f"{len(recorded)} scenarios, {wrong} of them differ")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(command())
