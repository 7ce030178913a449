"""Finding and reading of checkpoint files, on several threads and within bounded memory."""

from __future__ import annotations

import json
import os
import pickle
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bitnet_hw.census import source as reading
from bitnet_hw.census import take_census
from bitnet_hw.census.source import Source
from bitnet_hw.errors import InputError

Write = Callable[[str, bytes], Path]


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


def test_paths_that_are_not_checkpoints(write: Write, tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none", write("notes.txt", b"hello world, hello")):
        with pytest.raises(InputError) as caught:
            take_census(path)
        assert str(caught.value).startswith(str(path))
    with pytest.raises(InputError, match="not a regular file"):
        take_census("/dev/zero")


def test_a_file_that_shrinks_while_it_is_read_is_an_error(formats: Any, write: Write) -> None:
    path = write("m.safetensors", formats.packed_file(formats.ternary(400, 3000)))
    size = path.stat().st_size
    with Source(path) as source:
        os.truncate(path, 1000)
        with pytest.raises(InputError, match="byte 1000: the file ends here; it was longer before"):
            list(source.chunks(8, size - 8))


def test_a_file_that_loses_its_end_between_tensors_is_an_error(formats: Any, write: Write) -> None:
    data = bytes(64) + struct.pack("<f", 0.5) + bytes(28)
    tensors = {f"{i}.weight": formats.tensor((1, 256), 36, data) for i in range(3)}
    path = write("m.gguf", formats.gguf(tensors))

    def shorten(_name: str, _done: int, _all: int) -> None:
        os.truncate(path, path.stat().st_size - 32)

    with pytest.raises(InputError, match="the file ends here; it was longer before"):
        take_census(path, progress=shorten)


@pytest.fixture
def four_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count matrices in parallel, however small the file and however few the cores."""
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
def test_of_several_faults_the_first_in_the_file_is_reported(formats: Any, write: Write) -> None:
    """However many threads count, and whichever finds its fault first."""
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
