"""The memories of a machine that ZigZag's accelerators have."""

from __future__ import annotations

from typing import NamedTuple

from ..cost.estimates import Estimate
from ..errors import InputError
from ..inputs.machine import Machine
from ..inputs.memory import Content, Memory

#: Contents of the buffers: the first two share one.
_NEAR: tuple[Content, ...] = ("weights", "kv-cache", "activations")


class Memories(NamedTuple):
    """The three memories of an accelerator."""

    activation_buffer: Memory
    weight_buffer: Memory
    dram: Memory

    @classmethod
    def of(cls, machine: Machine) -> Memories:
        """Return the memories of a machine.

        Raises
        ------
        InputError
            If it has other memories than one on the chip for weights and KV cache, one for
            activations, and a DRAM, or several chips.
        """
        weights, cache, activations = map(machine.near, _NEAR)
        far = machine.main_memory
        fits = len(machine.memories) == len(cls._fields) and machine.chip_count == 1
        if (
            not fits
            or weights is None
            or activations is None
            or weights != cache
            or weights == activations
            or far.on_chip
        ):
            have = "; ".join(f"{m.name} ({', '.join(m.holds)})" for m in machine.memories)
            chips = f", on {machine.chip_count} chips" if machine.chip_count > 1 else ""
            raise InputError(
                f"machine {machine.name}: the export needs one chip with a memory for weights and "
                f"KV cache, one for activations, and a DRAM; it has {have}{chips}"
            )
        return cls(activations, weights, far)

    def prices(self, of: Estimate) -> dict[str, float]:
        """Return the price per bit in each that an estimate uses, pJ; 0 outside the boundary."""
        listed = {priced.row.level: priced.price for priced in of.memory or []}
        prices = {key: listed.get(memory.name) for key, memory in self._asdict().items()}
        return {key: 0.0 if price is None else price.pj for key, price in prices.items()}

    @property
    def block_bits(self) -> int:
        """Bits of activations that the activation buffer holds."""
        return int(self.activation_buffer.room("activations") * 8)
