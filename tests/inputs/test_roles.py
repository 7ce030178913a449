"""Roles by the names of tensors and modules, and the rows of packed matrices."""

from __future__ import annotations

import pytest

from bitnet_hw.inputs.model import load_model
from bitnet_hw.inputs.roles import module_role, rows_of, weight_role


@pytest.mark.parametrize(
    ("module", "role"),
    [
        ("model.layers.0.self_attn.q_proj", "qkv"),  # Llama
        ("transformer.h.3.attn.c_attn", "qkv"),  # GPT-2, fused
        ("gpt_neox.layers.0.attention.query_key_value", "qkv"),  # GPT-NeoX, fused
        ("model.layers.0.self_attn.qkv_proj", "qkv"),  # Phi-3, fused
        ("layers.0.attention.wo", "attention-out"),  # Meta's Llama
        ("model.layers.0.mlp.gate_up_proj", "ffn-up"),  # Phi-3, fused
        ("layers.0.feed_forward.w1", "ffn-gate"),  # Meta's Llama
        ("layers.0.feed_forward.w2", "ffn-down"),
        ("model.decoder.layers.0.fc2", "ffn-down"),  # OPT
        ("lm_head", "lm-head"),
        ("blk.0.attn_qkv", "qkv"),  # llama.cpp, fused
        ("blk.0.ffn_down", "ffn-down"),
        ("model.embed_tokens", None),
        ("model.layers.0.input_layernorm", None),
    ],
)
def test_a_module_and_its_weight_have_one_role(module: str, role: str | None) -> None:
    assert module_role(module) == role
    assert weight_role(f"{module}.weight") == role


def test_a_module_inside_a_projection_has_its_role_and_other_tensors_have_none() -> None:
    assert module_role("model.layers.0.self_attn.q_proj.base_layer") == "qkv"
    assert weight_role("model.layers.0.self_attn.q_proj.weight_scale") is None
    assert weight_role("q_proj.weight") == weight_role("q_proj") == "qkv"


def test_rows_of_2b4t() -> None:
    """Its published shapes: hidden size 2560, 5 of 20 heads of 128 for keys, FFN 6912."""
    model = load_model("bitnet-b1.58-2b4t")
    rows = {"q_proj": 2560, "k_proj": 640, "qkv_proj": 3840, "up_proj": 6912, "down_proj": 2560}
    for module, number in rows.items():
        assert rows_of(f"model.layers.0.{module}.weight", model) == number
    assert rows_of("model.embed_tokens.weight", model) is None
