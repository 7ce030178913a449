"""A machine with free figures, and published values for it that the cost model made up."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

from bitnet_hw.calibration.prediction import predict
from bitnet_hw.calibration.response import free_parameters, with_values
from bitnet_hw.calibration.rows import Row, Value
from bitnet_hw.inputs.machine import Machine, load_machine
from bitnet_hw.inputs.model import load_model
from bitnet_hw.inputs.scheme import load_scheme

MACHINE = """\
# A machine of the tests; every figure is assumed.
schema: 2
name: mine  # the name of the machine
family: {device: gpu, generation: Mine, stack: none}
units:
  - name: gpu
    kind: programmable
    peak_mac_per_s:
      fp16xfp16: {value: 1.0e+13, assumed: a test}
    # Shares of the peak.
    reached_share:
      fp16xfp16: {value: 0.5, assumed: a test, free: true}  # by hand
unpacking:
  - codecs: [q4_0, q6_k]
    seconds_per_weight: {value: 1.0e-12, assumed: a test, free: true}
    energy_pj_per_weight: {value: 20, assumed: 'a test, with a comma and a brace }',
      free: true}
memories:
  - name: dram
    kind: GDDR6
    holds: {weights: 1, kv-cache: 1, activations: 1, embedding: 1}
    bandwidth_bytes_per_s: {value: 5.0e+11, assumed: a test}
    reached_share:
      value: 0.8
      assumed: a test
      free: true
    energy_pj_per_bit: {value: 12, assumed: a test, free: true}
overheads: {seconds_per_layer: {value: 4.0e-5, assumed: a test, free: true}}

overlap: {value: 0, assumed: a test}
power:
  # Above idle.
  active_w: {value: 20, assumed: a test, free: true}
boundary: {covers: GPU board, idle_subtracted: true}
"""

SHARE = "units.gpu.reached_share.fp16xfp16"
UNPACKING = "unpacking.q4_0.seconds_per_weight"
PJ_PER_WEIGHT = "unpacking.q4_0.energy_pj_per_weight"
BANDWIDTH = "memories.dram.reached_share"
PJ_PER_BIT = "memories.dram.energy_pj_per_bit"
PER_LAYER = "overheads.seconds_per_layer"
WATTS = "power.active_w"
LABELS = {SHARE, UNPACKING, PJ_PER_WEIGHT, BANDWIDTH, PJ_PER_BIT, PER_LAYER, WATTS}

#: (model, weights, scenario, quantity) of rows that tell all seven figures apart.
WORK: Sequence[tuple[str, str, dict[str, int], str]] = [
    ("llama-2-7b", "fp16", {"decode": 64}, "tokens_per_s"),
    ("bitnet-125m", "fp16", {"decode": 64}, "tokens_per_s"),
    ("qwen3-1.7b", "fp16", {"decode": 64}, "tokens_per_s"),
    ("llama-2-7b", "q4_0", {"decode": 64}, "tokens_per_s"),
    ("qwen3-1.7b", "q4_0", {"decode": 512}, "tokens_per_s"),
    ("llama-2-7b", "fp16", {"prefill": 512}, "prefill_tokens_per_s"),
    ("qwen3-1.7b", "fp16", {"prefill": 2048}, "time_to_first_token_s"),
    ("qwen3-1.7b", "fp16", {"prompt": 256, "generate": 64, "batch": 4}, "tokens_per_s_of_request"),
    ("llama-2-7b", "fp16", {"decode": 64}, "energy_per_token_j"),
    ("bitnet-125m", "fp16", {"decode": 64}, "energy_per_token_j"),
    ("llama-2-7b", "q4_0", {"decode": 64}, "energy_per_token_j"),
    ("qwen3-1.7b", "q4_0", {"decode": 64}, "power_w"),
]
SPEEDS = WORK[:8]


def machine(folder: Path, text: str = MACHINE) -> Machine:
    """Return the machine of a text, through a file."""
    path = folder / "mine.yaml"
    path.write_text(text, "utf-8")
    return load_machine(path)


def only_free(described: Machine, *labels: str) -> Machine:
    """Return a machine in which only some of the free figures are free."""
    for p in free_parameters(described):
        if p.label not in labels:
            described = described.with_figure(p.path, p.figure.replace(free=False))
    return described


def generator(seed: int | str) -> random.Random:
    """Return a generator of random numbers."""
    return random.Random(seed)  # noqa: S311  no secret depends on it


def random_truth(draw: random.Random | int) -> dict[str, float]:
    """Return values of the free figures, from a generator or a seed."""
    draw = generator(draw) if isinstance(draw, int) else draw
    return {
        SHARE: draw.uniform(0.2, 0.85),
        UNPACKING: 10 ** draw.uniform(-12.5, -11.3),
        PJ_PER_WEIGHT: draw.uniform(8, 60),
        BANDWIDTH: draw.uniform(0.4, 0.9),
        PJ_PER_BIT: draw.uniform(5, 40),
        PER_LAYER: 10 ** draw.uniform(-4.8, -3.8),
        WATTS: draw.uniform(5, 100),
    }


def published(
    described: Machine,
    truth: Mapping[str, float],
    work: Sequence[tuple[str, str, dict[str, int], str]] = WORK,
    noise: Sequence[float] = (),
) -> list[Value]:
    """Return values as a machine with the true figures has them, times exp(noise)."""
    real = with_values(described, free_parameters(described), truth)
    found = []
    for i, (model, weights, scenario, quantity) in enumerate(work):
        row = Row.model_validate(
            {
                "id": f"row-{i}", "source": "made-up", "machine": described.name, "model": model,
                "weights": weights, "scenario": scenario, quantity: 1.0,
                "boundary": "GPU board, idle subtracted",
            }
        )  # fmt: skip
        value = Value(
            row, quantity, 1.0, described, load_model(model), load_scheme(weights),
            row.scenario.scenario(), f"rows.yaml:{i + 1}: rows.{i}: row {row.id}",
        )  # type: ignore[arg-type]  # fmt: skip
        error = 2.718281828459045 ** (noise[i] if noise else 0.0)
        found.append(value._replace(published=predict(value, real) * error))
    return found
