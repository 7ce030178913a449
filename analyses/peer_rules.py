"""Rules by which two other estimators, LLM-Viewer and GenZ, count the work of one pass.

The rules are stated anew from the papers (arXiv 2402.16363 and 2406.01698) and from the source at
the commits that published/peers.yaml names. Both sum operators, each of which takes the longer of
arithmetic and memory time (a roofline per operator). Numbers are FP16, the batch is 1. Operations
are two per MAC unless a rule says otherwise; traffic is in bytes, time in seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil
from typing import NamedTuple

from bitnet_hw.inputs.model import ModelSpec

#: Positions that the tokens of a pass attend to.
POSITIONS = 2048
#: Bytes of an FP16 number.
FP16 = 2
#: Bytes of what GenZ calls a GB (unit.py).
GIB = 2.0**30
#: On-chip buffer of the A100 in LLM-Viewer's hardware_params.py, bytes.
LLM_VIEWER_BUFFER = 27_648_000
#: Default on-chip bandwidth in GenZ's system.py, bytes per second.
GENZ_ON_CHIP = 18000 * GIB


class Operator(NamedTuple):
    """An operator of a peer: operations, bytes to and from DRAM by content, and bytes on chip."""

    times: int
    ops: float
    weights: float = 0.0
    kv: float = 0.0
    activations: float = 0.0
    on_chip: float = 0.0

    @property
    def dram(self) -> float:
        """Bytes to and from DRAM."""
        return self.weights + self.kv + self.activations


class Work(NamedTuple):
    """Operations, bytes to and from DRAM by content, and duration of a pass."""

    ops: float
    weights: float
    kv: float
    activations: float
    seconds: float

    @property
    def dram(self) -> float:
        """Bytes to and from DRAM."""
        return self.weights + self.kv + self.activations

    @classmethod
    def of(
        cls, operators: Iterable[Operator], peak: float, bandwidth: float, on_chip: float = 1.0
    ) -> Work:
        """Add up operators, each of which takes the longer of arithmetic and memory time.

        Parameters
        ----------
        operators : iterable of Operator
            Operators of one pass.
        peak : float
            Operations per second.
        bandwidth, on_chip : float
            Bandwidth of the DRAM and of the on-chip memory, bytes per second.
        """
        ops = weights = kv = activations = seconds = 0.0
        for o in operators:
            ops += o.times * o.ops
            weights += o.times * o.weights
            kv += o.times * o.kv
            activations += o.times * o.activations
            seconds += o.times * max(o.ops / peak, o.dram / bandwidth + o.on_chip / on_chip)
        return cls(ops, weights, kv, activations, seconds)


def matrices(model: ModelSpec) -> dict[str, tuple[int, int]]:
    """Return the inputs and outputs of each matrix of a layer."""
    h, f, q, kv = model.hidden_size, model.intermediate_size, model.query_width, model.key_width
    return {
        "q": (h, q), "k": (h, kv), "v": (h, kv), "out": (q, h),
        "gate": (h, f), "up": (h, f), "down": (f, h),
    }  # fmt: skip


def elementwise_ops(model: ModelSpec, n: int) -> int:
    """Return the operations of LLM-Viewer's elementwise steps in one layer, for `n` tokens.

    Five per score in the softmax, seven per element in each of two norms, one in each of two
    additions, and two per element of the hidden size in the activation function, which has the
    width of the FFN in truth. Source: LLM-Viewer, model_analyzer.py, `analyze`.
    """
    return 5 * n * POSITIONS * model.num_attention_heads + (2 * 7 + 2 + 2) * n * model.hidden_size


def llm_viewer(
    model: ModelSpec, n: int, *, fused: bool = False, corrected: bool = False
) -> list[Operator]:
    """Return the operators of LLM-Viewer for `n` tokens that attend to all positions.

    Source: LLM-Viewer, model_analyzer.py, `analyze`; configs/Llama.py, `get_linear_layers` and
    `post_process`; roofline_model.py for the time. The operands of every operator come from DRAM,
    and its result goes there. The LM head computes one position, at one operation per MAC.

    Parameters
    ----------
    model : ModelSpec
        Model.
    n : int
        Tokens that enter the pass.
    fused : bool
        Whether attention is one operator (`use_flashattention`): no scores in DRAM, keys and values
        read once per block of queries, and a result moved twice, in the size of the scores.
    corrected : bool
        Whether fused attention reads keys and values once, as if later blocks found them in the L2
        cache, and writes a result of its own size once. This rule is ours, not LLM-Viewer's.
    """
    layers, h, heads = model.num_hidden_layers, model.hidden_size, model.num_attention_heads
    hidden, scores = FP16 * n * h, FP16 * n * POSITIONS * heads
    cache = FP16 * POSITIONS * model.key_width
    product = 2 * n * POSITIONS * model.query_width
    softmax = 5 * n * POSITIONS * heads
    found = []
    for name, (inputs, outputs) in matrices(model).items():
        result, new = FP16 * n * outputs, name in ("k", "v")
        found.append(
            Operator(
                layers,
                ops=2 * n * inputs * outputs,
                weights=FP16 * inputs * outputs,
                kv=result if new else 0,
                activations=FP16 * n * inputs + (0 if new else result),
            )
        )
    if fused:
        queries = min(ceil(LLM_VIEWER_BUFFER / (FP16 * model.head_dim)), model.head_dim)
        blocks = 1 if corrected else ceil(n / queries)
        read = blocks * 2 * FP16 * POSITIONS * model.query_width
        ops, moved = 2 * product + softmax, hidden + (hidden if corrected else 2 * scores)
        found.append(Operator(layers, ops, kv=read, activations=moved))
    else:
        # Scores, and their product with the values.
        found.append(Operator(2 * layers, product, kv=cache, activations=hidden + scores))
        found.append(Operator(layers, softmax, activations=2 * scores))
    found.append(Operator(2 * layers, 7 * n * h, activations=2 * hidden))  # norms
    found.append(Operator(2 * layers, n * h, activations=2 * hidden))  # additions
    found.append(Operator(layers, 2 * n * h, activations=3 * hidden))  # activation function
    v = model.vocab_size
    found.append(Operator(1, h * v, weights=FP16 * h * v, activations=FP16 * (h + v)))
    return found


def genz(model: ModelSpec, n: int, *, prefill: bool) -> list[Operator]:
    """Return the operators of GenZ for `n` tokens that attend to all positions.

    Source: GenZ, Models/attention.py, ffn.py, embedding.py and get_language_model.py for the
    operators and the place of their operands; operator_base.py for the time, and system.py and
    unit.py for its units. Scores stay on chip. In a prefill the other operands and results are in
    DRAM, and the embedding is a product with the whole table; in a decode step all activations but
    those of the LM head stay on chip. Elementwise steps are left out.
    """
    layers, h, v = model.num_hidden_layers, model.hidden_size, model.vocab_size
    q, kv, f = model.query_width, model.key_width, model.intermediate_size

    def matrix(times: int, inputs: int, outputs: int, in_dram: bool = prefill) -> Operator:
        ops, weights, moved = (2 * n * inputs * outputs, inputs * outputs, n * (inputs + outputs))
        place = {"activations" if in_dram else "on_chip": FP16 * moved}
        return Operator(times, ops, weights=FP16 * weights, **place)

    found = [
        matrix(layers, h, q + 2 * kv), matrix(layers, q, h),
        matrix(layers, h, 2 * f), matrix(layers, f, h), matrix(1, h, v, in_dram=True),
    ]  # fmt: skip
    if prefill:
        found.append(matrix(1, v, h))
    scores, queries = FP16 * n * POSITIONS * model.num_attention_heads, FP16 * n * q
    # Scores, and their product with the values.
    moved, on_chip = (queries, scores) if prefill else (0, queries + scores)
    cache = FP16 * POSITIONS * kv
    found.append(Operator(2 * layers, 2 * n * POSITIONS * q, 0, cache, moved, on_chip))
    return found
