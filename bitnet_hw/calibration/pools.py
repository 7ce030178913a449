"""Pools: figures that machines share as far as their own measurements do not determine them.

The logarithm of a free figure is a centre plus one contribution for each group that the machine
belongs to: all machines, its kind of device, its software, its generation, itself. A contribution
has a standard deviation, its spread, so that a few rows of one machine correct what its relatives
suggest (partial pooling; A. Gelman and J. Hill, Data Analysis Using Regression and
Multilevel/Hierarchical Models, 2007, chapter 12). A machine without rows gets what its relatives
suggest. The spreads are judgements, stated in the file of pools.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from ..errors import InputError
from ..files.reading import read
from ..files.records import Record, validate
from ..inputs.formats import parse_format
from ..inputs.machine import Machine
from ..inputs.unit import Pair
from .response import Parameter

#: Groups of machines: each is the machines with the same values of these.
Group = Literal["all", "device", "memory", "stack", "generation", "machine"]
#: Groups whose machines are relatives, from which a figure is borrowed.
_CLOSE = ("stack", "generation")
Positive = Annotated[float, Field(gt=0)]


class Share(Record):
    """A group whose machines share a contribution.

    Attributes
    ----------
    group : str
        The group: ``all`` machines; those of one kind of ``device``; with one family of DRAM
        (``memory``: HBM, GDDR, LPDDR, DDR); of one ``stack`` of software; of one ``generation``;
        one ``machine`` alone.
    each_entry : bool
        Whether every pair of formats, or every entry of codecs, has a contribution of its own.
    spread : float
        Standard deviation of the logarithm of the contribution.
    """

    group: Group
    each_entry: bool = False
    spread: Positive


class Pool(Record):
    """How the figures of one kind are shared.

    Attributes
    ----------
    figure : str
        Last key of the figures: ``reached_share`` under ``units`` or ``memories``,
        ``seconds_per_layer`` ...
    under : str
        First key of their path: ``units``, ``memories``, ``unpacking``, ``overheads``, ``power``.
    centre : float
        Value in the middle; with `per_peak` in MACs at the peak rate of that pair.
    per_peak : str
        Pair whose peak rate turns a centre in MACs into seconds; empty for none.
    shares : tuple of Share
        Groups with their spreads.
    why : str
        What the centre and the spreads rest on.
    """

    figure: str
    under: str
    centre: Positive
    per_peak: str = ""
    shares: Annotated[tuple[Share, ...], Field(strict=False, min_length=1)]
    why: str


class PoolFile(Record):
    """The file of pools.

    Attributes
    ----------
    spread_of_values : float
        Standard deviation of the logarithm of a published value around what a machine does.
    """

    version: Annotated[Literal[1], Field(alias="schema")]
    spread_of_values: Positive
    pools: Annotated[tuple[Pool, ...], Field(strict=False)]


class Contribution(NamedTuple):
    """A summand of the logarithm of a figure.

    Attributes
    ----------
    name : str
        Name, unique to its group.
    spread : float
        Standard deviation.
    is_close : bool
        Whether the machines of its group are relatives: of one generation, or with one software.
    """

    name: str
    spread: float
    is_close: bool


class Pooled(NamedTuple):
    """A free figure as a centre and contributions."""

    parameter: Parameter
    centre: float
    contributions: tuple[Contribution, ...]


def load_pools(path: str | Path) -> PoolFile:
    """Return a file of pools.

    Raises
    ------
    InputError
        If the file is not valid.
    """
    return validate(PoolFile, read(Path(path)))


def pooled(machine: Machine, parameter: Parameter, file: PoolFile) -> Pooled:
    """Return how a free figure of a machine is shared.

    Raises
    ------
    InputError
        If no pool has its key.
    """
    under, name, *_ = map(str, parameter.label.split("."))
    is_map = under == "units"
    key = str(parameter.path[2]) if is_map else str(parameter.path[-1])
    entry = str(parameter.path[-1]) if is_map else name
    for pool in file.pools:
        if (pool.under, pool.figure) == (under, key):
            keys = _keys(machine)
            found = tuple(
                Contribution(
                    " / ".join(
                        (under, key, share.group, keys[share.group], *([entry] * share.each_entry))
                    ),
                    share.spread,
                    share.group in _CLOSE,
                )
                for share in pool.shares
            )
            return Pooled(parameter, _centre(pool, machine), found)
    raise InputError(f"machine {machine.name}: no pool has {parameter.label}")


def _keys(machine: Machine) -> Mapping[Group, str]:
    family = machine.family
    return {
        "all": "",
        "device": family.device,
        "memory": machine.main_memory.kind.rstrip("0123456789EX/"),
        "stack": family.stack,
        "generation": family.generation,
        "machine": machine.name,
    }


def _centre(pool: Pool, machine: Machine) -> float:
    if not pool.per_peak:
        return pool.centre
    activation, _, weight = pool.per_peak.partition("x")
    pair = Pair(parse_format(activation), parse_format(weight))
    peaks = [peak for unit in machine.units if (peak := unit.peak(pair)) is not None]
    if not peaks:
        raise InputError(f"machine {machine.name}: no unit has a peak rate for {pair}")
    return pool.centre / max(peaks)


def saturated(share: float) -> float:
    """Return a share below 1 for any positive number, and nearly the number itself if it is small.

    Examples
    --------
    >>> saturated(0.5) < 0.5, round(saturated(0.5), 2), round(saturated(4.0), 2)
    (True, 0.5, 1.0)
    """
    return float(share / math.pow(1 + math.pow(share, 8), 1 / 8))
