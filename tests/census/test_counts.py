"""The counts of every layout, against the matrix that was written."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bitnet_hw.census import MatrixCensus, take_census
from bitnet_hw.census.counting.plane_sums import PlaneSums
from bitnet_hw.inputs.model import load_model

Write = Callable[[str, bytes], Path]


def check(matrix: MatrixCensus, weights: np.ndarray, lines: bool = True) -> None:
    """Compare a census with the counts that numpy finds in the dense matrix."""
    is_zero = weights == 0
    assert matrix.ternary
    assert matrix.shape == weights.shape
    assert (matrix.zeros, matrix.plus, matrix.minus) == (
        int(is_zero.sum()), int((weights > 0).sum()), int((weights < 0).sum()),
    )  # fmt: skip
    for found, axis in ((matrix.rows, 1), (matrix.columns, 0)):
        if not lines or not weights.size:
            assert found is None
            continue
        share = is_zero.mean(axis=axis)
        assert found is not None
        assert found.least == pytest.approx(share.min())
        assert found.median == pytest.approx(np.median(share))
        assert found.most == pytest.approx(share.max())
        assert found.empty == (share == 1).sum()


@pytest.mark.parametrize(
    ("rows", "columns"), [(8, 16), (4, 33), (64, 100), (640, 2560), (6912, 320), (12, 70_000)]
)
def test_packed_matrices_of_whole_rows(formats: Any, write: Write, rows: int, columns: int) -> None:
    weights = formats.ternary(rows, columns)
    census = take_census(write("m.safetensors", formats.packed_file(weights)))
    assert census.warnings == ()
    check(census.matrices[0], weights)
    assert census.matrices[0].scale is not None
    assert census.matrices[0].scale.low == 1.5
    assert census.matrices[0].bytes == rows * columns // 4


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 6, 7, 9, 10, 11, 13])
def test_padding_rows_are_sliced_off_where_the_model_tells_them(
    formats: Any, write: Write, rows: int
) -> None:
    weights = formats.ternary(rows, 9, seed=rows)
    model = load_model("bitnet-b1.58-2b4t").replace(
        num_attention_heads=rows, num_key_value_heads=1, head_dim=1
    )
    census = take_census(write("m.safetensors", formats.packed_file(weights)), model=model)
    check(census.matrices[0], weights)
    assert census.warnings == ()


def test_unknown_padding_is_a_warning(formats: Any, write: Write) -> None:
    weights = formats.ternary(10, 64)
    census = take_census(write("m.safetensors", formats.packed_file(weights)))
    assert census.matrices[0].shape == (12, 64)
    assert census.matrices[0].zeros == (weights == 0).sum()
    assert "9 to 12 rows: the last 2 of 12 hold -1 only" in census.warnings[0]


def test_a_config_beside_the_file_tells_the_rows(formats: Any, write: Write) -> None:
    config = {
        "model_type": "llama", "hidden_size": 10, "num_attention_heads": 5,
        "num_key_value_heads": 1, "head_dim": 2, "num_hidden_layers": 1, "intermediate_size": 13,
        "vocab_size": 32, "hidden_act": "silu",
    }  # fmt: skip
    weights = formats.ternary(10, 10)
    path = write("model/model.safetensors", formats.packed_file(weights, "layers.0.o_proj"))
    write("model/config.json", json.dumps(config).encode())
    census = take_census(path.parent)
    assert census.name == "model"
    check(census.matrices[0], weights)
    other = write("model/model.safetensors", formats.packed_file(weights, "layers.0.up_proj"))
    assert "hold 9 to 12; the config says 13" in take_census(other).warnings[0]


@pytest.mark.parametrize("shape", [(0, 8), (4, 0), (0, 0)])
def test_empty_tensors(formats: Any, write: Write, shape: tuple[int, int]) -> None:
    data = formats.safetensors(
        {
            "q_proj.weight": ("U8", shape, b""),
            "q_proj.weight_scale": ("F32", (1,), struct.pack("<f", 1)),
            "o_proj.weight": ("BF16", shape, b""),
        }
    )
    census = take_census(write("m.safetensors", data))
    assert [m.zeros for m in census.matrices if m.name == "q_proj.weight"] == [0]
    assert census.zero_fraction is None
    kinds = {"i2_s": 36, "tq1_0": 34, "tq2_0": 35}
    tensors = {name: formats.tensor((0, 256), kind, b"") for name, kind in kinds.items()}
    census = take_census(write("m.gguf", formats.gguf(tensors)))
    assert [(m.format, m.zeros, m.minus) for m in census.matrices] == [(k, 0, 0) for k in kinds]


def _i2_s_groups(weights: np.ndarray, group: int) -> bytes:
    # x86 and the converter: blocks of 128, ARM: of 64; byte m of a block holds the weights m,
    # m + g, m + 2g, m + 3g (g a quarter of the block), the first in the highest bits.
    codes = (weights + 1).astype(np.uint8).reshape(-1, 4, group // 4)
    shifts = np.array([6, 4, 2, 0], np.uint8).reshape(1, 4, 1)
    return bytes(np.bitwise_or.reduce(codes << shifts, axis=1).astype(np.uint8).tobytes())


def _i2_s_rows(weights: np.ndarray) -> bytes:
    codes = (weights + 1).astype(np.uint8).reshape(-1, 4, weights.shape[1])
    shifts = np.array([6, 4, 2, 0], np.uint8).reshape(1, 4, 1)
    return bytes(np.bitwise_or.reduce(codes << shifts, axis=1).astype(np.uint8).tobytes())


def test_i2_s_totals_do_not_depend_on_the_group_layout(formats: Any, write: Write) -> None:
    weights = formats.ternary(96, 384)
    variants = [_i2_s_groups(weights, 128), _i2_s_groups(weights, 64), _i2_s_rows(weights)]
    assert len(set(variants)) == 3
    for codes in variants:
        census = take_census(write("m.gguf", formats.i2_s_file(codes, weights.shape)))
        check(census.matrices[0], weights, lines=False)
        assert census.matrices[0].bytes == weights.size // 4 + 32
        assert census.matrices[0].scale is not None
        assert census.matrices[0].scale.high == 0.5


def test_tl1_and_tl2_totals(formats: Any, write: Write) -> None:
    weights = formats.ternary(32, 352).astype(int)
    pair = 3 * weights[:, 0::2] + weights[:, 1::2] + 4
    nibbles = np.random.default_rng(1).permutation(pair.reshape(-1)).astype(np.uint8)
    tail = struct.pack("<f", 2.0) + bytes(28)
    tl1 = (nibbles[0::2] << 4 | nibbles[1::2]).tobytes() + tail
    # TL2: triples in the first 288 = 3 x 96 columns, pairs in the other 64.
    triples = weights[:, :288].reshape(-1, 3) @ np.array([9, 3, 1])
    codes = np.abs(triples).astype(np.uint8)
    signs = np.packbits(triples < 0).tobytes()
    ends = (3 * weights[:, 288::2] + weights[:, 289::2] + 4).reshape(-1).astype(np.uint8)
    tl2 = (codes[0::2] << 4 | codes[1::2]).tobytes() + signs
    tl2 += (ends[0::2] << 4 | ends[1::2]).tobytes()
    size = -(-((352 - 256) * 32 // 3 * 5 // 8 + 256 * 32 // 4) // 32) * 32
    tl2 += bytes(size - len(tl2)) + tail
    tensors = {
        "a.weight": formats.tensor(weights.shape, 38, tl1),
        "b.weight": formats.tensor(weights.shape, 39, tl2),
    }
    first, second = take_census(write("m.gguf", formats.gguf(tensors))).matrices
    check(first, weights, lines=False)
    assert second.format == "tl2"
    assert (second.zeros, second.plus) == ((weights == 0).sum(), None)


def test_type_39_is_mxfp4_where_its_size_says_so(formats: Any, write: Write) -> None:
    data = bytes(17 * 512 * 256 // 32)
    path = write("m.gguf", formats.gguf({"a": formats.tensor((256, 512), 39, data)}))
    assert [(m.format, m.ternary) for m in take_census(path).matrices] == [("mxfp4", False)]


@pytest.mark.parametrize("kind", [("F32", np.float32), ("F16", np.float16), ("BF16", None)])
def test_floats_with_a_scale_per_tensor_per_row_and_per_group(
    formats: Any, write: Write, kind: tuple[str, Any]
) -> None:
    dtype, numpy_type = kind
    weights = formats.ternary(48, 512)
    rng = np.random.default_rng(2)
    by_row = rng.uniform(0.1, 9, (48, 1))
    by_group = np.repeat(rng.uniform(0.1, 9, (48, 2)), 256, axis=1)
    # Rounding as in w + (q - w): values within half a percent of +-s.
    noise = 1 + rng.uniform(-0.005, 0.005, weights.shape)

    def raw(values: np.ndarray) -> bytes:
        if numpy_type is not None:
            return bytes(values.astype(numpy_type).tobytes())
        return bytes((values.astype(np.float32).view(np.uint32) >> 16).astype(np.uint16).tobytes())

    scales = {"tensor": np.full((1, 1), 0.37), "row": by_row, "group": by_group}
    tensors = {n: (dtype, weights.shape, raw(weights * s * noise)) for n, s in scales.items()}
    census = take_census(write("m.safetensors", formats.safetensors(tensors)))
    for matrix in census.matrices:
        check(matrix, weights)
    counts = {m.name: m.scale.number for m in census.matrices if m.scale is not None}
    assert counts == {"tensor": 1, "row": 48, "group": 96}


def test_other_floats_are_not_ternary(formats: Any, write: Write) -> None:
    rng = np.random.default_rng(3)
    tensors = {
        "gaussian": ("F32", (64, 64), rng.normal(size=(64, 64)).astype(np.float32).tobytes()),
        "norm": ("F32", (64,), np.ones(64, np.float32).tobytes()),
        "four": ("F32", (8, 4), np.resize(np.float32([-2, -1, 0, 1]), (8, 4)).tobytes()),
        "late": (
            "F32", (40, 9000),
            np.r_[np.ones(359_999), 0.5].astype(np.float32).tobytes(),
        ),
        "narrow": ("F32", (400, 3), rng.normal(size=(400, 3)).astype(np.float32).tobytes()),
    }  # fmt: skip
    census = take_census(write("m.safetensors", formats.safetensors(tensors)))
    assert {m.name: m.zeros for m in census.matrices} == dict.fromkeys(
        ["gaussian", "norm", "four", "late", "narrow"]
    )


def test_bytes_of_other_quantizers_are_not_packed_ternary(formats: Any, write: Write) -> None:
    data = np.full((8, 16), 0xFF, np.uint8).tobytes()
    beside = {
        "a.weight.absmax": ("F32", (2,), bytes(8)),
        "b.weight_scale": ("F8_E4M3", (8, 2), bytes(16)),
        "c.scales": ("F16", (2,), bytes(4)),
    }
    weights = {f"{m}.weight": ("U8", (8, 16), data) for m in "abc"}
    census = take_census(write("m.safetensors", formats.safetensors(weights | beside)))
    assert not census.ternary


def test_shards_are_read_through_their_index(formats: Any, write: Write) -> None:
    parts = {f"model-{i}.safetensors": formats.ternary(8, 24, i) for i in (1, 2)}
    for i, (name, weights) in enumerate(parts.items()):
        write(f"m/{name}", formats.packed_file(weights, f"layers.{i}.q_proj"))
    shards = list(parts)
    index = {
        f"layers.{i}.q_proj.{end}": shards[i] for i in (0, 1) for end in ("weight", "weight_scale")
    }
    path = write("m/model.safetensors.index.json", json.dumps({"weight_map": index}).encode())
    for at in (path, path.parent):
        census = take_census(at)
        assert census.zeros == sum((weights == 0).sum() for weights in parts.values())
        assert census.zeros_by_role() == {"qkv": census.zero_fraction}


@given(st.integers(1, 400), st.integers(1, 40), st.integers(0, 2**32 - 1))
@settings(max_examples=60, deadline=None)
def test_sums_of_fields_equal_unpacked_sums(rows: int, words: int, seed: int) -> None:
    """Up to 400 rows of only zeros, which would overflow fields that are too narrow."""
    rng = np.random.default_rng(seed)
    share = rng.choice([0.0, 0.3, 1.0])
    codes = np.where(rng.random((rows, 8 * words, 4)) < share, 1, rng.choice([0, 2])).astype(
        np.uint8
    )
    packed = np.bitwise_or.reduce(codes << np.array([0, 2, 4, 6], np.uint8), axis=2)
    matrix = np.ascontiguousarray(packed.astype(np.uint8)).view(np.uint64)
    is_one, sums = codes == 1, PlaneSums()
    assert np.array_equal(sums.by_row(matrix), is_one.sum(axis=1).T)
    assert np.array_equal(sums.by_column(matrix), is_one.sum(axis=0).T)


def test_entropy_and_sizes_of_known_distributions(formats: Any, write: Write) -> None:
    weights = np.resize(np.array([-1, 0, 1], np.int8), (12, 10))
    matrix = take_census(write("m.safetensors", formats.packed_file(weights))).matrices[0]
    assert matrix.entropy == pytest.approx(1.5849625)  # log2(3)
    as_dict = matrix.as_dict()
    assert (as_dict["bytes_2bit"], as_dict["bytes_base3"]) == (30, 24)
    assert matrix.effective_bits == 2
    assert matrix.weights == prod(weights.shape)
