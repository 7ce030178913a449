"""Files that are not what they claim to be: one line with file, tensor and byte; never a crash."""

from __future__ import annotations

import json
import os
import pickle
import struct
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bitnet_hw.census import source as reading
from bitnet_hw.census import take_census
from bitnet_hw.census.source import Source
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
        (b"GGUX" + bytes(99), "byte 0: magic b'GGUX'"),
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


class _Bomb:
    def __reduce__(self) -> tuple[Any, ...]:
        return sys.exit, ("the pickle was opened",)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "m.pt", "m.safetensors", "anything"])
def test_pickles_are_refused_by_name_and_by_content(write: Write, name: str) -> None:
    path = write(name, pickle.dumps(_Bomb()))
    with pytest.raises(InputError, match="pickle"):
        take_census(path)


def test_a_folder_of_pickles_and_a_torch_archive(write: Write) -> None:
    path = write("m/pytorch_model.bin", b"PK\x03\x04")
    with pytest.raises(InputError, match=r"pytorch_model\.bin: pickle files are not read"):
        take_census(path.parent)
    with pytest.raises(InputError, match="pickle"):
        take_census(write("archive", b"PK\x03\x04" + bytes(99)))


@pytest.mark.parametrize(
    ("weight_map", "says"),
    [
        ({"a": "../m.safetensors"}, "not a plain file name"),
        ({"a": "/etc/passwd"}, "not a plain file name"),
        ({"a": ".."}, "not a safetensors file"),
        ({"a": "x.bin"}, "not a safetensors file"),
        ({"a": 3}, "not a plain file name"),
        ({"a": "gone.safetensors"}, "no such file"),
        ({"a": "nul\0.safetensors"}, "not a plain file name"),
        (
            {"q_proj.bias": "real.safetensors"},
            "'q_proj.bias': missing, but the index lists it",
        ),
        ([], "no weight_map"),
    ],
)
def test_indexes(formats: Any, write: Write, weight_map: object, says: str) -> None:
    write("real.safetensors", formats.packed_file(formats.ternary(4, 4)))
    text = json.dumps({"weight_map": weight_map}).encode()
    with pytest.raises(InputError, match=says.replace("..", r"\.\.")):
        take_census(write("m.safetensors.index.json", text))


def test_paths_that_are_no_checkpoint(write: Write, tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none", write("notes.txt", b"hello world, hello")):
        with pytest.raises(InputError) as caught:
            take_census(path)
        assert str(caught.value).startswith(str(path))
    with pytest.raises(InputError, match="not a regular file"):
        take_census("/dev/zero")


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


def test_a_file_that_shrinks_meanwhile_is_an_error(formats: Any, write: Write) -> None:
    path = write("m.safetensors", formats.packed_file(formats.ternary(400, 3000)))
    size = path.stat().st_size
    with Source(path) as source:
        os.truncate(path, 1000)
        with pytest.raises(InputError, match="byte 1000: the file ends here; it was longer before"):
            list(source.chunks(8, size - 8))


def test_a_file_that_loses_its_end_meanwhile_is_an_error(formats: Any, write: Write) -> None:
    data = bytes(64) + struct.pack("<f", 0.5) + bytes(28)
    tensors = {f"{i}.weight": formats.tensor((1, 256), 36, data) for i in range(3)}
    path = write("m.gguf", formats.gguf(tensors))

    def shorten(_name: str, _done: int, _all: int) -> None:
        os.truncate(path, path.stat().st_size - 32)

    with pytest.raises(InputError, match="the file ends here; it was longer before"):
        take_census(path, progress=shorten)


@pytest.fixture
def four_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count matrices side by side, however small the file and few the cores."""
    monkeypatch.setattr(reading, "_LEAST_FILE", 0)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)


@pytest.mark.usefixtures("four_threads")
def test_progress_adds_up_and_what_it_raises_is_raised(formats: Any, write: Write) -> None:
    parts = {
        f"layers.{i}.q_proj.weight": ("U8", (8, 64), formats.hf_packed(formats.ternary(32, 64, i)))
        for i in range(40)
    }
    path = write("m.safetensors", formats.safetensors(parts))
    seen: list[int] = []
    take_census(path, progress=lambda _name, done, _all: seen.append(done))
    assert seen == [*range(512, 512 * 41, 512), path.stat().st_size]

    def interrupt(_name: str, done: int, _all: int) -> None:
        if done >= 5 * 512:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        take_census(path, progress=interrupt)


@pytest.mark.usefixtures("four_threads")
def test_of_several_faults_the_first_in_the_file_is_told(formats: Any, write: Write) -> None:
    """However many threads count, and whichever comes to its fault first."""
    tensors = {}
    for i in range(12):
        data = bytearray(formats.hf_packed(formats.ternary(40, 50 * (12 - i))))
        if i in (3, 4, 7):
            data[-1] = 0xFF
        tensors[f"layers.{i}.q_proj.weight"] = ("U8", (10, 50 * (12 - i)), bytes(data))
    path = write("m.safetensors", formats.safetensors(tensors))
    for _ in range(20):
        with pytest.raises(InputError, match=r"layers\.3\.q_proj\.weight.*code 3"):
            take_census(path)


@pytest.mark.slow
def test_memory_stays_below_a_few_matrices_however_large_the_file(tmp_path: Path) -> None:
    """A sparse checkpoint of 600 MB in matrices of 10 MB, in one file and in 30; four threads."""
    rows, columns, number = 4096, 2560, 60
    size = rows * columns

    def sparse_file(name: str, matrices: int, first: int = 0) -> Path:
        header = {
            f"layers.{first + i}.q_proj.weight": {
                "dtype": "U8", "shape": [rows, columns], "data_offsets": [i * size, (i + 1) * size],
            }
            for i in range(matrices)
        }  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        text = json.dumps(header).encode()
        with path.open("wb") as file:
            file.write(struct.pack("<Q", len(text)) + text)
            file.truncate(8 + len(text) + matrices * size)
        return path

    path = sparse_file("60.safetensors", number)
    for i in range(30):
        sparse_file(f"shards/{i:02}-of-30.safetensors", number // 30, number // 30 * i)
    program = (
        "import os, resource, sys\n"
        "os.cpu_count = lambda: 4\n"
        "from bitnet_hw.census import take_census\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "census = take_census(sys.argv[1])\n"
        "after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(census.weights, (after - before) * 1024)\n"
    )
    for what in (path, tmp_path / "shards"):
        done = subprocess.run(
            [sys.executable, "-c", program, str(what)], capture_output=True, text=True, check=True
        )
        weights, grown = map(int, done.stdout.split())
        assert weights == number * 4 * size
        assert grown < 8 * size
