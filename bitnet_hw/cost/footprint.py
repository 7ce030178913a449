"""Footprint: the bytes that a model occupies, and the largest batch that fits in a memory."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..inputs.model import ModelSpec, as_model
from ..inputs.scenario import Scenario
from ..inputs.scheme import Scheme
from .lowered import Lowered, LoweredProduct
from .lowering import lower, lower_storage


@dataclass(frozen=True)
class Footprint:
    """Bytes that a model occupies.

    Attributes
    ----------
    weights : float
        Projections and FFN as the scheme stores them, scales included.
    lm_head : float
        LM head; 0 if it shares the embedding table.
    embedding : float
        Token and learned position embeddings, including a tied LM head.
    norms_and_biases : float
        Gains and biases, in the elementwise format.
    kv_cache : float
        Keys and values of the whole batch at the longest context.
    activations : float
        Peak of the activations: the largest sum, over all operators, of the input, the output, the
        gate kept for the up projection, and the residual stream.
    """

    weights: float
    lm_head: float
    embedding: float
    norms_and_biases: float
    kv_cache: float
    activations: float

    @property
    def parameters(self) -> float:
        """Bytes that do not depend on the batch."""
        return self.weights + self.lm_head + self.embedding + self.norms_and_biases

    @property
    def total(self) -> float:
        """Bytes in total."""
        return self.parameters + self.kv_cache + self.activations


def weight_bytes(model: ModelSpec | str | Path, scheme: Scheme | str | Path) -> float:
    """Return the bytes of the projections and the FFN as the scheme stores them."""
    return sum(matrix.bytes * matrix.layers for matrix in lower_storage(model, scheme).matrices)


def kv_cache_bytes(
    model: ModelSpec | str | Path, scheme: Scheme | str | Path, context: int, batch: int = 1
) -> float:
    """Return the bytes of the KV cache of `batch` sequences of `context` positions."""
    model = as_model(model)
    positions = sum(
        layers * (context if window is None else min(context, window))
        for window, layers in model.layer_windows
    )
    bits = lower_storage(model, scheme).kv_element_bits
    return 2 * positions * model.key_width * batch * bits / 8


def widest_activations(products: Iterable[LoweredProduct]) -> int:
    """Return the largest sum of an operator's inputs, outputs and other live activations, bits."""
    return max(
        (
            product.shape.tokens * product.token_bits + product.held_bits
            for product in products
            if product.operand == "weights"
        ),
        default=0,
    )


def footprint(
    model: ModelSpec | str | Path, scheme: Scheme | str | Path, scenario: Scenario
) -> Footprint:
    """Return the bytes that a model occupies in a scenario.

    Parameters
    ----------
    model, scheme, scenario
        Model, number formats and workload. A model and a scheme may be given by name in the
        catalogue or by file.

    Raises
    ------
    InputError
        If the scenario does not fit the model, or the scheme fixes an accumulator that could
        overflow.

    Examples
    --------
    >>> found = footprint("bitnet-b1.58-2b4t", "bitnet-b1.58", Scenario("decode", context=2048))
    >>> round(found.weights / 1e6), round(found.kv_cache / 1e6)
    (521, 157)
    """
    return footprint_of(lower(model, scenario, scheme))


def footprint_of(lowered: Lowered) -> Footprint:
    """Return the bytes that a lowered model occupies."""
    model, scheme, scenario = lowered.model, lowered.scheme, lowered.scenario
    stored = lower_storage(model, scheme)
    return Footprint(
        weights=weight_bytes(model, scheme),
        lm_head=stored.lm_head,
        embedding=stored.embedding,
        norms_and_biases=stored.norms_and_biases,
        kv_cache=kv_cache_bytes(model, scheme, scenario.last_position, scenario.batch),
        activations=widest_activations(lowered.products) / 8,
    )


def largest_batch(
    model: ModelSpec | str | Path,
    scheme: Scheme | str | Path,
    scenario: Scenario,
    capacity_bytes: float,
) -> int:
    """Return the number of sequences that fit in a memory; 0 if not even one does.

    The memory holds the parameters, and the KV cache and peak activations of every sequence.

    Examples
    --------
    >>> largest_batch("llama-2-7b", "fp16", Scenario("decode", context=2048), 80e9)
    61
    """
    one = footprint(model, scheme, scenario.replace(batch=1))
    room = capacity_bytes - one.parameters
    return max(0, int(room // (one.kv_cache + one.activations)))
