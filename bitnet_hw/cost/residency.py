"""Residency: how much of the weights, KV cache and activations each memory of a machine holds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ..inputs.machine import Machine
from ..inputs.memory import Content, Memory
from .footprint import kv_cache_bytes, widest_activations
from .lowered import Lowered
from .lowering import lower_storage


class Resident(NamedTuple):
    """Share of a content that one memory holds."""

    memory: Memory
    share: float


class Residency(NamedTuple):
    """Where the contents of a model lie.

    Attributes
    ----------
    sizes : mapping of str to float
        Content -> bytes.
    places : mapping of str to tuple of Resident
        Content -> the memories that hold it, nearest first, with shares that add up to 1; what
        fits nowhere is given to the farthest memory that may hold it.
    rooms : mapping of str to float
        Memory -> bytes that it has for activations, which may be more than they fill.
    excess_bytes : float
        Bytes that fit nowhere; 0 if the model fits.
    """

    sizes: Mapping[Content, float]
    places: Mapping[Content, tuple[Resident, ...]]
    rooms: Mapping[str, float]
    excess_bytes: float


def residency(lowered: Lowered) -> Residency:
    """Return where a model lies on its machine at the end of its scenario.

    The contents are what the scenario uses: every matrix that a token passes with the norms, the
    embedding tables except one that is also the LM head, the KV cache of the whole batch at the
    last position, and the largest activations of an operator.
    """
    stored = lower_storage(lowered.model, lowered.scheme)
    scenario = lowered.scenario
    # The first pass looks up each table once; later passes repeat it.
    tables = zip(stored.tables, lowered.lookups, strict=False)
    sizes: dict[Content, float] = {
        "weights": lowered.streamed_weight_bytes + stored.norms_and_biases,
        "kv-cache": kv_cache_bytes(
            lowered.model, lowered.scheme, scenario.last_position, scenario.batch
        ),
        "activations": widest_activations(lowered.products) / 8,
        "embedding": sum((size for size, of in tables if of.lies_with == "embedding"), 0.0),
    }
    return place(sizes, lowered.machine)


def place(sizes: Mapping[Content, float], machine: Machine) -> Residency:
    """Place contents in memories, nearest first, each as far as it fits.

    A memory takes its contents in the order in which its description names them, each up to its
    share of the capacity.

    Parameters
    ----------
    sizes : mapping of str to float
        Content -> bytes.
    machine : Machine
        Memories of one chip; several chips hold equal parts.
    """
    left = dict(sizes)
    shares: dict[Content, dict[str, float]] = {content: {} for content in sizes}
    rooms: dict[str, float] = {}
    for memory in machine.memories:
        room = float("inf")
        if memory.capacity_bytes is not None:
            room = memory.capacity_bytes.value * machine.chip_count
        for content in memory.holds:
            if content not in left:
                continue
            has = min(memory.room(content) * machine.chip_count, room)
            if content == "activations":
                rooms[memory.name] = has
            takes = min(left[content], has)
            room -= takes
            left[content] -= takes
            if sizes[content]:
                shares[content][memory.name] = takes / sizes[content]
    places: dict[Content, tuple[Resident, ...]] = {}
    for content, of in shares.items():
        able = [memory for memory in machine.memories if content in memory.holds]
        of[able[-1].name] = 1 - sum(of.get(memory.name, 0.0) for memory in able[:-1])
        places[content] = tuple(
            Resident(memory, of[memory.name]) for memory in able if of.get(memory.name, 0.0) > 0
        )
    return Residency(dict(sizes), places, rooms, sum(left.values()))
