"""The census of a checkpoint: every tensor of its files, counted by its layout."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from functools import partial
from math import prod
from pathlib import Path
from threading import Lock

from ..errors import InputError
from ..inputs.model import ModelSpec, load_model
from .containers import Tensor
from .containers.gguf import MAGIC, read_gguf
from .containers.safetensors import read_safetensors
from .files import find_files, open_file
from .layouts import GGUF, SAFETENSORS, Found, Layout, Task
from .record import Census, MatrixCensus, Sparsity
from .source import Source, shown

#: Called after each tensor with its name, the bytes done and the bytes in total: from the thread
#: that counted it, one call at a time.
Progress = Callable[[str, int, int], None]


def take_census(
    path: str | Path,
    *,
    sparsity: bool = True,
    model: ModelSpec | None = None,
    progress: Progress | None = None,
) -> Census:
    """Count the -1, 0 and +1 of a checkpoint.

    Parameters
    ----------
    path : str or Path
        A safetensors or GGUF file, the index of a sharded safetensors checkpoint, or a folder that
        contains one of these.
    sparsity : bool
        Whether to count zeros by row and column as well as in total.
    model : ModelSpec, optional
        Gives the number of rows of packed matrices. Default: the model in the ``config.json`` next
        to the file, if there is one.
    progress : callable, optional
        See `Progress`.

    Returns
    -------
    Census
        Every tensor; those that are not ternary have no counts.

    Raises
    ------
    InputError
        If there is no such file, or its content is invalid; the message names file, tensor and
        byte.

    Examples
    --------
    >>> import json, pathlib, struct, tempfile
    >>> entry = {"dtype": "I8", "shape": [8, 4], "data_offsets": [0, 32]}
    >>> header = json.dumps({"w": entry}).encode()
    >>> content = struct.pack("<Q", len(header)) + header + bytes([1, 255, 0, 1] * 8)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     file = pathlib.Path(folder, "model.safetensors")
    ...     _ = file.write_bytes(content)
    ...     census = take_census(file)
    >>> census.weights, census.zero_fraction
    (32, 0.25)
    """
    path = Path(path)
    warnings: list[str] = []
    files = find_files(path)
    say = progress or (lambda _name, _done, _all: None)
    with ExitStack() as stack:
        sources = {file: open_file(file, stack) for file in files}
        if model is None and any(source.read(0, 4) != MAGIC for source in sources.values()):
            model = _model_in(path if path.is_dir() else path.parent, warnings)
        every = sum(source.size for source in sources.values())
        done = 0
        matrices: dict[str, MatrixCensus] = {}
        for file, source in sources.items():
            forward = partial(_forward, say, done, every)
            for matrix in _count_file(source, model, sparsity, warnings.append, forward):
                twin = matrices.get(matrix.name)
                if twin is not None:
                    raise source.fault(
                        f"is in {shown(twin.file)} as well", tensor=matrix.name,
                        offset=matrix.offset,
                    )  # fmt: skip
                matrices[matrix.name] = matrix
            for name in files[file]:
                if name not in matrices or matrices[name].file != source.path.name:
                    raise source.fault("missing, but the index lists it here", tensor=name)
            done += source.size
    say("", every, every)
    return Census(path.resolve().name, tuple(matrices.values()), tuple(warnings))


def _forward(say: Progress, before: int, every: int, name: str, at: int) -> None:
    say(name, before + at, every)


def _model_in(folder: Path, warnings: list[str]) -> ModelSpec | None:
    if not (folder / "config.json").is_file():
        return None
    try:
        return load_model(folder)
    except InputError as error:
        warnings.append(f"the rows of packed matrices are unknown: {error}")
        return None


def _tensors(source: Source) -> tuple[list[Tensor], Mapping[str, Layout]]:
    """Read a file's header; return its tensors, and the layouts that they may have."""
    if source.read(0, 4) == MAGIC or source.path.suffix == ".gguf":
        return read_gguf(source), GGUF
    if source.path.suffix == ".safetensors" or source.read(8, 1) == b"{":
        return read_safetensors(source), SAFETENSORS
    first = source.read(0, 4).hex(" ")
    raise source.fault(f"begins with bytes {first}: neither GGUF nor safetensors", offset=0)


def _count_file(
    source: Source,
    model: ModelSpec | None,
    by_line: bool,
    warn: Callable[[str], None],
    say: Callable[[str, int], None],
) -> Iterable[MatrixCensus]:
    tensors, layouts = _tensors(source)
    by_name = {tensor.name: tensor for tensor in tensors}
    done = 0
    one_at_a_time = Lock()

    def count(tensor: Tensor) -> tuple[MatrixCensus, list[str]]:
        nonlocal done
        lines: list[str] = []
        layout = layouts.get(tensor.format)
        task = Task(source, tensor, by_name, model, by_line, lines.append)
        found = _record(source, tensor, layout(task) if layout is not None else None)
        with one_at_a_time:
            done += tensor.bytes
            say(tensor.name, done)
        return found, lines

    for matrix, lines in source.each([partial(count, tensor) for tensor in tensors]):
        for line in lines:
            warn(line)
        yield matrix


def _record(source: Source, tensor: Tensor, found: Found | None) -> MatrixCensus:
    record = MatrixCensus(
        name=tensor.name,
        shape=tensor.shape,
        format=tensor.format,
        bytes=tensor.bytes,
        file=source.path.name,
        offset=tensor.offset,
    )
    if found is None:
        return record
    shape = tensor.shape if found.shape is None else found.shape
    rows, columns = prod(shape[:-1]), shape[-1] if shape else 1
    return record._replace(
        shape=shape,
        format=found.format or tensor.format,
        ternary=True,
        zeros=found.zeros,
        plus=found.plus,
        minus=None if found.plus is None else rows * columns - found.zeros - found.plus,
        scale=found.scale,
        rows=Sparsity.of(found.row_zeros, columns),
        columns=Sparsity.of(found.column_zeros, rows),
    )
