"""Checkpoints that are not what they claim to be: one line with file, tensor and byte."""

from __future__ import annotations

import json
import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bitnet_hw.census import take_census
from bitnet_hw.errors import InputError

Write = Callable[[str, bytes], Path]


def header_file(header: object, body: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + body


def entry(dtype: Any = "U8", shape: Any = (4,), offsets: Any = (0, 4), **more: Any) -> dict:
    return {"a": {"dtype": dtype, "shape": shape, "data_offsets": offsets, **more}}


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "byte 0: 0 bytes; a safetensors file begins with 8"),
        (b"abc", "byte 0: 3 bytes; a safetensors file begins with 8"),
        (header_file({}, length=1 << 60), "the header claims 1152921504606846976 bytes"),
        (header_file(b"{"), "not valid JSON"),
        (header_file(b"[1]"), "not a JSON object"),
        (header_file(b'{"a": 1, "a": 2}'), "'a' occurs twice"),
        (header_file(b"\xff{}"), "not UTF-8"),
        (header_file(b'{"a":' * 100_000), "nested too deeply"),
        (header_file(b'{"a": ' + b"9" * 9000 + b"}"), "the header is not valid"),
        (header_file({"a": 1}), "'a': byte 8: the entry must have"),
        (header_file(entry(extra=1), b"abcd"), "the entry must have"),
        (header_file(entry("U9"), b"abcd"), "unknown dtype 'U9'"),
        (header_file(entry(["U8"]), b"abcd"), "unknown dtype"),
        (header_file(entry(shape=[-4]), b"abcd"), "shape [-4] is not a list"),
        (header_file(entry(shape=[True]), b"abcd"), "is not a list"),
        (header_file(entry(shape=[4.0]), b"abcd"), "is not a list"),
        (header_file(entry(shape=[1] * 99), b"abcd"), "is not a list"),
        (header_file(entry(offsets=[4, 0]), b"abcd"), "are not a begin"),
        (header_file(entry(offsets=[-4, 0]), b"abcd"), "are not a begin"),
        (header_file(entry(offsets=[0, 4, 8]), b"abcd"), "are not a begin"),
        (header_file(entry(shape=[1 << 62] * 16), b"abcd"), "does not take the 4 bytes"),
        (header_file(entry(shape=[5]), b"abcd"), "does not take the 4 bytes"),
        (header_file(entry(), b"abc"), "but the file ends at"),
        (header_file(entry(), b"abcdef"), "the tensors end at byte"),
        (header_file({"a\n\x1b[2J": entry()["a"]}, b"abcd"), "do not print"),
        (header_file({"a\ud800": entry()["a"]}, b"abcd"), "do not print"),
        (
            header_file({**entry(), "b": entry(offsets=(2, 6))["a"]}, b"abcdef"),
            "tensor 'b'",
        ),
        (header_file({"__metadata__": 3}), "__metadata__"),
    ],
)  # fmt: skip
def test_safetensors_headers(write: Write, data: bytes, says: str) -> None:
    path = write("m.safetensors", data)
    with pytest.raises(InputError) as caught:
        take_census(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert says in message
    assert "\n" not in message
    assert "\x1b" not in message


def test_overlap_names_both_tensors(write: Write) -> None:
    header = {**entry(), "b": entry(offsets=(2, 6))["a"]}
    with pytest.raises(InputError, match=r"tensor 'b': byte \d+: overlaps tensor 'a'"):
        take_census(write("m.safetensors", header_file(header, b"abcdef")))


def _gguf_with(
    count: int = 1, keys: bytes = b"", dims: tuple[int, ...] = (256,), kind: int = 35,
    offset: int = 0, body: bytes = bytes(66), number_of_keys: int = 0, name: bytes = b"t",
) -> bytes:  # fmt: skip
    data = b"GGUF" + struct.pack("<IQQ", 3, count, number_of_keys) + keys
    data += struct.pack("<Q", len(name)) + name + struct.pack("<I", len(dims))
    data += b"".join(struct.pack("<Q", d) for d in dims) + struct.pack("<IQ", kind, offset)
    return data + bytes(-len(data) % 32) + body


def _key(kind: int, value: bytes, name: bytes = b"k") -> bytes:
    return struct.pack("<Q", len(name)) + name + struct.pack("<I", kind) + value


_NESTED = struct.pack("<IQ", 9, 1) * 50


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (
            b"GGUX" + bytes(99),
            "byte 0: begins with bytes 47 47 55 58; a GGUF file begins with GGUF",
        ),
        (b"GGUF", "the version takes 4 bytes"),
        (b"GGUF" + struct.pack("<I", 1) + bytes(64), "GGUF version 1"),
        (b"GGUF" + struct.pack(">I", 3) + bytes(64), "big-endian"),
        (b"GGUF" + struct.pack("<IQQ", 3, 1 << 63, 0), "claims 9223372036854775808 tensors"),
        (b"GGUF" + struct.pack("<IQQ", 3, 0, 1 << 62), "keys, more than 24 bytes can hold"),
        (_gguf_with(kind=777), "tensor 't': byte 24: unknown tensor type 777"),
        (_gguf_with(dims=(1,) * 9), "9 dimensions"),
        (_gguf_with(dims=(255,)), "does not divide into tq2_0 blocks of 256"),
        (_gguf_with(dims=(1 << 62, 1 << 62)), "but the file ends at"),
        (_gguf_with(offset=1 << 40), "but the file ends at"),
        (_gguf_with(offset=3), "not a multiple of the alignment 32"),
        (_gguf_with(body=bytes(65)), "claims 66 bytes"),
        (_gguf_with(name=b"\xff"), "not UTF-8"),
        (_gguf_with(name=b"\x1b[2J"), "do not print"),
        (_gguf_with(number_of_keys=1, keys=_key(99, b"")), "unknown value type 99"),
        (_gguf_with(number_of_keys=1, keys=_key(8, struct.pack("<Q", 1 << 60))), "bytes, the file"),
        (_gguf_with(number_of_keys=1, keys=_key(9, struct.pack("<IQ", 10, 1 << 60))), "the file"),
        (_gguf_with(number_of_keys=1, keys=_key(9, struct.pack("<IQ", 8, 1 << 61))), "the file"),
        (_gguf_with(number_of_keys=1, keys=_key(9, _NESTED + bytes(400))), "nested too deeply"),
        (
            _gguf_with(number_of_keys=1, keys=_key(4, struct.pack("<I", 33), b"general.alignment")),
            "general.alignment 33",
        ),
        (_gguf_with(body=b"\xc0" + bytes(65)), "tensor 't': byte 64: code 3 in a 2-bit field"),
        (_gguf_with(body=bytes(64) + b"\x00\x7e"), "tensor 't': byte 128: scale nan"),
        (_gguf_with(kind=36, body=bytes(64) + struct.pack("<f", np.inf) + bytes(28)), "scale inf"),
        (_gguf_with(kind=36, body=bytes(63) + b"\x03" + bytes(32)), "byte 127: code 3"),
        (_gguf_with(kind=38, body=bytes(9) + b"\x90" + bytes(86)), "byte 73: a 4-bit code above 8"),
    ],
)
def test_gguf_headers_and_codes(write: Write, data: bytes, says: str) -> None:
    path = write("m.gguf", data)
    with pytest.raises(InputError) as caught:
        take_census(path)
    assert str(caught.value).startswith(str(path))
    assert says in str(caught.value)


def test_gguf_overlaps_and_names_that_occur_twice(formats: Any, write: Write) -> None:
    tensor = formats.tensor((1, 256), 35, bytes(96))
    data = formats.gguf({"a": tensor, "b": tensor})
    one = data.replace(struct.pack("<IQ", 35, 96), struct.pack("<IQ", 35, 32))
    with pytest.raises(InputError, match=r"tensor 'b': byte \d+: overlaps tensor 'a'"):
        take_census(write("m.gguf", one))
    twice = data.replace(struct.pack("<Q", 1) + b"b", struct.pack("<Q", 1) + b"a")
    with pytest.raises(InputError, match=r"tensor 'a': byte .*: occurs twice"):
        take_census(write("m.gguf", twice))


@pytest.mark.parametrize("at", [0, 7, 63, 64, 100, 191])
def test_code_3_names_the_first_byte_that_has_it(formats: Any, write: Write, at: int) -> None:
    data = bytearray(formats.packed_file(formats.ternary(12, 64)))
    start = len(data) - 4 - 192
    data[start + at] |= 0x0C
    with pytest.raises(InputError, match=rf"'q_proj.weight': byte {start + at}: code 3"):
        take_census(write("m.safetensors", bytes(data)))
    with pytest.raises(InputError, match=rf"byte {start + at}: code 3"):
        take_census(write("m.safetensors", bytes(data)), sparsity=False)


@pytest.mark.parametrize("scale", [float("nan"), float("inf")])
def test_scales_that_are_not_finite(formats: Any, write: Write, scale: float) -> None:
    path = write("m.safetensors", formats.packed_file(formats.ternary(8, 8), scale=scale))
    with pytest.raises(InputError, match=rf"'q_proj.weight_scale': byte \d+: scale {scale}"):
        take_census(path)


def test_nan_among_ternary_floats(formats: Any, write: Write) -> None:
    values = formats.ternary(64, 64).astype(np.float32)
    values[3, 5] = np.nan
    data = formats.safetensors({"a.weight": ("F32", (64, 64), values.tobytes())})
    at = len(data) - values.nbytes + 4 * (3 * 64 + 5)
    with pytest.raises(InputError, match=f"'a.weight': byte {at}: value nan"):
        take_census(write("m.safetensors", data))


def _bytes_of(formats: Any) -> list[tuple[str, bytes]]:
    weights = formats.ternary(12, 256)
    blocks = np.zeros((12, 66), np.uint8)
    blocks[:, 64:] = np.array([0.5], np.float16).view(np.uint8)
    fives = np.zeros((12, 54), np.uint8)
    tensors = {
        "a.weight": formats.tensor((12, 256), 35, blocks.tobytes()),
        "b.weight": formats.tensor((12, 256), 34, fives.tobytes()),
        "c.weight": formats.tensor((12, 256), 36, bytes(12 * 64) + bytes(32)),
        "d.weight": formats.tensor((12, 256), 38, bytes(12 * 64) + bytes(32)),
    }
    floats = formats.safetensors(
        {
            "f.weight": ("F16", (12, 256), weights.astype(np.float16).tobytes()),
            "g.weight": ("F32", (12, 256), weights.astype(np.float32).tobytes()),
        }
    )
    return [
        ("m.safetensors", formats.packed_file(weights)),
        ("m.safetensors", floats),
        ("m.gguf", formats.gguf(tensors)),
    ]


_EDIT = st.tuples(
    st.sampled_from(["set", "cut", "insert", "number"]),
    st.floats(0, 1, exclude_max=True),
    st.integers(0, 255),
    st.sampled_from([0, 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63, 2**64 - 1]),
)


@given(
    st.integers(0, 2), st.booleans(), st.lists(_EDIT, min_size=1, max_size=4)
)  # fmt: skip
@settings(
    max_examples=400,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_mutated_files_are_read_or_refused(
    formats: Any,
    tmp_path: Path,
    which: int,
    in_header: bool,
    edits: list[tuple[str, float, int, int]],
) -> None:
    """Any file ends in a census or in InputError, within bounded memory."""
    name, valid = _bytes_of(formats)[which]
    data = bytearray(valid)
    for what, place, byte, number in edits:
        at = int(place * (min(len(data), 400) if in_header else len(data)))
        if what == "set" and data:
            data[at] = byte
        elif what == "cut":
            del data[at:]
        elif what == "insert":
            data[at:at] = bytes([byte])
        else:
            data[at : at + 8] = struct.pack("<Q", number)
    path = tmp_path / name
    path.write_bytes(data)
    refusal = str(path)
    tracemalloc.start()
    try:
        census = take_census(path)
        for matrix in census.matrices:
            json.dumps(matrix.as_dict(), allow_nan=False)
            if matrix.ternary and matrix.plus is not None and matrix.minus is not None:
                assert matrix.zeros is not None
                assert min(matrix.zeros, matrix.plus, matrix.minus) >= 0
                assert matrix.zeros + matrix.plus + matrix.minus == matrix.weights
    except InputError as error:
        refusal = str(error)
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 64 << 20
    assert refusal.startswith(str(path))
    assert "\n" not in refusal
