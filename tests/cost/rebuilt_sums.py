"""Bytes, joules and seconds of the implementation in `rebuilt.py`."""

from __future__ import annotations

from collections import Counter, defaultdict
from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple

from bitnet_hw.inputs.formats import Kind, parse_format
from bitnet_hw.inputs.machine import Memory
from bitnet_hw.prices.loading import load_dram_prices
from bitnet_hw.prices.memories import leakage_w
from bitnet_hw.tally import MacKey

from .rebuilt_parts import Operator, Pass, Row, add
from .rebuilt_sizes import ON_CHIP, cache_bits

if TYPE_CHECKING:
    from .rebuilt import Rebuilt

#: Boundaries whose energy has no DRAM, and those that have DRAM but not the board.
WITHOUT_DRAM = ("core", "chip", "package")
WITHOUT_BOARD = (*WITHOUT_DRAM, "chip and DRAM")


class Own(NamedTuple):
    """A price that a machine states itself, pJ."""

    pj: float
    low: float
    high: float


def own(figure: Any) -> Own:
    """Return the price that a figure of a machine states, with its interval where it has one."""
    low, high = (figure.value if end is None else end for end in (figure.low, figure.high))
    return Own(figure.value, low, high)


def value(figure: Any) -> float:
    """Return the number of a figure, or 0 if it is absent."""
    return 0.0 if figure is None else float(figure.value)


class Sums:
    """Every sum of an estimate.

    Attributes
    ----------
    bits : dict
        (level, content) -> bits.
    joules : dict
        Level -> energy and both ends of its band, J.
    seconds, busy : dict
        Seconds in all, of prefill and of decode; seconds by resource.
    """

    def __init__(self, of: Rebuilt) -> None:
        self.of, self.machine, self.table = of, of.machine, of.table
        self.outside = self.machine.boundary.covers in WITHOUT_DRAM
        self.executed: Counter[Row] = Counter()
        self.fetch_cache()
        self.bits: defaultdict[tuple[str, str], float] = defaultdict(float)
        for each in of.passes:
            for op in each.operators.values():
                for key, bits in op.bits.items():
                    self.bits[key] += bits
                if op.query_bits:
                    self.bits[of.near("activations"), "activations"] += op.query_bits
        self.seconds: defaultdict[str, float] = defaultdict(float)
        self.busy: defaultdict[str, float] = defaultdict(float)
        self.spread_queries()
        for each in of.passes:
            self.time(each)
        self.joules = {"logic": [pj * 1e-12 for pj in self.price_logic()]}
        self.price_traffic()
        self.price_unpacking()
        static = self.static_w()
        if static is not None:
            self.joules["static"] = [static * self.seconds["total"]] * 3

    def fetch_cache(self) -> None:
        """Fetch keys and values; what the tokens of a pass share is rounded up per operator."""
        of, scheme = self.of, self.of.scheme.attention
        act, stored = parse_format(scheme.operand), parse_format(scheme.kv_cache)
        near, element = of.near("kv-cache"), cache_bits(of.model, of.scheme)
        for each in of.passes:
            for op in each.operators.values():
                fetches = ceil(op.cache_reads / len(each.contexts))
                if fetches and near:
                    op.bits[near, "kv-cache"] += fetches * element
                if fetches and stored.kind is Kind.INTEGER and act.kind is Kind.FLOAT:
                    of.step("dequantize", "dequantize-symmetric", fetches, vectors=0)

    # -- time ----------------------------------------------------------------------------------

    def spread_queries(self) -> None:
        """Let reads of queries and arithmetic change linearly from first to last step of a run."""
        m, near = self.of.model, self.of.near("activations")
        runs: list[list[Pass]] = [[]]
        for each in self.of.passes:
            if each.phase == "decode":
                runs[-1].append(each)
                if m.sliding_window_layers and each.contexts[0] == m.sliding_window:
                    runs.append([])
        runs += [[each] for each in self.of.passes if each.phase == "prefill"]
        for run in runs:
            for name in {name for each in run for name in each.operators}:
                ops = [each.operators[name] for each in run]
                first, last = ops[0].query_bits, ops[-1].query_bits
                for i, op in enumerate(ops):
                    if first or last:
                        part = i / max(1, len(ops) - 1)
                        op.bits[near, "activations"] += first + (last - first) * part
                first, last = ops[0].compute, ops[-1].compute
                for i, op in enumerate(ops):
                    if op.in_attention:
                        op.compute = first + (last - first) * i / max(1, len(ops) - 1)

    def time(self, each: Pass) -> None:
        overheads = self.machine.overheads
        taken = value(overheads.seconds_per_step)
        for _ in range(self.of.model.num_hidden_layers):
            taken += value(overheads.seconds_per_layer)
        self.busy["overheads"] += taken
        for op in each.operators.values():
            times = sorted(self.resources(op))
            if times:
                rest = sum(times[:-1])
                taken += times[-1] + (1 - self.machine.overlap.value) * rest
        self.seconds[each.phase] += taken
        self.seconds["total"] += taken

    def resources(self, op: Operator) -> list[float]:
        """Return the seconds of each resource of an operator, and add them to those busy."""
        times: defaultdict[str, float] = defaultdict(float)
        times["compute"] += op.compute
        entry = self.unpacking_of(op.codec)
        if entry is not None:
            times["unpacking"] += op.unpacked * value(entry.seconds_per_weight) / self.of.chips
        for (level, _), bits in op.bits.items():
            if level == "links":
                assert self.machine.chips is not None
                rate = self.machine.chips.link_bandwidth_bytes_per_s.value
            else:
                memory = self.memory(level)
                if memory.bandwidth_bytes_per_s is None:
                    continue
                share = memory.reached_share.value if memory.reached_share else 1.0
                rate = memory.bandwidth_bytes_per_s.value * share
            times[level] += bits / 8 / rate / self.of.chips
        for name, seconds in times.items():
            self.busy[name] += seconds
        return list(times.values())

    def memory(self, name: str) -> Memory:
        return next(memory for memory in self.machine.memories if memory.name == name)

    # -- energy --------------------------------------------------------------------------------

    def price_logic(self) -> list[float]:
        """Return the energy of all operations and both ends of its band, pJ."""
        table, of = self.table, self.of
        self.macs = sum(product.macs for product in of.products.values())
        sharing: dict[tuple[str, str], tuple[int, int]] = {}
        for (_, name, role), product in of.products.items():
            t, r = sharing.get((name, role), product.sharing)
            sharing[name, role] = (min(t, product.sharing[0]), min(r, product.sharing[1]))
        logic = [0.0] * 3
        for (_, name, role), product in of.products.items():
            formats = (product.act.name, product.weight.name, product.acc.name)
            stated = product.choice.own_energy()
            price: Any = table.mac_price(MacKey(name, role, *formats), *sharing[name, role])
            if stated is not None:
                price = own(stated)
            if price is not None:
                factor = product.zero_factor if product.weight.add_only else 1.0
                both = dict.fromkeys((product.act.name, product.weight.name))
                number = round(product.slots)
                self.executed[role, "mac", "*".join(both), product.acc.name] += number
                add(logic, price, number * factor)
                continue
            for operation, form, adder, number in product.operations():
                factor = product.zero_factor if operation == "ternary-add" else 1.0
                add(logic, table.price(operation, form, adder), number * factor)
                self.executed[role, operation, form, adder] += number
        for (_, operation, form, adder), number in of.counts.items():
            add(logic, table.price(operation, form, adder), number)
        return logic

    def price_traffic(self) -> None:
        for (level, _), bits in self.bits.items():
            joules = self.joules.setdefault(level, [0.0] * 3)
            price = self.bit_price(level)
            if price is not None:
                add(joules, price, bits * 1e-12)

    def bit_price(self, level: str) -> Any:
        """Return the price per bit; None outside the boundary."""
        if level == "links":
            assert self.machine.chips is not None
            return own(self.machine.chips.link_energy_pj_per_bit)
        memory = self.memory(level)
        if memory.kind not in ON_CHIP and self.outside:
            return None
        if memory.energy_pj_per_bit is not None:
            return own(memory.energy_pj_per_bit)
        if memory.kind not in ON_CHIP:
            return load_dram_prices().price(memory.kind)
        assert memory.capacity_bytes is not None
        return self.table.sram_price(int(memory.capacity_bytes.value))

    def price_unpacking(self) -> None:
        for each in self.of.passes:
            for op in each.operators.values():
                entry = self.unpacking_of(op.codec)
                if op.unpacked and entry is not None and entry.energy_pj_per_weight is not None:
                    joules = self.joules.setdefault("unpacking", [0.0] * 3)
                    add(joules, own(entry.energy_pj_per_weight), op.unpacked * 1e-12)

    def unpacking_of(self, codec: str) -> Any:
        """Return the entry that names a codec, or else that for any; None without."""
        named = [entry for entry in self.machine.unpacking if codec in entry.codecs]
        for_any = [entry for entry in self.machine.unpacking if "any" in entry.codecs]
        if not codec or not named + for_any:
            return None
        return (named or for_any)[-1]

    def static_w(self) -> float | None:
        """Return the power that flows all the time; None if the machine gives none."""
        covers, machine = self.machine.boundary.covers, self.machine
        figures = [machine.power.active_w]
        if not machine.boundary.idle_subtracted:
            figures.append(machine.power.idle_w.get("core"))
            if not self.outside:
                figures.append(machine.power.idle_w.get("dram"))
            if covers not in WITHOUT_BOARD:
                figures.append(machine.power.idle_w.get("board"))
            inside = [m for m in machine.memories if m.kind in ON_CHIP or not self.outside]
            figures += [memory.static_w for memory in inside]
        given = [figure.value for figure in figures if figure is not None]
        for memory in [] if machine.boundary.idle_subtracted else machine.memories:
            if memory.kind in ON_CHIP and memory.static_w is None:
                size = int(value(memory.capacity_bytes))
                leaks = leakage_w(memory.kind, size, self.table.memory_node_nm)
                given += [] if leaks is None else [leaks]
        return sum(given) * self.of.chips if given else None
