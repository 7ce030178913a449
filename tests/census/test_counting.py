"""The counters at awkward sizes, offsets and numbers of threads."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitnet_hw.census import source as reading
from bitnet_hw.census import take_census
from bitnet_hw.census.counting.base3 import LineCounter, PairCounter
from bitnet_hw.census.counting.two_bit_codes import count_codes
from bitnet_hw.errors import InputError

Write = Callable[[str, bytes], Path]


def words_of(codes: np.ndarray) -> np.ndarray:
    """Pack codes, 32 per word."""
    fields = codes.astype(np.uint64).reshape(-1, 32) << np.arange(0, 64, 2, dtype=np.uint64)
    return np.asarray(np.bitwise_or.reduce(fields, axis=1))


def count(words: np.ndarray) -> tuple[int, int, bool]:
    room = max(6, words.size)
    return tuple(count_codes(words, np.empty(room, np.uint64), np.empty(room, np.uint8)))


@given(st.integers(0, 60), st.integers(0, 2**32 - 1))
@settings(max_examples=80, deadline=None)
def test_codes_of_any_number_of_words(words: int, seed: int) -> None:
    codes = np.random.default_rng(seed).integers(0, 3, 32 * words)
    assert count(words_of(codes)) == ((codes == 1).sum(), (codes == 2).sum(), False)


@pytest.mark.parametrize("code", [0, 1, 2])
def test_words_of_one_code_alone_do_not_overflow(code: int) -> None:
    number = 32 * 615
    expected = (number * (code == 1), number * (code == 2), False)
    assert count(words_of(np.full(number, code))) == expected


@pytest.mark.parametrize("background", [0, 1, 2])
def test_code_3_is_seen_in_every_field(background: int) -> None:
    for place in range(32 * 13):  # twice six words and one over
        codes = np.full(32 * 13, background)
        codes[place] = 3
        assert count(words_of(codes))[2], place


@given(
    st.sampled_from([4, 5]), st.integers(0, 300), st.integers(1, 9), st.integers(1, 4000),
    st.integers(0, 2**32 - 1),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_trits_of_any_number_of_pairs(
    trits: int, rows: int, width: int, room: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    digits = rng.choice(3, (rows, 2 * width, trits), p=rng.choice([[0.3, 0.3, 0.4], [0, 1, 0]]))
    values = digits @ (3 ** np.arange(4, 4 - trits, -1))
    data = (-(-values * 256 // 243)).astype(np.uint8)
    used = int(rng.integers(1, width + 1))
    data[:, 2 * used :] = 255  # not used, and in no group
    counter = PairCounter(trits, max(room, 2 * width))
    counter.add(data.view(np.uint16), used)
    inside = digits[:, : 2 * used]
    assert (counter.zeros, counter.plus) == ((inside == 1).sum(), (inside == 2).sum())
    assert not counter.odd.any()


def packed(rng: np.random.Generator, size: int) -> tuple[np.ndarray, bytes]:
    """Return codes 0 to 2, four per byte, and the bytes."""
    codes = rng.integers(0, 3, (size, 4)).astype(np.uint8)
    return codes, np.bitwise_or.reduce(codes << np.array([0, 2, 4, 6], np.uint8), axis=1).tobytes()


@pytest.mark.parametrize("before", [0, 1, 7])
@pytest.mark.parametrize("past", [-1, 0, 1, 8, 47, 49])
def test_matrices_about_as_long_as_a_chunk_from_any_byte_on(
    formats: Any, write: Write, before: int, past: int
) -> None:
    codes, data = packed(np.random.default_rng(past + 1), reading.CHUNK + past)
    tensors = {
        "a": ("U8", (before,), bytes(before)),
        "q_proj.weight": ("U8", (1, len(data)), data),
        "q_proj.weight_scale": ("F32", (1,), struct.pack("<f", 1)),
    }
    path = write("m.safetensors", formats.safetensors(tensors))
    for sparsity in (False, True):
        found = {m.name: m for m in take_census(path, sparsity=sparsity).matrices}["q_proj.weight"]
        assert (found.zeros, found.plus) == ((codes == 1).sum(), (codes == 2).sum())


def tq_file(formats: Any, kind: int, rows: int, seed: int) -> tuple[bytes, int, int]:
    """Return a file of TQ1_0 (34) or TQ2_0 (35), 768 columns, and its zeros and +1."""
    rng = np.random.default_rng(seed)
    blocks = 3 * rows
    scale = rng.uniform(0.5, 2, (blocks, 1)).astype(np.float16).view(np.uint8)
    if kind == 35:
        codes, data = packed(rng, 64 * blocks)
        parts = [np.frombuffer(data, np.uint8).reshape(blocks, 64)]
        zeros, plus = int((codes == 1).sum()), int((codes == 2).sum())
    else:
        fives, fours = rng.integers(0, 3, (blocks, 48, 5)), rng.integers(0, 3, (blocks, 4, 4))
        values = (fives @ [81, 27, 9, 3, 1], fours @ [81, 27, 9, 3])
        parts = [(-(-value * 256 // 243)).astype(np.uint8) for value in values]
        zeros, plus = (int((fives == d).sum() + (fours == d).sum()) for d in (1, 2))
    raw = np.concatenate([*parts, scale], axis=1).tobytes()
    return formats.gguf({"a.weight": formats.tensor((rows, 768), kind, raw)}), zeros, plus


@pytest.mark.parametrize("kind", [34, 35])
@pytest.mark.parametrize("rows", [1, 7, 501, 6000])
@pytest.mark.parametrize("processors", [1, 2, 3, 64])
def test_blocks_on_any_number_of_threads(
    formats: Any, write: Write, monkeypatch: pytest.MonkeyPatch, kind: int, rows: int,
    processors: int,
) -> None:  # fmt: skip
    monkeypatch.setattr(reading, "_LEAST_SPAN", 200)
    monkeypatch.setattr(os, "cpu_count", lambda: processors)
    data, zeros, plus = tq_file(formats, kind, rows, seed=rows)
    path = write("m.gguf", data)
    for sparsity in (False, True):
        census = take_census(path, sparsity=sparsity)
        found = census.matrices[0]
        assert (found.zeros, found.plus) == (zeros, plus)
        assert census.warnings == ()
        assert found.scale is not None
        assert found.scale.number == 3 * rows
        assert 0.5 <= found.scale.low <= found.scale.high <= 2


@pytest.mark.parametrize("processors", [1, 2, 3, 64])
def test_lines_and_the_first_fault_do_not_depend_on_threads(
    formats: Any, write: Write, monkeypatch: pytest.MonkeyPatch, processors: int
) -> None:
    monkeypatch.setattr(reading, "_LEAST_SPAN", 100)
    monkeypatch.setattr(os, "cpu_count", lambda: processors)
    weights = formats.ternary(4 * 37, 53)
    data = formats.packed_file(weights)
    found = take_census(write("m.safetensors", data)).matrices[0]
    assert found.rows is not None
    assert found.columns is not None
    assert found.rows.median == np.median((weights == 0).mean(axis=1))
    assert found.columns.most == (weights == 0).mean(axis=0).max()
    first = len(data) - 4 - 37 * 53
    broken = bytearray(data)
    for place in (700, 1300, 1900):
        broken[first + place] |= 0x0C
    path = write("m.safetensors", bytes(broken))
    for sparsity in (False, True):
        with pytest.raises(InputError, match=f"byte {first + 700}: code 3"):
            take_census(path, sparsity=sparsity)


def test_scales_of_either_sign_and_of_zero(formats: Any, write: Write) -> None:
    for scales, low, high in (
        ([0.0, 0.5, 2.0], 0.5, 2.0), ([-1.5, 0.25, 0.5], -1.5, 0.5), ([0.0, -0.0, 0.0], 0.0, 0.0),
        ([65504.0, 2**-24, 1.0], 2**-24, 65504.0),
    ):  # fmt: skip
        data = np.zeros((3, 66), np.uint8)
        data[:, 64:] = np.array(scales, np.float16).reshape(3, 1).view(np.uint8)
        path = write("m.gguf", formats.gguf({"a": formats.tensor((3, 256), 35, data.tobytes())}))
        scale = take_census(path).matrices[0].scale
        assert scale is not None
        assert (scale.low, scale.high) == (low, high)


@given(st.integers(1, 600), st.integers(1, 60), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_zeros_of_trits_by_row_and_column(rows: int, width: int, seed: int) -> None:
    """Rows of only zeros as well, which would overflow a sum in a byte."""
    rng = np.random.default_rng(seed)
    digits = rng.choice(3, (rows, width, 5), p=rng.choice([[0.3, 0.3, 0.4], [0, 1, 0]]))
    trits = rng.choice(np.array([0, 4, 5], np.uint8), width)
    digits[:, trits == 4, 4] = 0
    data = (-(-(digits @ [81, 27, 9, 3, 1]) * 256 // 243)).astype(np.uint8)
    counter = LineCounter(trits)
    is_zero = (digits == 1) & (np.arange(5) < trits[:, None])
    assert np.array_equal(counter.add(data), is_zero.sum(axis=(1, 2)))
    assert counter.column_zeros().size == trits.sum()
    assert sorted(counter.column_zeros()) == sorted(
        is_zero.sum(axis=0)[np.arange(5) < trits[:, None]]
    )


@pytest.mark.parametrize("rows", [1, 11, 37, 300])
@pytest.mark.parametrize("sparsity", [False, True])
def test_random_bytes_count_as_they_decode(
    formats: Any, write: Write, rows: int, sparsity: bool
) -> None:
    """Bytes that no group of trits produces may be anywhere, even in the last blocks."""
    rng = np.random.default_rng(rows)
    data = rng.integers(0, 256, (3 * rows, 54), np.uint8)
    data[:, 52:] = np.array([1.5], np.float16).view(np.uint8)
    path = write("m.gguf", formats.gguf({"a": formats.tensor((rows, 768), 34, data.tobytes())}))
    census = take_census(path, sparsity=sparsity)
    found = census.matrices[0]
    # Multiply and take the overflow, as llama.cpp does; the last 4 bytes hold four trits.
    value = data[:, :52, None].astype(int) * 3 ** np.arange(5)
    digits = ((value & 255) * 3) >> 8
    used = np.arange(5) < np.where(np.arange(52) < 48, 5, 4)[:, None]
    assert found.zeros == ((digits == 1) & used).sum()
    assert found.plus == ((digits == 2) & used).sum()
    assert len(census.warnings) == 2
    if sparsity:
        by_row = ((digits == 1) & used).sum(axis=(1, 2)).reshape(rows, 3).sum(axis=1)
        assert found.rows is not None
        assert found.rows.most == by_row.max() / 768
