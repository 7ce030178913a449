"""Footprint: bytes by codec and format, compared with sizes calculated by hand."""

from __future__ import annotations

import pytest

from bitnet_hw.cost.footprint import footprint, kv_cache_bytes, largest_batch, weight_bytes
from bitnet_hw.inputs.model import ModelSpec, load_model
from bitnet_hw.inputs.scenario import Scenario
from bitnet_hw.inputs.scheme import load_scheme

GOLDEN = Scenario("decode", context=2048)


def test_kv_cache_of_sliding_layers_stops_at_the_window() -> None:
    model = ModelSpec(
        name="mixed", hidden_size=64, num_hidden_layers=6, num_attention_heads=4,
        num_key_value_heads=2, intermediate_size=64, gated=True, activation="gelu", vocab_size=99,
        tie_word_embeddings=True, sliding_window=512, sliding_window_layers=5,
    )  # fmt: skip
    fp16 = load_scheme("fp16")
    per_position = 2 * 2 * 16 * 2  # keys and values, two heads of 16, two bytes
    assert kv_cache_bytes(model, fp16, 300) == 6 * 300 * per_position
    assert kv_cache_bytes(model, fp16, 4096, batch=3) == 3 * (5 * 512 + 4096) * per_position


def test_an_integer_kv_cache_stores_a_scale_per_vector() -> None:
    model = load_model("bitnet-b1.58-2b4t")
    # 3 bits x 128 and 16 bits of scale, for 5 heads, keys and values, 30 layers.
    expected = 2048 * 30 * 2 * 5 * (3 * 128 + 16) / 8
    assert kv_cache_bytes(model, load_scheme("bitnet-a4.8"), 2048) == expected


@pytest.mark.parametrize(
    ("scheme", "codec", "megabytes"),
    [
        ("fp16", None, 4168.1),
        ("w8a8", None, 2084.0 + 30 * 2 * (2560 * 2 + 640 * 2 + 6912 * 2 + 2560) / 1e6),
        ("w4a16", None, 2084.0448 * (4 + 20 / 128) / 8),
        ("bitnet-b1.58", None, 521.0),
        ("bitnet-b1.58", "base3", 416.8),
        ("bitnet-b1.58", "entropy", 412.9),
        ("bitnet-b1", None, 260.5),
    ],
)
def test_weights_of_2b4t_by_codec(scheme: str, codec: str | None, megabytes: float) -> None:
    formats = load_scheme(scheme)
    formats = formats.with_codec(codec) if codec else formats
    size = weight_bytes(load_model("bitnet-b1.58-2b4t"), formats)
    assert size / 1e6 == pytest.approx(megabytes, abs=0.06)


@pytest.mark.parametrize(
    ("model", "scheme", "gibibytes"),
    [
        # Sizes of the Bonsai files, and of the files in llama.cpp's README.
        ("qwen3-8b", "q2_0", 2.03),
        ("qwen3-8b", "q1_0", 1.07),
        ("llama-2-7b", "q4_0", 3.56),
        ("llama-2-7b", "q8_0", 6.67),
        # About 3.35 bits for each of 6,738,415,616 weights.
        ("llama-2-7b", "int2-q2_k", 3.35 * 6_738_415_616 / 8 / 2**30),
    ],
)
def test_whole_files(model: str, scheme: str, gibibytes: float) -> None:
    found = footprint(model, scheme, Scenario("decode", context=64))
    assert found.parameters / 2**30 == pytest.approx(gibibytes, abs=0.0151)


def test_an_embedding_in_any_codec_includes_its_scales() -> None:
    scheme = load_scheme("bitnet-b1.58").replace(embedding="q8_0")
    found = footprint("bitnet-b1.58-2b4t", scheme, GOLDEN)
    assert found.embedding == 128256 * 2560 / 32 * 34
    assert found.lm_head == 128256 * 2560 * 2  # a tied head that is stored another way


def test_an_untied_lm_head_is_separate_from_the_embedding() -> None:
    model = load_model("bitnet-b1.58-2b4t").replace(tie_word_embeddings=False)
    found = footprint(model, load_scheme("fp16"), GOLDEN)
    assert found.lm_head == found.embedding == 128256 * 2560 * 2
    assert found.total == pytest.approx(
        found.weights + found.lm_head + found.embedding + found.norms_and_biases + found.kv_cache
        + found.activations
    )  # fmt: skip


@pytest.mark.parametrize("gigabytes", [1.4, 2, 8, 80])
@pytest.mark.parametrize("name", ["fp16", "bitnet-b1.58"])
def test_the_largest_batch_fits_and_one_more_does_not(name: str, gigabytes: float) -> None:
    model, scheme = load_model("bitnet-b1.58-2b4t"), load_scheme(name)
    batch = largest_batch(model, scheme, GOLDEN, gigabytes * 1e9)
    for sequences, fits in ((batch, True), (batch + 1, False)):
        if sequences:
            total = footprint(model, scheme, GOLDEN.replace(batch=sequences)).total
            assert (total <= gigabytes * 1e9) is fits


def test_zero_weights_save_no_bytes() -> None:
    model, scheme = load_model("bitnet-b1.58-2b4t"), load_scheme("bitnet-b1.58")
    assert weight_bytes(model, scheme.with_weight_zeros(0.5)) == weight_bytes(model, scheme)
