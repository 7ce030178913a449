"""From a path to a census: which files, which layout, which tensors."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from threading import Lock

from ..errors import InputError
from ..inputs.model import ModelSpec, load_model
from .blocks import gguf_census
from .gguf import MAGIC, GgufTensor, read_gguf
from .kernels import Counting
from .record import Census, MatrixCensus
from .safetensors import StoredTensor, read_index, read_safetensors
from .source import Source, shown
from .stored import stored_census

#: Called with the name of a tensor and the bytes done and to do, as each tensor is done: from the
#: thread that did it, one call at a time.
Progress = Callable[[str, int, int], None]

_INDEX = ".safetensors.index.json"
_PICKLES = (".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt")


def take_census(
    path: str | Path,
    *,
    sparsity: bool = True,
    model: ModelSpec | None = None,
    progress: Progress | None = None,
    compiled: bool = True,
) -> Census:
    """Count the -1, 0 and +1 of a checkpoint.

    Parameters
    ----------
    path : str or path
        A safetensors or GGUF file, the index of one in shards, or a folder with such.
    sparsity : bool
        Whether to count zeros by row and column as well as in total.
    model : ModelSpec, optional
        Tells the rows of packed matrices; from the ``config.json`` beside the file when absent.
    progress : callable, optional
        See `Progress`.
    compiled : bool
        Whether compiled loops may count, where numba is installed and the files are large enough
        for it. What they find is the same.

    Returns
    -------
    Census
        Every tensor; those that are not ternary without counts.

    Raises
    ------
    InputError
        If there is no such file, or it is not what it claims to be: with file, tensor and byte.
    """
    path = Path(path)
    warnings: list[str] = []
    files = _files(path)
    folder = path if path.is_dir() else path.parent
    say = progress or (lambda _name, _done, _all: None)
    with ExitStack() as stack:
        sources = {file: _open(folder / file if file else path, stack) for file in files}
        if model is None and any(source.read(0, 4) != MAGIC for source in sources.values()):
            model = _model_beside(folder, warnings)
        every = sum(source.size for source in sources.values())
        how = Counting(sparsity, every if compiled else 0)
        done = 0
        matrices: dict[str, MatrixCensus] = {}
        for file, source in sources.items():
            forward = partial(_forward, say, done, every)
            for matrix in _census_of(source, model, how, warnings.append, forward):
                twin = matrices.get(matrix.name)
                if twin is not None:
                    raise source.fault(
                        f"stands in {shown(twin.file)} as well", tensor=matrix.name,
                        offset=matrix.offset,
                    )  # fmt: skip
                matrices[matrix.name] = matrix
            for name in files[file]:
                if name not in matrices or matrices[name].file != source.path.name:
                    raise source.fault("the index promises it here; it is missing", tensor=name)
            done += source.size
    say("", every, every)
    return Census(path.resolve().name, tuple(matrices.values()), tuple(warnings))


def _forward(say: Progress, before: int, every: int, name: str, at: int) -> None:
    say(name, before + at, every)


def _files(path: Path) -> dict[str, list[str]]:
    """Return the files to read, each with the tensors that an index promises in it.

    The empty name stands for `path` itself.
    """
    if path.name.endswith(_INDEX):
        return read_index(path)
    if not path.is_dir():
        return {"": []}
    try:
        names = sorted(entry.name for entry in path.iterdir() if not entry.is_dir())
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    indexes = [name for name in names if name.endswith(_INDEX)]
    if len(indexes) > 1:
        raise InputError(f"{path}: {len(indexes)} indexes ({', '.join(indexes)}); name one")
    if indexes:
        return read_index(path / indexes[0])
    for suffix in (".safetensors", ".gguf"):
        found = [name for name in names if name.endswith(suffix)]
        if len(found) == 1 or (found and all("-of-" in name for name in found)):
            return {name: [] for name in found}
        if found:
            raise InputError(
                f"{path}: {len(found)} {suffix} files and no index; name one of "
                f"{', '.join(found[:5])}"
            )
    pickles = [name for name in names if name.endswith(_PICKLES)]
    if pickles:
        raise _pickle(path / pickles[0])
    raise InputError(f"{path}: the folder has no .safetensors and no .gguf file")


def _pickle(path: Path) -> InputError:
    return InputError(
        f"{path}: a pickle file, which can run code when it is opened, is not read; "
        "save the checkpoint as safetensors"
    )


def _open(path: Path, stack: ExitStack) -> Source:
    if path.suffix in _PICKLES:
        if not path.exists():
            raise InputError(f"{path}: no such file")
        raise _pickle(path)
    source = stack.enter_context(Source(path))
    head = source.read(0, 4)
    is_pickle = head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")
    # A zip archive is torch.save's form; the length of a header never begins so in a file that
    # is as long as it says.
    if head == b"PK\x03\x04" or (is_pickle and source.read(8, 1) != b"{"):
        raise _pickle(path)
    return source


def _model_beside(folder: Path, warnings: list[str]) -> ModelSpec | None:
    if not (folder / "config.json").is_file():
        return None
    try:
        return load_model(folder)
    except InputError as error:
        warnings.append(f"the rows of packed matrices stay unknown: {error}")
        return None


def _census_of(
    source: Source,
    model: ModelSpec | None,
    how: Counting,
    warn: Callable[[str], None],
    say: Callable[[str, int], None],
) -> Iterable[MatrixCensus]:
    tensors: Sequence[GgufTensor | StoredTensor]
    if source.read(0, 4) == MAGIC or source.path.suffix == ".gguf":
        tensors = read_gguf(source)
    elif source.path.suffix == ".safetensors" or source.read(8, 1) == b"{":
        tensors = read_safetensors(source)
    else:
        raise source.fault(
            f"begins with {source.read(0, 4)!r}: neither GGUF nor safetensors", offset=0
        )
    stored = {tensor.name: tensor for tensor in tensors if isinstance(tensor, StoredTensor)}
    done = 0
    one_at_a_time = Lock()

    def count(tensor: GgufTensor | StoredTensor) -> tuple[MatrixCensus, list[str]]:
        nonlocal done
        lines: list[str] = []
        if isinstance(tensor, GgufTensor):
            found = gguf_census(source, tensor, how, lines.append)
        else:
            found = stored_census(source, tensor, stored, model, how, lines.append)
        with one_at_a_time:
            done += tensor.bytes
            say(tensor.name, done)
        return found, lines

    for matrix, lines in source.each([partial(count, tensor) for tensor in tensors]):
        for line in lines:
            warn(line)
        yield matrix
