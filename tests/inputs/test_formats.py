"""Accumulator widths and weight codecs, held against exact integers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitnet_hw.errors import InputError
from bitnet_hw.inputs.accumulators import accumulator_bits
from bitnet_hw.inputs.codecs import CODECS, GROUPED, find_codec
from bitnet_hw.inputs.formats import Kind, parse_format


def _fits(value: int, bits: int) -> bool:
    """Tell whether a two's-complement register holds a value."""
    return -(1 << (bits - 1)) <= value < 1 << (bits - 1)


@pytest.mark.parametrize(
    ("k", "of_127", "of_128"), [(2560, 20, 20), (4096, 20, 21), (6912, 21, 21), (8192, 21, 22)]
)
def test_widths_of_the_released_models(k: int, of_127: int, of_128: int) -> None:
    assert accumulator_bits(127, k) == of_127
    assert accumulator_bits(128, k) == of_128


@pytest.mark.parametrize("k", [2560, 4096, 6912, 8192])
@pytest.mark.parametrize("top", [127, 128])
def test_extreme_inputs_do_not_overflow_but_would_with_a_bit_less(k: int, top: int) -> None:
    activations = np.full(k, -top, dtype=np.int64)
    sums = [int(activations @ np.full(k, sign, dtype=np.int64)) for sign in (-1, 1)]
    bits = accumulator_bits(top, k)
    assert all(_fits(total, bits) for total in sums)
    assert not all(_fits(total, bits - 1) for total in sums)


def test_every_small_case_is_wide_enough_and_no_wider() -> None:
    for top in range(1, 40):
        for k in range(1, 40):
            bits = accumulator_bits(top, k)
            assert _fits(top * k, bits)
            assert _fits(-top * k, bits)
            assert not _fits(top * k, bits - 1)


@given(st.integers(1, 300), st.integers(1, 128), st.randoms(use_true_random=False))
@settings(deadline=None, max_examples=60)
def test_no_partial_sum_overflows(k: int, top: int, random: object) -> None:
    draws = np.random.default_rng(random.getrandbits(32))  # type: ignore[attr-defined]  # Random
    terms = draws.integers(-top, top, size=k, endpoint=True) * draws.integers(-1, 2, size=k)
    bits = accumulator_bits(top, k)
    assert all(_fits(int(total), bits) for total in np.cumsum(terms))


@pytest.mark.parametrize(("top", "k"), [(0, 5), (5, 0), (-1, 5)])
def test_a_width_needs_positive_terms(top: int, k: int) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        accumulator_bits(top, k)


@pytest.mark.parametrize("bits", [2, 3, 4, 8, 16, 32])
def test_symmetric_maximum_is_that_of_the_register(bits: int) -> None:
    top = parse_format(f"int{bits}").symmetric_max
    assert _fits(top, bits)
    assert not _fits(top + 1, bits)


def test_a_float_has_no_integer_maximum() -> None:
    with pytest.raises(ValueError, match="fp16"):
        _ = parse_format("fp16").symmetric_max


def test_8_bit_floats() -> None:
    for name in ("fp8-e4m3", "fp8-e5m2"):
        assert parse_format(name).kind is Kind.FLOAT
        assert parse_format(name).bits == 8


@pytest.mark.parametrize("name", ["int1", "int65", "int08", "fp8", "fp8-e3m4", "INT8", "", "int"])
def test_unknown_formats_are_named(name: str) -> None:
    with pytest.raises(InputError, match="number format"):
        parse_format(name)


def test_a_near_miss_is_answered_with_the_right_name() -> None:
    with pytest.raises(InputError, match="did you mean 'ternary'"):
        parse_format("ternery")
    with pytest.raises(InputError, match="did you mean 'base3'"):
        find_codec("base-3")


def test_codec_sizes_of_one_matrix_by_hand() -> None:
    # 2560 inputs, 6912 outputs: 17,694,720 weights.
    expected = {
        "fp32": 70_778_880,
        "fp16": 35_389_440,
        "bf16": 35_389_440,
        "int8": 17_694_720 + 2 * 6912,
        "int4-g128": 8_847_360 + 6912 * 20 * 20 // 8,  # 20 groups per row, 20 bits per group
        "2bit": 4_423_680 + 2,
        "base3": 3_538_944 + 2,
        "1bit": 2_211_840 + 2,
        "fp8": 17_694_720 + 4,
        "int4-g32": 17_694_720 * 5 // 8,
        "q8_0": 17_694_720 // 32 * 34,
        "q6_k": 17_694_720 // 256 * 210,
        "q5_k": 17_694_720 // 256 * 176,
        "q4_0": 17_694_720 // 32 * 18,
        "q4_k": 17_694_720 // 256 * 144,
        "q3_k": 17_694_720 // 256 * 110,
        "q2_k": 17_694_720 // 256 * 84,
        "lut3": 6912 * 534 + 2,  # 854 keys of 5 bits per row: 4270 bits in 534 bytes
        "base3-g128": 6912 * (512 + 40),
        "q2_0": 17_694_720 // 128 * 34,
        "q2_0-g64": 17_694_720 // 64 * 18,
        "tq1_0": 17_694_720 // 256 * 54,
        "tq2_0": 17_694_720 // 256 * 66,
        "q1_0": 17_694_720 // 128 * 18,
        "mlx-2bit-g128": 17_694_720 // 128 * 36,
        "mlx-1bit-g128": 17_694_720 // 128 * 20,
        "t-mac-2bit-g128": 17_694_720 // 128 * 36,
        "int4-g64-sym": 8_847_360 + 6912 * 40 * 2,  # 40 groups per row, 2 bytes each
        "int5-g256-sym": 6912 * (1600 + 10 * 2),
        "2bit-g16": 4_423_680 + 6912 * 160 * 2,
        "base3-g256": 6912 * (512 + 10 * 2),
        "1bit-g32": 2_211_840 + 6912 * 80 * 2,
    }
    assert {name: CODECS[name].matrix_bytes(2560, 6912) for name in expected} == expected
    limit = CODECS["entropy"].matrix_bytes(2560, 6912)
    assert limit == pytest.approx(17_694_720 * math.log(3) / math.log(2) / 8 + 2)
    assert set(expected) | {"entropy"} >= set(CODECS) - set(GROUPED)


@given(st.integers(1, 40), st.integers(1, 40))
@settings(deadline=None, max_examples=50)
def test_five_trits_per_byte_hold_the_matrix(inputs: int, outputs: int) -> None:
    body = int(CODECS["base3"].matrix_bytes(inputs, outputs) - 2)
    assert 3 ** (5 * body) >= 3 ** (inputs * outputs)
    assert 5 * (body - 1) < inputs * outputs
    assert 3**5 <= 2**8


@given(st.integers(1, 700), st.integers(1, 5))
@settings(deadline=None, max_examples=50)
def test_groups_of_128_are_whole(inputs: int, outputs: int) -> None:
    groups = outputs * len(range(0, inputs, 128))
    expected = inputs * outputs * 4 / 8 + groups * 20 / 8
    assert CODECS["int4-g128"].matrix_bytes(inputs, outputs) == pytest.approx(expected)


def test_no_ternary_code_beats_the_entropy_limit() -> None:
    ternary = [codec for codec in CODECS.values() if Kind.TERNARY in codec.kinds]
    assert min(ternary, key=lambda codec: codec.bits).name == "entropy"
