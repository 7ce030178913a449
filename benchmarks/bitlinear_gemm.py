"""Speed of the exact integer product, compared with numpy's float32 product of the same shape.

Run ``python benchmarks/bitlinear_gemm.py``. One process times the two alternately and prints the
ratio of the medians for each shape. The exit code is 1 if a ratio exceeds the limit of 1.5.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from functools import partial
from statistics import median

import numpy as np

from bitnet_hw.reference.bitlinear import PreparedWeights, integer_gemm

LIMIT = 1.5
#: (tokens, K, N): up and down projections of a 2B model, and a square projection of a 7B model.
SHAPES = [
    (1, 2560, 6912),
    (1, 4096, 4096),
    (512, 2560, 6912),
    (512, 6912, 2560),
    (1024, 4096, 4096),
]


def seconds(call: Callable[[], object]) -> float:
    """Time one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main() -> int:
    """Time every shape and return the exit code."""
    rng = np.random.default_rng(1)
    worst = 0.0
    print(f"{'tokens':>6} {'K':>5} {'N':>5} {'float32 ms':>11} {'integer ms':>11} {'ratio':>6}")
    for tokens, k, n in SHAPES:
        codes = rng.integers(-128, 128, (tokens, k), dtype=np.int8)
        weights = rng.integers(-1, 2, (n, k), dtype=np.int8)
        prepared = PreparedWeights(weights)
        real, real_weights = codes.astype(np.float32), weights.astype(np.float32)
        if tokens == 1:
            real = real[0]  # so that numpy takes its matrix-vector routine
        integer_gemm(codes, prepared)
        repeats = 60 if tokens == 1 else 9
        theirs_call = partial(np.matmul, real, real_weights.T)
        ours_call = partial(integer_gemm, codes, prepared)
        pairs = [(seconds(theirs_call), seconds(ours_call)) for _ in range(repeats)]
        theirs, ours = (median(column) for column in zip(*pairs, strict=True))
        worst = max(worst, ours / theirs)
        print(
            f"{tokens:>6} {k:>5} {n:>5} {theirs * 1e3:>11.2f} {ours * 1e3:>11.2f} "
            f"{ours / theirs:>6.2f}"
        )
    print(f"largest ratio {worst:.2f}, limit {LIMIT}")
    return int(worst > LIMIT)


if __name__ == "__main__":
    sys.exit(main())
