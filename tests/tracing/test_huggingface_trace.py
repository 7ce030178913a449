"""Traces of Hugging Face models agree with FlopCounterMode and closed form; BitNet is ternary."""

from __future__ import annotations

import inspect
import json
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
pytest.importorskip("transformers", reason="transformers is not installed")

with warnings.catch_warnings():
    # Its lazy imports reach modules that warn of their own deprecation.
    warnings.simplefilter("ignore")
    import transformers
    from transformers.integrations import bitnet as bitnet_layers

import bitnet_hw  # noqa: E402  torch may be missing

ORACLE = json.loads(
    (Path(__file__).parent.parent / "data" / "flop_counter_mode_macs.json").read_text()
)
#: Small enough for a CPU, with grouped queries and a gated FFN.
SMALL = {
    "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 128, "max_position_embeddings": 64,
    "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0,
}  # fmt: skip
BATCH, TOKENS = 2, 6
MACS_BEHIND_HEAD = SMALL["hidden_size"] * SMALL["vocab_size"]

pytestmark = pytest.mark.filterwarnings(
    # torch's and transformers' own modules, not ours
    "ignore::DeprecationWarning:torch.*", "ignore::FutureWarning:transformers.*",
)  # fmt: skip


@pytest.fixture(autouse=True)
def _eager_helpers() -> Iterator[None]:
    """Run the compiled helpers of transformers' BitNet uncompiled, also without a trace."""
    with torch.compiler.set_stance("force_eager"):
        yield


@cache
def meta_model(name: str, attention: str) -> Any:
    entry = ORACLE["configs"][name]
    cls = getattr(transformers, entry["class"])
    config = cls.config_class(**entry["config"])
    with torch.device("meta"):
        return cls._from_config(config, attn_implementation=attention).eval()


def cache_argument(model: Any) -> str:
    """Return the name of the argument that takes a KV cache: transformers 5.24 renamed it."""
    names = inspect.signature(model.forward).parameters
    (found,) = {"cache", "past_key_values"} & names.keys()
    return found


@pytest.mark.parametrize("row", ORACLE["rows"], ids=lambda row: "-".join(map(str, row[:5])))
def test_macs_are_those_of_flop_counter_mode(row: list[Any]) -> None:
    name, attention, batch, new, past, macs, by_module = row
    model = meta_model(name, attention)
    options: dict[str, Any] = {"use_cache": False}
    with torch.device("meta"):
        ids = torch.zeros((batch, new), dtype=torch.long)
        options["attention_mask"] = torch.zeros((batch, 1, new, new + past))
        options["position_ids"] = torch.zeros((batch, new), dtype=torch.long)
        if past:
            config = model.config
            heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
            width = getattr(config, "head_dim", None)
            width = width or config.hidden_size // config.num_attention_heads
            cache_of = transformers.DynamicCache()
            for layer in range(config.num_hidden_layers):
                kept = torch.zeros((batch, heads, past, width))
                cache_of.update(kept, kept.clone(), layer)
            options |= {cache_argument(model): cache_of, "use_cache": True}
    with torch.no_grad(), bitnet_hw.trace(model, strict=True) as tally:
        model(ids, **options)
    assert tally.macs == macs
    if by_module:
        found: dict[str, int] = {}
        for key, count in tally.mac_counts.items():
            parts = ["*" if part.isdigit() else part for part in key.scope.split(".")]
            module = ".".join(parts)
            found[module] = found.get(module, 0) + count
        assert found == dict(zip(ORACLE["configs"][name]["modules"], by_module, strict=True))


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_llama_agrees_with_closed_form(attention: str, dtype: Any, tmp_path: Path) -> None:
    torch.manual_seed(0)
    config = transformers.LlamaConfig(**SMALL, attn_implementation=attention)
    model = transformers.LlamaForCausalLM(config).to(dtype).eval()
    ids = torch.randint(3, 128, (BATCH, TOKENS))
    with torch.no_grad():
        expected = model(ids).logits
        with bitnet_hw.trace(model, strict=True) as tally:
            found = model(ids).logits
    assert torch.equal(found, expected)
    assert not tally.add_only.executed_adder_slots
    config.architectures = ["LlamaForCausalLM"]
    config.save_pretrained(tmp_path)
    spec = bitnet_hw.load_model(str(tmp_path))
    scenario = bitnet_hw.Scenario(
        "prefill", tokens=TOKENS, batch=BATCH, attention="full", lm_head="all"
    )
    scheme = bitnet_hw.load_scheme("fp32" if dtype is torch.float32 else "bf16")
    closed = bitnet_hw.count(spec, scenario, scheme)
    assert tally.macs_by_role() == closed.macs_by_role()
    roles = {"qkv", "attention-out", "ffn-gate", "ffn-up", "ffn-down", "lm-head"}
    roles |= {"attention-score", "attention-value"}

    def products(counts: Any) -> dict[Any, int]:
        by = counts.by("role", "operation", "format", "accumulator")
        return {key: count for key, count in by.items() if key[0] in roles}

    assert products(tally) == products(closed)


def ternary_model(kind: str, dtype: Any) -> tuple[Any, dict[str, Any]]:
    """Build a BitNet whose stored weights are known, and return those by module path."""
    torch.manual_seed(1)
    linear, mode = kind.split("-")
    model = transformers.BitNetForCausalLM(transformers.BitNetConfig(**SMALL)).to(dtype).eval()
    quantization = transformers.BitNetQuantConfig(linear_class=linear, quantization_mode=mode)
    bitnet_layers.replace_with_bitnet_linear(model, ["lm_head"], quantization)
    known = {}
    for path, module in model.named_modules():
        if not isinstance(module, bitnet_layers.BitLinear | bitnet_layers.AutoBitLinear):
            continue
        codes = torch.randint(-1, 2, (module.out_features, module.in_features))
        codes[1, 1:] = 0  # one term, and no addition
        codes[2] = 0
        known[path] = codes
        scale = torch.full((1,), 0.037, dtype=dtype)
        if mode == "offline":
            module.weight_scale = torch.nn.Buffer(1 / scale if linear == "bitlinear" else scale)
        if linear == "bitlinear":
            module.weight = torch.nn.Buffer(bitnet_layers.pack_weights(codes.clone()))
        else:
            stored = codes * 0.037 if mode == "online" else codes
            module.weight = torch.nn.Parameter(stored.to(dtype))
    return model, known


@pytest.mark.parametrize(
    "kind", ["bitlinear-offline", "autobitlinear-online", "autobitlinear-offline"]
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_bitnet_with_known_zeros(kind: str, dtype: Any) -> None:
    model, known = ternary_model(kind, dtype)
    ids = torch.randint(3, 128, (BATCH, TOKENS))
    with torch.no_grad():
        expected = model(ids).logits
        with bitnet_hw.trace(model, strict=True) as tally:
            found = model(ids).logits
    assert torch.equal(found, expected)
    tokens = BATCH * TOKENS
    non_zeros = {path: (codes != 0).sum(dim=1) for path, codes in known.items()}
    additions = {key.scope: n for key, n in tally.counts.items() if key.operation == "ternary-add"}
    assert additions == {
        path: tokens * int((n - 1).clamp(min=0).sum()) for path, n in non_zeros.items()
    }
    terms = tokens * sum(int(n.sum()) for n in non_zeros.values())
    assert tally.add_only.non_zero_terms == terms
    # Both kinds of linear work at 8 bits, the LM head and attention in the model's own format.
    formats = {(mac.role, mac.activation, mac.weight) for mac in tally.mac_counts}
    assert {formats_of[1:] for formats_of in formats if formats_of[0] == "qkv"} == {
        ("int8", "ternary")
    }
    own = "fp32" if dtype is torch.float32 else "bf16"
    assert ("lm-head", own, own) in formats
    assert ("attention-score", own, own) in formats
    rounds = {key.side for key in tally.weight_work.counts if key.operation in ("round", "bit")}
    assert rounds == {"weight"}
    assert tally.total("bit") == 0
    assert bool(tally.weight_work.total("bit")) == (kind == "bitlinear-offline")


def test_ternary_additions_are_the_closed_forms_where_zeros_are_spread_evenly(
    tmp_path: Path,
) -> None:
    model, known = ternary_model("autobitlinear-offline", torch.float32)
    for path in known:
        weight = model.get_submodule(path).weight
        row = torch.tensor([1.0, -1.0, 0.0, 1.0]).repeat(weight.shape[1] // 4)
        with torch.no_grad():
            for target in weight:
                target.copy_(row[torch.randperm(len(row))])
    ids = torch.randint(3, 128, (BATCH, TOKENS))
    with torch.no_grad(), bitnet_hw.trace(model, strict=True) as tally:
        model(ids)
    model.config.architectures = ["BitNetForCausalLM"]
    model.config.save_pretrained(tmp_path)
    scenario = bitnet_hw.Scenario(
        "prefill", tokens=TOKENS, batch=BATCH, attention="full", lm_head="all"
    )
    scheme = bitnet_hw.load_scheme("bitnet-b1.58").with_weight_zeros(0.25)
    spec = bitnet_hw.load_model(str(tmp_path))
    closed = bitnet_hw.count(spec, scenario, scheme)
    assert tally.macs_by_role() == closed.macs_by_role()
    assert tally.add_only.logical_additions == closed.add_only.logical_additions
    assert tally.add_only.non_zero_terms == closed.add_only.non_zero_terms
    assert tally.total("ternary-add") == closed.add_only.logical_additions
    widths = {(mac.role, mac.accumulator) for mac in closed.mac_counts if mac.weight == "ternary"}
    assert {
        (mac.role, mac.accumulator) for mac in tally.mac_counts if mac.weight == "ternary"
    } == widths


def test_a_bitnet_from_a_bare_config_is_dense() -> None:
    model = transformers.BitNetForCausalLM(transformers.BitNetConfig(**SMALL)).eval()
    with torch.no_grad(), bitnet_hw.trace(model, strict=True) as tally:
        model(torch.randint(3, 128, (1, TOKENS)))
    assert tally.total("ternary-add") == 0
    assert tally.macs > TOKENS * MACS_BEHIND_HEAD


def test_generation_counts_every_pass() -> None:
    torch.manual_seed(2)
    model = transformers.LlamaForCausalLM(transformers.LlamaConfig(**SMALL)).eval()
    ids = torch.randint(3, 128, (1, TOKENS))
    options = {"max_new_tokens": 3, "min_new_tokens": 3, "do_sample": False}
    expected = model.generate(ids, **options)
    with bitnet_hw.trace(model) as tally:
        found = model.generate(ids, **options)
    assert torch.equal(found, expected)
    head = tally.macs_by_role()["lm-head"]
    # transformers computes the logits of the prompt's last position and of two further tokens.
    assert head == 3 * MACS_BEHIND_HEAD
    assert tally.macs_by_role()["ffn-down"] == (TOKENS + 2) * 2 * 96 * 64
