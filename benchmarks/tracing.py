"""CPU time of forward passes: traced, under PyTorch's FlopCounterMode, and without a counter.

All three run the same models on the same inputs alternately in one process; the least CPU time of
each is compared. The exit code is 1 if tracing takes more than twice as long as FlopCounterMode.
Needs the extra `torch`.

Usage: python benchmarks/tracing.py [--rounds N]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Any

import torch
import transformers
from torch.utils.flop_counter import FlopCounterMode

import bitnet_hw

_LIMIT = 2.0


class StraightThroughBitLinear(torch.nn.Linear):
    """A BitLinear as users write it for training: quantized values, full-precision gradients."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Multiply quantized activations by ternary weights."""
        scale = self.weight.abs().mean().clamp(min=1e-5)
        ternary = (self.weight / scale).round().clamp(-1, 1) * scale
        step = x.abs().amax(dim=-1, keepdim=True).clamp(min=1e-5) / 127
        integers = (x / step).round().clamp(-128, 127) * step
        weight = self.weight + (ternary - self.weight).detach()
        return torch.nn.functional.linear(x + (integers - x).detach(), weight)


def models() -> Iterator[tuple[str, torch.nn.Module, torch.Tensor, int]]:
    """Yield the name of each case, its model, its input and the number of passes per block."""
    config = transformers.LlamaConfig(
        hidden_size=1024, intermediate_size=2816, num_hidden_layers=8, num_attention_heads=16,
        num_key_value_heads=4, vocab_size=8192, attn_implementation="sdpa",
    )  # fmt: skip
    torch.manual_seed(0)
    llama = transformers.LlamaForCausalLM(config).eval()
    for tokens in (1, 128):
        yield f"Llama 8 x 1024, {tokens} tokens", llama, torch.randint(8192, (1, tokens)), 1
    yield "Llama bf16, 32 tokens", llama.to(torch.bfloat16), torch.randint(8192, (1, 32)), 1
    llama.to(torch.float32)
    with torch.no_grad():
        for name, module in llama.named_modules():
            if isinstance(module, torch.nn.Linear) and name != "lm_head":
                scale = module.weight.abs().mean()
                module.weight.copy_((module.weight / scale).round().clamp(-1, 1) * scale)
    yield "ternary weights, 128 tokens", llama, torch.randint(8192, (1, 128)), 1
    yield "ternary weights, 1 token x 8", llama, torch.randint(8192, (1, 1)), 8
    # The worst case: the first pass reads each matrix to count its zeros, and later ones do not.
    yield "ternary weights, 1 token", llama, torch.randint(8192, (1, 1)), 1
    for name, module in list(llama.named_modules()):
        if isinstance(module, torch.nn.Linear) and name != "lm_head":
            bits = StraightThroughBitLinear(module.in_features, module.out_features, bias=False)
            llama.set_submodule(name, bits)
    for tokens in (1, 128):
        yield f"straight-through, {tokens} tokens", llama, torch.randint(8192, (1, tokens)), 1
    with torch.device("meta"):
        wide = transformers.LlamaForCausalLM(config)
    positions = torch.zeros((1, 1, 512, 512), device="meta")
    ids = torch.zeros((1, 512), dtype=torch.long, device="meta")
    yield "Llama on meta, 512 tokens", _Masked(wide, positions), ids, 1


class _Masked(torch.nn.Module):
    """A model with a given attention mask, without which mask code fails on the meta device."""

    def __init__(self, model: torch.nn.Module, mask: torch.Tensor) -> None:
        super().__init__()
        self.model = model
        self.mask = mask

    def forward(self, ids: torch.Tensor) -> Any:  # noqa: ANN401  the model's own output
        return self.model(ids, attention_mask=self.mask, use_cache=False)


def least_times(
    model: torch.nn.Module, ids: torch.Tensor, passes: int, rounds: int
) -> tuple[float, float, float]:
    """Return the least CPU time in seconds: without a counter, with FlopCounterMode, traced."""
    counters: list[Callable[[], Any]] = [
        nullcontext,
        lambda: FlopCounterMode(display=False),
        lambda: bitnet_hw.trace(model),
    ]
    best = [float("inf")] * 3
    with torch.no_grad():
        for _ in range(rounds + 1):  # the first round warms up
            for i, counter in enumerate(counters):
                start = time.process_time()
                with counter():
                    for _pass in range(passes):
                        model(ids)
                best[i] = min(best[i], time.process_time() - start)
    return best[0], best[1], best[2]


def main() -> int:
    """Print one line per case; return 1 if tracing is slower than allowed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="Number of timed rounds. Default: 5.")
    rounds = parser.parse_args().rounds
    torch.set_num_threads(1)  # threads that wait would add CPU time
    worst = 0.0
    print(f"{'CPU time of a pass':32} {'plain s':>9} {'flops s':>9} {'traced s':>9} {'ratio':>6}")
    for name, model, ids, passes in models():
        plain, flops, traced = least_times(model, ids, passes, rounds)
        worst = max(worst, traced / flops)
        print(f"{name:32} {plain:9.4f} {flops:9.4f} {traced:9.4f} {traced / flops:6.2f}")
    print(f"worst ratio {worst:.2f}, limit {_LIMIT:g}")
    return int(worst > _LIMIT)


if __name__ == "__main__":
    sys.exit(main())
