"""The compiled loops, each against plain sums over what was packed."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitnet_hw import compiled

SEEDS = st.integers(0, 2**32 - 1)
FIELDS = np.array([0, 2, 4, 6], np.uint8)


@pytest.fixture(scope="module")
def loops() -> Any:
    pytest.importorskip("numba", reason="the extra `fast` is not installed")
    found = compiled.loops_for(compiled.WORTH)
    assert found is not None
    return found


def codes_of(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Return codes 0 to 2, one of them alone at times: there a counter too narrow overflows."""
    share = rng.choice([0.0, 0.3, 1.0])
    codes = np.where(rng.random(shape) < share, rng.choice(3), rng.integers(0, 3, shape))
    return codes.astype(np.uint8)


def packed(codes: np.ndarray) -> np.ndarray:
    """Pack (..., bytes, 4) codes four a byte, and eight bytes a word."""
    return np.asarray(np.bitwise_or.reduce(codes << FIELDS, axis=-1)).view(np.uint64)


@given(words=st.integers(0, 300), seed=SEEDS)
@settings(max_examples=60, deadline=None)
def test_codes(loops: Any, words: int, seed: int) -> None:
    codes = codes_of(np.random.default_rng(seed), (8 * words, 4))
    assert loops.count_codes(packed(codes)) == ((codes == 1).sum(), (codes == 2).sum(), False)


@given(rows=st.integers(1, 600), pairs=st.integers(1, 20), seed=SEEDS)
@settings(max_examples=60, deadline=None)
def test_codes_by_row_and_column(loops: Any, rows: int, pairs: int, seed: int) -> None:
    codes = codes_of(np.random.default_rng(seed), (rows, 16 * pairs, 4))
    by_row, by_column = np.full((4, rows + 5), -1), np.full(16 * pairs, 7)
    found = loops.count_code_rows(packed(codes), by_row, by_column, 3)
    is_zero = codes == 1
    assert found == (is_zero.sum(), (codes == 2).sum(), False)
    assert np.array_equal(by_row[:, 3:-2], is_zero.sum(axis=1).T)
    assert (by_row[:, [0, 1, 2, -2, -1]] == -1).all()
    assert np.array_equal(by_column - 7, is_zero.sum(axis=(0, 2)))


@pytest.mark.parametrize("background", [0, 1, 2])
def test_code_3_is_seen_in_every_field(loops: Any, background: int) -> None:
    for place in range(32 * 9):
        codes = np.full(32 * 10, background, np.uint8)
        codes[place] = 3
        words = packed(codes.reshape(-1, 4))
        assert loops.count_codes(words[:9])[2], place
        lines = np.zeros((4, 1), np.int64), np.zeros(80, np.int64)
        assert loops.count_code_rows(words.reshape(1, -1), *lines, 0)[2], place


def with_scales(rng: np.random.Generator, data: np.ndarray) -> tuple[int, int]:
    """Put a scale at the end of each of some blocks; return the least and the largest pattern."""
    scales = rng.integers(0, 1 << 16, len(data), np.uint16)
    data[:, -2:] = scales.view(np.uint8).reshape(-1, 2)
    return int(scales.min()), int(scales.max())


@given(rows=st.integers(1, 600), blocks=st.integers(1, 5), seed=SEEDS)
@settings(max_examples=60, deadline=None)
def test_codes_of_blocks(loops: Any, rows: int, blocks: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    codes = codes_of(rng, (rows, 64 * blocks, 4))
    data = np.zeros((rows * blocks, 66), np.uint8)
    data[:, :64] = packed(codes).view(np.uint8).reshape(-1, 64)
    scales = with_scales(rng, data)
    is_zero = codes == 1
    expected = (is_zero.sum(), (codes == 2).sum(), False, *scales)
    assert loops.count_block_codes(data.reshape(-1)) == expected
    by_row, by_column = np.empty(rows, np.int64), np.full((4, 64 * blocks), 7)
    assert loops.count_block_rows(data.reshape(-1), blocks, by_row, by_column) == expected
    assert np.array_equal(by_row, is_zero.sum(axis=(1, 2)))
    assert np.array_equal(by_column - 7, is_zero.sum(axis=0).T)
    place = rng.integers(64 * rows * blocks)
    data[divmod(place, 64)] |= 3 << 2 * rng.integers(4)
    assert loops.count_block_codes(data.reshape(-1))[2]
    assert loops.count_block_rows(data.reshape(-1), blocks, by_row, by_column)[2]


def digits_of(data: np.ndarray) -> np.ndarray:
    """Decode as ggml-quants.c does (dequantize_row_tq1_0); digits in front."""
    powers = np.array([1, 3, 9, 27, 81]).reshape(5, *[1] * data.ndim)
    return np.asarray((data.astype(int) * powers % 256) * 3 >> 8)


def encoded(trits: int) -> set[int]:
    """Return the bytes that quantize_row_tq1_0_ref makes of a group, (v x 256 + 242) // 243."""
    return {(v * 256 + 242) // 243 for v in range(0, 243, 3 ** (5 - trits))}


def bits(flags: np.ndarray) -> np.ndarray:
    """Pack flags 64 a word, the first one lowest."""
    padded = np.pad(flags, (0, -flags.size % 64))
    return np.packbits(padded, bitorder="little").view(np.uint64)


@given(rows=st.integers(1, 300), blocks=st.integers(1, 4), seed=SEEDS)
@settings(max_examples=60, deadline=None)
def test_trits_of_any_bytes(loops: Any, rows: int, blocks: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    width = 54 * blocks
    data = rng.integers(0, 256, (rows, width), np.uint8)
    if rng.random() < 0.3:
        data[:] = rng.choice([127, 128, 255])  # zeros alone, and +1 alone
    scales = with_scales(rng, data.reshape(-1, 54))
    is_five = rng.random(width) < 0.6
    used = rng.random(width) < 0.8
    digits = digits_of(data)
    digits[4][:, ~is_five] = 0
    wrong = [
        any(byte not in encoded(5 if five else 4) for byte in column)
        for column, five in zip(data.T.tolist(), is_five, strict=True)
    ]
    places = [bits(used & is_five), bits(used & ~is_five)]
    inside = digits[:, :, used]
    expected = (inside == 1).sum(), (inside == 2).sum(), any(np.array(wrong)[used]), *scales
    by_row, by_digit = np.empty(rows, np.int64), np.full((5, 64 * len(places[0])), 3)
    assert loops.count_trit_rows(data.reshape(-1), *places, by_row, by_digit) == expected
    assert np.array_equal(by_row, (inside == 1).sum(axis=(0, 2)))
    by_place = (digits == 1).sum(axis=1)
    assert np.array_equal(by_digit[:4, :width][:, used] - 3, by_place[:4, used])
    assert np.array_equal(by_digit[4, :width][used & is_five] - 3, by_place[4, used & is_five])


@given(lines=st.integers(1, 90), most=st.integers(0, 40), seed=SEEDS)
@settings(max_examples=60, deadline=None)
def test_where_the_zeros_of_lines_lie(loops: Any, lines: int, most: int, seed: int) -> None:
    zeros = np.random.default_rng(seed).integers(0, most + 1, lines) + 1000
    least, below, above, top, number = loops.spread(zeros)
    assert (least, top, number) == (zeros.min(), zeros.max(), (zeros == zeros.max()).sum())
    assert (below + above) / 2 == np.median(zeros)


@given(blocks=st.integers(0, 150), seed=SEEDS)
@settings(max_examples=60, deadline=None)
def test_trits_of_a_stream(loops: Any, blocks: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = rng.integers(0, 256, (blocks, 54), np.uint8)
    scales = with_scales(rng, data) if blocks else (65535, 0)
    is_five = rng.random(54) < 0.6
    used = rng.random(54) < 0.8
    digits = digits_of(data)
    digits[4][:, ~is_five] = 0
    inside = digits[:, :, used]
    places = [bits(np.tile(kind, 32)) for kind in (used & is_five, used & ~is_five)]
    found = loops.count_trits(data.reshape(-1), *places)
    assert found[:2] == ((inside == 1).sum(), (inside == 2).sum())
    assert found[3:] == scales


@pytest.mark.parametrize("trits", [5, 4])
def test_every_byte_that_no_group_produces_is_seen(loops: Any, trits: int) -> None:
    """13 bytes of five trits, 175 of four."""
    for place in range(52):
        here, nowhere = bits(np.arange(54) == place), bits(np.zeros(54, np.bool_))
        places = (here, nowhere) if trits == 5 else (nowhere, here)
        data = np.zeros((256, 54), np.uint8)
        data[:, place] = np.arange(256)
        seen = {byte for byte in range(256) if loops.count_trits(data[byte], *places)[2]}
        assert set(range(256)) - seen == encoded(trits)


@given(rows=st.integers(1, 40), k=st.integers(1, 300), seed=SEEDS)
@settings(max_examples=60, deadline=None)
def test_two_levels(loops: Any, rows: int, k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for kind in (np.float32, np.float64):
        top = kind(rng.uniform(1e-3, 1e3))
        codes = rng.integers(-1, 2, (rows, k)) * (rng.random((rows, 1)) < 0.7)
        values = (codes * top).astype(kind)
        used = int((codes != 0).any(axis=1).sum())
        non_zeros = int(np.count_nonzero(codes))
        assert loops.count_two_levels(values, top) == (non_zeros, used, True)
        values[rng.integers(rows), rng.integers(k)] = np.nextafter(top, kind(0))
        assert not loops.count_two_levels(values, top)[2]


def run(program: str, **environment: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        capture_output=True, text=True, check=True, env=os.environ | environment,
    )  # fmt: skip
    return done.stdout


COUNT = (
    "import numpy as np\n"
    "from bitnet_hw import compiled\n"
    "loops = compiled.loops_for(1 << 40)\n"
    "print(loops.count_codes(np.full(3, 0x55, np.uint64)) if loops else None)"
)


@pytest.mark.slow
@pytest.mark.usefixtures("loops")
def test_a_cache_that_is_damaged_or_full_is_done_without(tmp_path: Path) -> None:
    place = {"NUMBA_CACHE_DIR": str(tmp_path)}
    assert run(COUNT, **place) == "(12, 0, False)\n"
    kept = list(tmp_path.rglob("*.nb?"))
    assert kept
    for damage in (b"", b"damaged"):
        for file in kept:
            file.write_bytes(damage)
        assert run(COUNT, **place) == "(12, 0, False)\n"
        for file in tmp_path.rglob("*.nbc"):
            file.write_bytes(damage)
        assert run(COUNT, **place) == "(12, 0, False)\n"
    full = "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))\n"
    for file in tmp_path.rglob("*.nb?"):
        file.unlink()
    assert run(full + COUNT, **place) == "(12, 0, False)\n"


@pytest.mark.usefixtures("loops")
def test_numba_that_may_not_compile_is_done_without() -> None:
    assert run(COUNT, NUMBA_DISABLE_JIT="1") == "None\n"


def test_small_work_and_a_missing_numba_leave_it_to_numpy() -> None:
    assert compiled.loops_for(compiled.WORTH - 1) is None
    assert run("import sys; sys.modules['numba'] = None\n" + COUNT) == "None\n"
