"""The page that accompanies an export to ZigZag."""

from __future__ import annotations

from ..cost.estimates import Estimate
from ..cost.forms import machine_in_words
from .loopnest import Layer
from .memories import Memories

README = "README.md"
EXPECTED = "expected.json"


def readme(of: Estimate, groups: dict[str, list[Layer]]) -> str:
    """Return the text that says how to run ZigZag on an export, and how the two models differ."""
    lines = []
    for name, group in groups.items():
        members = ", ".join(f"{x.name} x {x.repeat}" for x in group)
        unit = group[0].unit
        sizes = f"{unit.name}: R = {unit.rows}, L = {unit.lanes}, T = {unit.tokens}"
        lines.append(f"| {name} | {sizes} | {group[0].pj_per_mac:.6g} | {members} |")
    table = "\n".join(lines)
    near = Memories.of(of.machine)
    prices = near.prices(of)
    outside = "" if of.machine.boundary.has_dram else " (outside the machine's boundary)"
    return f"""# {of.model.name} in {of.scheme.name}, for ZigZag

{of.scenario.describe()}; arithmetic and SRAM at {of.table.short_name}, machine
{machine_in_words(of.machine)} with {near.dram.kind}.
Written by bitnet-hw, in the input format of zigzag-dse 3.9.

| folder | array | unit_energy, pJ per MAC | layers x number in the model |
|-|-|-|-|
{table}

Each folder holds one array with one kind of MAC, because an accelerator has a single `unit_energy`.
Run ZigZag on each folder:

    pip install zigzag-dse six

    from zigzag.api import get_hardware_performance_zigzag
    folder = "{next(iter(groups))}"
    energy_pj, cycles, cmes = get_hardware_performance_zigzag(
        f"{{folder}}/workload.yaml", f"{{folder}}/accelerator.yaml", f"{{folder}}/mapping.yaml",
        opt="energy", dump_folder="outputs",
    )

ZigZag computes each layer once: multiply its results by the number in the table. `{EXPECTED}`
holds bitnet-hw's figures for the same layers: MACs, their energy, and the bytes of each stream.

The two differ as follows:

- Both charge {prices["activation_buffer"]:.6g} pJ per bit in the activation buffer, \
{prices["weight_buffer"]:.6g} in the weight buffer
  and {prices["dram"]:.6g} in DRAM{outside}, for reading and for writing.
  Registers cost nothing, because their energy is part of the MAC's.
- bitnet-hw keeps as much of the weights and the KV cache in the weight buffer as fits, and
  reads the rest from DRAM; ZigZag reads all of a layer's weights from DRAM.
- ZigZag also charges for writing the weight buffer as it is filled from DRAM; bitnet-hw charges
  only for reading it.
- The stored scales of integer weights and of an integer KV cache, norms, softmax and other
  elementwise steps, and the embedding are not exported.
- Where a layer's activations exceed the activation buffer, ZigZag reads and writes them in DRAM;
  bitnet-hw loads the weights more often instead, once per block of tokens. The number of blocks
  is the activations over the size of the buffer, not rounded to a whole number. It always keeps
  attention scores on chip.
- The mapping prescribes bitnet-hw's loop order where every dimension divides evenly; delete
  `temporal_ordering` to let ZigZag search for one.
"""
