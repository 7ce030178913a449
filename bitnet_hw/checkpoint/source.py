"""A checkpoint file as bytes: mapped, bounded, and read a chunk at a time."""

from __future__ import annotations

import mmap
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from ..errors import InputError

Bytes = npt.NDArray[np.uint8]
Part = TypeVar("Part")

#: Bytes that a kernel takes at a time: fewer cost calls, more the second-level cache. Six words
#: divide it.
CHUNK = 960 << 10

#: The same where zeros are summed by row and column: the sums want many rows at once, and their
#: temporaries are several times as large, on every thread.
LINE_CHUNK = 1 << 20

#: The same for compiled loops, which keep nothing between a chunk's bytes.
LOOP_CHUNK = 4 << 20

#: A part of a matrix, and a file, that is worth a thread; threads that are worth their temporaries.
_LEAST_SPAN = 16 << 20
_LEAST_FILE = 1 << 20
_MOST_THREADS = 4

#: Mapped pages count as the process's memory until they are given back.
_RELEASE = 16 << 20


class Source:
    """A file whose bytes are mapped into memory and given back behind the reader.

    Parameters
    ----------
    path : path
        A regular file.

    Attributes
    ----------
    path : Path
        The file.
    size : int
        Its bytes.

    Raises
    ------
    InputError
        If the file is missing, is no regular file, or cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            if not path.exists():
                raise InputError(f"{path}: no such file")
            if not path.is_file():
                raise InputError(f"{path}: not a regular file")
            with path.open("rb") as file:
                self.size = path.stat().st_size
                self._map = (
                    mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if self.size else None
                )
        except InputError:
            raise
        except OSError as error:
            raise InputError(f"{path}: {error.strerror or error}") from None
        except ValueError as error:  # a NUL in the name; a file that shrinks meanwhile
            raise InputError(f"{str(path)!r}: cannot be read: {error}") from None

    def read(self, offset: int, size: int) -> bytes:
        """Return a few bytes, fewer at the end of the file."""
        return b"" if self._map is None else self._map[offset : offset + size]

    def array(self, offset: int, size: int) -> Bytes:
        """Return bytes as an array that may be viewed as words of 8 bytes.

        The bytes are those of the mapping where they are aligned, a copy elsewhere.
        """
        if self._map is None or not size:
            return np.empty(0, np.uint8)
        found = np.frombuffer(self._map, np.uint8, size, offset)
        return found if found.ctypes.data % 8 == 0 else found.copy()

    def chunks(
        self, offset: int, size: int, unit: int = 8, about: int = CHUNK
    ) -> Iterator[tuple[int, Bytes]]:
        """Yield (offset, bytes) of at most so many bytes each, in whole units and at least one.

        The caller must not keep a chunk: its pages are given back once it has passed.
        """
        step = _steps(about // unit) * unit
        kept = offset
        for start in range(offset, offset + size, step):
            if start - kept >= _RELEASE:
                self._release(kept, start)
                kept = start
            yield start, self.array(start, min(step, offset + size - start))
        self._release(kept, offset + size)

    def spans(
        self, offset: int, size: int, unit: int, count: Callable[[int, int], Part]
    ) -> list[Part]:
        """Count parts of a stretch of the file, each on a thread: numpy's loops run side by side.

        Parameters
        ----------
        offset, size
            The stretch.
        unit : int
            Bytes that stay together.
        count : callable
            (offset, size) -> what is found there.

        Returns
        -------
        list
            What each part holds, in the file's order; of several errors the first is raised.
        """
        threads = _threads(size // _LEAST_SPAN)
        if threads < 2:
            return [count(offset, size)]
        step = _steps(-(-size // (threads * unit)), up=True) * unit
        starts = range(offset, offset + size, step)
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(lambda at: count(at, min(step, offset + size - at)), starts))

    def each(self, counts: Sequence[Callable[[], Part]]) -> Iterator[Part]:
        """Yield what each of some functions finds, several at a time, in their order.

        An error comes in its turn too; what has not begun by then is left.
        """
        threads = _threads(len(counts) if self.size >= _LEAST_FILE else 1)
        if threads < 2:
            yield from (count() for count in counts)
            return
        with ThreadPoolExecutor(threads) as pool:
            futures = [pool.submit(count) for count in counts]
            try:
                for future in futures:
                    yield future.result()
            finally:
                pool.shutdown(wait=False, cancel_futures=True)

    def _release(self, start: int, end: int) -> None:
        # Linux and macOS; elsewhere the system takes clean pages back by itself.
        if self._map is None or sys.platform == "win32":
            return
        first = start // mmap.PAGESIZE * mmap.PAGESIZE
        if end > first:
            self._map.madvise(mmap.MADV_DONTNEED, first, end - first)

    def fault(self, message: str, *, tensor: str = "", offset: int | None = None) -> InputError:
        """Build the error that names file, tensor and byte."""
        return InputError(self.describe(message, tensor=tensor, offset=offset))

    def describe(self, message: str, *, tensor: str = "", offset: int | None = None) -> str:
        """Return one line that names file, tensor and byte."""
        where = [str(self.path)]
        if tensor:
            where.append(f"tensor {shown(tensor)}")
        if offset is not None:
            where.append(f"byte {offset}")
        return f"{': '.join(where)}: {message}"


def _threads(worth: int) -> int:
    return min(os.cpu_count() or 1, _MOST_THREADS, worth)


def _steps(units: int, up: bool = False) -> int:
    """Return about so many units, by eights where it can be, so that what follows is aligned."""
    return max(1, units if units < 8 else (units + 7 * up) // 8 * 8)


def shown(name: str) -> str:
    """Return a name out of a file as a message may show it: escaped, and not too long."""
    text = ascii(name)
    return text if len(text) <= 100 else f"{text[:97]}..."
