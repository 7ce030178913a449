"""Detection of ternary matrices: census and trace agree, and counts equal plain numpy's."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import bitnet_hw
from bitnet_hw.census import take_census
from bitnet_hw.reference.detection import TernaryMatrix, find_ternary

RNG = np.random.default_rng(11)
ROWS, COLUMNS = 48, 512
Matrix = NDArray[np.float32]


def trits(rows: int = ROWS, columns: int = COLUMNS) -> Matrix:
    return RNG.choice([-1, 0, 1], (rows, columns), p=[0.35, 0.3, 0.35]).astype(np.float32)


def per_row(matrix: Matrix) -> Matrix:
    return (matrix * RNG.uniform(0.1, 9, (len(matrix), 1))).astype(np.float32)


def per_group(matrix: Matrix, length: int) -> Matrix:
    rows, columns = matrix.shape
    scales = RNG.uniform(0.1, 9, (rows, columns // length))
    return (matrix * np.repeat(scales, length, axis=1)).astype(np.float32)


def as_bf16(matrix: NDArray[Any]) -> Matrix:
    """Round to bfloat16's eight significant bits."""
    mantissa, exponent = np.frexp(matrix.astype(np.float32))
    return np.ldexp(np.rint(mantissa * 256) / 256, exponent).astype(np.float32)


def straight_through() -> Matrix:
    """Return w + (q - w) in bf16, with a row that quantizes to zeros."""
    weights = as_bf16(RNG.normal(0, 0.02, (ROWS, COLUMNS)))
    scale = np.abs(weights).mean()
    weights[3] *= 0.01
    quantized = as_bf16(np.clip(np.rint(weights / scale), -1, 1) * scale)
    return as_bf16(weights + as_bf16(quantized - weights))


def one_odd_value() -> Matrix:
    matrix = trits()
    matrix[29, 301] = 0.5
    return matrix


def signs() -> Matrix:
    return RNG.choice([-0.3, 0.3], (ROWS, COLUMNS)).astype(np.float32)


def small(values: Any) -> Matrix:
    return np.array(values, dtype=np.float32)


#: Name -> a matrix, and whether it is ternary (or binary).
MATRICES: dict[str, tuple[Matrix, bool]] = {
    "scale per tensor": (trits() * np.float32(0.37), True),
    "scale per row": (per_row(trits()), True),
    "scale per row of 32": (per_row(trits(64, 32)), True),
    "scale per row of 31": (per_row(trits(64, 31)), False),
    "scale per group of 256": (per_group(trits(), 256), True),
    "scale per group of 128": (per_group(trits(), 128), False),
    "straight-through": (straight_through(), True),
    "binary": (signs(), True),
    "binary per row": (per_row(signs()), True),
    "one sign": (np.abs(signs()), True),
    "Gaussian": (RNG.normal(0, 0.02, (ROWS, COLUMNS)).astype(np.float32), False),
    "zeros": (np.zeros((ROWS, COLUMNS), np.float32), False),
    "zeros but for one row": (np.where(np.arange(ROWS)[:, None] == 5, trits(), 0), True),
    "one odd value": (one_odd_value(), False),
    "within 2 %": (np.where(np.arange(ROWS)[:, None] % 2, 1.015, 1) * signs(), True),
    "beyond 2 %": (np.where(np.arange(COLUMNS) % 2, 1.05, 1) * signs(), False),
    "four levels": (small([[-2, -1, 1, 2] * 64] * 4), False),
    "eight values": (small([[1, -1, 1, 1], [1, 1, -1, 1]]), False),
    "nine values": (small([[1, -1, 0], [1, 1, -1], [1, 0, 1]]), True),
}


def counted(matrix: Matrix) -> tuple[bool, int | None, bool]:
    """Return whether the census finds a matrix ternary, its zeros, and whether it is binary."""
    path = Path("m.safetensors")
    data = matrix.astype(np.float32).tobytes()
    entry = {"dtype": "F32", "shape": matrix.shape, "data_offsets": [0, len(data)]}
    header = json.dumps({"a.weight": entry}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + data)
    (found,) = take_census(path).matrices
    return found.ternary, found.zeros, bool(found.zeros == 0 and found.plus and found.minus)


def traced(matrix: Matrix) -> tuple[bool, int | None, bool]:
    """Return the same facts from a trace."""
    with bitnet_hw.trace_numpy(strict=True) as tally:
        tally.input(np.full(matrix.shape[1], 0.3, np.float32)) @ matrix.astype(np.float32).T
    (mac,) = tally.mac_counts
    if mac.weight not in ("ternary", "binary"):
        return False, None, False
    return True, int(matrix.size - tally.add_only.non_zero_terms), mac.weight == "binary"


@pytest.mark.parametrize("name", MATRICES)
def test_census_and_trace_agree(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    matrix, expected = MATRICES[name]
    found = counted(matrix)
    assert found[0] == expected
    assert traced(matrix) == found


def look(matrix: NDArray[Any], **options: Any) -> TernaryMatrix | None:
    return find_ternary(lambda rows, columns: matrix[rows, columns], *matrix.shape, **options)


@pytest.mark.parametrize("shape", [(700, 768), (3, 600_000), (3, (1 << 19) + 256), (9, 5)])
@pytest.mark.parametrize("noise", [0.0, 0.004])
def test_counts_equal_those_of_plain_numpy(shape: tuple[int, int], noise: float) -> None:
    codes = RNG.choice([-1, 0, 1], shape, p=[0.2, 0.5, 0.3])
    codes[2] = 0
    rounding = 1 + RNG.uniform(-noise, noise, shape)
    found = look((codes * 0.7 * rounding).astype(np.float32), by_line=True)
    assert found is not None
    assert (found.zeros, found.plus, found.minus) == tuple(
        int((codes == c).sum()) for c in (0, 1, -1)
    )
    assert found.used_rows == int(np.any(codes, axis=1).sum())
    assert found.scales.number == 1
    assert found.scales.highest == pytest.approx(0.7, rel=noise + 1e-6)
    assert found.zeros_by_row is not None
    assert found.zeros_by_column is not None
    assert found.zeros_by_row.tolist() == (codes == 0).sum(axis=1).tolist()
    assert found.zeros_by_column.tolist() == (codes == 0).sum(axis=0).tolist()


def test_rows_in_pieces_have_scales_per_group_but_not_per_row() -> None:
    codes = trits(2, 3 << 18)
    assert look(per_row(codes)) is not None  # a group of 256 within a row has the row's scale
    found = look(per_group(codes, 256))
    assert found is not None
    assert found.scales.number == codes.size // 256
    ragged = trits(2, (1 << 19) + 8)
    ragged[1] *= 3
    assert look(ragged) is None


def test_scales_of_rows() -> None:
    scales = np.array([[0.0], [0.5], [2.0], [4.0]] * 2)
    found = look((signs()[:8] / np.float32(0.3)) * scales)
    assert found is not None
    assert found.scales == (0.5, 4.0, 8)
    assert (found.used_rows, found.zeros) == (6, 2 * COLUMNS)


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("place", [(0, 0), (300, 77), (699, 767)])
def test_the_first_value_that_is_not_finite(odd: float, place: tuple[int, int]) -> None:
    matrix = trits(700, 768)
    matrix[place] = matrix[699, 767] = odd
    found = look(matrix)
    assert found is not None
    assert found.not_finite == place[0] * 768 + place[1]
