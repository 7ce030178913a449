"""Strict readers of safetensors headers, and of the index of a sharded checkpoint."""

from __future__ import annotations

import json
from math import prod
from pathlib import Path, PurePosixPath
from typing import Any

from ...errors import InputError
from ...files.reading import shorten
from ..source import Source, shown
from . import Tensor, refuse_overlaps

#: A larger header or index is refused before it is read.
MAX_HEADER_BYTES = 32 << 20
MAX_DIMENSIONS = 16

#: Data type -> bits of an element; the safetensors format's own list.
DTYPE_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "U16": 16, "I16": 16, "U32": 32, "I32": 32, "U64": 64, "I64": 64,
    "F16": 16, "BF16": 16, "F32": 32, "F64": 64, "C64": 64, "F8_E4M3": 8, "F8_E5M2": 8,
    "F8_E8M0": 8, "F6_E2M3": 6, "F6_E3M2": 6, "F4": 4,
}  # fmt: skip


def read_safetensors(source: Source) -> list[Tensor]:
    """Read the header of a safetensors file.

    Parameters
    ----------
    source : Source
        The file.

    Returns
    -------
    list of Tensor
        In the order of their bytes.

    Raises
    ------
    InputError
        If the header is longer than the file, is not a JSON object, or a dtype, shape
        or offsets in it do not fit; if tensors overlap or do not reach the file's end.
    """
    if source.size < 8:
        raise source.fault(
            f"{source.size} bytes; a safetensors file begins with 8 bytes of length", offset=0
        )
    length = int.from_bytes(source.read(0, 8), "little")
    if length > source.size - 8:
        raise source.fault(
            f"the header claims {length} bytes, the file has {source.size - 8} after its length",
            offset=0,
        )
    if length > MAX_HEADER_BYTES:
        raise source.fault(
            f"a header of {length} bytes; at most {MAX_HEADER_BYTES} are read", offset=0
        )
    header = _parse(source.read(8, length), source)
    start = 8 + length
    metadata = header.pop("__metadata__", {})
    if not isinstance(metadata, dict):
        raise source.fault("__metadata__ is not a mapping", offset=8)
    tensors = [_tensor(source, name, entry, start) for name, entry in header.items()]
    tensors.sort(key=lambda tensor: (tensor.offset, tensor.bytes))
    end = max(start, refuse_overlaps(source, tensors))
    if end < source.size:
        raise source.fault(f"the tensors end at byte {end}, the file at {source.size}", offset=end)
    return tensors


def _parse(raw: bytes, source: Source) -> dict[str, Any]:
    def refuse_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for key, value in pairs:
            if key in found:
                raise ValueError(f"key {shown(key)} occurs twice")
            found[key] = value
        return found

    try:
        header = json.loads(raw.decode(), object_pairs_hook=refuse_duplicates)
    except RecursionError:
        raise source.fault("the header is nested too deeply", offset=8) from None
    except UnicodeDecodeError as error:
        raise source.fault("the header is not UTF-8", offset=8 + error.start) from None
    except json.JSONDecodeError as error:
        raise source.fault(
            f"the header is not valid JSON: {error.msg}", offset=8 + error.pos
        ) from None
    except ValueError as error:
        raise source.fault(f"the header is not valid: {error}", offset=8) from None
    if not isinstance(header, dict):
        raise source.fault("the header is not a JSON object", offset=8)
    return header


def _tensor(source: Source, name: str, entry: Any, start: int) -> Tensor:  # noqa: ANN401  JSON
    def wrong(message: str) -> InputError:
        return source.fault(message, tensor=name, offset=8)

    if not name.isprintable():
        raise wrong("the name has characters that do not print")
    if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
        raise wrong("the entry must have dtype, shape and data_offsets, and nothing else")
    dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
    if not isinstance(dtype, str) or dtype not in DTYPE_BITS:
        raise wrong(f"unknown dtype {shorten(dtype)}")
    if not _whole_numbers(shape) or len(shape) > MAX_DIMENSIONS:
        raise wrong(f"shape {shorten(shape)} is not a list of at most {MAX_DIMENSIONS} sizes")
    if not _whole_numbers(offsets) or len(offsets) != 2 or offsets[0] > offsets[1]:
        raise wrong(f"data_offsets {shorten(offsets)} are not a begin and an end")
    begin, end = offsets
    if start + end > source.size:
        raise wrong(
            f"claims bytes {start + begin} to {start + end}, but the file ends at {source.size}"
        )
    bits = prod(shape) * DTYPE_BITS[dtype]
    if bits != 8 * (end - begin):
        raise wrong(
            f"shape {shorten(shape)} in {dtype} does not take the {end - begin} bytes "
            "that data_offsets give"
        )
    return Tensor(name, tuple(shape), dtype.lower(), start + begin, end - begin)


def _whole_numbers(value: object) -> bool:
    return isinstance(value, list) and all(
        isinstance(one, int) and not isinstance(one, bool) and 0 <= one < 1 << 63 for one in value
    )


def read_index(path: Path) -> dict[str, list[str]]:
    """Read the index of a sharded checkpoint.

    Parameters
    ----------
    path : path
        A ``*.safetensors.index.json``.

    Returns
    -------
    mapping
        File name of a shard -> the tensors that it should hold.

    Raises
    ------
    InputError
        If it is not an index, or a shard's name leads out of the folder.
    """
    with Source(path) as source:
        size = source.size
        if size > MAX_HEADER_BYTES:
            raise source.fault(f"an index of {size} bytes; at most {MAX_HEADER_BYTES} are read")
        index = _parse(source.read(0, size), source)
    weight_map = index.get("weight_map")
    if not isinstance(weight_map, dict):
        raise source.fault("no weight_map; an index maps each tensor to its file")
    shards: dict[str, list[str]] = {}
    for name, file in weight_map.items():
        is_plain = isinstance(file, str) and file.isprintable() and "\\" not in file
        if not is_plain or not file or PurePosixPath(file).name != file:
            raise source.fault(
                f"{shorten(file)} is not a plain file name in the index's folder", tensor=name
            )
        if not file.endswith(".safetensors"):
            raise source.fault(f"{shorten(file)} is not a safetensors file", tensor=name)
        shards.setdefault(file, []).append(name)
    return shards
