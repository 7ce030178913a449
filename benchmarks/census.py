"""Speed of the census beside its limit and its peer, in one run on warm files.

The limit is a plain sum of the same bytes as 64-bit words, in three forms whose speeds are far
apart: the file read into new memory, the file mapped, and bytes that are in memory already, whereas
the census has to read the file. The peer is gguf-py: dequantize, then count.

    python benchmarks/census.py [MEGABYTES]  # of packed uint8; half of that of each GGUF type

It ends with exit code 1 if the census is slower than wanted.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import NamedTuple

import gguf
import numpy as np

from bitnet_hw.census import take_census

RUNS = 9

LIMIT = "sum of words over a fresh mapping"
PEER = "gguf-py, dequantize and count"
CENSUS = "census"
TOTALS = "census, totals alone"

#: Speed that is wanted of totals alone, as a share of the limit's, by kind of file; and of the
#: census by row and column, in that of the peer.
OF_LIMIT = {"hf-packed": 0.1, "TQ2_0": 0.1, "TQ1_0": 0.05}
OF_PEER = 10

#: The matrices of a layer of bitnet-b1.58-2B-4T: both names, rows, columns.
LAYER = (
    ("self_attn.q_proj", "attn_q", 2560, 2560),
    ("self_attn.k_proj", "attn_k", 640, 2560),
    ("self_attn.v_proj", "attn_v", 640, 2560),
    ("self_attn.o_proj", "attn_output", 2560, 2560),
    ("mlp.gate_proj", "ffn_gate", 6912, 2560),
    ("mlp.up_proj", "ffn_up", 6912, 2560),
    ("mlp.down_proj", "ffn_down", 2560, 6912),
)


class Speed(NamedTuple):
    """GB/s by the clock, median and best run, and GB per second of all threads' CPU time."""

    median: float
    best: float
    by_cpu: float


def _speeds(actions: dict[str, Callable[[], object]], size: int) -> dict[str, Speed]:
    """Return the speed of each action, runs interleaved to share the machine's load."""
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in actions}
    for action in actions.values():
        action()
    for _ in range(RUNS):
        for name, action in actions.items():
            start, cpu = time.perf_counter(), time.process_time()
            action()
            seconds[name].append((time.perf_counter() - start, time.process_time() - cpu))
    speeds = {}
    for name, runs in seconds.items():
        clock, cpu_times = zip(*runs, strict=True)
        parts = median(clock), min(clock), min(cpu_times)
        speeds[name] = Speed(*(size / part / 1e9 for part in parts))
    return speeds


def _word_sum(data: bytes | mmap.mmap) -> int:
    return int(np.frombuffer(data, np.uint8, len(data) // 8 * 8).view(np.uint64).sum())


def _read_and_sum(path: Path) -> int:
    return _word_sum(path.read_bytes())


def _map_and_sum(path: Path) -> int:
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        return _word_sum(mapped)


def _matrices(size: int, bytes_per_weight: float) -> list[tuple[str, str, int, int]]:
    """Return the matrices of as many layers as make up a file: both names, rows, columns."""
    layer = sum(rows * columns for *_, rows, columns in LAYER)
    layers = max(1, round(size / bytes_per_weight / layer))
    return [
        (f"model.layers.{i}.{hf}.weight", f"blk.{i}.{gguf_name}.weight", rows, columns)
        for i in range(layers)
        for hf, gguf_name, rows, columns in LAYER
    ]


def _hf_file(path: Path, size: int, rng: np.random.Generator) -> None:
    codes = np.array([sum((v // 3**k % 3) << 2 * k for k in range(4)) for v in range(81)], np.uint8)
    entries: dict[str, dict[str, object]] = {}
    matrices = _matrices(size, 1 / 4)
    at = 0

    def enter(name: str, dtype: str, shape: list[int], nbytes: int) -> None:
        nonlocal at
        entries[name] = {"dtype": dtype, "shape": shape, "data_offsets": [at, at + nbytes]}
        at += nbytes

    # Matrices first, as safetensors orders them by the alignment of their types, then scales.
    for name, _, rows, columns in matrices:
        enter(name, "U8", [rows // 4, columns], rows // 4 * columns)
    for name, *_ in matrices:
        enter(f"{name}_scale", "F32", [1], 4)
    header = json.dumps(entries).encode()
    header += b" " * (-len(header) % 8)
    with path.open("wb") as file:
        file.write(struct.pack("<Q", len(header)) + header)
        for *_, rows, columns in matrices:
            codes[rng.integers(0, 81, rows // 4 * columns, np.uint8)].tofile(file)
        file.write(struct.pack("<f", 1.0) * len(matrices))


def _gguf_file(path: Path, size: int, kind: str, rng: np.random.Generator) -> None:
    quantization = gguf.GGMLQuantizationType[kind]
    block, block_bytes = gguf.GGML_QUANT_SIZES[quantization]
    writer = gguf.GGUFWriter(str(path), "bitnet")
    for _, name, rows, columns in _matrices(size, block_bytes / block):
        # A few rows over and over: quantizing takes longer than everything else here.
        weights = rng.integers(-1, 2, (64, columns)).astype(np.float32)
        data = np.tile(gguf.quants.quantize(weights, quantization), (rows // 64, 1))
        writer.add_tensor(name, data, raw_dtype=quantization)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _dequantize_and_count(path: Path) -> list[tuple[int, int, int]]:
    found = []
    for tensor in gguf.GGUFReader(path).tensors:
        weights = gguf.quants.dequantize(tensor.data, tensor.tensor_type)
        zeros, plus, minus = map(np.count_nonzero, (weights == 0, weights > 0, weights < 0))
        found.append((int(zeros), int(plus), int(minus)))
    return found


def main() -> None:
    """Measure and print."""
    size = int(sys.argv[1] if len(sys.argv) > 1 else 512) << 20
    rng = np.random.default_rng(0)
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        for kind, small in (("hf-packed", 1), ("TQ2_0", 2), ("TQ1_0", 2)):
            path = Path(folder) / kind
            if kind == "hf-packed":
                path = path.with_suffix(".safetensors")
                _hf_file(path, size, rng)
            else:
                path = path.with_suffix(".gguf")
                _gguf_file(path, size // small, kind, rng)
            missed += _report(kind, path)
            path.unlink()
    if missed:
        raise SystemExit(1)


def _report(kind: str, path: Path) -> int:
    """Measure and print one kind of file; return how many of the wanted ratios it misses."""
    size = path.stat().st_size
    in_memory = path.read_bytes()
    actions: dict[str, Callable[[], object]] = {
        "read, then sum of words": lambda: _read_and_sum(path),
        LIMIT: lambda: _map_and_sum(path),
        "sum of words in memory": lambda: _word_sum(in_memory),
        CENSUS: lambda: take_census(path),
        TOTALS: lambda: take_census(path, sparsity=False),
    }
    if kind != "hf-packed":
        actions[PEER] = lambda: _dequantize_and_count(path)
        found = [(m.zeros, m.plus, m.minus) for m in take_census(path).matrices]
        if found != _dequantize_and_count(path):
            raise SystemExit(f"{kind}: the counts differ")
    speeds = _speeds(actions, size)
    ours = speeds[CENSUS]
    print(f"{kind}, {size / 1e6:.0f} MB, {RUNS} runs, load {os.getloadavg()[0]:.1f}")
    print(f"  {'GB/s':36}  median    best  by CPU   census / this: median, best, by CPU")
    for name, speed in speeds.items():
        ratios = "".join(f"{mine / its:7.2f}" for mine, its in zip(ours, speed, strict=True))
        print(f"  {name:36} {''.join(f'{value:8.3f}' for value in speed)}   {ratios}")
    missed = 0
    for mine, its, wanted in ((TOTALS, LIMIT, OF_LIMIT[kind]), (CENSUS, PEER, OF_PEER)):
        if its in speeds:
            ratio = speeds[mine].best / speeds[its].best
            missed += ratio < wanted
            print(f"  {mine} / {its}: {ratio:.2f}, at least {wanted} wanted")
    return missed


if __name__ == "__main__":
    main()
