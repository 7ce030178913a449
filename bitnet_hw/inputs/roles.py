"""Roles of modules and tensors by name, and the number of rows of a model's weight matrices."""

from __future__ import annotations

from typing import Literal, get_args

from .model import ModelSpec

#: Roles of the projections and of the FFN.
LinearRole = Literal["qkv", "attention-out", "ffn-gate", "ffn-up", "ffn-down"]
#: Roles of matrix products with stored weights.
Role = LinearRole | Literal["lm-head"]

LINEAR_ROLES: tuple[LinearRole, ...] = get_args(LinearRole)

#: Name of a module -> the role of its weights, in the names of Hugging Face's models (q_proj,
#: c_attn, query, fc1 ...), of llama.cpp (attn_q ...) and of Meta's Llama (wq, w1 ...). A fused
#: matrix has the role of its parts; a fused gate and up matrix counts as up.
ROLES: dict[str, Role] = {
    **dict.fromkeys(("q_proj", "k_proj", "v_proj", "qkv_proj", "c_attn", "query_key_value", "query",
                     "key", "value", "wq", "wk", "wv", "wqkv", "attn_q", "attn_k", "attn_v",
                     "attn_qkv"), "qkv"),
    **dict.fromkeys(("o_proj", "out_proj", "wo", "attn_output"), "attention-out"),
    **dict.fromkeys(("gate_proj", "w1", "ffn_gate"), "ffn-gate"),
    **dict.fromkeys(("up_proj", "gate_up_proj", "fc1", "c_fc", "w3", "ffn_up"), "ffn-up"),
    **dict.fromkeys(("down_proj", "fc2", "w2", "ffn_down"), "ffn-down"),
    **dict.fromkeys(("lm_head", "embed_out"), "lm-head"),
}  # fmt: skip


def module_role(path: str) -> Role | None:
    """Return the role of a module's weights, from the last part of its path that names one.

    Parameters
    ----------
    path : str
        Names of modules joined by dots, such as ``layers.0.attention.query.dense``.
    """
    for part in reversed(path.split(".")):
        if part in ROLES:
            return ROLES[part]
    return None


def weight_role(tensor: str) -> Role | None:
    """Return the role of a weight tensor, or None if its module's name does not tell it.

    Parameters
    ----------
    tensor : str
        Name of the tensor in a checkpoint, such as ``blk.0.attn_q.weight``.
    """
    return ROLES.get(_module(tensor))


def rows_of(tensor: str, model: ModelSpec) -> int | None:
    """Return the rows (outputs) of a weight matrix, or None if its name does not tell them.

    A packed tensor has a quarter of the rows, rounded up, so the number comes from the model.
    """
    return {
        "q_proj": model.query_width,
        "k_proj": model.key_width,
        "v_proj": model.key_width,
        "qkv_proj": model.query_width + 2 * model.key_width,
        "o_proj": model.hidden_size,
        "gate_proj": model.intermediate_size,
        "up_proj": model.intermediate_size,
        "down_proj": model.hidden_size,
    }.get(_module(tensor))


def _module(tensor: str) -> str:
    return tensor.removesuffix(".weight").rpartition(".")[2]
