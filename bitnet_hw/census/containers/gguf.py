"""A strict reader of GGUF headers, versions 2 and 3.

Every count and length is checked against the rest of the file before it decides how much is read or
allocated.
"""

from __future__ import annotations

import struct
from math import prod
from typing import NamedTuple

from ..source import Source, shown
from . import Tensor, refuse_overlaps
from .ggml_types import BITNET_TYPES, GGML_TYPES, TL2, tensor_bytes, tl2_bytes

MAGIC = b"GGUF"
DEFAULT_ALIGNMENT = 32
MAX_DIMENSIONS = 4
_MAX_NAME = 1 << 16
_MAX_NESTING = 4
_STRING, _ARRAY = 8, 9
#: Value type -> its struct code, for the types of fixed size.
_FIXED = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "B", 10: "Q", 11: "q", 12: "d"}
#: The smallest tensor entry: an empty name, no dimensions, type, offset.
_LEAST_TENSOR = 8 + 4 + 4 + 8
#: The smallest key: an empty name, a type, a byte.
_LEAST_KEY = 8 + 4 + 1

#: Bytes of a header that are read at a time: vocabularies are hundreds of thousands of strings.
_WINDOW = 1 << 18


class _Cursor:
    def __init__(self, source: Source) -> None:
        self.source = source
        self.at = len(MAGIC)
        self._window, self._first = b"", 0

    @property
    def left(self) -> int:
        return self.source.size - self.at

    def need(self, size: int, what: str) -> None:
        if size > self.left:
            raise self.source.fault(
                f"{what} takes {size} bytes, the file has {self.left} left", offset=self.at
            )

    def skip(self, size: int, what: str) -> None:
        self.need(size, what)
        self.at += size

    def _take(self, size: int) -> bytes:
        start = self.at - self._first
        if start + size > len(self._window):
            self._window, self._first = self.source.read(self.at, max(size, _WINDOW)), self.at
            start = 0
        self.at += size
        return self._window[start : start + size]

    def number(self, code: str, what: str) -> int:
        size = struct.calcsize(f"<{code}")
        self.need(size, what)
        value: int = struct.unpack(f"<{code}", self._take(size))[0]
        return value

    def string(self, what: str) -> str:
        start = self.at
        size = self.number("Q", f"the length of {what}")
        if size > _MAX_NAME:
            raise self.source.fault(f"{what} claims {size} bytes", offset=start)
        self.need(size, what)
        raw = self._take(size)
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise self.source.fault(f"{what} is not UTF-8", offset=start) from None


def read_gguf(source: Source) -> list[Tensor]:
    """Read the header of a GGUF file.

    Parameters
    ----------
    source : Source
        The file.

    Returns
    -------
    list of Tensor
        In the file's order.

    Raises
    ------
    InputError
        If the magic or the version is wrong, a count, length, shape or offset does not fit the
        file, a type is unknown, or tensors overlap or share a name.
    """
    if source.read(0, 4) != MAGIC:
        raise source.fault(
            f"begins with bytes {source.read(0, 4).hex(' ')}; a GGUF file begins with "
            f"{MAGIC.decode()}",
            offset=0,
        )
    cursor = _Cursor(source)
    version = cursor.number("I", "the version")
    if version not in (2, 3):
        hint = "; big-endian files are not supported" if version in (2 << 24, 3 << 24) else ""
        raise source.fault(f"GGUF version {version}; 2 and 3 are supported{hint}", offset=4)
    tensors = cursor.number("Q", "the number of tensors")
    keys = cursor.number("Q", "the number of keys")
    for what, count, least in (("tensors", tensors, _LEAST_TENSOR), ("keys", keys, _LEAST_KEY)):
        if count * least > cursor.left:
            raise source.fault(
                f"claims {count} {what}, more than {source.size} bytes can hold", offset=8
            )
    alignment = _read_keys(cursor, keys)
    entries = [_read_entry(cursor) for _ in range(tensors)]
    start = -(-cursor.at // alignment) * alignment
    return _placed(source, entries, start, alignment)


def _read_keys(cursor: _Cursor, count: int) -> int:
    alignment = DEFAULT_ALIGNMENT
    for _ in range(count):
        at = cursor.at
        key = cursor.string("a key")
        kind = cursor.number("I", f"the type of key {shown(key)}")
        if key == "general.alignment":
            if kind != 4:
                raise cursor.source.fault("general.alignment is not a uint32", offset=at)
            alignment = cursor.number("I", key)
            if alignment < 8 or alignment & (alignment - 1) or alignment > 1 << 20:
                raise cursor.source.fault(
                    f"general.alignment {alignment}; it must be a power of two from 8 to {1 << 20}",
                    offset=at,
                )
        else:
            _skip_value(cursor, kind, f"key {shown(key)}", 0)
    return alignment


def _skip_value(cursor: _Cursor, kind: int, what: str, depth: int) -> None:
    if kind in _FIXED:
        cursor.skip(struct.calcsize(f"<{_FIXED[kind]}"), what)
    elif kind == _STRING:
        cursor.skip(cursor.number("Q", what), what)
    elif kind == _ARRAY:
        inner = cursor.number("I", what)
        count = cursor.number("Q", what)
        if inner in _FIXED:
            cursor.skip(count * struct.calcsize(f"<{_FIXED[inner]}"), what)
            return
        if depth >= _MAX_NESTING:
            raise cursor.source.fault(f"{what} is nested too deeply", offset=cursor.at)
        cursor.need(count * 8, what)  # a string or an array begins with 8 bytes at least
        for _ in range(count):
            _skip_value(cursor, inner, what, depth + 1)
    else:
        raise cursor.source.fault(
            f"{what} has unknown value type {kind}; 0 to 12 are known", offset=cursor.at
        )


class _Entry(NamedTuple):
    name: str
    shape: tuple[int, ...]
    kind: int
    offset: int
    at: int


def _read_entry(cursor: _Cursor) -> _Entry:
    at = cursor.at
    name = cursor.string("a tensor's name")
    if not name.isprintable():
        raise cursor.source.fault(
            "the name has characters that do not print", tensor=name, offset=at
        )
    dimensions = cursor.number("I", f"tensor {shown(name)}")
    if dimensions > MAX_DIMENSIONS:
        raise cursor.source.fault(
            f"{dimensions} dimensions; at most {MAX_DIMENSIONS} are allowed", tensor=name, offset=at
        )
    shape = tuple(cursor.number("Q", f"tensor {shown(name)}") for _ in range(dimensions))[::-1]
    kind = cursor.number("I", f"tensor {shown(name)}")
    offset = cursor.number("Q", f"tensor {shown(name)}")
    if kind not in GGML_TYPES and kind not in BITNET_TYPES:
        raise cursor.source.fault(f"unknown tensor type {kind}", tensor=name, offset=at)
    return _Entry(name, shape, kind, offset, at)


def _placed(source: Source, entries: list[_Entry], start: int, alignment: int) -> list[Tensor]:
    known: set[str] = set()
    ends = sorted({entry.offset for entry in entries})
    following = dict(zip(ends, [*ends[1:], source.size - start], strict=False))
    found = []
    for entry in entries:
        if entry.name in known:
            raise source.fault("occurs twice", tensor=entry.name, offset=entry.at)
        known.add(entry.name)
        if entry.offset % alignment:
            raise source.fault(
                f"offset {entry.offset} is not a multiple of the alignment {alignment}",
                tensor=entry.name, offset=entry.at,
            )  # fmt: skip
        kind, size = _sized(source, entry, following[entry.offset] - entry.offset)
        if start + entry.offset + size > source.size:
            raise source.fault(
                f"claims {size} bytes from byte {start + entry.offset}, "
                f"but the file ends at {source.size}",
                tensor=entry.name, offset=entry.at,
            )  # fmt: skip
        found.append(Tensor(entry.name, entry.shape, kind, start + entry.offset, size))
    refuse_overlaps(source, found)
    return found


def _sized(source: Source, entry: _Entry, room: int) -> tuple[str, int]:
    """Return the format's name and the bytes; `room` is the distance to the next tensor."""
    size = tensor_bytes(entry.kind, entry.shape)
    name = BITNET_TYPES.get(entry.kind, "") or GGML_TYPES[entry.kind].name
    if entry.kind == TL2:
        # ggml's MXFP4 has the same number: the room that the tensor takes tells them apart.
        ours = tl2_bytes(entry.shape)
        is_mxfp4 = size is not None and (ours is None or abs(room - size) <= abs(room - ours))
        name = "mxfp4" if is_mxfp4 else "tl2"
        size = size if is_mxfp4 else ours
    if size is None:
        block = 4 if entry.kind in BITNET_TYPES else GGML_TYPES[entry.kind].block
        raise source.fault(
            f"shape {list(entry.shape)} does not divide into {name} blocks of {block} weights",
            tensor=entry.name, offset=entry.at,
        )  # fmt: skip
    return name, size if prod(entry.shape) else 0
