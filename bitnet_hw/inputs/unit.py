"""Compute units of a machine: the operand formats that they multiply or add, and how fast."""

from __future__ import annotations

from typing import Annotated, Literal, NamedTuple, Self, TypeVar

from pydantic import Field, field_validator, model_validator

from ..errors import InputError
from ..files.records import Record, wrong_value
from .figures import NotNegative, Positive, Share, at_least
from .formats import Format, Kind, parse_format

ValueT = TypeVar("ValueT")

Count = Annotated[int, Field(gt=0, le=1 << 20)]
#: Terms that an adder tree takes at once.
MAX_LANES = 1 << 16
Lanes = Annotated[int, Field(gt=0, le=MAX_LANES)]

#: Kinds of number that a pair may name in place of a format.
_KINDS = {"float": Kind.FLOAT, "integer": Kind.INTEGER}
#: Formats to which a programmable unit widens its operands, tried in this order.
_WIDER = ("int8", "fp16", "fp32")


class Pair(NamedTuple):
    """Formats of the two operands of a MAC: activation and weight."""

    activation: Format
    weight: Format

    def __str__(self) -> str:
        """Return the pair as files write it: ``int8xternary``."""
        return f"{self.activation.name}x{self.weight.name}"


def _check_side(side: str) -> str:
    return side if side in _KINDS else parse_format(side).name


def _kind_of(side: str) -> Kind:
    return _KINDS[side] if side in _KINDS else parse_format(side).kind


def _matches(side: str, form: Format) -> bool:
    return form.kind is _KINDS[side] if side in _KINDS else form.name == side


def _check_pair(pair: str) -> str:
    activation, found, weight = pair.partition("x")
    if not found:
        raise ValueError(
            f"{pair!r} is not a pair of formats; write activation and weight as in int8xternary, "
            "each a format, or integer or float for any of that kind"
        )
    return f"{_check_side(activation)}x{_check_side(weight)}"


def _fits(operand: Format, form: Format) -> bool:
    """Return whether a format holds every value of an operand, exactly or as software treats it."""
    if operand.kind is Kind.FLOAT and form.kind is not Kind.FLOAT:
        return False
    if operand.name == "bf16":  # beyond the range of FP16
        return form.name == "fp32"
    return operand.add_only or form.bits >= operand.bits


def _of_pair(by_pair: dict[str, ValueT], pair: Pair) -> ValueT | None:
    """Return the value of a pair: of its own entry, or else of the first that covers it."""
    if str(pair) in by_pair:
        return by_pair[str(pair)]
    for written, value in by_pair.items():
        activation, _, weight = written.partition("x")
        if _matches(activation, pair.activation) and _matches(weight, pair.weight):
            return value
    return None


class Unit(Record):
    """A compute unit: an array of our own elements, or the matrix units of a processor.

    Attributes
    ----------
    name : str
        Name, unique in its machine.
    kind : str
        ``array``: rows x lanes elements, each one MAC per cycle; ``programmable``: a processor
        that software drives, whose rates are given, and which computes operands that it has no
        rate for in the next wider format that it has one for.
    rows, lanes, tokens : int
        Outputs computed in parallel, each activation feeding all of them; terms of a dot product
        that an adder tree takes at once, from 1 to 65536; tokens that share one fetch of a weight.
    clock_hz : Positive, optional
        Clock of an array, Hz.
    executes : tuple of str
        Pairs of an array, such as ``int8xternary``: activation and weight, each a format, or
        ``integer`` or ``float`` for any of that kind.
    peak_mac_per_s : mapping of str to Positive
        Pairs of a programmable unit and their dense peak rates, MAC/s.
    reached_share : mapping of str to Share
        Share of the peak rate that products of a pair reach; 1 where there is none.
    energy_pj_per_mac : mapping of str to NotNegative
        Energy of a MAC, pJ, in place of the energy table's price.
    area_um2_per_lane : mapping of str to Positive
        Area of a lane, um2, in place of the energy table's.
    """

    name: Annotated[str, Field(min_length=1, max_length=80)]
    kind: Literal["array", "programmable"]
    rows: Count = 1
    lanes: Lanes = 1
    tokens: Count = 1
    clock_hz: Annotated[Positive, at_least(1e3, "Hz", "800 MHz as 8.0e+8")] | None = None
    executes: Annotated[tuple[str, ...], Field(strict=False)] = ()
    peak_mac_per_s: dict[
        str, Annotated[Positive, at_least(1e3, "MAC/s", "29 TMAC/s as 2.9e+13")]
    ] = Field(default_factory=dict)
    reached_share: dict[str, Share] = Field(default_factory=dict)
    energy_pj_per_mac: dict[str, NotNegative] = Field(default_factory=dict)
    area_um2_per_lane: dict[str, Positive] = Field(default_factory=dict)

    @field_validator("executes")
    @classmethod
    def _check_executes(cls, pairs: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(map(_check_pair, pairs))

    @field_validator("peak_mac_per_s", "reached_share", "energy_pj_per_mac", "area_um2_per_lane")
    @classmethod
    def _check_pairs(cls, by_pair: dict[str, ValueT]) -> dict[str, ValueT]:
        return {_check_pair(pair): value for pair, value in by_pair.items()}

    @model_validator(mode="after")
    def _check(self) -> Self:
        wanted: tuple[str, ...]
        if self.kind == "array":
            wanted, other = ("clock_hz", "executes"), "peak_mac_per_s"
        else:
            wanted, other = ("peak_mac_per_s",), "executes"
        for key in wanted:
            if not getattr(self, key):
                raise wrong_value(key, f"is missing; a unit of kind {self.kind} needs it")
        if getattr(self, other):
            raise wrong_value(other, f"does not apply to a unit of kind {self.kind}")
        if self.kind == "programmable" and self.clock_hz is not None:
            raise wrong_value("clock_hz", "does not apply to a unit of kind programmable")
        return self

    def executed(self, pair: Pair) -> Pair | None:
        """Return the pair in which the unit computes products of a pair; None if it cannot.

        Examples
        --------
        >>> from bitnet_hw.inputs.machine import load_machine
        >>> unit = load_machine("edge").units[0]
        >>> str(unit.executed(Pair(parse_format("int8"), parse_format("ternary"))))
        'int8xternary'
        """
        if self.peak(pair) is not None:
            return pair
        if self.kind == "array":
            return None
        for form in map(parse_format, _WIDER):
            wider = Pair(form, form)
            if all(_fits(operand, form) for operand in pair) and self.peak(wider) is not None:
                return wider
        return None

    def peak(self, pair: Pair) -> float | None:
        """Return the peak rate of a pair without widening it, MAC/s; None if there is none."""
        if self.clock_hz is None:
            found = _of_pair(self.peak_mac_per_s, pair)
            return None if found is None else found.value
        if _of_pair(dict.fromkeys(self.executes, True), pair) is None:
            return None
        return self.rows * self.lanes * self.clock_hz.value

    def rate(self, pair: Pair) -> float:
        """Return the rate that products of a pair reach, MAC/s.

        Raises
        ------
        InputError
            If the unit does not execute the pair.
        """
        peak = self.peak(pair)
        if peak is None:
            raise InputError(f"unit {self.name} does not execute {pair}")
        share = _of_pair(self.reached_share, pair)
        return peak * (1.0 if share is None else share.value)

    def share_key(self, pair: Pair) -> str:
        """Return the key of `reached_share` that holds for a pair; empty if none does."""
        return _of_pair({key: key for key in self.reached_share}, pair) or ""

    def mac_energy(self, pair: Pair) -> NotNegative | None:
        """Return the unit's own energy of a MAC, pJ; None where the energy table's applies."""
        return _of_pair(self.energy_pj_per_mac, pair)

    def lane_area(self, pair: Pair) -> Positive | None:
        """Return the unit's own area of a lane, um2; None where the energy table's applies."""
        return _of_pair(self.area_um2_per_lane, pair)

    @property
    def kinds(self) -> tuple[tuple[Kind, Kind], ...]:
        """Kinds of activation and weight of each pair with a rate."""
        sides = (pair.partition("x") for pair in self.pairs)
        return tuple((_kind_of(activation), _kind_of(weight)) for activation, _, weight in sides)

    @property
    def pairs(self) -> tuple[str, ...]:
        """The pairs with a rate, as the file writes them."""
        return self.executes or tuple(self.peak_mac_per_s)
