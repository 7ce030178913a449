"""A changed copy of a record is validated and leaves the original as it was."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import pytest

import bitnet_hw
from bitnet_hw.errors import InputError
from bitnet_hw.files.records import Record
from bitnet_hw.inputs import catalogue
from bitnet_hw.inputs.machine import Machine, load_machine
from bitnet_hw.inputs.model import ModelSpec, load_model
from bitnet_hw.inputs.scheme import Scheme, load_scheme
from bitnet_hw.prices.loading import load_dram_prices, load_expansions, load_table
from bitnet_hw.prices.tables import EnergyTable

#: One array for every format, with two buffers and LPDDR4.
LPDDR4 = Path(__file__).parents[1] / "data" / "machines" / "lpddr4.yaml"


def _use(record: Record) -> None:
    """Ask a record for everything that it could cache."""
    if isinstance(record, Scheme):
        for role in ("qkv", "attention-out", "ffn-gate", "ffn-up", "ffn-down", "lm-head"):
            _use(record.formats(role))
        _use(record.attention)
    if isinstance(record, EnergyTable):
        for operation, form in (("add", "int8"), ("mul", "fp16"), ("add", "int13")):
            record.price(operation, form)  # type: ignore[arg-type]  # operations
        record.sram_price(1 << 20)
    for name in dir(type(record)):
        if isinstance(getattr(type(record), name), property) and not name.startswith("_"):
            getattr(record, name)


#: Kind -> the record, and a change that is valid.
RECORDS: dict[str, tuple[Record, dict[str, Any]]] = {
    "Scheme": (load_scheme("w8a8"), {"linear": load_scheme("fp16").linear}),
    "Scheme with overrides": (load_scheme("bitnet-a4.8"), {"linear": load_scheme("w8a8").linear,
                                                           "overrides": {}}),
    "LinearFormats": (load_scheme("w8a8").linear, {"activation_max": 128}),
    "AttentionFormats": (load_scheme("w8a8").attention, {"kv_cache": "int8"}),
    "LinearOverride": (load_scheme("bitnet-a4.8").overrides["ffn-down"], {"activation": "int4"}),
    "ModelSpec": (load_model("bitnet-b1.58-2b4t"), {"hidden_size": 5120, "head_dim": 256}),
    "Machine": (load_machine("edge"), {"weight_zero_saving": 0.3, "hypothetical": False}),
    "Machine with units": (load_machine("edge"), {"units": load_machine("server").units}),
    "Unit": (load_machine("edge").units[0], {"lanes": 64, "rows": 8}),
    "Memory": (load_machine("edge").main_memory, {"kind": "HBM2", "capacity_bytes": None}),
    "Figure": (load_machine("edge").overlap, {"value": 0.5, "low": 0.4}),
    "EnergyTable": (load_table("7nm"), {"name": "mine", "title": "Mine"}),
    "OperationEntry": (load_table("7nm").operations[0], {"pj": 5.0, "low_pj": None}),
    "Expansions": (load_expansions(), {"title": "mine"}),
    "DramPrices": (load_dram_prices(), {"title": "mine"}),
}  # fmt: skip


def _plain(value: Any) -> Any:
    """Return what a file would say: records as mappings."""
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return value.model_dump(exclude_unset=True) if isinstance(value, Record) else value


@pytest.mark.parametrize("kind", RECORDS)
def test_a_copy_is_as_if_made_from_scratch_and_the_original_stays(kind: str) -> None:
    record, changes = RECORDS[kind]
    _use(record)
    before, twin = record.model_dump(by_alias=True), copy.deepcopy(record)
    changed = record.replace(**changes)
    _use(changed)

    plain = {k: _plain(v) for k, v in changes.items()}
    scratch = type(record).model_validate(
        record.model_dump(by_alias=True, exclude_unset=True) | plain
    )
    assert changed == scratch
    assert changed.model_dump() == scratch.model_dump()
    for name, value in changes.items():
        assert getattr(changed, name) == value
    assert record == twin
    assert record.model_dump(by_alias=True) == before
    assert record.replace(**changes) == changed
    assert record.model_copy() == record


def test_the_catalogue_stays_as_it_is_on_disk() -> None:
    for kind, load in (("schemes", load_scheme), ("machines", load_machine)):
        for name in catalogue.names(kind):
            shipped = load(name)
            _use(shipped)
            assert load(catalogue.path_of(kind, name)) == shipped
            assert load(name) is shipped


def test_a_variant_of_a_scheme_does_not_change_its_estimate() -> None:
    model, table, machine = load_model("bitnet-b1.58-2b4t"), load_table("7nm"), load_machine(LPDDR4)
    w8a8, fp16 = load_scheme("w8a8"), load_scheme("fp16")

    def energy(scheme: Scheme) -> float:
        return bitnet_hw.estimate(model, scheme, table, machine=machine).energy.value

    # 1 MiB of on-chip memory keeps 0.04 to 0.1 percent of the weights, so that 0.26 mJ of DRAM
    # traffic are less than if all of them were read.
    assert energy(w8a8) == pytest.approx(0.2611, rel=2e-3)
    w8a8.formats("qkv")
    variant = w8a8.replace(linear=fp16.linear)
    assert variant.formats("qkv").weight_format.name == "fp16"
    assert variant.formats("qkv").stored.name == "fp16"
    assert energy(variant) == pytest.approx(0.4494, rel=2e-3)
    assert w8a8.replace(linear=fp16.linear) == variant
    assert load_scheme("w8a8") is w8a8
    assert energy(load_scheme("w8a8")) == energy(w8a8)


def test_roles_follow_the_changed_formats() -> None:
    a48 = load_scheme("bitnet-a4.8")
    assert a48.formats("ffn-down").activation == "int8"
    wide = a48.replace(linear=a48.linear.replace(activation="int16"), overrides={})
    assert {wide.formats(role).activation for role in ("qkv", "ffn-down")} == {"int16"}
    assert a48.formats("qkv").activation == "int4"


def test_derived_dimensions_are_derived_anew() -> None:
    small = ModelSpec(
        name="small", hidden_size=64, num_hidden_layers=3, num_attention_heads=4,
        intermediate_size=96, gated=True, activation="silu", vocab_size=100,
        tie_word_embeddings=False,
    )  # fmt: skip
    wide = small.replace(hidden_size=128, num_attention_heads=8)
    assert (wide.embedding_size, wide.num_key_value_heads, wide.head_dim) == (128, 8, 16)
    assert small.replace(head_dim=24).replace(hidden_size=128).head_dim == 24


@pytest.mark.parametrize(
    ("record", "changes", "message"),
    [
        (load_machine().units[0], {"lanes": 0},
         "Unit ternary-array: lanes: must be greater than 0, found 0"),
        (load_machine().units[0], {"lane": 8},
         "Unit ternary-array: unknown key 'lane'; did you mean 'lanes'?"),
        (load_machine().units[0], {"rows": "8"},
         "Unit ternary-array: rows: must be an integer, found '8'"),
        (load_machine(), {"overlap": {"value": 2, "assumed": "no reason"}},
         "Machine edge: overlap.value: must be at most 1, found 2"),
        (load_machine(), {"overlap": {"value": 0.5, "source": "a-paper"}},
         "Machine edge: overlap: source 'a-paper' is not under sources"),
        (load_machine(), {"memories": load_machine().memories[:2]},
         "Machine edge: memories: none holds embedding"),
        (load_machine().main_memory, {"bandwidth_bytes_per_s": {"value": 1e9}},
         "Memory dram: bandwidth_bytes_per_s.value: 1e+09 needs its basis beside it"),
        (load_scheme("w8a8"), {"linear": {"weight": "int8"}},
         "Scheme w8a8: linear: key 'activation' is missing"),
        (load_scheme("w8a8"), {"overrides": {"qkv": {"weight": "fp16"}}},
         "Scheme w8a8: overrides.qkv: codec int8 cannot store fp16 weights"),
        (load_scheme("w8a8"), {"overrides": {"qkv": {"weight": None}}},
         "Scheme w8a8: overrides.qkv.weight: must not be null"),
        (load_scheme("w8a8").linear, {"codec": "int9"},
         "LinearFormats: codec: unknown codec 'int9'"),
        (load_model("gpt2"), {"num_attention_heads": 5},
         "ModelSpec gpt2: num_attention_heads: 5 heads do not divide hidden_size 768"),
        (load_table("7nm"), {"schema_version": 2},
         "Table jouppi-2021-7nm: schema: must be 1, found 2"),
    ],
)  # fmt: skip
def test_a_wrong_change_names_record_and_key(
    record: Record, changes: dict[str, Any], message: str
) -> None:
    before = record.model_dump()
    for change in (record.replace, lambda **new: record.model_copy(update=new)):
        with pytest.raises(InputError) as caught:
            change(**changes)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)
    assert record.model_dump() == before


def test_nothing_is_changed_in_place() -> None:
    machine: Machine = load_machine()
    unit = machine.units[0]
    with pytest.raises(AttributeError, match="Machine cannot be changed"):
        machine.units = ()  # type: ignore[misc]  # what is asserted
    with pytest.raises(AttributeError, match="Unit cannot be changed"):
        unit.rows = 3  # type: ignore[misc]  # what is asserted
    assert machine.units[0] is unit
    assert unit.rows == 32


def test_the_containers_of_a_record_cannot_be_changed() -> None:
    """A change in place would reach the catalogue, and so the rest of the process."""
    scheme, table = load_scheme("bitnet-a4.8"), load_table("7nm")
    for container in (scheme.overrides, table.sources):
        with pytest.raises(TypeError, match="cannot be changed"):
            container.clear()
        with pytest.raises(TypeError, match="cannot be changed"):
            container["x"] = None  # type: ignore[index]  # as a user might
    assert load_scheme("bitnet-a4.8").overrides
    assert copy.deepcopy(scheme) == scheme
    assert pickle.loads(pickle.dumps(scheme)) == scheme  # noqa: S301  our own bytes
