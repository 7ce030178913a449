"""Speeds and energies that others measured, compared with the cost model.

Every row of validation/rows.yaml is predicted by machines that were fitted to the other rows
(analyses/fit_machines.py): related machines share what their own rows do not determine, as
validation/pools.yaml says, and no row has a parameter of its own. A value of the class `calibrated`
is predicted with other rows of its machine, one of the class `family` with those of machines that
have the same software or are of the same generation, and one of the class `blind` without any of
these. The second table leaves out all rows of a machine at once, as for a machine that nobody has
measured. Published energies from which a power of the machine was taken are not compared.

The fit is repeated here. Tolerance: the recorded predictions (validation/results.yaml) and the
figures of the shipped machines must agree with it within 1 percent. How far predictions and
published values are apart has no tolerance: the tables show it.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Sequence

from analysis import run
from bitnet_hw.calibration.families import FamilyFit, LeftOut
from bitnet_hw.calibration.pools import load_pools
from bitnet_hw.calibration.rows import MEASUREMENTS, load_rows
from bitnet_hw.calibration.validation import Result, load_results
from bitnet_hw.errors import ToolMissingError
from bitnet_hw.inputs import catalogue
from bitnet_hw.inputs.machine import Machine, load_machine
from bitnet_hw.inputs.track_record import Entry
from bitnet_hw.validation import POOLS, ROWS
from comparison import Chart, Comparison, Findings, Point, Published, Table, Tolerance
from fit_machines import rows_to_fit, track_record

SAME = Tolerance("relative", 0.01)
#: Work and class -> factors that the errors of speeds should stay below: in the median, at worst.
AIMS = {
    ("decode, wide weights", "calibrated"): (1.10, 1.35),
    ("decode, wide weights", "family"): (1.2, 1.4),
    ("decode, narrow weights", "calibrated"): (1.12, 1.65),
    ("decode, narrow weights", "family"): (1.4, 1.8),
    ("prefill", "calibrated"): (1.15, 1.5),
    ("batched requests", "calibrated"): (1.12, 1.3),
}
#: Factor beyond which a prediction counts as not explained.
UNEXPLAINED = 1.5

#: Row -> what is known about a prediction that is far off.
WHY = {
    "tellme1-kv260": "the array's rate is that of the published prefill; in decode, most of it "
    "seems to stay idle, which the abstract does not explain",
    "tereffic-onchip": "lanes, clock and number of cards were not read; one card's bandwidth is an "
    "upper bound",
    "3060-2b4t-bf16": "eager PyTorch spends about a millisecond per layer on the host, unlike "
    "every other machine in the rows",
    "vllm-gemma2-2b-64-64": "overhead per layer of vLLM in 2025, for which there is no second row",
    "orin-gpu-llama-cpp-7b-w2": "unpacking of Q2_K on this GPU is slower than that of any codec "
    "elsewhere",
    "orin-cpu-12-t-mac-bitnet-b1.58-3b": "the bandwidth that the CPU clusters can draw was "
    "not looked up",
    "pi5-2-t-mac-bitnet-b1.58-3b": "two slow cores overlap their lookups with the DRAM; the model "
    "adds the two",
    "pp-a100-80gb-pcie-llama-cpp-2023-7b-fp16": "llama.cpp of 2023 reached a quarter of the A100's "
    "FP16 peak in prefill, a smaller share than of any other card's",
    "4090-pp-qwen3-8b-fp16": "0.44 of the peak rate with FP16 accumulation",
    "b158-bitnet-b1.58-700m-fp16": "the paper's own kernels take 11 us per layer, less than half "
    "of any other software; the context is assumed",
    "b158-bitnet-b1.58-1.3b-ternary-2bit": "as for the 700M model of the same table",
    "b158-bitnet-b1.58-3b-ternary-2bit": "as for the 700M model of the same table",
    "gtx-1080-ti-llama-cpp-2026-qwen3-1.7b-q2_0": "a Pascal card, whose layers take three times as "
    "long as those of the two Ada cards with the same software",
    "gtx-1080-ti-llama-cpp-2026-qwen3-8b-q2_0": "as for the 1.7B model",
    "rtx-4070-ti-super-llama-cpp-2026-qwen3-1.7b-q2_0": "the slow layers of the GTX 1080 Ti weigh "
    "too much where it is one of two relatives",
    "4090-qwen3-8b-q1_0": "as for the RTX 4070 Ti SUPER",
    "orin-cpu-llama-cpp-7b-w2": "one of two machines with Q2_K; the other is a GPU",
    "5950x-2b4t": "no relative has a measured power",
    "survey-qwen2.5-1.5b-fp16": "no relative has a measured power",
    "4090-energy-qwen3-8b-fp16": "no relative has a measured power",
    "4090-energy-qwen3-8b-q1_0": "no relative has a measured power",
    "m4pro-energy-qwen3-8b-mlx-ternary-g128": "the one relative has no energy of packed weights",
    "m4pro-energy-qwen3-1.7b-mlx-ternary-g128": "as for the 8B model",
    "trt-ttft-a100-80gb-tensorrt-llm-2048": "the one relative reaches half of its FP8 peak, an "
    "A100 most of its FP16 peak",
    "survey-pp-qwen2.5-1.5b-fp16": "the one relative has no prefill",
    "survey-pp-qwen2.5-1.5b-q4_0": "no second row shows the share of the INT8 peak that llama.cpp "
    "reaches on a CPU",
}


def _scaled(each: LeftOut) -> tuple[float, float]:
    """Return published and predicted value, times turned into speeds."""
    published, predicted = each.value.published, each.predicted
    if each.value.quantity == "time_to_first_token_s":
        tokens = each.value.scenario.tokens
        return tokens / published, tokens / predicted
    return published, predicted


def _chart(title: str, unit: str, found: Iterable[LeftOut], by_status: bool) -> Chart:
    points = [
        Point(*_scaled(each), each.status if by_status else each.value.work, each.value.row.id)
        for each in found
    ]
    return Chart(title, unit, points)


def _errors(title: str, entries: Sequence[Entry]) -> Table:
    columns = (
        "work", "of", "class", "values", "off by, median", "off by, worst", "aim", "median",
        "10 %", "90 %", "machines",
    )  # fmt: skip
    rows = [
        (
            e.work, e.quantity, e.status, e.rows, e.typical_factor, e.worst_factor,
            _against_aim(e), e.median, e.low, e.high, e.machines,
        )
        for e in entries
    ]  # fmt: skip
    return Table(title, columns, rows)


def _against_aim(entry: Entry) -> str:
    """Return the aim of a class, and whether its errors stay below it."""
    aim = AIMS.get((entry.work, entry.status)) if entry.quantity == "speed" else None
    if aim is None:
        return "none"
    missed = [
        name
        for name, factor, limit in (
            ("median", entry.typical_factor, aim[0]), ("worst", entry.worst_factor, aim[1]),
        )
        if factor > limit
    ]  # fmt: skip
    return f"{aim[0]:g} and {aim[1]:g}: " + (f"missed in {', '.join(missed)}" if missed else "met")


def _unexplained(title: str, found: Sequence[LeftOut]) -> Table:
    """Return the predictions that are far off, the farthest first, with what is known."""
    columns = (
        "row", "quantity", "class", "published", "predicted", "predicted over published",
        "what is known",
    )  # fmt: skip
    rows = [
        (
            each.value.row.id, each.value.quantity, each.status, each.value.published,
            each.predicted, each.predicted / each.value.published,
            WHY.get(each.value.row.id, "nothing"),
        )
        for each in sorted(found, key=_factor, reverse=True)
        if _factor(each) > UNEXPLAINED
    ]  # fmt: skip
    return Table(f"{title}: off by more than {UNEXPLAINED:g}", columns, rows)


def _recorded(found: Sequence[LeftOut], results: Sequence[Result], what: str) -> list[Comparison]:
    by_key = {(result.id, result.quantity): result.predicted for result in results}
    return [
        Comparison(
            f"{each.value.row.id}, {each.value.quantity}, {what}",
            f"{by_key[each.value.row.id, each.value.quantity]:g}", each.predicted,
            "in its unit", "validation/results.yaml", SAME,
        )
        for each in found
    ]  # fmt: skip


def _drift(machine: Machine, fit: FamilyFit) -> float:
    """Return the largest factor between a shipped figure and its refit."""
    shipped = dict(machine.figures())
    return max(
        (
            math.exp(abs(math.log(figure.value / shipped[path].value)))
            for path, figure in fit.figures(machine).items()
        ),
        default=1.0,
    )


def compare(_published: Published) -> Findings:
    """Repeat the fit, leave out every row and every machine, and summarise the errors."""
    try:
        fit = FamilyFit(rows_to_fit(), load_pools(POOLS))
    except ToolMissingError as error:
        raise ToolMissingError(f"{error}, which this analysis needs") from None
    rows, machines = fit.left_out(), fit.machines_left_out()
    results = load_results()
    comparisons = [
        *_recorded(rows, results.rows, "row left out"),
        *_recorded(machines, results.machines, "machine left out"),
        *(
            Comparison(f"figures of {name}", "1", _drift(load_machine(name), fit), "x",
                       "its machine file", SAME)
            for name in catalogue.names("machines")
        ),
    ]  # fmt: skip
    speeds = [each for each in rows if each.value.kind == "speed"]
    energies = [each for each in rows if each.value.quantity == "energy_per_token_j"]
    charts = [
        _chart("Speed, its row left out", "tokens per second", speeds, by_status=False),
        _chart("Energy, its row left out", "J per token", energies, by_status=True),
    ]
    tables = [
        _errors("Errors of predictions by class: predicted over published", track_record(rows, [])),
        _errors("The same with every row of a machine left out", track_record([], machines)),
        _unexplained("Not explained, its row left out", rows),
        _unexplained("Not explained, its machine left out", machines),
        Table(
            "Every value, its row left out",
            ("row", "machine", "weights", "quantity", "class", "published", "predicted",
             "predicted over published"),
            [
                (each.value.row.id, each.value.machine.name, each.value.scheme.name,
                 each.value.quantity, each.status, each.value.published, each.predicted,
                 each.predicted / each.value.published)
                for each in sorted(rows, key=lambda e: MEASUREMENTS.index(e.value.quantity))
            ],
        ),
        Table(
            "Sources",
            ("key", "title", "where", "read"),
            [
                (key, source.title, source.where, "yes" if source.read else "no: second-hand")
                for key, source in load_rows(ROWS).sources.items()
            ],
        ),
    ]  # fmt: skip
    notes = [
        "A machine without rows of its own is predicted as well as its relatives allow: within one "
        "software stack the errors are small; across stacks, the time per layer alone differs by a "
        "factor of 90.",
        "Seconds per layer and seconds per weight trade against each other. Machine files say with "
        "an interval, or `not identified`, how far the rows tell them apart.",
        "The spreads of validation/pools.yaml were chosen with all rows at hand, so that the "
        "errors of rows left out are slightly better than those of rows never seen.",
    ]
    return Findings(comparisons, tables, notes, charts, reference="recorded")


def _factor(each: LeftOut) -> float:
    ratio = each.predicted / each.value.published
    return max(ratio, 1 / ratio)


if __name__ == "__main__":
    sys.exit(run(__file__, __doc__, compare))
