"""Hugging Face configs, compared with transformers' own classes and models."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bitnet_hw.errors import InputError
from bitnet_hw.files.reading import Document
from bitnet_hw.inputs.huggingface import dictionary, to_model_fields
from bitnet_hw.inputs.model import ModelSpec, load_model

TYPES = sorted(dictionary().types)
#: Types in transformers itself; minicpm's classes are published with its weights.
IN_TRANSFORMERS = [name for name in TYPES if name != "minicpm"]

#: Writes a config.json, with the given indentation, and loads it.
Load = Callable[..., ModelSpec]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    def from_config(config: dict[str, Any], indent: int | str | None = 1) -> ModelSpec:
        path = tmp_path / "some-model" / "config.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(config, indent=indent), encoding="utf-8")
        return load_model(path)

    return from_config


def spec(**config: Any) -> ModelSpec:
    return ModelSpec.model_validate(to_model_fields(Document(config, "config.json"), "m").data)


def refusal(load: Load, config: dict[str, Any]) -> str:
    with pytest.raises(InputError) as caught:
        load(config)
    message = str(caught.value)
    assert "\n" not in message
    assert "config.json" in message
    return message


# --- against transformers -------------------------------------------------------------------


def built_parameters(config: dict[str, Any]) -> dict[str, int]:
    """Return the parameters of transformers' own model, built without memory, by part."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    with warnings.catch_warnings():
        # Warnings about transformers' own doing: tie_weights on the meta device, odd token ids.
        warnings.simplefilter("ignore")
        own = transformers.CONFIG_MAPPING[config["model_type"]].from_dict(dict(config))
        with torch.device("meta"):
            model = transformers.AutoModelForCausalLM.from_config(own.get_text_config())
    sizes = {name: p.numel() for name, p in model.named_parameters()}
    shapes = {name: p.dim() for name, p in model.named_parameters()}
    embedding = ("embed_tokens", "embed_in", "embed_positions", "wte", "wpe", "project_")
    parts = {"total": 0, "embedding": 0, "lm_head": 0, "linear": 0, "norm_and_bias": 0}
    for name, size in sizes.items():
        if any(part in name for part in embedding):
            part = "embedding"
        elif name.startswith(("lm_head", "embed_out")):
            part = "lm_head"
        else:
            part = "linear" if shapes[name] == 2 else "norm_and_bias"
        parts[part] += size
        parts["total"] += size
    return parts


def counted_parameters(model: ModelSpec) -> dict[str, int]:
    return {
        "total": model.total_parameters,
        "embedding": model.embedding_parameters,
        "lm_head": 0 if model.tie_word_embeddings else model.lm_head_parameters,
        "linear": model.linear_parameters,
        "norm_and_bias": model.norm_and_bias_parameters,
    }


@pytest.mark.parametrize("model_type", IN_TRANSFORMERS)
def test_an_empty_config_means_what_transformers_means(model_type: str) -> None:
    config = {"model_type": model_type}
    assert counted_parameters(spec(**config)) == built_parameters(config)


@pytest.mark.parametrize("model_type", IN_TRANSFORMERS)
@pytest.mark.parametrize("use_diff", [True, False])
def test_what_transformers_writes_is_understood(
    model_type: str, use_diff: bool, load: Load
) -> None:
    transformers = pytest.importorskip("transformers")
    written = transformers.CONFIG_MAPPING[model_type]().to_json_string(use_diff=use_diff)
    bare = spec(model_type=model_type)
    assert load(json.loads(written)).replace(name=bare.name) == bare


#: Keys other than dimensions that a config of a type may set.
CHOICES: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "llama": {
        "attention_bias": st.booleans(),
        "mlp_bias": st.booleans(),
        "head_dim": st.sampled_from([None, 16, 24]),
    },
    "mistral": {"head_dim": st.sampled_from([None, 16, 24])},
    "qwen2": {"use_sliding_window": st.booleans()},
    "qwen3": {"attention_bias": st.booleans(), "head_dim": st.sampled_from([16, 24])},
    "gemma": {"head_dim": st.sampled_from([16, 24]), "attention_bias": st.booleans()},
    "gemma2": {"head_dim": st.sampled_from([16, 24]), "attention_bias": st.booleans()},
    "gemma3_text": {"head_dim": st.sampled_from([16, 24]), "attention_bias": st.booleans()},
    "phi3": {},
    "gpt2": {"n_inner": st.sampled_from([None, 96])},
    "gpt_neox": {"attention_bias": st.booleans()},
    "opt": {
        "enable_bias": st.booleans(),
        "do_layer_norm_before": st.booleans(),
        "word_embed_proj_dim": st.sampled_from([None, 24]),
    },
    "bitnet": {"attention_bias": st.booleans()},
}
_GPT2 = {
    "hidden_size": "n_embd",
    "num_hidden_layers": "n_layer",
    "num_attention_heads": "n_head",
    "max_position_embeddings": "n_positions",
}


@st.composite
def configs(draw: st.DrawFn, model_type: str) -> dict[str, Any]:
    groups, per_group = draw(st.sampled_from([1, 2, 3])), draw(st.sampled_from([1, 2, 4]))
    heads = groups * per_group
    config = {
        "vocab_size": draw(st.integers(1, 300)),
        "hidden_size": heads * draw(st.sampled_from([8, 16])),
        "num_hidden_layers": draw(st.integers(1, 4)),
        "num_attention_heads": heads,
        "max_position_embeddings": draw(st.integers(1, 64)),
    }
    if model_type == "gpt2":
        config = {_GPT2.get(key, key): value for key, value in config.items()}
    elif model_type == "opt":
        config["ffn_dim"] = draw(st.integers(1, 99))
    else:
        config["intermediate_size"] = draw(st.integers(1, 99))
    if "num_key_value_heads" in dictionary().model_type(model_type).keys:
        config["num_key_value_heads"] = groups
    config["tie_word_embeddings"] = draw(st.booleans())
    config |= {key: draw(values) for key, values in CHOICES[model_type].items()}
    return {
        "model_type": model_type,
        "pad_token_id": 0,
        "bos_token_id": 0,
        "eos_token_id": 0,
    } | config


@pytest.mark.parametrize("model_type", CHOICES)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_parameters_equal_those_of_the_built_model(model_type: str, data: st.DataObject) -> None:
    config = data.draw(configs(model_type))
    assert counted_parameters(spec(**config)) == built_parameters(config)


@pytest.mark.parametrize(
    "config",
    [
        {"model_type": "mistral", "sliding_window": 8},
        {"model_type": "mistral", "sliding_window": None},
        {"model_type": "phi3", "sliding_window": 7},
        {"model_type": "qwen2", "use_sliding_window": True, "max_window_layers": 3},
        {"model_type": "qwen3", "use_sliding_window": True, "max_window_layers": 99},
        {"model_type": "qwen2", "layer_types": ["sliding_attention"] * 8},
        {"model_type": "gemma2"},
        {"model_type": "gemma3_text"},
        {"model_type": "gemma3_text", "sliding_window_pattern": 3},
        {"model_type": "gemma3_text", "layer_types": ["full_attention"] * 8},
    ],
)
def test_as_many_layers_have_windows_as_in_transformers(config: dict[str, Any]) -> None:
    transformers = pytest.importorskip("transformers")
    config = config | {"num_hidden_layers": 8}
    own = transformers.CONFIG_MAPPING[config["model_type"]].from_dict(dict(config))
    kinds = getattr(own, "layer_types", None) or ["sliding_attention"] * 8
    sliding = kinds.count("sliding_attention") if own.sliding_window is not None else 0
    assert (spec(**config).sliding_window_layers or 0) == sliding


# --- without transformers -------------------------------------------------------------------


def test_minicpm_has_the_defaults_of_its_published_class() -> None:
    # openbmb/MiniCPM-2B-sft-bf16, configuration_minicpm.py, class MiniCPMConfig
    model = spec(model_type="minicpm")
    assert (model.hidden_size, model.intermediate_size, model.vocab_size) == (4096, 11008, 32000)
    assert (model.num_hidden_layers, model.num_attention_heads) == (32, 32)
    assert model.num_key_value_heads == 32
    assert model.tie_word_embeddings


def test_minicpm_2b_as_released() -> None:
    model = spec(
        model_type="minicpm", hidden_size=2304, intermediate_size=5760, num_attention_heads=36,
        num_key_value_heads=36, num_hidden_layers=40, vocab_size=122753, scale_emb=12,
        dim_model_base=256, scale_depth=1.4, torch_dtype="bfloat16",
    )  # fmt: skip
    assert model.total_parameters == 2_724_880_896  # as safetensors counts the checkpoint


def test_the_text_model_of_a_multimodal_gemma3() -> None:
    # google/gemma-3-4b-it leaves its heads and vocabulary to the defaults
    model = spec(
        model_type="gemma3",
        architectures=["Gemma3ForConditionalGeneration"],
        mm_tokens_per_image=256,
        text_config={
            "hidden_size": 2560, "intermediate_size": 10240, "model_type": "gemma3_text",
            "num_hidden_layers": 34, "rope_scaling": {"factor": 8.0, "rope_type": "linear"},
            "sliding_window": 1024,
        },
        vision_config={"hidden_size": 1152, "num_hidden_layers": 27},
    )  # fmt: skip
    assert model.query_width == 8 * 256
    assert model.sliding_window == 1024
    assert model.sliding_window_layers == 34 - 5
    assert model.total_parameters == 3_880_263_168  # 4,300,079,472 less the vision tower


def test_opt_350m_as_released() -> None:
    model = spec(
        model_type="opt", hidden_size=1024, ffn_dim=4096, num_hidden_layers=24,
        num_attention_heads=16, word_embed_proj_dim=512, do_layer_norm_before=False,
        _remove_final_layer_norm=False, prefix="</s>",
    )  # fmt: skip
    assert model == load_model("opt-350m").replace(name=model.name, source="", parameters="")


def test_the_released_reproduction_of_b158_has_sub_norms() -> None:
    model = spec(
        model_type="llama", hidden_size=3200, intermediate_size=8640, num_hidden_layers=26,
        num_attention_heads=32, vocab_size=32002, tie_word_embeddings=True, input_bits=8,
        weight_bits=1, rope_scaling=None, rope_theta=10000.0,
    )  # fmt: skip
    assert model.sub_norms
    assert round(model.total_parameters / 1e9, 2) == 3.32  # as its model card says


@pytest.mark.parametrize(
    ("config", "fraction"),
    [
        ({"model_type": "gpt_neox"}, 0.25),
        ({"model_type": "gpt_neox", "rotary_pct": 1}, 1.0),
        ({"model_type": "gpt_neox", "rope_parameters": {"partial_rotary_factor": 0.5}}, 0.5),
        ({"model_type": "phi3", "partial_rotary_factor": 0.75}, 0.75),
        ({"model_type": "phi3", "rope_scaling": {"type": "longrope", "long_factor": [1.0]}}, 1.0),
        ({"model_type": "llama", "rope_parameters": {"rope_theta": 1e4, "rope_type": "llama3"}}, 1),
    ],
)
def test_rotary_fraction(config: dict[str, Any], fraction: float) -> None:
    assert spec(**config).rotary_fraction == fraction


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("silu", "silu"), ("swish", "silu"), ("gelu", "gelu"), ("gelu_new", "gelu"),
        ("gelu_fast", "gelu"), ("gelu_pytorch_tanh", "gelu"), ("relu", "relu"), ("relu2", "relu2"),
    ],
)  # fmt: skip
def test_activations(theirs: str, ours: str) -> None:
    assert spec(model_type="llama", hidden_act=theirs).activation == ours


def test_keys_of_old_files_are_accepted() -> None:
    plain = spec(model_type="gpt2")
    carried = spec(
        model_type="gpt2", torch_dtype="float32", use_cache=True, pruned_heads={}, num_beams=1,
        task_specific_params={"text-generation": {"max_length": 50}}, n_ctx=1024, do_sample=False,
        quantization_config={"quant_method": "bitnet"}, _name_or_path="x", architectures=["Y"],
        summary_type="cls_index", bos_token_id=1, num_experts=0,
    )  # fmt: skip
    assert carried == plain


@pytest.mark.parametrize(
    ("config", "parts"),
    [
        ({"model_type": "llama", "hiden_size": 8}, [":3", "hiden_size", "'hidden_size'?"]),
        ({"model_type": "llama", "new_trick": 1}, [":3", "new_trick", "unknown key"]),
        ({"model_type": "llama", "num_local_experts": 8}, [":3: num_local_experts", "mixture"]),
        ({"model_type": "minicpm", "num_experts": 8}, [":3: num_experts", "mixture of experts"]),
        ({"model_type": "mixtral", "num_local_experts": 8}, ["num_local_experts", "mixture"]),
        ({"model_type": "mixtral"}, [":2: model_type", "mixture of experts is not supported"]),
        ({"model_type": "qwen2_moe", "num_experts": 60}, [": num_experts:", "qwen2_moe"]),
        ({"model_type": "deepseek_v3", "n_routed_experts": 256}, ["n_routed_experts", "mixture"]),
        ({"model_type": "minicpm3"}, ["latent attention"]),
        ({"model_type": "mamba2"}, ["state-space"]),
        ({"model_type": "llama", "q_lora_rank": 8}, ["q_lora_rank", "low-rank"]),
        ({"model_type": "lama"}, [":2: model_type", "'llama'?", "gpt_neox"]),
        ({"model_type": ["llama"]}, [":2: model_type", "known: bitnet"]),
        ({"architectures": ["LlamaForCausalLM"]}, ["'model_type' is missing"]),
        ({"model_type": "llama", "hidden_act": "mish"}, [":3: hidden_act", "'mish'", "silu"]),
        ({"model_type": "llama", "hidden_act": ["silu"]}, [":3: hidden_act", "unknown"]),
        ({"model_type": "gpt2", "n_embd": 770}, ["n_head (default)", "n_embd 770"]),
        ({"model_type": "gpt2", "n_head": 5}, [":3: n_head", "5 heads do not divide"]),
        ({"model_type": "gpt2", "n_embd": 0}, [":3: n_embd", "must be greater than 0"]),
        ({"model_type": "gpt2", "n_inner": 0}, [":3: n_inner", "must be greater than 0"]),
        ({"model_type": "gpt2", "n_layer": -1}, [":3: n_layer", "must be greater than 0"]),
        ({"model_type": "gpt2", "n_embd": 10**9, "n_head": 1}, ["n_embd: must be at most 1048576"]),
        ({"model_type": "gpt2", "n_embd": "768"}, [":3: n_embd: must be an integer, found '768'"]),
        ({"model_type": "gpt2", "n_embd": None}, [":3: n_embd: must be an integer, found nothing"]),
        ({"model_type": "llama", "num_key_value_heads": 7}, [":3", "7 does not divide"]),
        ({"model_type": "mistral", "num_attention_heads": 4}, ["num_key_value_heads (default)"]),
        ({"model_type": "llama", "intermediate_size": True}, [":3: intermediate_size"]),
        ({"model_type": "gpt2", "n_embd": 8, "hidden_size": 16}, [":4: hidden_size", "n_embd"]),
        ({"model_type": "gpt2", "add_cross_attention": True}, [":3: add_cross_attention"]),
        ({"model_type": "gpt2", "pruned_heads": {"0": [1]}}, [":3: pruned_heads"]),
        ({"model_type": "gpt2", "rope_scaling": {}}, ["rope_scaling", "unknown key"]),
        ({"model_type": "llama", "sliding_window": 4096}, [":3: sliding_window", "only None|null"]),
        ({"model_type": "llama", "rope_scaling": 2.0}, [":3: rope_scaling", "mapping"]),
        ({"model_type": "llama", "rope_scaling": {"factr": 2}}, [":4: rope_scaling.factr"]),
        ({"model_type": "gpt_neox", "rotary_pct": 1.5}, [":3: rotary_pct: must be at most 1,"]),
        ({"model_type": "gemma2", "layer_types": ["linear_attention"] * 26}, ["layer_types.0"]),
        ({"model_type": "gemma2", "layer_types": ["full_attention"]}, [":3: layer_types", "26"]),
        ({"model_type": "gemma2", "layer_types": 3}, [":3: layer_types", "list"]),
        ({"model_type": "gemma3_text", "sliding_window_pattern": 0}, ["sliding_window_pattern"]),
        ({"model_type": "gemma3_text", "sliding_window_pattern": None}, ["found nothing"]),
        ({"model_type": "qwen2", "use_sliding_window": "no"}, [":3: use_sliding_window", "'no'"]),
        ({"model_type": "gemma3", "text_config": 3}, [":3: text_config", "mapping"]),
        ({"model_type": "gemma3", "text_config": {"hidden_size": 0}}, [":4: text_config.hidden"]),
        ({"model_type": "gemma3", "text_config": {"moe_size": 2}}, [":4: text_config.moe_size"]),
        ({"model_type": "opt", "layer_norm_elementwise_affine": False}, ["layer_norm_elementwise"]),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_named(
    load: Load, config: dict[str, Any], parts: list[str]
) -> None:
    message = refusal(load, config)
    for part in parts:
        assert any(choice in message for choice in part.split("|")), (part, message)


def test_lines_survive_tabs_and_are_left_out_on_one_line(load: Load) -> None:
    with pytest.raises(InputError, match=r"config\.json:3: n_embd"):
        load({"model_type": "gpt2", "n_embd": 0}, indent="\t")
    with pytest.raises(InputError, match=r"config\.json:1: n_embd"):
        load({"model_type": "gpt2", "n_embd": 0}, indent=None)


@given(
    st.dictionaries(
        st.sampled_from(sorted({key for t in TYPES for key in dictionary().model_type(t).known()})),
        st.none() | st.booleans() | st.integers(-3, 10**30) | st.floats() | st.text(max_size=5)
        | st.lists(st.integers(), max_size=2) | st.dictionaries(st.text(max_size=3), st.none()),
        max_size=5,
    ),
    st.sampled_from(TYPES),
)  # fmt: skip
@settings(max_examples=400)
def test_any_values_make_a_model_or_one_line(config: dict[str, Any], model_type: str) -> None:
    from bitnet_hw.files.reading import validate

    document = Document(config | {"model_type": model_type}, "config.json")
    try:
        model = validate(ModelSpec, to_model_fields(document, "m"))
    except InputError as error:
        assert "\n" not in str(error)  # noqa: PT017  such values may also make a model
    else:
        assert model.total_parameters > 0


def test_the_model_is_named_after_its_folder(load: Load) -> None:
    assert load({"model_type": "llama"}).name == "some-model"
