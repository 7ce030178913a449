"""Export of a workload and its energy prices to ZigZag, a design-space explorer for accelerators.

ZigZag (the distribution ``zigzag-dse``; the files have the format of version 3.9) takes a workload
of loop nests, an accelerator with one energy per MAC and one per access of each memory, and a
mapping. Because an accelerator has one array and a single energy per MAC, products that differ in
the unit that executes them, in operand formats, accumulator or reduction length are written to
separate folders.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from ..cost.estimates import Estimate
from ..files.writing import whole_folder
from ..inputs.machine import Machine
from .loopnest import Layer, layers
from .memories import Memories
from .readme import EXPECTED, README, readme

__all__ = ["EXPECTED", "README", "loop_order", "write_zigzag"]

#: Version of ``expected.json``.
SCHEMA = 2
#: Names, without suffix, of the files in the folder of each kind of MAC.
FILES = ("workload", "accelerator", "mapping")
#: Size of the DRAM, which ZigZag requires; larger than any layer.
_DRAM_BITS = 10**15


class _Plain(yaml.SafeDumper):
    """YAML dumper that writes repeated values in full, without anchors."""

    def ignore_aliases(self, _data: object) -> bool:
        return True


def _sram_ports(reads: list[str], writes: list[str], bits: int) -> list[dict[str, Any]]:
    return [
        _port("r_port_1", "read", bits, reads),
        _port("w_port_1", "write", bits, writes),
    ]


def _port(name: str, kind: str, bits: int, allocation: list[str]) -> dict[str, Any]:
    # With a minimum width of one bit, the cost of an access is proportional to its bits.
    return {
        "name": name,
        "type": kind,
        "bandwidth_min": 1,
        "bandwidth_max": bits,
        "allocation": allocation,
    }


def _memory(
    bits: int, word: int, pj_per_bit: float, operands: list[str], ports: list[Any], dims: list[str]
) -> dict[str, Any]:
    return {
        "size": bits,
        "r_cost": pj_per_bit * word,
        "w_cost": pj_per_bit * word,
        "area": 0.0,
        "latency": 1,
        "operands": operands,
        "ports": ports,
        "served_dimensions": dims,
    }


def accelerator(of: Estimate, group: list[Layer]) -> dict[str, Any]:
    """Return ZigZag's description of one array of the machine, for one kind of MAC.

    Dimension D1 is the rows (outputs), D2 the lanes (terms of a dot product). Each multiplier holds
    one weight, and each row holds one sum per token that shares a weight fetch. These registers
    cost nothing, because their energy is part of the MAC's. The top level of the activations is the
    activation buffer if those of every layer fit it, and DRAM otherwise.
    """
    near, first = Memories.of(of.machine), group[0]
    prices, unit = near.prices(of), first.unit
    weight, total = max(x.weight_bits for x in group), first.accumulator_bits
    # ZigZag drops an incomplete last word; with a power of two, most rows fill whole words.
    moved = max(unit.lanes * first.input_bits, unit.rows * total)
    buffer_word = 1 << (moved - 1).bit_length()
    weight_word = unit.rows * unit.lanes * weight
    clock = unit.clock_hz.value if unit.clock_hz else 1.0
    dram_word = max(1, round((near.dram.rate or 0.0) * 8 / clock))
    sizes = [m.capacity_bytes.value if m.capacity_bytes else 0.0 for m in near]
    buffered, held = int(sizes[0] * 8), int(sizes[1] * 8)
    spills = any(x.activation_bits > near.block_bits for x in group)
    top = ["I1", "I2", "O"] if spills else ["I2"]
    traffic = [f"{o}, {way}" for o in top for way in ("fh", "tl")]
    traffic += ["O, fl", "O, th"] if spills else []
    both = ["D1", "D2"]
    memories = {
        "weight_register": _memory(
            weight, weight, 0.0, ["I2"], _sram_ports(["I2, tl"], ["I2, fh"], weight), []
        ),
        "accumulators": _memory(
            unit.tokens * total, total, 0.0, ["O"],
            [
                _port("r_port_1", "read", total, ["O, tl"]),
                _port("r_port_2", "read", total, ["O, th"]),
                _port("w_port_1", "write", total, ["O, fh"]),
                _port("w_port_2", "write", total, ["O, fl"]),
            ],
            ["D2"],
        ),
        "weight_buffer": _memory(
            held, weight_word, prices["weight_buffer"], ["I2"],
            _sram_ports(["I2, tl"], ["I2, fh"], weight_word), both,
        ),
        "activation_buffer": _memory(
            buffered, buffer_word, prices["activation_buffer"], ["I1", "O"],
            _sram_ports(["I1, tl", "O, tl", "O, th"], ["I1, fh", "O, fh", "O, fl"], buffer_word),
            both,
        ),
        "dram": _memory(
            _DRAM_BITS, dram_word, prices["dram"], top,
            [_port("rw_port_1", "read_write", dram_word, traffic)], both,
        ),
    }  # fmt: skip
    return {
        "name": f"{of.machine.name}-{first.group}",
        "memories": memories,
        "operational_array": {
            "unit_energy": first.pj_per_mac,
            "unit_area": 1.0,
            "dimensions": both,
            "sizes": [unit.rows, unit.lanes],
        },
    }


def workload(group: list[Layer]) -> list[dict[str, Any]]:
    """Return ZigZag's description of the loop nests, one repetition of each."""
    found = []
    for number, x in enumerate(group):
        outer = [(d, n) for d, n in (("B", x.b), ("H", x.h)) if n > 1]
        index = "".join(f"[{d.lower()}]" for d, _ in outer)
        dims = [*outer, ("D", x.d), ("C", x.c), ("K", x.k)]
        found.append(
            {
                "id": number,
                "name": x.name,
                "operator_type": "Gemm",
                "equation": f"O{index}[d][k]+=I{index}[d][c]*W{index}[c][k]",
                "dimension_relations": [],
                "loop_dims": [d for d, _ in dims],
                "loop_sizes": [n for _, n in dims],
                "operand_precision": {
                    "I": x.input_bits,
                    "W": x.weight_bits,
                    "O": x.accumulator_bits,
                    "O_final": x.output_bits,
                },
                "operand_source": {"I": number, "W": number},
            }
        )
    return found


def mapping(machine: Machine, group: list[Layer]) -> list[dict[str, Any]]:
    """Return the spatial mapping of each layer, and our loop order if its dimensions divide evenly.

    The loops, from the innermost outwards, run over the tokens that share a weight fetch, the
    reduction, the other tokens that fit the activation buffer, the outputs, and the rest. If a
    dimension does not divide evenly, ZigZag searches for an order itself.
    """
    links = {"O": "O", "W": "I2", "I": "I1"}
    unit = group[0].unit
    spatial = _spatial(unit.rows, unit.lanes)
    found = [{"name": "default", "memory_operand_links": links} | spatial]
    for x in group:
        spatial = _spatial(min(unit.rows, x.k), min(unit.lanes, x.c))
        entry = {"name": x.name, "memory_operand_links": links} | spatial
        order = loop_order(machine, x)
        if order:
            entry["temporal_ordering"] = [list(loop) for loop in order]
        found.append(entry)
    return found


def _spatial(rows: int, lanes: int) -> dict[str, Any]:
    return {"spatial_mapping": {"D1": [f"K, {rows}"], "D2": [f"C, {lanes}"]}}


def loop_order(machine: Machine, x: Layer) -> list[tuple[str, int]]:
    """Return the loops, innermost first; none if a dimension does not divide evenly.

    ZigZag runs whole blocks of tokens, where bitnet-hw divides the activations by the buffer
    without rounding. So there is an order only for layers of whole blocks.
    """
    unit = x.unit
    rows, lanes = min(unit.rows, x.k), min(unit.lanes, x.c)
    if x.k % rows or x.c % lanes:
        return []
    token_bits = x.c * x.input_bits + x.k * x.output_bits
    block = max(1, min(x.d, Memories.of(machine).block_bits // token_bits))
    shared = min(unit.tokens, block)
    if x.d % shared or (x.d // shared) % max(1, block // shared):
        return []
    blocked = max(1, block // shared)
    loops = [
        ("D", shared),
        ("C", x.c // lanes),
        ("D", blocked),
        ("K", x.k // rows),
        ("D", x.d // shared // blocked),
        ("H", x.h),
        ("B", x.b),
    ]
    return [(dim, size) for dim, size in loops if size > 1]


def expected(of: Estimate, group: list[Layer]) -> list[dict[str, Any]]:
    """Return MACs, energy (pJ) and bytes per stream for one repetition of each layer."""
    found = []
    for x in group:
        streams: dict[str, float] = {}
        for priced in of.memory or []:
            row = priced.row
            if (row.scope, row.role) == (x.scope, x.role):
                stream = f"{row.level}: {row.content}"
                streams[stream] = streams.get(stream, 0.0) + row.bytes / x.repeat
        found.append(
            {
                "name": x.name,
                "role": x.role,
                "unit": x.unit.name,
                "repeat": x.repeat,
                "macs": x.macs,
                "unit_energy_pj": x.pj_per_mac,
                "mac_energy_pj": x.pj_per_mac * x.macs,
                "bytes": streams,
            }
        )
    return found


def write_zigzag(of: Estimate, folder: str | Path, *, force: bool = False) -> list[str]:
    """Write the export of an estimate for ZigZag.

    Parameters
    ----------
    of : Estimate
        Estimate of a single pass under the system convention.
    folder : str or path
        Folder to write: a README, ``expected.json``, and one folder per kind of MAC, with
        ``workload.yaml``, ``accelerator.yaml`` and ``mapping.yaml``.
    force : bool
        Whether to replace an earlier export.

    Returns
    -------
    list of str
        Names of the folders, one per kind of MAC.

    Raises
    ------
    InputError
        If ZigZag cannot describe the estimate, if the folder holds an export and `force` is false,
        or if the folder cannot be written.
    """
    groups: dict[str, list[Layer]] = {}
    near = Memories.of(of.machine)
    for x in layers(of):
        groups.setdefault(x.group, []).append(x)
    folder = Path(folder)
    earlier = _groups_of(folder)
    with whole_folder(folder, EXPECTED, force=force) as temporary:
        for name, group in groups.items():
            (temporary / name).mkdir()
            contents = (workload(group), accelerator(of, group), mapping(of.machine, group))
            for file, content in zip(FILES, contents, strict=True):
                text = yaml.dump(content, Dumper=_Plain, sort_keys=False, default_flow_style=None)
                (temporary / name / f"{file}.yaml").write_text(text, encoding="utf-8")
        everything = {
            "schema": SCHEMA,
            "estimate": of.as_dict(),
            "pj_per_bit": near.prices(of),
            "groups": {name: expected(of, group) for name, group in groups.items()},
        }
        text = json.dumps(everything, indent=1, allow_nan=False)
        (temporary / EXPECTED).write_text(text + "\n", encoding="utf-8")
        (temporary / README).write_text(readme(of, groups), encoding="utf-8")
    for name in earlier - groups.keys():
        for file in FILES:
            (folder / name / f"{file}.yaml").unlink(missing_ok=True)
        if not any((folder / name).iterdir()):
            (folder / name).rmdir()
    return list(groups)


def _groups_of(folder: Path) -> set[str]:
    """Return the names of the folders of an earlier export, which a new one must not leave."""
    try:
        said = json.loads((folder / EXPECTED).read_text(encoding="utf-8"))
        names = set(said["groups"])
    except (OSError, ValueError, KeyError, TypeError):
        return set()
    # Only direct subfolders count: a name from the file must not lead elsewhere.
    return {name for name in names if (folder / name).is_dir() and Path(name).name == name}
