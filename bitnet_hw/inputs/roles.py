"""What a tensor's name says: its role in a layer, and the rows that its model gives it."""

from __future__ import annotations

import re
from typing import get_args

from .model import ModelSpec
from .scheme import LinearRole

#: Last module of a tensor's path -> role, in Hugging Face's and in llama.cpp's names.
_ROLES: dict[str, LinearRole] = {
    **dict.fromkeys(("q_proj", "k_proj", "v_proj", "qkv_proj", "attn_q", "attn_k", "attn_v",
                     "attn_qkv"), "qkv"),
    **dict.fromkeys(("o_proj", "attn_output"), "attention-out"),
    **dict.fromkeys(("gate_proj", "ffn_gate"), "ffn-gate"),
    **dict.fromkeys(("up_proj", "ffn_up"), "ffn-up"),
    **dict.fromkeys(("down_proj", "ffn_down"), "ffn-down"),
}  # fmt: skip
_MODULE = re.compile(r"([^.]+)\.weight$")

ROLES: tuple[LinearRole, ...] = get_args(LinearRole)


def _module(name: str) -> str:
    found = _MODULE.search(name)
    return found[1] if found else name.rpartition(".")[2]


def role_of(name: str) -> LinearRole | None:
    """Return the role of a tensor of weights, None where its name tells none."""
    return _ROLES.get(_module(name))


def rows_of(name: str, model: ModelSpec) -> int | None:
    """Return the rows (outputs) of a weight matrix, None where its name does not tell them.

    A file of packed weights holds only a quarter of the rows, rounded up; the config knows them.
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
    }.get(_module(name))
