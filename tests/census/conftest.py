"""Writers of small checkpoints, from the formats' own descriptions and without any library."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest


class Tensor(NamedTuple):
    """A tensor to write to GGUF: shape with rows first, ggml's number of the type, the bytes."""

    shape: tuple[int, ...]
    kind: int
    data: bytes


def safetensors_bytes(tensors: Mapping[str, tuple[str, tuple[int, ...], bytes]]) -> bytes:
    """Return a file: name -> (dtype, shape, bytes)."""
    header, at = {}, 0
    for name, (dtype, shape, data) in tensors.items():
        header[name] = {
            "dtype": dtype,
            "shape": list(shape),
            "data_offsets": [at, at + len(data)],
        }
        at += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    body = b"".join(data for _, _, data in tensors.values())
    return struct.pack("<Q", len(text)) + text + body


def gguf_bytes(tensors: Mapping[str, Tensor], version: int = 3) -> bytes:
    """Return a file with two keys, one of them an array of strings."""

    def text(value: str) -> bytes:
        return struct.pack("<Q", len(value)) + value.encode()

    head = b"GGUF" + struct.pack("<IQQ", version, len(tensors), 2)
    head += text("general.architecture") + struct.pack("<I", 8) + text("bitnet")
    head += text("tokens") + struct.pack("<IIQ", 9, 8, 2) + text("a") + text("bc")
    body = b""
    for name, tensor in tensors.items():
        body += b"\0" * (-len(body) % 32)
        head += text(name) + struct.pack("<I", len(tensor.shape))
        head += b"".join(struct.pack("<Q", size) for size in reversed(tensor.shape))
        head += struct.pack("<IQ", tensor.kind, len(body))
        body += tensor.data
    return head + b"\0" * (-len(head) % 32) + body


def hf_packed_bytes(weights: np.ndarray) -> bytes:
    """Pack by the layout: bits 2k and 2k + 1 of P[i, j] hold w[i + k r, j] + 1."""
    rows, columns = weights.shape
    r = -(-rows // 4)
    packed = np.zeros((r, columns), np.uint8)
    for row in range(rows):
        k, i = divmod(row, r)
        packed[i] |= (weights[row] + 1).astype(np.uint8) << (2 * k)
    return packed.tobytes()


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, bytes], Path]:
    """Return a function that writes a file and gives its path."""

    def to(name: str, data: bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    return to


class Formats(NamedTuple):
    """The writers, and a ternary matrix to write."""

    safetensors: Callable[..., bytes]
    gguf: Callable[..., bytes]
    hf_packed: Callable[[np.ndarray], bytes]
    tensor: type[Tensor]

    def packed_file(self, weights: np.ndarray, name: str = "q_proj", scale: float = 1.5) -> bytes:
        """Return a file with one packed matrix and its FP32 scale."""
        r = -(-weights.shape[0] // 4)
        return self.safetensors(
            {
                f"{name}.weight": ("U8", (r, weights.shape[1]), self.hf_packed(weights)),
                f"{name}.weight_scale": ("F32", (1,), struct.pack("<f", scale)),
            }
        )

    def i2_s_file(self, codes: bytes, shape: tuple[int, int], scale: float = 0.5) -> bytes:
        """Return a GGUF file with one I2_S matrix: codes, FP32 scale, padding to 32 bytes."""
        data = codes + struct.pack("<f", scale) + bytes(28)
        return self.gguf({"blk.0.attn_q.weight": self.tensor(shape, 36, data)})

    @staticmethod
    def ternary(rows: int, columns: int, seed: int = 0) -> np.ndarray:
        """Return a matrix of which about half is zeros, with more +1 than -1."""
        rng = np.random.default_rng(seed)
        return rng.choice(np.array([-1, 0, 1], np.int8), (rows, columns), p=[0.2, 0.5, 0.3])


@pytest.fixture(scope="session")
def formats() -> Formats:
    return Formats(safetensors_bytes, gguf_bytes, hf_packed_bytes, Tensor)
