"""BitNet b1.58, Table 3: memory and rates that give the batches and throughputs of 70B models.

This is a fit, not a prediction: the paper states neither the KV format, nor the memory of the
runtime, nor what limits the speed, so the analysis solves for them and lists the possible values.

Shapes: LLaMA 2 70B, 8192 x 80, FFN 28672, 8 key/value heads (an assumption: the paper gives only
the size), fp16 against bitnet-b1.58 at 2 bits per weight, 512 positions, two A100 of 80 GB (1e9
bytes). Convention: system, for traffic and time.

Memory: parameters + fixed + batch x (KV cache + runtime) fills the memory, and one more sequence
does not fit. Two batches give ranges for the two unknowns, `fixed` and the bytes per sequence.
Speed: a decode step takes batch / throughput seconds, the sum over its operators of the longer of
arithmetic and DRAM time. LLaMA's step gives the DRAM bandwidth, since each of its operators waits
for DRAM. At that bandwidth, BitNet's bytes would take 27 percent of its step, so its step gives the
rate of arithmetic (MAC/s).

Tolerance: the memory and time models, given the middle of each range, must return both batches
exactly and both throughputs within 0.1 percent; the two ratios that the paper prints must round to
the printed digits. The analysis fails if the fit is physically impossible: negative memory, or
rates above the GPUs' peaks. Known misses: none.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from itertools import permutations
from typing import NamedTuple

from analysis import run
from bitnet_hw.cost.counting import count
from bitnet_hw.cost.footprint import footprint, kv_cache_bytes
from bitnet_hw.cost.lowering import lower
from bitnet_hw.cost.time import timing
from bitnet_hw.cost.traffic import traffic
from bitnet_hw.errors import MismatchError
from bitnet_hw.inputs.machine import Machine
from bitnet_hw.inputs.model import load_model
from bitnet_hw.inputs.scenario import Scenario
from bitnet_hw.inputs.scheme import AttentionFormats, Scheme, load_scheme
from comparison import EXACT, Comparison, Findings, Published, Table, Tolerance

MODEL = "bitnet-b1.58-70b"
GPUS = 2
POSITIONS = 512
#: Column of the published table -> its scheme.
COLUMNS = {"llama": "fp16", "bitnet": "bitnet-b1.58"}
KV_FORMATS = ("fp16", "int8", "int4")
GB = 1e9
#: Any rate: traffic does not depend on it.
TERA = 1e12
#: L2 cache of one GPU. It holds the activations of a batch, but not the weights.
L2_BYTES = 40_000_000


class Fit(NamedTuple):
    """Ranges of the two unknown sizes, bytes: fixed memory, and memory per sequence."""

    fixed: tuple[float, float]
    sequence: tuple[float, float]

    def middle(self) -> tuple[float, float]:
        """Return the middle of both ranges."""
        return sum(self.fixed) / 2, sum(self.sequence) / 2


def fit_memory(room: dict[str, float], batch: dict[str, int], step: int) -> Fit:
    """Return the fixed bytes and the bytes per sequence that give both batches.

    Parameters
    ----------
    room : mapping
        Column -> bytes of memory that the parameters leave free.
    batch : mapping
        Column -> largest batch that fits.
    step : int
        Sequences by which the next batch is larger, which does not fit.

    Raises
    ------
    MismatchError
        If no non-negative values give both batches.
    """

    def sequence(fixed: float) -> tuple[float, float]:
        """Return the smallest and the largest size of a sequence, given the fixed bytes."""
        least = max((room[c] - fixed) / (batch[c] + step) for c in room)
        most = min((room[c] - fixed) / batch[c] for c in room)
        return least, most

    # The range ends where nothing is fixed, or where one column exactly fills the memory and the
    # next batch of the other would exactly fill it.
    ends = [0.0]
    for full, short in permutations(room, 2):
        a, b = batch[full], batch[short] + step
        if a != b:
            ends.append((room[full] * b - room[short] * a) / (b - a))
    possible = [f for f in ends if f >= 0 and 0 < sequence(f)[0] <= sequence(f)[1] * (1 + 1e-12)]
    if not possible:
        raise MismatchError("no non-negative memory explains both batches")
    low, high = min(possible), max(possible)
    return Fit((low, high), (sequence(high)[0], sequence(low)[1]))


def fit_rate(step: Callable[[float], float], least: float, seconds: float) -> float:
    """Return the rate of arithmetic, MAC/s, at which a step takes a number of seconds.

    Operators that wait for DRAM take part of the time, so that the rate is above the step's MACs
    over its seconds, `least`. The step becomes shorter as the rate rises: bisect.

    Raises
    ------
    MismatchError
        If DRAM alone takes longer.
    """
    low, high = least, 100 * least
    if step(high) > seconds:
        raise MismatchError("no rate of arithmetic explains BitNet's throughput")
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if step(middle) > seconds else (low, middle)
    return high


def with_kv(scheme: Scheme, kv: str) -> Scheme:
    """Return a scheme with its KV cache in another format."""
    attention = AttentionFormats(operand="fp16", kv_cache=kv, accumulator="fp32")
    return scheme.replace(attention=attention)


def compare(published: Published) -> Findings:
    """Solve for the sizes and rates that the paper leaves out, and compute the table from them."""
    model = load_model(MODEL)
    schemes = {column: load_scheme(name) for column, name in COLUMNS.items()}
    batch = {c: int(published[f"b1.58.table3.{c}.batch"].number) for c in COLUMNS}
    throughput = {c: published[f"b1.58.table3.{c}.throughput"].number for c in COLUMNS}
    peak = {
        k: GPUS * published[f"a100.{k}"].number for k in ("memory", "bandwidth", "fp16", "int8")
    }
    capacity = peak["memory"] * GB
    one = Scenario("decode", context=POSITIONS)
    parameters = {c: footprint(model, s, one).parameters for c, s in schemes.items()}
    room = {c: capacity - parameters[c] for c in COLUMNS}
    fit = fit_memory(room, batch, step=1)
    fixed, sequence = fit.middle()

    def machine(bandwidth: float, macs_per_s: float) -> Machine:
        """Return both GPUs as one machine, with one rate of arithmetic for every format."""
        rate = {"value": macs_per_s, "fitted": ["b1.58.table3.bitnet.throughput"]}
        return Machine.model_validate(
            {
                "schema": 2,
                "name": "two A100, fitted",
                "family": {"device": "gpu", "generation": "Ampere", "stack": "none"},
                "units": [
                    {
                        "name": "tensor cores",
                        "kind": "programmable",
                        "peak_mac_per_s": {"fp16xfp16": rate, "int8xint8": rate},
                    }
                ],
                "memories": [
                    {
                        "name": "L2",
                        "kind": "SRAM",
                        "holds": {"activations": 1},
                        "capacity_bytes": {
                            "value": GPUS * L2_BYTES,
                            "assumed": "activations have all of it",
                        },
                    },
                    {
                        "name": "dram",
                        "kind": "HBM2E",
                        "holds": {"weights": 1, "kv-cache": 1, "embedding": 1, "activations": 1},
                        "bandwidth_bytes_per_s": {
                            "value": bandwidth,
                            "fitted": ["b1.58.table3.llama.throughput"],
                        },
                    },
                ],
                "overlap": {"value": 1, "assumed": "a kernel loads while it computes"},
                "boundary": {"covers": "boards"},
            }
        )

    moved, macs, seconds = {}, {}, {}
    for c, scheme in schemes.items():
        scenario = one.replace(batch=batch[c])
        rows = traffic(lower(model, scenario, scheme, machine(TERA, TERA)))
        moved[c] = sum(row.bytes for row in rows if row.level == "dram")
        macs[c] = count(model, scenario, scheme).macs
        seconds[c] = batch[c] / throughput[c]
    bandwidth = moved["llama"] / seconds["llama"]

    def step(macs_per_s: float) -> float:
        on = machine(bandwidth, macs_per_s)
        scenario = one.replace(batch=batch["bitnet"])
        return timing(lower(model, scenario, schemes["bitnet"], on)).seconds

    macs_per_s = fit_rate(step, macs["bitnet"] / seconds["bitnet"], seconds["bitnet"])
    # A MAC is two operations, so that a peak of n TFLOPS or TOPS is n / 2 TMAC/s.
    shares = {
        "DRAM bandwidth of LLaMA": bandwidth / (peak["bandwidth"] * GB),
        "INT8 arithmetic of BitNet": macs_per_s / (peak["int8"] / 2 * 1e12),
    }
    for what, share in shares.items():
        if not 0 < share <= 1:
            raise MismatchError(f"{what} would be {share:.2f} times the GPUs' peak")

    fitted = machine(bandwidth, macs_per_s)
    comparisons = []
    for c, scheme in schemes.items():
        fits = int((room[c] - fixed) // sequence)
        figure = published[f"b1.58.table3.{c}.batch"]
        comparisons.append(Comparison.of(figure, f"batch, {c} 70B", fits, EXACT, fitted=True))
        time = timing(lower(model, one.replace(batch=fits), scheme, fitted))
        figure = published[f"b1.58.table3.{c}.throughput"]
        name, rate = f"throughput, {c} 70B", fits / time.seconds
        tolerance = Tolerance("relative", 0.001)
        comparisons.append(Comparison.of(figure, name, rate, tolerance, fitted=True))
    for what, values in (("batch", batch), ("throughput", throughput)):
        figure = published[f"b1.58.table3.{what}.ratio"]
        ours = values["bitnet"] / values["llama"]
        comparisons.append(Comparison.of(figure, f"{what}, ratio as printed", ours))

    readings = [(f"{step} more do not fit", fit_memory(room, batch, step)) for step in (1, 16)]
    memory = Table(
        f"Memory, GB of {capacity / GB:g}: ranges that give both batches",
        ("sequences beyond the batch", "fixed", "up to", "per sequence", "up to"),
        [(text, *(x / GB for x in (*f.fixed, *f.sequence))) for text, f in readings],
    )
    kv_rows = []
    for heads in (model.num_key_value_heads, model.num_attention_heads):
        spec = model.replace(num_key_value_heads=heads)
        for kv in KV_FORMATS:
            cache = kv_cache_bytes(spec, with_kv(schemes["bitnet"], kv), POSITIONS)
            rest = sequence - cache
            possible = "yes" if rest >= 0 else "no: exceeds the memory per sequence"
            kv_rows.append((kv, heads, cache / GB, rest / GB, possible))
    kv_table = Table(
        f"KV cache and runtime memory of a sequence, which takes {sequence / GB:.3f} GB",
        ("KV format", "key/value heads", "KV cache, GB", "runtime, GB", "possible"),
        kv_rows,
    )
    speed = Table(
        "Speed: one decode step at the published batch",
        ("", "ms", "DRAM, GB", "TB/s", "of peak", "TMAC/s", "of FP16 peak", "of INT8 peak"),
        [
            (
                f"{c} 70B",
                1e3 * seconds[c],
                moved[c] / GB,
                moved[c] / seconds[c] / 1e12,
                moved[c] / seconds[c] / (peak["bandwidth"] * GB),
                macs[c] / seconds[c] / 1e12,
                macs[c] / seconds[c] / (peak["fp16"] / 2 * 1e12),
                macs[c] / seconds[c] / (peak["int8"] / 2 * 1e12),
            )
            for c in COLUMNS
        ],
    )
    by_bytes = throughput["bitnet"] * seconds["bitnet"] * bandwidth / moved["bitnet"]
    notes = [
        f"Reproduced with an FP16 KV cache of {model.num_key_value_heads} heads, "
        f"{fixed / GB:.1f} GB of fixed memory and {sequence / GB:.3f} GB per sequence, "
        f"{bandwidth / 1e12:.2f} TB/s from DRAM and {macs_per_s / 1e12:.0f} TMAC/s. Four numbers "
        "fitted to four: not a prediction.",
        f"If LLaMA's DRAM bandwidth were the only limit, BitNet would reach {by_bytes:.0f} "
        f"tokens/s: the published {throughput['bitnet']:.0f} must be limited by arithmetic or "
        "overhead.",
        "Both batches are multiples of 16; if batches were tried in steps of 16, no fixed memory "
        "is needed.",
    ]
    return Findings(comparisons, [memory, kv_table, speed], notes)


if __name__ == "__main__":
    sys.exit(run(__file__, __doc__, compare))
