"""Machines: a device with the software or the RTL that runs on it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from ..errors import suggestion, unknown_name
from ..files.document import Document, KeyPath
from ..files.reading import read
from ..files.records import Record, validate, wrong_value
from .figures import Figure, Fraction, NotNegative
from .load import Loader
from .machine_parts import (
    ANY_CODEC,
    Boundary,
    Calibration,
    Chips,
    Family,
    Overheads,
    Part,
    Power,
    SourceWork,
    Unpacking,
)
from .memory import Content, Memory
from .unit import Pair, Unit

__all__ = ["DEFAULT_MACHINE", "Machine", "Memory", "Unit", "as_machine", "load_machine"]


class Machine(Record):
    """A device together with the software or the RTL that runs on it.

    Attributes
    ----------
    name, description : str
        Name, and one line of description.
    hypothetical : bool
        Whether the machine is a design that was never built.
    family : Family
        Kind of device, generation and software.
    sources : mapping of str to SourceWork
        Key -> the work, for the figures that name it.
    units : tuple of Unit
        Compute units; a product runs on the fastest that executes its operands.
    unpacking : tuple of Unpacking
        Cost of turning stored weights into operands; none where it is empty.
    memories : tuple of Memory
        Nearest first; the last that holds a content takes what the nearer ones leave.
    overheads : Overheads
        Time per step and per layer.
    overlap : Fraction
        How far arithmetic, unpacking and the memories work at the same time: 1 if fully, 0 if
        their times add up.
    power : Power
        Idle and active power.
    boundary : Boundary
        What the machine's energy covers.
    chips : Chips, optional
        Several chips; one if absent.
    calibration : Calibration, optional
        Rows, date and residuals of a fit.
    weight_zero_saving : float
        Relative saving of an add-only MAC whose weight is zero: e(z) = e(0) (1 - saving z).
    skips_inactive_weights : bool
        Whether weights that a zero activation leaves unused are neither fetched nor computed.
    """

    version: Annotated[Literal[2], Field(alias="schema")] = 2
    name: Annotated[str, Field(min_length=1, max_length=80)]
    description: str = ""
    hypothetical: bool = False
    family: Family
    sources: dict[str, SourceWork] = Field(default_factory=dict)
    units: Annotated[tuple[Unit, ...], Field(strict=False, min_length=1)]
    unpacking: Annotated[tuple[Unpacking, ...], Field(strict=False)] = ()
    memories: Annotated[tuple[Memory, ...], Field(strict=False, min_length=1)]
    overheads: Overheads = Overheads()
    overlap: Fraction
    power: Power = Power()
    boundary: Boundary
    chips: Chips | None = None
    calibration: Calibration | None = None
    weight_zero_saving: Annotated[float, Field(ge=0, le=1)] = 0.0
    skips_inactive_weights: bool = False

    @model_validator(mode="after")
    def _check(self) -> Self:
        for key, parts in (("units", self.units), ("memories", self.memories)):
            names = [part.name for part in parts]
            for i, name in enumerate(names):
                if name in names[:i]:
                    raise wrong_value(f"{key}.{i}.name", f"{name!r} is used twice")
        seen: set[str] = set()
        for i, entry in enumerate(self.unpacking):
            for name in entry.codecs:
                if name in seen:
                    raise wrong_value(f"unpacking.{i}.codecs", f"{name!r} is listed twice")
                seen.add(name)
        for content in ("weights", "kv-cache", "activations", "embedding"):
            if not any(content in memory.holds for memory in self.memories):
                raise wrong_value(
                    "memories", f"none holds {content}; name it under holds of one of them"
                )
        for path, figure in self.figures():
            if figure.source and figure.source not in self.sources:
                key = ".".join(map(str, path))
                hint = suggestion(figure.source, self.sources)
                raise wrong_value(key, f"source {figure.source!r} is not under sources; {hint}")
        return self

    def figures(self) -> Iterator[tuple[KeyPath, Figure]]:
        """Yield every figure with the path of its key in the file."""
        yield from _figures(self, ())

    def unit_for(self, pair: Pair) -> tuple[Unit, Pair] | None:
        """Return the fastest unit that computes a pair, and the pair in which it does so.

        Units that execute the pair as it is come before those that widen it.
        """
        found = [
            (ran == pair, unit.rate(ran), unit, ran)
            for unit in self.units
            if (ran := unit.executed(pair)) is not None
        ]
        if not found:
            return None
        best = max(found, key=lambda each: each[:2])
        return best[2], best[3]

    def near(self, content: Content) -> Memory | None:
        """Return the nearest memory on the chip through which a content may pass; None without one.

        A ROM is never written, so nothing passes through it.
        """
        return next((m for m in self.memories if m.buffers and content in m.holds), None)

    def unpacking_of(self, codec: str) -> Unpacking | None:
        """Return the cost of unpacking a codec's weights; None if there is none."""
        named = {name: entry for entry in self.unpacking for name in entry.codecs}
        return named.get(codec, named.get(ANY_CODEC))

    @property
    def chip_count(self) -> int:
        """Number of chips."""
        return self.chips.number if self.chips else 1

    @property
    def main_memory(self) -> Memory:
        """The farthest memory."""
        return self.memories[-1]

    @property
    def capacity_bytes(self) -> float | None:
        """Size of the farthest memory of all chips; None where it is not known."""
        size = self.main_memory.capacity_bytes
        return None if size is None else size.value * self.chip_count

    @property
    def static_w(self) -> float | None:
        """Power that all chips draw however fast a model runs, W; None where unknown.

        Idle power counts unless the boundary subtracts it; that of DRAM and board counts where
        they are inside the boundary.
        """
        drawn: list[NotNegative | None] = [self.power.active_w]
        if not self.boundary.idle_subtracted:
            drawn += [self.power.idle_w.get(part) for part in self.boundary.parts]
            drawn += [m.static_w for m in self.memories if m.on_chip or self.boundary.has_dram]
        known = [figure.value for figure in drawn if figure is not None]
        return sum(known) * self.chip_count if known else None

    @property
    def missing_idle_power(self) -> tuple[Part, ...]:
        """Parts inside the boundary whose idle power a complete figure needs and nothing gives.

        ``dram`` is needed for memories outside the chip that do not state their own `static_w`.
        Nothing is needed where idle power is subtracted.
        """
        if self.boundary.idle_subtracted:
            return ()
        outside = [memory for memory in self.memories if not memory.on_chip]
        needed: list[Part] = [
            part
            for part in self.boundary.parts
            if part != "dram" or any(memory.static_w is None for memory in outside)
        ]
        return tuple(part for part in needed if part not in self.power.idle_w)

    @property
    def active_power_known(self) -> bool:
        """Whether energies and `static_w` may cover what the machine draws above idle.

        A device that exists draws more above idle than prices of operations and memories give:
        clocks, schedulers, fabric. Designs that were never built, and ASICs, are described by
        prices alone.
        """
        modelled = self.hypothetical or self.family.device == "asic"
        return modelled or self.power.active_w is not None

    def with_unit(self, name: str, **changes: object) -> Self:
        """Return the machine with one unit changed; see `replace`."""
        return self.replace(units=tuple(_changed(self.units, "unit", name, changes)))

    def with_memory(self, name: str, **changes: object) -> Self:
        """Return the machine with one memory changed; see `replace`.

        Examples
        --------
        >>> load_machine("edge").with_memory("dram", kind="HBM2").main_memory.kind
        'HBM2'
        """
        return self.replace(memories=tuple(_changed(self.memories, "memory", name, changes)))

    def with_figure(self, path: KeyPath, figure: Figure) -> Self:
        """Return the machine with one figure changed, found by the path of its key."""
        data = self.model_dump(by_alias=True, exclude_unset=True)
        at: Any = data
        for key in path[:-1]:
            at = at[key]
        at[path[-1]] = figure.model_dump(exclude_unset=True)
        return validate(type(self), Document(data, self.name))


def _changed(
    parts: tuple[Unit, ...] | tuple[Memory, ...], what: str, name: str, changes: dict[str, object]
) -> Iterator[Record]:
    names = [part.name for part in parts]
    if name not in names:
        raise unknown_name(what, name, names)
    for part in parts:
        yield part.replace(**changes) if part.name == name else part


def _figures(of: object, path: KeyPath) -> Iterator[tuple[KeyPath, Figure]]:
    """Yield the figures of a record, a mapping or a sequence, at every depth."""
    if isinstance(of, Figure):
        yield path, of
        return
    items: Iterable[tuple[str | int, object]]
    if isinstance(of, Record):
        items = ((f.alias or name, getattr(of, name)) for name, f in type(of).model_fields.items())
    elif isinstance(of, dict):
        items = of.items()
    elif isinstance(of, tuple):
        items = enumerate(of)
    else:
        return
    for key, value in items:
        yield from _figures(value, (*path, key))


#: Key of a file of version 1 -> where its value goes now.
_MOVED = {
    "rows": "units[].rows", "lanes": "units[].lanes", "tokens": "units[].tokens",
    "clock_hz": "units[].clock_hz", "activation_buffer_bytes": "memories[].capacity_bytes",
    "weight_buffer_bytes": "memories[].capacity_bytes", "dram": "memories[].kind",
    "bandwidth_bytes_per_s": "memories[].bandwidth_bytes_per_s",
    "efficiency": "memories[].reached_share", "capacity_bytes": "memories[].capacity_bytes",
    "static_w": "power.idle_w.core", "dram_static_w": "power.idle_w.dram",
}  # fmt: skip


def _read(path: Path) -> Machine:
    document = read(path)
    moved = [key for key in _MOVED if key in document.data]
    if document.data.get("schema", 1) == 1 and moved:
        raise document.error(
            (moved[0],),
            f"is a key of version 1; write `schema: 2` and give it as {_MOVED[moved[0]]}, with a "
            "source (docs/files.md; the shipped machine edge is an example)",
        )
    if "schema" not in document.data:
        raise document.error((), "schema is missing; write `schema: 2`")
    return validate(Machine, document)


#: Machine of an estimate that names none.
DEFAULT_MACHINE = "edge"
_LOADER = Loader("machines", Machine, _read)


def load_machine(name: str | Path = DEFAULT_MACHINE) -> Machine:
    """Return a machine by its catalogue name, or from a YAML file.

    Parameters
    ----------
    name : str or path
        A catalogue name, or the path of a file.

    Raises
    ------
    InputError
        If there is no such machine, or the file is not valid.

    Examples
    --------
    >>> load_machine("server").main_memory.kind
    'HBM3'
    """
    return _LOADER.load(name)


def as_machine(machine: Machine | str | Path) -> Machine:
    """Return a machine as it is, or load it by its name or path; see `load_machine`.

    Examples
    --------
    >>> as_machine("edge") is as_machine(load_machine("edge"))
    True
    """
    return _LOADER.resolve(machine)
