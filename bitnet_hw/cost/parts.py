"""Groups of roles and of operations, by which reports show an estimate."""

from __future__ import annotations

from ..inputs.roles import LINEAR_ROLES
from .traffic import LINKS, Traffic

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
    "unpacking",
    "on-chip memory",
    "DRAM: weights",
    "DRAM: KV cache",
    "DRAM: LM head and embedding",
    "DRAM: activations",
    "links",
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


def memory_part(row: Traffic, on_chip: bool) -> str:
    """Return the part of `PARTS` that a row of traffic belongs to."""
    if row.level == LINKS:
        return "links"
    if on_chip:
        return "on-chip memory"
    if row.content == "kv-cache":
        return "DRAM: KV cache"
    if row.role in HEAD_ROLES:
        return "DRAM: LM head and embedding"
    return "DRAM: weights" if row.content == "weights" else "DRAM: activations"


#: Parts of an estimate's energy by what ternary weights can save, in the order in which reports
#: stack them.
UNSAVED_PARTS = (
    "projections and FFN", "attention", "LM head and embedding", "KV cache", "other", "static",
)  # fmt: skip


def unsaved_part(reach: str, role: str, content: str) -> str:
    """Return the part of `UNSAVED_PARTS` of a cost with these names in an estimate's breakdown."""
    if reach != "rest":
        return reach
    if content == "kv-cache":
        return "KV cache"
    if role in HEAD_ROLES:
        return "LM head and embedding"
    return "attention" if role in (*ATTENTION_ROLES, "softmax") else "other"


#: Kind of an operation of a table that prices the MAC of a product as a whole.
WHOLE_MACS = "whole MACs"
_KIND_OF = {
    "mul": "multiplications", "add": "additions", "ternary-add": "additions", "mac": WHOLE_MACS,
}  # fmt: skip
_OTHER = "other operations"
#: Kinds of operation, in the order in which reports show them.
KINDS = (*dict.fromkeys(_KIND_OF.values()), _OTHER)


def operation_kind(operation: str) -> str:
    """Return the kind of `KINDS` that an operation belongs to."""
    return _KIND_OF.get(operation, _OTHER)
