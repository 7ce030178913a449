"""Groups of roles and of operations, by which reports show an estimate."""

from __future__ import annotations

from ..inputs.roles import LINEAR_ROLES
from .traffic import Traffic

ATTENTION_ROLES = ("attention-score", "attention-value")
HEAD_ROLES = ("lm-head", "embedding")
SCALE_ROLES = ("quantize", "rescale", "dequantize", "hadamard")

#: Parts of an estimate's energy, in the order in which reports stack them.
PARTS = (
    "projections and FFN",
    "scales and quantizers",
    "attention",
    "LM head",
    "other arithmetic",
    "SRAM",
    "DRAM: weights",
    "DRAM: KV cache",
    "DRAM: LM head and embedding",
    "DRAM: activations",
    "static",
)
_ARITHMETIC_PART = (
    dict.fromkeys(LINEAR_ROLES, "projections and FFN")
    | dict.fromkeys(SCALE_ROLES, "scales and quantizers")
    | dict.fromkeys((*ATTENTION_ROLES, "softmax"), "attention")
    | dict.fromkeys(HEAD_ROLES, "LM head")
)


def arithmetic_part(role: str) -> str:
    """Return the part of `PARTS` that an operation of this role belongs to."""
    return _ARITHMETIC_PART.get(role, "other arithmetic")


def memory_part(row: Traffic) -> str:
    """Return the part of `PARTS` that a row of traffic belongs to."""
    if row.level != "dram":
        return "SRAM"
    if row.content == "kv-cache":
        return "DRAM: KV cache"
    if row.role in HEAD_ROLES:
        return "DRAM: LM head and embedding"
    return "DRAM: weights" if row.content == "weights" else "DRAM: activations"


_KIND_OF = {
    "mul": "multiplications", "add": "additions", "ternary-add": "additions", "mac": "whole MACs",
}  # fmt: skip
_OTHER = "other operations"
#: Kinds of operation, in the order in which reports show them.
KINDS = (*dict.fromkeys(_KIND_OF.values()), _OTHER)


def operation_kind(operation: str) -> str:
    """Return the kind of `KINDS` that an operation belongs to."""
    return _KIND_OF.get(operation, _OTHER)
