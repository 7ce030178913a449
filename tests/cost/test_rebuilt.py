"""Estimates, compared with a second implementation of the rules in the documentation.

Every shipped scheme runs random small models with all their options, in random scenarios, on random
machines, priced by operations and by whole MACs. Some weights are stored in groups of other sizes,
as the plain codecs allow. The cache is also stored in integer formats and
in FP8.
"""

from __future__ import annotations

import os
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitnet_hw import estimate
from bitnet_hw.cost.band import Band
from bitnet_hw.inputs.codecs import GROUPED
from bitnet_hw.inputs.model import ModelSpec
from bitnet_hw.inputs.roles import LINEAR_ROLES
from bitnet_hw.inputs.scenario import Scenario
from bitnet_hw.inputs.scheme import Scheme, load_scheme
from bitnet_hw.prices.loading import load_table

from .machines import random_machine
from .rebuilt import Rebuilt
from .small import NAMES

#: Random cases per scheme: 22 shipped and two others, so 336 in all unless the environment asks
#: for another number in all.
CASES = -(-int(os.environ.get("CASES", "336")) // 24)
#: Two schemes that are not shipped: integer operands in attention, ternary weights with floats.
OWN = ("int8 attention", "add-only floats")
TABLES = ("7nm", "45nm", "asap7-prelayout")


def _model(draw: random.Random) -> ModelSpec:
    layers, kv_heads = draw.randint(1, 3), draw.randint(1, 3)
    window = draw.choice([None, draw.randint(1, 6)])
    flags = ("gated", "tie_word_embeddings", "final_norm", "qk_norm", "sub_norms", "qkv_bias",
             "attention_out_bias", "ffn_bias", "lm_head_bias", "attention_softcap",
             "lm_head_softcap")  # fmt: skip
    # Rows longer than a group of weights are rare, but each kind of group needs some.
    hidden = draw.choice([draw.randint(2, 40), draw.randint(2, 40), draw.randint(130, 600)])
    return ModelSpec.model_validate(
        {
            "name": "random",
            "hidden_size": hidden,
            "num_hidden_layers": layers,
            "num_attention_heads": kv_heads * draw.randint(1, 3),
            "num_key_value_heads": kv_heads,
            "head_dim": draw.randint(1, 9),
            "intermediate_size": draw.randint(1, 50),
            "activation": draw.choice(["silu", "gelu", "relu", "relu2"]),
            "vocab_size": draw.randint(1, 30),
            "embedding_size": draw.choice([hidden, hidden, draw.randint(1, 20)]),
            "positions": draw.choice(["rope", "learned", "none"]),
            "rotary_fraction": draw.choice([1.0, 0.25, 0.4]),
            "max_position_embeddings": 40,
            "position_offset": draw.choice([0, 2]),
            "norm": draw.choice(["rmsnorm", "layernorm"]),
            "norms_per_layer": draw.choice([0, 2, 4]),
            "sliding_window": window,
            "sliding_window_layers": draw.randint(0, layers) if window else None,
        }
        | {flag: draw.random() < 0.5 for flag in flags}
    )


def _scenario(draw: random.Random) -> Scenario:
    kinds = [
        Scenario("prefill", tokens=draw.randint(1, 10)),
        Scenario("decode", context=draw.randint(1, 20)),
        Scenario("request", tokens=draw.randint(1, 7), generate=draw.randint(1, 6)),
    ]
    return draw.choice(kinds).replace(
        batch=draw.randint(1, 3),
        attention=draw.choice(["causal", "full"]),
        lm_head=draw.choice(["all", "last", "none"]),
    )


def _scheme(name: str, draw: random.Random) -> Scheme:
    if name == "int8 attention":
        attention = {"operand": "int8", "kv_cache": "int8", "accumulator": "exact"}
        return load_scheme("w8a8").replace(name=name, attention=attention)
    if name == "add-only floats":
        linear = {"weight": "ternary", "activation": "fp16", "accumulator": "fp32"}
        return load_scheme("fp16").replace(
            name=name, linear=linear | {"codec": draw.choice(["2bit", "q2_0-g64", "2bit-g16"])}
        )
    scheme = load_scheme(name)
    formats = [scheme.formats(role) for role in LINEAR_ROLES]
    grouped = [codec for codec in GROUPED if all(of.stored_by(codec) for of in formats)]
    if grouped and draw.random() < 0.4:
        scheme = scheme.with_codec(draw.choice(grouped))
    if draw.random() < 0.4:
        scheme = scheme.with_kv_cache(draw.choice(["int8", "int4", "int3", "fp8-e5m2"]))
    if draw.random() < 0.3 and name != "fp32":
        scheme = scheme.with_float_accumulator("fp16")
    return scheme


def _close(what: str, found: float, rebuilt: float, of: float) -> None:
    """Check that figures agree; what is less than a rounding error of the total `of` is nothing."""
    assert found == pytest.approx(rebuilt, rel=1e-9, abs=1e-12 * of), what


@pytest.mark.parametrize("name", [*NAMES, *OWN])
@settings(max_examples=CASES, deadline=None)
@given(draw=st.randoms(use_true_random=True))
def test_the_documentation_is_enough_to_rebuild_every_figure(
    name: str, draw: random.Random
) -> None:
    model, scenario, machine = _model(draw), _scenario(draw), random_machine(draw)
    scheme, table = _scheme(name, draw), load_table(draw.choice(TABLES))
    found = estimate(model, scheme, table, scenario, machine=machine)
    rebuilt = Rebuilt(model, scheme, scenario, machine, table)

    counts = Counter[tuple[str, str, str, str]]()
    for row in found.arithmetic:
        key = row.key
        accumulator = key.accumulator if key.role != "hadamard" else ""
        counts[key.role, key.operation, key.format, accumulator] += row.number
    sums = rebuilt.sums
    assert +counts == +(rebuilt.counts + sums.executed)
    assert found.tally.macs == sums.macs

    moved = {key: cost.bytes for key, cost in found.by("level", "content").items() if cost.bytes}
    for level_content in moved.keys() | sums.bits.keys():
        size = moved.get(level_content, 0.0)
        _close(str(level_content), size, sums.bits.get(level_content, 0.0) / 8, sum(moved.values()))

    levels = found.by("level")
    assert ("static" in levels) == ("static" in sums.joules)
    for level in levels.keys() | sums.joules.keys():
        energy = levels[level].energy if level in levels else Band(0.0, 0.0, 0.0)
        for i, end in enumerate(("value", "low", "high")):
            joules = sums.joules.get(level, [0.0] * 3)[i]
            _close(f"{level} {end}", getattr(energy, end), joules, found.energy.value)

    assert found.time is not None
    total = sums.seconds["total"]
    _close("seconds", found.time.seconds, total, total)
    _close("prefill", found.time.first_token_seconds or 0.0, sums.seconds["prefill"], total)
    _close("decode", found.time.decode_seconds or 0.0, sums.seconds["decode"], total)
    for resource in found.time.busy.keys() | sums.busy.keys():
        taken = found.time.busy.get(resource, 0.0)
        _close(resource, taken, sums.busy.get(resource, 0.0), total)
    first, second, *_ = sorted(sums.busy.values(), reverse=True)
    if first > second * (1 + 1e-9):
        assert found.time.bound_by == max(sums.busy, key=lambda name: sums.busy[name])

    for part, size in rebuilt.footprint.items():
        _close(part, getattr(found.footprint, part), size, size)
    _close("excess", found.excess_bytes, rebuilt.places.excess, found.footprint.total)
    assert found.fits == (rebuilt.places.excess <= 0)
    assert found.mean_power_w == pytest.approx(found.energy.value / total)
