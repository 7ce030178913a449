"""A checkpoint file as bytes, read within its bounds and a chunk at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock, Thread
from typing import TypeVar, cast

import numpy as np
import numpy.typing as npt

from ..errors import InputError

Bytes = npt.NDArray[np.uint8]
Part = TypeVar("Part")

#: Bytes that are counted at a time: fewer need more calls, more exceed the second-level cache. A
#: multiple of six words.
CHUNK = 960 << 10

#: The same for sums of zeros by row and column, which are faster over many rows at once.
LINE_CHUNK = 1 << 20

#: Least bytes of a matrix per thread, least bytes of a file for several threads, and most threads.
_LEAST_SPAN = 16 << 20
_LEAST_FILE = 1 << 20
_MOST_THREADS = 4

_CAN_READ_AT = hasattr(os, "preadv")


class Source:
    """A file whose bytes are read piece by piece, by several threads at once.

    The file is read into reused memory rather than mapped: unmapping pages would interrupt every
    thread, and if a mapped file shrank, a signal would end the process instead of an error. As a
    context manager it closes the file.

    Parameters
    ----------
    path : path
        A regular file.

    Attributes
    ----------
    path : Path
        The file.
    size : int
        Size in bytes.

    Raises
    ------
    InputError
        If the file is missing, is not a regular file, or cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._rooms: list[Bytes] = []
        self._working = 0
        self._lock = Lock()
        try:
            if not path.exists():
                raise InputError(f"{path}: no such file")
            if not path.is_file():
                raise InputError(f"{path}: not a regular file")
            self._file = path.open("rb")
            self.size = os.fstat(self._file.fileno()).st_size
        except InputError:
            raise
        except OSError as error:
            raise InputError(f"{path}: {error.strerror or error}") from None
        except ValueError as error:  # a NUL in the name
            raise InputError(f"{str(path)!r}: cannot be read: {error}") from None

    def __enter__(self) -> Source:
        return self

    def __exit__(self, *_error: object) -> None:
        self._file.close()

    def read(self, offset: int, size: int) -> bytes:
        """Return a few bytes, as for headers; fewer than asked for at the end of the file.

        Raises
        ------
        InputError
            If the file has become shorter.
        """
        wanted = max(0, min(size, self.size - offset))
        try:
            with self._lock:
                self._file.seek(offset)
                found = self._file.read(wanted)
        except OSError as error:
            raise self.fault(error.strerror or str(error), offset=offset) from None
        if len(found) < wanted:
            raise self._cut_short(offset + len(found))
        return found

    def array(self, offset: int, size: int) -> Bytes:
        """Return bytes of the file in newly allocated memory.

        Raises
        ------
        InputError
            If the file ends too early.
        """
        found = np.empty(size, np.uint8)
        self._fill(found, offset)
        return found

    def chunks(
        self, offset: int, size: int, unit: int = 8, about: int = CHUNK
    ) -> Iterator[tuple[int, Bytes]]:
        """Yield (offset, bytes) in chunks of whole units: at least one, and about `about` bytes.

        A chunk may be viewed as words. The caller must not keep it: the next one reuses its memory.

        Raises
        ------
        InputError
            If the file ends too early.
        """
        step = _steps(about // unit) * unit
        try:
            room = self._rooms.pop()
        except IndexError:
            room = np.empty(0, np.uint8)
        if room.size < min(step, size):
            room = np.empty(min(step, size), np.uint8)
        try:
            for start in range(offset, offset + size, step):
                chunk = room[: min(step, offset + size - start)]
                self._fill(chunk, start)
                yield start, chunk
        finally:
            self._rooms.append(room)

    def _fill(self, room: Bytes, offset: int) -> None:
        view = memoryview(room.data)
        while view:
            try:
                if _CAN_READ_AT:
                    count = os.preadv(self._file.fileno(), [view], offset)
                else:
                    with self._lock:
                        self._file.seek(offset)
                        count = self._file.readinto(view) or 0
            except OSError as error:
                raise self.fault(error.strerror or str(error), offset=offset) from None
            if not count:
                raise self._cut_short(offset)
            view, offset = view[count:], offset + count

    def _cut_short(self, offset: int) -> InputError:
        return self.fault("the file ends here; it was longer before", offset=offset)

    def spans(
        self, offset: int, size: int, unit: int, count: Callable[[int, int], Part]
    ) -> list[Part]:
        """Count parts of a stretch of the file, each on a thread; numpy releases the interpreter.

        Parameters
        ----------
        offset, size : int
            First byte and length of the stretch.
        unit : int
            Bytes that must stay together.
        count : callable
            Function of (offset, size) that returns the counts there.

        Returns
        -------
        list
            The result of each part, in the file's order; of several errors the first is raised.
        """
        threads = size // _LEAST_SPAN
        if threads > 1:
            threads = min(threads, _threads() // max(1, self._working))
        if threads < 2:
            return [count(offset, size)]
        step = _steps(-(-size // (threads * unit)), up=True) * unit
        starts = range(offset, offset + size, step)
        with ThreadPoolExecutor(threads) as pool:
            return list(pool.map(lambda at: count(at, min(step, offset + size - at)), starts))

    def each(self, counts: Sequence[Callable[[], Part]]) -> list[Part]:
        """Return the result of each function, running several of them at once.

        Of several errors, that of the first function in order is raised; later ones may not run.
        """
        found: list[Part | None] = [None] * len(counts)
        errors: dict[int, BaseException] = {}
        waiting = iter(range(len(counts)))

        def work() -> None:
            # The caller works too: a thread that only waited would compete with the others for the
            # interpreter.
            for i in waiting:
                try:
                    found[i] = counts[i]()
                except BaseException as error:  # raised below, in its turn
                    errors[i] = error
                if errors:
                    break
            self._working -= 1

        threads = min(_threads(), len(counts)) if self.size >= _LEAST_FILE else 1
        helpers: list[Thread] = []
        try:
            self._working = max(1, threads)
            for _ in range(threads - 1):
                helper = Thread(target=work)
                helper.start()
                helpers.append(helper)
            work()
        finally:
            for _left in waiting:
                pass  # after an error or an interruption the helpers find nothing to begin
            for helper in helpers:
                helper.join()
            self._working = 0
            self._rooms.clear()
        if errors:
            raise errors[min(errors)]
        return cast("list[Part]", found)

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


def _threads() -> int:
    return min(os.cpu_count() or 1, _MOST_THREADS)


def _steps(units: int, up: bool = False) -> int:
    """Return `units` rounded to a multiple of eight, if possible, to get whole words."""
    return max(1, units if units < 8 else (units + 7 * up) // 8 * 8)


def shown(name: str) -> str:
    """Return a name from a file in the form that messages show: escaped, and not too long."""
    text = ascii(name)
    return text if len(text) <= 100 else f"{text[:97]}..."
