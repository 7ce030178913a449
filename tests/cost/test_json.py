"""JSON output of counts and estimates, compared with its schemas."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from bitnet_hw.cost.estimates import Estimate
from bitnet_hw.inputs.model import load_model
from bitnet_hw.inputs.scenario import Scenario

from .small import ALL, NAMES, estimate_small

SCHEMAS = Path(__file__).parents[2] / "docs" / "schema"


def _schema(name: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((SCHEMAS / name).read_text("utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    return schema


@pytest.mark.parametrize("found", ALL, ids=lambda e: f"{e.scheme.name}-{e.scenario.phase}")
def test_json_follows_its_schema(found: Estimate) -> None:
    data = json.loads(json.dumps(found.as_dict(), allow_nan=False))
    jsonschema.validate(data, _schema("estimate-3.json"), jsonschema.Draft202012Validator)


@pytest.mark.parametrize("name", ["estimate-3.json", "count-2.json"])
def test_schemas_describe_every_field_and_allow_no_other(name: str) -> None:
    def visit(schema: dict[str, Any]) -> None:
        assert not schema.get("properties") or schema["additionalProperties"] is False
        for key, child in schema.get("properties", {}).items():
            assert child.get("description"), key
            visit(child)
        for child in schema.get("oneOf", []):
            visit(child)
        visit(schema["items"]) if "items" in schema else None

    schema = _schema(name)
    visit(schema)
    # The command alone adds these keys, so that the schema does not require them.
    with_equal = schema.get("dependentRequired", {"equal": []})["equal"]
    optional = {"largest_batch", "equal", *with_equal}
    assert schema["required"] == [key for key in schema["properties"] if key not in optional]
    for key in schema["properties"]:
        unit = {"_j": " J", "_s": "s", "_bytes": " bytes"}.get(f"_{key.rpartition('_')[2]}", "")
        assert unit in schema["properties"][key]["description"], key


def test_json_has_the_promised_keys() -> None:
    promised = {
        "schema", "model", "scheme", "energy_table", "convention", "scenario", "macs", "energy_j",
        "energy_low_j", "energy_high_j", "mul_j", "add_j", "other_j", "memory_j", "static_j",
        "derived_share", "latency_s", "bound_by", "weight_bytes", "lm_head_bytes",
        "embedding_bytes", "kv_bytes", "boundary", "fits", "excess_bytes", "mean_power_w",
        "busy_s", "unpacking_j", "speed_error", "energy_error", "hypothetical",
    }  # fmt: skip
    assert promised <= ALL[0].as_dict().keys()


def test_json_of_2b4t_has_the_known_values() -> None:
    data = estimate_small(
        scenario=Scenario("decode", context=2048), model=load_model("bitnet-b1.58-2b4t")
    ).as_dict()
    assert data["scenario"] == {
        "phase": "decode", "context": 2048, "batch": 1, "attention": "causal", "lm_head": "last",
    }  # fmt: skip
    assert (data["schema"], data["energy_table"], data["convention"]) == (3, "7nm", "system")
    assert data["macs"] == 2_726_952_960  # torch's FlopCounterMode
    assert (data["machine"], data["static_j"], data["fits"]) == ("lpddr4", None, True)
    assert data["boundary"] == "chip and DRAM"
    assert data["lm_head_bytes"] == 0
    assert data["embedding_bytes"] == 656_670_720
    assert data["kv_bytes"] == 157_286_400
    assert round(data["weight_bytes"] / 1e6) == 521


@pytest.mark.parametrize("convention", ["system", "paper"])
@pytest.mark.parametrize("name", NAMES)
def test_the_count_command_follows_its_schema(
    run: Callable[..., Any], name: str, convention: str
) -> None:
    args = ("bitnet-125m", "--scheme", name, "--convention", convention, "--prefill", 64, "--json")
    data = json.loads(run("count", *args).out)
    jsonschema.validate(data, _schema("count-2.json"), jsonschema.Draft202012Validator)
    assert sum(data["macs_by_role"].values()) == data["macs"]
    muls, adds = (
        sum(row["count"] for row in data["rows"] if row["operation"] in operations)
        for operations in (("mul",), ("add", "ternary-add"))
    )
    assert (data["multiplications"], data["additions"]) == (muls, adds)
    ternary_or_binary = name.startswith(("bitnet", "ternary")) or name in ("q2_0", "q1_0")
    assert (data["add_only"] is not None) == ternary_or_binary


def test_the_estimate_command_follows_its_schema(run: Callable[..., Any]) -> None:
    request = ("--prompt", 64, "--generate", 8, "--batch", 2)
    names = ("--scheme", ",".join(NAMES), "--energy-table", "7nm,45nm")
    data = json.loads(run("estimate", "bitnet-125m", *names, *request, "--json").out)
    assert len(data) == 2 * len(NAMES)
    for one in data:
        jsonschema.validate(one, _schema("estimate-3.json"), jsonschema.Draft202012Validator)
        assert one["largest_batch"] > 0
