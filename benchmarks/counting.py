"""Closed-form counting compared with torch's FlopCounterMode, and a sweep of 10,000 scenarios.

Both count the MACs of one prefill with full attention and the LM head on every position: bitnet-hw
from the shape alone, FlopCounterMode by running the Hugging Face model on the meta device. Before
anything is timed, the totals are checked to be equal. Times are CPU times of all threads of one
process; the median of several runs per side is shown. For torch, only the forward pass under the
counter is timed; the time to build the model is shown separately. For bitnet-hw, the time covers
the operators and the whole tally by scope, role and format.

Needs torch and transformers (the extra ``torch``).
"""

from __future__ import annotations

import gc
import importlib.util
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

# transformers compiles some of its helpers when they first run; that must not be timed.
os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")

import click

from bitnet_hw.cli import run
from bitnet_hw.cost.counting import count
from bitnet_hw.cost.estimates import estimate
from bitnet_hw.errors import MismatchError, ToolMissingError
from bitnet_hw.inputs.machine import load_machine
from bitnet_hw.inputs.model import ModelSpec, load_model
from bitnet_hw.inputs.scenario import Scenario
from bitnet_hw.inputs.scheme import load_scheme
from bitnet_hw.prices.loading import load_table

MODELS = ("llama-1.3b", "llama-2-70b")
#: Smallest accepted ratio of FlopCounterMode's CPU time to that of closed form.
EXPECTED_RATIO = 500
SWEEP = 10_000


def median_cpu(work: Callable[[], object], runs: int) -> float:
    """Return the median CPU time of a call, s, after one call to warm caches."""
    work()
    times = []
    for _ in range(runs):
        # Neither side should pay for collecting the garbage of the other.
        gc.collect()
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return statistics.median(times)


def meta_model(model: ModelSpec) -> Any:  # noqa: ANN401  a transformers model
    """Return a Hugging Face LLaMA with the shapes of a model, without storage."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    shared = (
        "hidden_size",
        "num_hidden_layers",
        "num_attention_heads",
        "num_key_value_heads",
        "intermediate_size",
        "vocab_size",
        "max_position_embeddings",
        "tie_word_embeddings",
    )
    settings: dict[str, Any] = {key: getattr(model, key) for key in shared}
    settings["attn_implementation"] = "eager"
    with torch.device("meta"):
        return LlamaForCausalLM(LlamaConfig(**settings))


def flop_counter_macs(network: Any, tokens: int) -> int:  # noqa: ANN401  as meta_model returns
    """Return FlopCounterMode's MACs of one prefill: half its count of operations."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    ids = torch.zeros((1, tokens), dtype=torch.long, device="meta")
    # Without an explicit mask, the code that makes one reads values of the meta tensor.
    mask = torch.ones((1, tokens), dtype=torch.long, device="meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(input_ids=ids, attention_mask=mask, use_cache=False)
    return int(counter.get_total_flops()) // 2


def compare(name: str, tokens: int, runs: int) -> float:
    """Time both sides on one model, print the result, and return the ratio."""
    model, scheme = load_model(name), load_scheme("fp16")
    scenario = Scenario("prefill", tokens=tokens, attention="full", lm_head="all")
    start = time.process_time()
    network = meta_model(model)
    building = time.process_time() - start
    ours, theirs = count(model, scenario, scheme).macs, flop_counter_macs(network, tokens)
    if ours != theirs:
        raise MismatchError(f"{name}: FlopCounterMode counts {theirs} MACs, closed form {ours}")
    torch_s = median_cpu(lambda: flop_counter_macs(network, tokens), runs)
    # A single call is too short to time.
    inner = 100
    ours_s = (
        median_cpu(lambda: [count(model, scenario, scheme) for _ in range(inner)], 4 * runs) / inner
    )
    ratio = torch_s / ours_s
    click.echo(
        f"{name:12} {ours:>18,d} MACs  FlopCounterMode {1e3 * torch_s:9.1f} ms "
        f"(+ {building:.1f} s to build)  closed form {1e6 * ours_s:7.1f} us  ratio {ratio:8.0f}"
    )
    return ratio


def sweep(number: int) -> None:
    """Time a number of scenarios: counting alone, and counting with pricing."""
    models = [load_model(name) for name in (*MODELS, "bitnet-b1.58-2b4t", "bitnet-6.7b")]
    schemes = [load_scheme(name) for name in ("fp16", "w8a8", "bitnet-b1.58", "bitnet-a4.8")]
    table, machine = load_table("7nm"), load_machine()
    cases = []
    for i in range(number):
        scenario = Scenario("decode", context=1 + i // 16, batch=1 + i % 7)
        cases.append((models[i % 4], schemes[i // 4 % 4], scenario))
    start = time.process_time()
    for model, scheme, scenario in cases:
        count(model, scenario, scheme, "system", machine)
    counted = time.process_time() - start
    start = time.process_time()
    for model, scheme, scenario in cases:
        _ = estimate(model, scheme, table, scenario, "system", machine).energy
    priced = time.process_time() - start
    click.echo(
        f"{number:,d} scenarios, CPU time: {counted:.1f} s to count, "
        f"{priced:.1f} s to count and price, with traffic and time"
    )


@click.command(help=__doc__, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--tokens",
    type=click.IntRange(1),
    default=512,
    help="Number of tokens of the prefill. Default: 512.",
)
@click.option(
    "--runs",
    type=click.IntRange(1),
    default=5,
    help="Number of timed runs of FlopCounterMode; closed form has four times as many. Default: 5.",
)
@click.option(
    "--scenarios",
    type=click.IntRange(1),
    default=SWEEP,
    help=f"Number of scenarios of the sweep. Default: {SWEEP}.",
)
def main(tokens: int, runs: int, scenarios: int) -> None:
    """Run the comparison and the sweep, and check the smallest ratio."""
    for package in ("torch", "transformers"):
        if importlib.util.find_spec(package) is None:
            raise ToolMissingError(f"{package} is not installed: pip install 'bitnet-hw[torch]'")
    click.echo(
        f"Python {platform.python_version()}, torch {version('torch')}, "
        f"transformers {version('transformers')}, {os.cpu_count()} cores, prefill of {tokens}"
    )
    ratios = [compare(name, tokens, runs) for name in MODELS]
    sweep(scenarios)
    least = min(ratios)
    click.echo(
        f"smallest ratio {least:.0f}, expected at least {EXPECTED_RATIO}: "
        f"{'yes' if least >= EXPECTED_RATIO else 'NO'}"
    )
    if least < EXPECTED_RATIO:
        raise MismatchError(f"smallest ratio {least:.0f}, expected at least {EXPECTED_RATIO}")


if __name__ == "__main__":
    sys.exit(run(main, None, "counting"))
