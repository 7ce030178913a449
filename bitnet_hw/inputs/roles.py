"""Roles of modules and tensors by name, and the weight matrices of a model's layers."""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

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


class Matrix(NamedTuple):
    """A stored matrix of a layer.

    Attributes
    ----------
    path : str
        Module path inside the layer.
    n, p : int
        Numbers of inputs and outputs.
    first_of_input : bool
        Whether it is the first matrix that takes its input.
    """

    path: str
    n: int
    p: int
    first_of_input: bool = True

    @property
    def name(self) -> str:
        """Name of its module, the last part of the path."""
        return self.path.rpartition(".")[2]

    @property
    def role(self) -> Role:
        """Role of its weights."""
        return ROLES[self.name]


def layer_matrices(model: ModelSpec) -> tuple[Matrix, ...]:
    """Return the projections and the FFN of one layer, in the order in which they run."""
    h, q, kv, f = model.hidden_size, model.query_width, model.key_width, model.intermediate_size
    gate = (Matrix("mlp.gate_proj", h, f),) if model.gated else ()
    return (
        Matrix("self_attn.q_proj", h, q),
        Matrix("self_attn.k_proj", h, kv, first_of_input=False),
        Matrix("self_attn.v_proj", h, kv, first_of_input=False),
        Matrix("self_attn.o_proj", q, h),
        *gate,
        Matrix("mlp.up_proj", h, f, first_of_input=not model.gated),
        Matrix("mlp.down_proj", f, h),
    )


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
    rows = {matrix.name: matrix.p for matrix in layer_matrices(model)}
    rows["qkv_proj"] = rows["q_proj"] + rows["k_proj"] + rows["v_proj"]
    return rows.get(_module(tensor))


def _module(tensor: str) -> str:
    return tensor.removesuffix(".weight").rpartition(".")[2]
