"""Rows: published measurements, in the form in which users add their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple, Self, TypeVar, get_args

from pydantic import Field, model_validator

from ..errors import InputError, RecordError, named
from ..files.document import Document, KeyPath
from ..files.reading import read
from ..files.records import Record, validate, wrong_value
from ..inputs import catalogue
from ..inputs.figures import Figure
from ..inputs.load import exists
from ..inputs.machine import Machine, load_machine
from ..inputs.machine_parts import check_boundary
from ..inputs.model import ModelSpec, load_model
from ..inputs.scenario import LmHead, Scenario
from ..inputs.scheme import Scheme, load_scheme
from ..inputs.track_record import Quantity, WorkClass, decides_energy, work_class

#: What a row may publish, by the key that it has.
Measurement = Literal[
    "tokens_per_s",
    "tokens_per_s_of_request",
    "prefill_tokens_per_s",
    "time_to_first_token_s",
    "energy_per_token_j",
    "power_w",
]
MEASUREMENTS: tuple[Measurement, ...] = get_args(Measurement)
_OF_ENERGY = ("energy_per_token_j", "power_w")

#: Bounds beyond which a value is a slip of the pen or of the unit.
PerSecond = Annotated[float, Field(gt=0, le=1e9)]
Seconds = Annotated[float, Field(gt=0, le=1e7)]
Joules = Annotated[float, Field(gt=0, le=1e6)]
Watts = Annotated[float, Field(gt=0, le=1e8)]
Tokens = Annotated[int, Field(gt=0)]
T = TypeVar("T")


class PublishedIn(Record):
    """A publication.

    Attributes
    ----------
    title : str
        What it is.
    where : str
        Where it is found.
    read : bool
        Whether it was read, rather than quoted second-hand or from memory.
    note : str
        Conditions that hold for all of its figures.
    """

    title: Annotated[str, Field(min_length=1)]
    where: Annotated[str, Field(min_length=1)]
    read: bool = True
    note: str = ""


class Workload(Record):
    """What was run: ``decode``, ``prefill``, or ``prompt`` with ``generate``.

    Attributes
    ----------
    decode : int, optional
        One new token, which attends to this many positions, itself included.
    prefill : int, optional
        A prompt of this many tokens.
    prompt, generate : int, optional
        A request: tokens of its prompt, and tokens that it generates.
    batch : int
        Number of sequences processed together.
    lm_head : str
        Positions whose logits are computed: the last of each pass, all, or none.
    """

    decode: Tokens | None = None
    prefill: Tokens | None = None
    prompt: Tokens | None = None
    generate: Tokens | None = None
    batch: Tokens = 1
    lm_head: LmHead = "last"

    @model_validator(mode="after")
    def _check(self) -> Self:
        kinds = [self.decode is not None, self.prefill is not None, self.prompt is not None]
        if sum(kinds) != 1 or (self.generate is None) == kinds[2]:
            raise ValueError("needs decode, or prefill, or prompt together with generate")
        return self

    def scenario(self) -> Scenario:
        """Return the scenario."""
        rest: dict[str, Any] = {"batch": self.batch, "lm_head": self.lm_head}
        if self.decode is not None:
            return Scenario("decode", context=self.decode, **rest)
        if self.prefill is not None:
            return Scenario("prefill", tokens=self.prefill, **rest)
        return Scenario("request", tokens=self.prompt or 0, generate=self.generate or 0, **rest)


class Row(Record):
    """One published run, with everything that was measured in it.

    Attributes
    ----------
    id : str
        Name of the row, unique in its file.
    source : str
        Key of the file's sources.
    machine : str
        Device with its software: a name in the catalogue, or a file, relative to this one.
    model : str
        Model: a name in the catalogue, or a file, relative to this one.
    weights : str
        Scheme in which weights are stored and computed: a name in the catalogue, or a file,
        relative to this one.
    scenario : Workload
        What was run.
    tokens_per_s : float, optional
        New tokens per second of one sequence, decode alone.
    tokens_per_s_of_request : float, optional
        New tokens of the whole batch over the whole time, prefill included.
    prefill_tokens_per_s : float, optional
        Tokens of all prompts over the time of the prefill.
    time_to_first_token_s : float, optional
        Time of the prefill, s.
    energy_per_token_j : float, optional
        Energy per new token, or per token of the prompt in a prefill, within the boundary, J.
    power_w : float, optional
        Mean power within the boundary, W.
    boundary : str
        What the measurement covers, such as ``chip and DRAM, idle subtracted``; required with an
        energy or a power.
    note : str
        A remark.
    """

    id: Annotated[str, Field(min_length=1)]
    source: Annotated[str, Field(min_length=1)]
    machine: Annotated[str, Field(min_length=1)]
    model: Annotated[str, Field(min_length=1)]
    weights: Annotated[str, Field(min_length=1)]
    scenario: Workload
    tokens_per_s: PerSecond | None = None
    tokens_per_s_of_request: PerSecond | None = None
    prefill_tokens_per_s: PerSecond | None = None
    time_to_first_token_s: Seconds | None = None
    energy_per_token_j: Joules | None = None
    power_w: Watts | None = None
    boundary: str = ""
    note: str = ""

    @model_validator(mode="after")
    def _check(self) -> Self:
        given = [key for key in MEASUREMENTS if getattr(self, key) is not None]
        if not given:
            raise wrong_value("id", f"{self.id} gives nothing: needs one of {_listed()}")
        if not self.boundary and any(key in _OF_ENERGY for key in given):
            raise wrong_value("boundary", f"is missing; {self.id} gives an energy or a power")
        phase = "decode" if self.scenario.decode else "prefill"
        phase = "request" if self.scenario.prompt else phase
        wanted = {
            "tokens_per_s": ("decode", "request"),
            "tokens_per_s_of_request": ("request",),
            "prefill_tokens_per_s": ("prefill", "request"),
            "time_to_first_token_s": ("prefill", "request"),
        }
        for key in given:
            if phase not in wanted.get(key, (phase,)):
                raise wrong_value(key, f"does not apply to a {phase}")
        return self


def _listed() -> str:
    return ", ".join(MEASUREMENTS[:-1]) + f" or {MEASUREMENTS[-1]}"


class RowFile(Record):
    """A file of published measurements.

    Attributes
    ----------
    sources : mapping of str to PublishedIn
        Publications, by the keys that rows name.
    rows : tuple of Row
        Published runs.
    """

    sources: dict[str, PublishedIn]
    rows: Annotated[tuple[Row, ...], Field(strict=False, min_length=1)]

    @model_validator(mode="after")
    def _check(self) -> Self:
        seen: set[str] = set()
        for i, row in enumerate(self.rows):
            if row.source not in self.sources:
                raise wrong_value(
                    f"rows.{i}.source", f"{row.source!r} ({row.id}) is not under sources"
                )
            if row.id in seen:
                raise wrong_value(f"rows.{i}.id", f"{row.id!r} is used twice")
            seen.add(row.id)
        return self


class Value(NamedTuple):
    """One published value, with the records that its row names.

    Attributes
    ----------
    row : Row
        The row.
    quantity : str
        Its key in the row.
    published : float
        Value, in the unit of its key.
    machine, model, scheme, scenario
        What the row names.
    place : str
        File, line and row, as messages begin with them.
    """

    row: Row
    quantity: Measurement
    published: float
    machine: Machine
    model: ModelSpec
    scheme: Scheme
    scenario: Scenario
    place: str = ""

    def error(self, reason: object) -> InputError:
        """Build the error for something that is wrong with the row."""
        return InputError(f"{self.place or f'row {self.row.id}'}: {reason}")

    @property
    def kind(self) -> Quantity:
        """Whether it is a speed or an energy."""
        return "energy" if self.quantity in _OF_ENERGY else "speed"

    @property
    def work(self) -> WorkClass:
        """Class of the work."""
        if self.quantity in ("prefill_tokens_per_s", "time_to_first_token_s"):
            return "prefill"
        return work_class(self.scenario, self.scheme)

    @property
    def is_comparable(self) -> bool:
        """Whether the machine's estimates have the boundary of the value."""
        return self.kind == "speed" or self.machine.boundary.is_that_of(self.row.boundary)

    @property
    def is_input(self) -> bool:
        """Whether a figure that decides the value was fitted to, or taken from, its own row."""
        return any(
            self.kind == "energy" or not decides_energy(path) for path, _ in self._from_own_row()
        )

    @property
    def is_circular(self) -> bool:
        """The same of figures that no fit changes, so that no row can be left out."""
        return any(
            not figure.free and decides_energy(path) == (self.kind == "energy")
            for path, figure in self._from_own_row()
        )

    def _from_own_row(self) -> Iterator[tuple[KeyPath, Figure]]:
        """Yield the figures of the machine that name the row as one that they were fitted to."""
        for path, figure in self.machine.figures():
            if self.row.id in (figure.fitted or ()):
                yield path, figure


def load_rows(path: str | Path) -> RowFile:
    """Return a file of published measurements.

    Parameters
    ----------
    path : str or path
        The file; docs/validation.md describes its form.

    Raises
    ------
    InputError
        If the file is not valid, naming file, line, key and row.

    Examples
    --------
    >>> from bitnet_hw.validation import ROWS
    >>> load_rows(ROWS).rows[0].machine
    'a100-80gb-gpt-fast'
    """
    return _validated(_read(path))


def _read(path: str | Path) -> Document:
    if not isinstance(path, (str, Path)):
        raise InputError(f"rows are the name or the path of a file, found {named(path)}")
    return read(Path(path))


def _validated(document: Document) -> RowFile:
    try:
        return validate(RowFile, document)
    except RecordError as error:
        name = _id_at(document, error)
        if not name or name in str(error):
            raise
        raise RecordError(f"{error} (row {name})", error.path, error.reason) from None


def _id_at(document: Document, error: RecordError) -> str:
    """Return the name of the row that an error is about; empty if it has none."""
    match error.path:
        case ("rows", int(i), *_):
            rows = document.data.get("rows")
            row = rows[i] if isinstance(rows, list) and i < len(rows) else None
            return str(row.get("id", "")) if isinstance(row, Mapping) else ""
    return ""


def load_values(path: str | Path, known: Mapping[str, Machine] | None = None) -> list[Value]:
    """Return every published value of a file.

    Parameters
    ----------
    path : str or path
        The file.
    known : mapping of str to Machine, optional
        Machines that rows may name besides those of the catalogue and files.

    Raises
    ------
    InputError
        If the file is not valid, or a row names an unknown machine, model, scheme or boundary,
        naming file, line, key and row.
    """
    document = _read(path)
    file = _validated(document)
    folder = Path(path).parent
    return [
        value
        for i, row in enumerate(file.rows)
        for value in _values(row, i, document, folder, known or {})
    ]


def _values(
    row: Row, i: int, document: Document, folder: Path, known: Mapping[str, Machine]
) -> Iterator[Value]:
    key = "machine"
    try:
        machine = known.get(row.machine) or _load(load_machine, "machines", row.machine, folder)
        key = "model"
        model = _load(load_model, "models", row.model, folder)
        key = "weights"
        scheme = _load(load_scheme, "schemes", row.weights, folder)
        key = "scenario"
        scenario = row.scenario.scenario().checked(model)
        key = "boundary"
        check_boundary(row.boundary)
    except InputError as error:
        raise document.error(("rows", i, key), f"row {row.id}: {error}") from None
    place = f"{document.place(('rows', i))}: row {row.id}"
    for quantity in MEASUREMENTS:
        published = getattr(row, quantity)
        if published is not None:
            yield Value(row, quantity, published, machine, model, scheme, scenario, place)


def _load(load: Callable[[str], T], kind: str, name: str, folder: Path) -> T:
    """Load an entry of the catalogue, or a file: beside the rows, or else in the current folder."""
    beside = folder / name
    if name not in catalogue.names(kind) and exists(beside):
        return load(str(beside))
    return load(name)
