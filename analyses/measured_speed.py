"""Speeds that others measured, against a prediction from data sheets alone.

Each row of validation/rows.yaml that gives a speed is predicted under the system convention by a
machine with nothing but its data sheet (validation/devices.yaml): the dense peak rate of the
operands, DRAM at 70 percent of its peak bandwidth, which is the default of every machine, weights
read once per pass. No kernel launches, no unpacking of weights, no reached share of the peak: the
factors below are what these leave out. Nothing is fitted.

The table gives predicted over published speed by class; above 1 the prediction is too fast.
Tolerance: none. The prediction is a bound, and the table says how far it is from what was measured.
"""

from __future__ import annotations

import sys
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Literal

from pydantic import Field

from analysis import run
from bitnet_hw.cost.lowering import lower
from bitnet_hw.cost.time import timing
from bitnet_hw.errors import InputError, unknown_name
from bitnet_hw.files.reading import read, validate
from bitnet_hw.files.records import Record
from bitnet_hw.inputs import catalogue
from bitnet_hw.inputs.formats import Kind
from bitnet_hw.inputs.machine import Machine
from bitnet_hw.inputs.model import load_model
from bitnet_hw.inputs.scenario import Scenario
from bitnet_hw.inputs.scheme import Scheme, load_scheme
from comparison import Findings, Published, Table

FOLDER = Path(__file__).resolve().parent / "validation"

Quantity = Literal[
    "tokens_per_s",
    "tokens_per_s_of_request",
    "prefill_tokens_per_s",
    "time_to_first_token_s",
    "energy_per_token_j",
    "power_w",
]


class WhereRead(Record):
    """A publication, and whether it was read or is quoted second-hand."""

    title: Annotated[str, Field(min_length=1)]
    where: Annotated[str, Field(min_length=1)]
    read: bool
    note: str = ""


class Row(Record):
    """One published measurement.

    Attributes
    ----------
    id, source, machine, model, scheme : str
        Name of the row; key of its source; device with its software; names in the catalogue.
    scenario : mapping
        ``decode``, ``prefill``, or ``prompt`` and ``generate``, with ``batch`` and ``lm_head``.
    quantity, value : str and float
        What was measured, in the unit of its name.
    boundary : str
        Parts that an energy or power covers.
    """

    id: str
    source: str
    machine: str
    model: str
    scheme: str
    scenario: dict[str, Any]
    quantity: Quantity
    value: Annotated[float, Field(gt=0)]
    boundary: str = ""


class RowFile(Record):
    """The file of published measurements."""

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    sources: dict[str, WhereRead]
    rows: Annotated[tuple[Row, ...], Field(strict=False)]


class Device(Record):
    """The data sheet of a device.

    Attributes
    ----------
    name, source : str
        Product, and its data sheet.
    read : bool
        Whether the data sheet was read, rather than quoted.
    machines : tuple of str
        Machines that this device is part of.
    peak_mac_per_s : mapping
        Operand formats, such as ``int8xint8`` -> dense MAC/s.
    bandwidth_bytes_per_s, capacity_bytes : float and int or None
        DRAM; None where there is none, or none is published.
    """

    name: str
    machines: Annotated[tuple[str, ...], Field(strict=False)]
    source: str
    read: bool
    peak_mac_per_s: dict[str, float]
    bandwidth_bytes_per_s: float | None
    capacity_bytes: int | None


class DeviceFile(Record):
    """The file of data sheets."""

    schema_version: Annotated[Literal[1], Field(alias="schema")]
    devices: dict[str, Device]


def load_rows() -> RowFile:
    """Return the published measurements.

    Raises
    ------
    InputError
        If the file is not valid, or a row names a source that the file does not list.
    """
    path = FOLDER / "rows.yaml"
    file = validate(RowFile, read(path))
    for row in file.rows:
        if row.source not in file.sources:
            raise InputError(
                f"{path}: {row.id}: {unknown_name('source', row.source, file.sources)}"
            )
    return file


def load_devices() -> dict[str, Device]:
    """Return the device of every machine, by the machine's name."""
    file = validate(DeviceFile, read(FOLDER / "devices.yaml"))
    return {machine: device for device in file.devices.values() for machine in device.machines}


def scenario_of(row: Row) -> Scenario:
    """Return the scenario of a row."""
    asked = row.scenario
    rest = {key: asked[key] for key in ("batch", "lm_head") if key in asked}
    if "decode" in asked:
        return Scenario("decode", context=asked["decode"], **rest)
    if "prefill" in asked:
        return Scenario("prefill", tokens=asked["prefill"], **rest)
    return Scenario("request", tokens=asked["prompt"], generate=asked["generate"], **rest)


def peak(device: Device, scheme: Scheme) -> float:
    """Return the dense peak rate of the operands of a scheme, MAC/s.

    A device without a rate for these operands computes them as FP16, or else as FP32.
    """
    activation = scheme.linear.activation_format
    name = "int8" if activation.kind is Kind.INTEGER else activation.name.partition("-")[0]
    for pair in (f"{name}x{name}", "int8xternary", "fp16xfp16", "fp32xfp32"):
        if pair in device.peak_mac_per_s:
            return device.peak_mac_per_s[pair]
    raise InputError(f"{device.name}: no peak rate for {name} operands")


def predict(row: Row, device: Device) -> float:
    """Return the quantity of a row as a machine with the device's data sheet gives it."""
    if device.bandwidth_bytes_per_s is None:
        raise InputError(f"{device.name}: no DRAM bandwidth, on which the prediction rests")
    scheme, scenario = load_scheme(row.scheme), scenario_of(row)
    machine = Machine(
        name=row.machine, rows=1, lanes=1, tokens=1 << 20, clock_hz=peak(device, scheme),
        activation_buffer_bytes=1 << 40, weight_buffer_bytes=1, dram="HBM2",
        bandwidth_bytes_per_s=device.bandwidth_bytes_per_s,
    )  # fmt: skip
    time = timing(lower(load_model(row.model), scenario, scheme, machine))
    if row.quantity == "tokens_per_s":
        return 1 / time.seconds
    if row.quantity == "prefill_tokens_per_s":
        return scenario.tokens / time.seconds
    if row.quantity == "time_to_first_token_s":
        return time.seconds
    return scenario.new_tokens / time.seconds


def kind_of(row: Row) -> str:
    """Return the class of a row in the summary."""
    if "decode" not in row.scenario:
        return "batched requests" if row.scenario.get("batch", 1) > 1 else "prefill and requests"
    weight = load_scheme(row.scheme).linear.weight_format
    few = weight.add_only or (weight.kind is Kind.INTEGER and weight.bits <= 3)
    return "decode, ternary, binary and 2-bit" if few else "decode, floats, INT8 and INT4"


def compare(_published: Published) -> Findings:
    """Predict every speed, and sum the factors up by class."""
    file, devices = load_rows(), load_devices()
    factors: dict[str, list[float]] = {}
    rows: list[tuple[str | float | int, ...]] = []
    left_out: dict[str, int] = {}

    def leave_out(why: str) -> None:
        left_out[why] = left_out.get(why, 0) + 1

    for row in file.rows:
        device = devices[row.machine]
        if row.quantity in ("energy_per_token_j", "power_w"):
            leave_out("energies and powers, which depend on a boundary")
        elif row.model not in catalogue.names("models"):
            leave_out("models that the catalogue lacks")
        elif device.bandwidth_bytes_per_s is None:
            leave_out("machines without a published DRAM bandwidth")
        else:
            ours = predict(row, device)
            seconds = row.quantity == "time_to_first_token_s"
            factor = row.value / ours if seconds else ours / row.value
            factors.setdefault(kind_of(row), []).append(factor)
            rows.append((row.id, row.machine, row.scheme, row.quantity, row.value, ours, factor))
    summary = [
        (kind, len(found), median(found), min(found), max(found))
        for kind, found in sorted(factors.items())
    ]
    tables = [
        Table(
            "Predicted over published speed, by class",
            ("class", "rows", "median", "least", "most"),
            summary,
        ),
        Table(
            "Every row",
            ("row", "machine", "scheme", "quantity", "published", "ours", "speed ratio"),
            rows,
        ),
        Table(
            "Sources",
            ("key", "title", "where", "read"),
            [
                (key, source.title, source.where, "yes" if source.read else "no: second-hand")
                for key, source in file.sources.items()
            ],
        ),
    ]
    notes = [
        "From the data sheet alone, decoding is a bound by DRAM bandwidth, and prefill a bound by "
        "peak arithmetic. Both are upper bounds on speed but for the assumed 70 percent of the "
        "DRAM bandwidth, which some machines exceed.",
        "Ternary, binary and 2-bit weights fall furthest short of it: unpacking them and launching "
        "kernels take time that bytes do not show.",
        "Left out: " + "; ".join(f"{n} rows of {why}" for why, n in left_out.items()) + ".",
    ]
    return Findings([], tables, notes)


if __name__ == "__main__":
    sys.exit(run(__file__, __doc__, compare))
