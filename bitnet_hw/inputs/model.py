"""Models: dimensions of a decoder-only Transformer, from YAML, Hugging Face or the catalogue."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, Self, TypeGuard

from pydantic import Field, ModelWrapValidatorHandler, model_validator

from ..errors import InputError
from ..files.reading import read
from ..files.records import Record, validate, wrong_value
from .huggingface import is_huggingface, to_model_fields
from .load import Loader

# No published Transformer comes near these; a larger number is a typo.
MAX_DIMENSION = 1 << 20
Dimension = Annotated[int, Field(gt=0, le=MAX_DIMENSION)]
Layers = Annotated[int, Field(gt=0, le=10_000)]
VocabSize = Annotated[int, Field(gt=0, le=1 << 24)]
Context = Annotated[int, Field(gt=0, le=1 << 30)]

#: Longest name, in characters.
MAX_NAME = 120

Activation = Literal["silu", "gelu", "relu", "relu2"]
Norm = Literal["rmsnorm", "layernorm"]
Positions = Literal["rope", "learned", "none"]


class ModelSpec(Record):
    """Dimensions of a decoder-only Transformer.

    Attributes
    ----------
    name : str
        Name in reports.
    source : str
        Publication of the dimensions.
    parameters : str
        Nominal size according to the publisher, such as ``3B``.
    hidden_size, num_hidden_layers, num_attention_heads, num_key_value_heads, head_dim : int
        As in a Hugging Face config. Default of num_key_value_heads: num_attention_heads; of
        head_dim: hidden_size / num_attention_heads.
    intermediate_size : int
        Width of the FFN.
    gated : bool
        Whether the FFN has a gate matrix in addition to up and down.
    activation : str
        The FFN's activation function.
    vocab_size : int
        Rows of the embedding table and of the LM head.
    embedding_size : int
        Width of the embedding table. Default: hidden_size. If it differs from that, one projection
        leads into the layers and one out of them.
    tie_word_embeddings : bool
        Whether the LM head is the embedding table.
    positions : str
        ``rope``, ``learned`` or ``none``.
    rotary_fraction : float
        Share of head_dim that RoPE rotates.
    max_position_embeddings : int, optional
        Longest context; a hard limit for learned positions.
    position_offset : int
        Rows of a learned position table before that of position 0 (2 in OPT).
    norm : str
        ``rmsnorm`` or ``layernorm``.
    norms_per_layer : int
        Norms over hidden_size per layer: 2, or 4 where outputs are normalised as well.
    final_norm : bool
        Whether there is a norm between the last layer and the LM head; OPT-350M, which
        normalises after each sum, has none.
    qk_norm, sub_norms : bool
        Norms over each query and key head; norms before the attention output projection and
        before the down projection (BitNet's SubLN).
    qkv_bias, attention_out_bias, ffn_bias, lm_head_bias : bool
        Which projections add a bias.
    sliding_window : int, optional
        Positions that a sliding-window layer sees.
    sliding_window_layers : int, optional
        Number of layers with a sliding window. Default: all, if sliding_window is given.
    attention_softcap, lm_head_softcap : bool
        Whether attention scores, and the LM head's logits, pass a tanh soft cap (gemma2).
    """

    name: Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
    source: str = ""
    parameters: str = ""
    hidden_size: Dimension
    num_hidden_layers: Layers
    num_attention_heads: Dimension
    num_key_value_heads: Dimension = 0
    head_dim: Dimension = 0
    intermediate_size: Dimension
    gated: bool
    activation: Activation
    vocab_size: VocabSize
    embedding_size: Dimension = 0
    tie_word_embeddings: bool
    positions: Positions = "rope"
    rotary_fraction: Annotated[float, Field(gt=0, le=1)] = 1.0
    max_position_embeddings: Context | None = None
    position_offset: Annotated[int, Field(ge=0, le=1024)] = 0
    norm: Norm = "rmsnorm"
    norms_per_layer: Annotated[int, Field(ge=0, le=8)] = 2
    final_norm: bool = True
    qk_norm: bool = False
    sub_norms: bool = False
    qkv_bias: bool = False
    attention_out_bias: bool = False
    ffn_bias: bool = False
    lm_head_bias: bool = False
    sliding_window: Context | None = None
    sliding_window_layers: Annotated[int, Field(ge=0)] | None = None
    attention_softcap: bool = False
    lm_head_softcap: bool = False

    @model_validator(mode="wrap")
    @classmethod
    def _derive(cls, data: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(data, dict):
            return handler(data)
        derived = _derived_fields(data)
        model = handler(derived | data)
        # `replace` keeps what was given and derives the rest again.
        model.model_fields_set.difference_update(derived)
        return model

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.num_attention_heads % self.num_key_value_heads:
            raise wrong_value(
                "num_key_value_heads",
                f"{self.num_key_value_heads} does not divide "
                f"num_attention_heads {self.num_attention_heads}",
            )
        sliding = self.sliding_window_layers or 0
        if sliding > self.num_hidden_layers:
            raise wrong_value(
                "sliding_window_layers",
                f"{sliding} exceeds num_hidden_layers {self.num_hidden_layers}",
            )
        if sliding and self.sliding_window is None:
            raise wrong_value("sliding_window_layers", "needs sliding_window as well")
        if self.positions == "learned" and self.max_position_embeddings is None:
            raise wrong_value("positions", "learned positions need max_position_embeddings")
        return self

    @property
    def query_width(self) -> int:
        """Width of the queries, heads x head_dim, which may differ from hidden_size."""
        return self.num_attention_heads * self.head_dim

    @property
    def key_width(self) -> int:
        """Width of the keys and of the values, key/value heads x head_dim."""
        return self.num_key_value_heads * self.head_dim

    @property
    def layer_windows(self) -> tuple[tuple[int | None, int], ...]:
        """The kinds of layer: (window or None, number of layers)."""
        sliding = self.sliding_window_layers or 0
        kinds = ((self.sliding_window, sliding), (None, self.num_hidden_layers - sliding))
        return tuple((window, layers) for window, layers in kinds if layers)

    @property
    def linear_parameters(self) -> int:
        """Weights of the projections and the FFN, without biases and norms."""
        attention = self.hidden_size * 2 * (self.query_width + self.key_width)
        ffn = self.hidden_size * self.intermediate_size * (3 if self.gated else 2)
        return self.num_hidden_layers * (attention + ffn)

    @property
    def embedding_parameters(self) -> int:
        """Weights of the token and position embeddings and the projections around them."""
        matrices = (*self.embedding_tables, *self.embedding_projections)
        return sum(inputs * outputs for inputs, outputs in matrices)

    @property
    def embedding_tables(self) -> tuple[tuple[int, int], ...]:
        """Tables of token and learned position embeddings, as (width, rows)."""
        tables = [(self.embedding_size, self.vocab_size)]
        if self.positions == "learned":
            rows = (self.max_position_embeddings or 0) + self.position_offset
            tables.append((self.hidden_size, rows))
        return tuple(tables)

    @property
    def embedding_projections(self) -> tuple[tuple[int, int], ...]:
        """Projections of embeddings that are narrower than the layers, as (inputs, outputs)."""
        if self.embedding_size == self.hidden_size:
            return ()
        sizes = (self.embedding_size, self.hidden_size)
        return sizes, sizes[::-1]

    @property
    def lm_head_parameters(self) -> int:
        """Weights of the LM head, tied or not."""
        return self.vocab_size * self.embedding_size

    @property
    def norm_and_bias_parameters(self) -> int:
        """Gains and biases of the norms, biases of the projections."""
        h, q, kv, f = self.hidden_size, self.query_width, self.key_width, self.intermediate_size
        a_norm = 2 if self.norm == "layernorm" else 1
        layer = self.norms_per_layer * h * a_norm
        layer += 2 * self.head_dim if self.qk_norm else 0
        layer += (q + f) if self.sub_norms else 0
        layer += (q + 2 * kv) if self.qkv_bias else 0
        layer += h if self.attention_out_bias else 0
        layer += (f * (2 if self.gated else 1) + h) if self.ffn_bias else 0
        once = h * a_norm if self.final_norm else 0
        once += self.vocab_size if self.lm_head_bias else 0
        return self.num_hidden_layers * layer + once

    @property
    def total_parameters(self) -> int:
        """All weights; a tied LM head counts once."""
        head = 0 if self.tie_word_embeddings else self.lm_head_parameters
        return (
            self.linear_parameters
            + self.embedding_parameters
            + head
            + self.norm_and_bias_parameters
        )


def _derived_fields(data: dict[str, object]) -> dict[str, object]:
    """Return values for absent fields that follow from the given ones."""
    heads, hidden = data.get("num_attention_heads"), data.get("hidden_size")
    derived: dict[str, object] = {}
    # Values out of range or of the wrong type are left for the fields' own checks to name.
    if _is_dimension(heads):
        derived["num_key_value_heads"] = heads
    if _is_dimension(hidden):
        derived["embedding_size"] = hidden
    if _is_dimension(heads) and _is_dimension(hidden):
        if "head_dim" not in data and hidden % heads:
            raise wrong_value(
                "num_attention_heads",
                f"{heads} heads do not divide hidden_size {hidden}, and no head_dim is given",
            )
        derived["head_dim"] = hidden // heads
    if data.get("sliding_window") is not None and "num_hidden_layers" in data:
        derived["sliding_window_layers"] = data["num_hidden_layers"]
    return {key: value for key, value in derived.items() if key not in data}


def _is_dimension(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 < value <= MAX_DIMENSION


def read_model(path: Path) -> ModelSpec:
    """Return the model that a file describes, in our form or in Hugging Face's.

    Parameters
    ----------
    path : path
        A YAML or JSON file, or a folder with a ``config.json``.

    Raises
    ------
    InputError
        If there is no such file, or it is not valid or not understood.
    """
    if path.is_dir():
        if not (path / "config.json").exists():
            raise InputError(f"{path}: the folder has no config.json")
        path = path / "config.json"
    document = read(path)
    if is_huggingface(document):
        document = to_model_fields(document, default_name=_name_for(path))
    elif path.name == "config.json":
        raise InputError(
            f"{path}: key 'model_type' is missing; it says how to read a Hugging Face config"
        )
    elif "name" not in document.data:
        document.data["name"] = _name_for(path)
    return validate(ModelSpec, document)


def _name_for(path: Path) -> str:
    name = path.resolve().parent.name if path.name == "config.json" else path.stem
    return name[:MAX_NAME] or "model"


# A config's folder often has the name of a catalogue model, so names may repeat.
_LOADER = Loader("models", ModelSpec, read_model, own_name=False)


def load_model(config: str | Path) -> ModelSpec:
    """Return a model from the catalogue, from a file, or from a folder with a ``config.json``.

    Parameters
    ----------
    config : str or path
        A catalogue name, a YAML file, or a Hugging Face ``config.json`` or its folder.

    Raises
    ------
    InputError
        If there is no such model, or the file is not valid or not understood.

    Examples
    --------
    >>> load_model("bitnet-b1.58-2b4t").total_parameters
    2412820480
    """
    return _LOADER.load(config)


def as_model(model: ModelSpec | str | Path) -> ModelSpec:
    """Return a model as it is, or load it by its name or path; see `load_model`.

    Examples
    --------
    >>> as_model("gpt2") is as_model(load_model("gpt2"))
    True
    """
    return _LOADER.resolve(model)
