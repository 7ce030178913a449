"""One estimate: a model in a scheme at a process node, in joules, bytes and seconds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

from ..errors import InputError
from ..inputs.machine import Machine, load_machine
from ..inputs.model import ModelSpec
from ..inputs.scenario import Scenario
from ..inputs.scheme import Scheme
from ..prices.tables import EnergyTable
from ..tally import OpTally
from .counting import Convention, accumulating_in, count, register_sharing
from .memory import Footprint, PricedTraffic, footprint, price_traffic, traffic
from .operators import operators
from .pricing import PricedRow, price_tally
from .time import Timing, timing

#: Version of the JSON form; docs/schema/estimate-2.json describes it.
SCHEMA = 2

LINEAR_ROLES = ("qkv", "attention-out", "ffn-gate", "ffn-up", "ffn-down")
ATTENTION_ROLES = ("attention-score", "attention-value")
_SCALE_ROLES = ("quantize", "rescale", "dequantize", "hadamard")


class Band(NamedTuple):
    """A value with the range that the ranges of its prices give it."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Estimate:
    """What a model costs in one scheme, at one node, under one convention.

    Attributes
    ----------
    model, scheme, table, convention, scenario, machine
        What was estimated; `machine` sets lanes, buffers and DRAM.
    tally : OpTally
        The operations.
    arithmetic : list of PricedRow
        Every row of the tally with its price.
    memory : list of PricedTraffic or None
        Bytes by level with their price; None under the paper convention.
    time : Timing or None
        None under the paper convention.
    footprint : Footprint
        Bytes that the model occupies.
    """

    model: ModelSpec
    scheme: Scheme
    table: EnergyTable
    convention: Convention
    scenario: Scenario
    machine: Machine
    tally: OpTally
    arithmetic: list[PricedRow]
    memory: list[PricedTraffic] | None
    time: Timing | None
    footprint: Footprint

    @cached_property
    def mul_j(self) -> float:
        """Energy of multiplications, J."""
        return sum(row.joules for row in self.arithmetic if row.key.operation == "mul")

    @cached_property
    def add_j(self) -> float:
        """Energy of additions, those with add-only weights among them, J."""
        return sum(
            row.joules for row in self.arithmetic if row.key.operation in ("add", "ternary-add")
        )

    @cached_property
    def mac_j(self) -> float:
        """Energy of whole MACs, where the table prices those, J."""
        return sum(row.joules for row in self.arithmetic if row.key.operation == "mac")

    @cached_property
    def arithmetic_j(self) -> float:
        """Energy of all operations, J."""
        return sum(row.joules for row in self.arithmetic)

    @property
    def other_j(self) -> float:
        """Energy of comparisons, exponentials, divisions, roots and roundings, J."""
        return sum(
            row.joules
            for row in self.arithmetic
            if row.key.operation not in ("mul", "add", "ternary-add", "mac")
        )

    @cached_property
    def memory_j(self) -> float | None:
        """Energy of SRAM and DRAM traffic, J; None where the convention has none."""
        return None if self.memory is None else sum(row.joules for row in self.memory)

    @property
    def static_j(self) -> float | None:
        """Static power x time, J; None where the machine gives no power."""
        powers = (self.machine.static_w, self.machine.dram_static_w)
        if self.time is None or all(power is None for power in powers):
            return None
        return sum(power or 0.0 for power in powers) * self.time.seconds

    @cached_property
    def energy(self) -> Band:
        """Total energy with its band, J."""
        rows: list[PricedRow | PricedTraffic] = [*self.arithmetic, *(self.memory or [])]
        static = self.static_j or 0.0
        value = (
            self.mul_j + self.add_j + self.mac_j + self.other_j + (self.memory_j or 0.0) + static
        )
        low = sum(row.low_joules for row in rows) + static
        high = sum(row.high_joules for row in rows) + static
        # The sums differ in their order, so that without a range rounding could part them.
        return Band(value, min(low, value), max(high, value))

    @property
    def derived_share(self) -> float:
        """Share of the energy that rests on derived prices."""
        rows: list[PricedRow | PricedTraffic] = [*self.arithmetic, *(self.memory or [])]
        derived = sum(row.joules for row in rows if row.price.kind == "derived")
        return min(1.0, derived / self.energy.value) if self.energy.value else 0.0

    @property
    def boundaries(self) -> dict[str, frozenset[str]]:
        """Boundaries of the prices that the linears, attention and the LM head rest on."""
        groups = {"linears": LINEAR_ROLES, "attention": ATTENTION_ROLES, "LM head": ("lm-head",)}
        return {
            name: frozenset(row.price.boundary for row in self.arithmetic if row.key.role in roles)
            for name, roles in groups.items()
        }

    @property
    def energy_per_token(self) -> Band:
        """Energy a token that is handed in (prefill) or given back (decode, request), J."""
        tokens = self.scenario.new_tokens
        return Band(*(value / tokens for value in self.energy))

    def arithmetic_by(self, field: Literal["role", "operation"]) -> dict[str, float]:
        """Return the energy of operations by role or by operation, J."""
        sums: dict[str, float] = {}
        for row in self.arithmetic:
            name = row.key.role if field == "role" else row.key.operation
            sums[name] = sums.get(name, 0.0) + row.joules
        return sums

    def parts(self) -> dict[str, float]:
        """Return the energy by part of the token, J.

        Arithmetic of the linears (scales and quantizers apart), of attention, of the LM head and
        of everything else; DRAM for weights, KV cache and LM head; SRAM; static where known.
        """
        parts = dict.fromkeys(PARTS, 0.0)
        for row in self.arithmetic:
            parts[_ARITHMETIC_PART.get(row.key.role, "other arithmetic")] += row.joules
        for moved in self.memory or []:
            parts[_memory_part(moved)] += moved.joules
        if self.static_j is not None:
            parts["static"] = self.static_j
        return parts

    def memory_by_level(self) -> dict[tuple[str, str], tuple[float, float]]:
        """Return (bytes, joules) by level and content."""
        sums: dict[tuple[str, str], tuple[float, float]] = {}
        for moved in self.memory or []:
            key = (moved.row.level, moved.row.content)
            size, joules = sums.get(key, (0.0, 0.0))
            sums[key] = (size + moved.row.bytes, joules + moved.joules)
        return sums

    def _traffic(self) -> list[dict[str, Any]]:
        return [
            {"level": level, "content": content, "bytes": round(size), "energy_j": joules}
            for (level, content), (size, joules) in self.memory_by_level().items()
        ]

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON form, version `SCHEMA`; see docs/schema/estimate-2.json."""
        time = self.time
        return {
            "schema": SCHEMA,
            "model": self.model.name,
            "scheme": self.scheme.name,
            "energy_table": self.table.short_name,
            "convention": self.convention,
            "scenario": self.scenario.as_dict(),
            "machine": self.machine.name if self.convention == "system" else None,
            "lanes": self.machine.lanes if self.convention == "system" else None,
            "macs": self.tally.macs,
            "energy_j": self.energy.value,
            "energy_low_j": self.energy.low,
            "energy_high_j": self.energy.high,
            "mul_j": self.mul_j,
            "add_j": self.add_j,
            "mac_j": self.mac_j,
            "other_j": self.other_j,
            "memory_j": self.memory_j,
            "static_j": self.static_j,
            "operations_j": self.arithmetic_by("operation"),
            "roles_j": self.arithmetic_by("role"),
            "traffic": None if self.memory is None else self._traffic(),
            "derived_share": self.derived_share,
            "energy_per_token_j": self.energy_per_token.value,
            "latency_s": time.seconds if time else None,
            "time_to_first_token_s": time.first_token_seconds if time else None,
            "tokens_per_s": self.tokens_per_second,
            "bound_by": time.bound_by if time else None,
            "weight_bytes": round(self.footprint.weights),
            "lm_head_bytes": round(self.footprint.lm_head),
            "embedding_bytes": round(self.footprint.embedding),
            "kv_bytes": round(self.footprint.kv_cache),
        }

    def as_row(self) -> dict[str, Any]:
        """Return the JSON form without nesting, for CSV; what a phase does not use is None."""
        row = self.as_dict()
        scenario = row.pop("scenario")
        for nested in ("operations_j", "roles_j", "traffic"):
            del row[nested]
        keys = ("phase", "tokens", "context", "prompt", "generate")
        return {**row, **dict.fromkeys(keys), **scenario}

    @property
    def linear_j(self) -> float:
        """Energy that ternary weights act on, J.

        Arithmetic of the projections and the FFN with their scales, and every memory access that
        these products make. The rest is the share that ternary weights cannot save.
        """
        # Scales of an integer KV cache or LM head stand in scopes of their own.
        scopes = {mac.scope for mac in self.tally.mac_counts if mac.role in LINEAR_ROLES}
        roles = {*LINEAR_ROLES, *_SCALE_ROLES}
        arithmetic = sum(
            row.joules
            for row in self.arithmetic
            if row.key.role in roles and row.key.scope in scopes
        )
        moved = (row.joules for row in self.memory or [] if row.row.role in LINEAR_ROLES)
        return arithmetic + sum(moved)

    @property
    def tokens_per_second(self) -> float | None:
        """New tokens a second: of the decode steps where there are some, else of the prefill."""
        if self.time is None:
            return None
        return self.scenario.new_tokens / (self.time.decode_seconds or self.time.seconds)


#: Parts of a token's energy, in the order in which reports stack them.
PARTS = (
    "linears",
    "scales and quantizers",
    "attention",
    "LM head",
    "other arithmetic",
    "SRAM",
    "DRAM: linear weights",
    "DRAM: KV cache",
    "DRAM: LM head and embedding",
    "DRAM: activations",
    "static",
)
_ARITHMETIC_PART = (
    dict.fromkeys(LINEAR_ROLES, "linears")
    | dict.fromkeys(_SCALE_ROLES, "scales and quantizers")
    | dict.fromkeys((*ATTENTION_ROLES, "softmax"), "attention")
    | {"lm-head": "LM head", "embedding": "LM head"}
)


def _memory_part(moved: PricedTraffic) -> str:
    row = moved.row
    if row.level != "dram":
        return "SRAM"
    if row.content == "kv-cache":
        return "DRAM: KV cache"
    if row.role in ("lm-head", "embedding"):
        return "DRAM: LM head and embedding"
    return "DRAM: linear weights" if row.content == "weights" else "DRAM: activations"


def estimate(
    model: ModelSpec,
    scheme: Scheme,
    table: EnergyTable,
    scenario: Scenario | None = None,
    convention: Convention = "system",
    machine: Machine | None = None,
    float_accumulator: str | None = None,
) -> Estimate:
    """Estimate what a model costs.

    Parameters
    ----------
    model, scheme, table
        Dimensions, number formats, prices.
    scenario : Scenario, optional
        What is asked; `default_scenario` of the convention when absent.
    convention : str
        ``system`` or ``paper``.
    machine : Machine, optional
        The machine; ``edge`` when absent.
    float_accumulator : str, optional
        Format in which 16-bit float sums accumulate, where not the scheme's; FP32 in the built-in
        schemes. The paper convention fixes FP16.

    Returns
    -------
    Estimate
        Energy with its band, bytes, seconds.

    Raises
    ------
    InputError
        If what is asked contradicts the convention or the model.
    MissingPriceError
        If the table leaves something unpriced.
    """
    scenario = scenario or default_scenario(convention, model)
    machine = machine or load_machine()
    scheme = accumulating_in(scheme, float_accumulator, convention)
    tally = count(model, scenario, scheme, convention, machine)
    saving = machine.weight_zero_saving if convention == "system" else 0.0
    scales = {
        role: 1 - saving * scheme.formats(role).weight_zeros
        for role in (*LINEAR_ROLES, "lm-head", "embedding")
    }
    found = operators(model, scenario)
    sharing = register_sharing(found, machine) if convention == "system" else None
    arithmetic = price_tally(tally, table, scales if saving else None, sharing)
    memory: list[PricedTraffic] | None = None
    time: Timing | None = None
    if convention == "system":
        moved = traffic(model, scheme, found, machine)
        memory = price_traffic(moved, table, machine)
        time = timing(model, scheme, scenario, machine)
    return Estimate(
        model,
        scheme,
        table,
        convention,
        scenario,
        machine,
        tally,
        arithmetic,
        memory,
        time,
        footprint(model, scheme, scenario),
    )


def default_scenario(convention: Convention, *models: ModelSpec) -> Scenario:
    """Return what is asked where nobody says.

    The papers' forward pass over 512 tokens, or the decode of one token at context 2048; fewer
    where one of the models has fewer learned positions.
    """
    limits = [
        model.max_position_embeddings
        for model in models
        if model.positions == "learned" and model.max_position_embeddings is not None
    ]
    if convention == "paper":
        tokens = min([512, *limits])
        return Scenario("prefill", tokens=tokens, attention="full", lm_head="none")
    return Scenario("decode", context=min([2048, *limits]))


def ratio(baseline: Estimate, other: Estimate) -> Band:
    """Return how many times less energy `other` takes than `baseline`.

    The band spans the corners of the two price lists, arithmetic and memory, each at the low or the
    high end for both estimates at once: both use the same machine.

    Raises
    ------
    InputError
        If the two differ in more than their scheme, or rest on different price boundaries, which
        no single ratio bridges.
    """
    if baseline.table.name != other.table.name or baseline.convention != other.convention:
        raise InputError(
            f"a ratio needs one energy table and one convention, found {baseline.table.name} "
            f"({baseline.convention}) and {other.table.name} ({other.convention})"
        )
    if (baseline.model, baseline.scenario) != (other.model, other.scenario):
        raise InputError(
            f"a ratio needs one model and one scenario, found {baseline.model.name} "
            f"({baseline.scenario.describe()}) and {other.model.name} ({other.scenario.describe()})"
        )
    if baseline.machine != other.machine:
        raise InputError(
            f"a ratio needs one machine, found {baseline.machine.name} and {other.machine.name} "
            "with other sizes"
        )
    for part, boundaries in baseline.boundaries.items():
        if boundaries != other.boundaries[part]:
            raise InputError(
                f"a ratio across price boundaries is refused: the {part} of "
                f"{baseline.scheme.name} rest on {'/'.join(sorted(boundaries))} prices, those of "
                f"{other.scheme.name} on {'/'.join(sorted(other.boundaries[part]))} prices"
            )
    corners = [
        _corner(baseline, logic, memory) / _corner(other, logic, memory)
        for logic in ("low_joules", "high_joules")
        for memory in ("low_joules", "high_joules")
    ]
    middle = baseline.energy.value / other.energy.value
    return Band(middle, min(*corners, middle), max(*corners, middle))


def _corner(of: Estimate, logic: str, memory: str) -> float:
    arithmetic: Iterable[float] = (getattr(row, logic) for row in of.arithmetic)
    moved: Iterable[float] = (getattr(row, memory) for row in of.memory or [])
    return sum(arithmetic) + sum(moved) + (of.static_j or 0.0)
