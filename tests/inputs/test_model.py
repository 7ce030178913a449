"""Models: the catalogue's dimensions against published totals, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from bitnet_hw.errors import InputError
from bitnet_hw.inputs import catalogue
from bitnet_hw.inputs.model import ModelSpec, load_model

PUBLISHED = yaml.safe_load(
    (Path(__file__).parents[1] / "data" / "published_parameters.yaml").read_text(encoding="utf-8")
)
SMALL: dict[str, Any] = {
    "name": "small",
    "hidden_size": 64,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 96,
    "gated": True,
    "activation": "silu",
    "vocab_size": 100,
    "tie_word_embeddings": False,
}


def pairs(kind: str) -> list[tuple[str, Any]]:
    return [pair for source in PUBLISHED[kind] for pair in source["models"].items()]


@pytest.mark.parametrize(("name", "total"), pairs("exact"))
def test_totals_that_others_print_exactly(name: str, total: int) -> None:
    assert load_model(name).total_parameters == total


@pytest.mark.parametrize(("name", "printed"), pairs("billions"))
def test_totals_that_publishers_round(name: str, printed: str) -> None:
    half_a_digit = 0.5 * 10.0 ** -len(printed.partition(".")[2])
    total = load_model(name).total_parameters / 1e9
    assert total == pytest.approx(float(printed), rel=0.005, abs=half_a_digit)


#: Catalogue name -> config of the same dimensions, for types that transformers can build.
BUILT: dict[str, dict[str, Any]] = {
    "gpt2-medium": {"model_type": "gpt2", "n_embd": 1024, "n_layer": 24, "n_head": 16},
    "gpt2-large": {"model_type": "gpt2", "n_embd": 1280, "n_layer": 36, "n_head": 20},
    "gpt2-xl": {"model_type": "gpt2", "n_embd": 1600, "n_layer": 48, "n_head": 25},
    "gpt2": {"model_type": "gpt2"},
    "opt-125m": {"model_type": "opt"},
    "opt-6.7b": {
        "model_type": "opt", "hidden_size": 4096, "ffn_dim": 16384, "num_hidden_layers": 32,
        "num_attention_heads": 32,
    },
    "gemma-7b": {"model_type": "gemma"},
    "gemma-2-2b": {"model_type": "gemma2"},
    "mistral-7b": {"model_type": "mistral"},
    "phi-3-mini": {"model_type": "phi3"},
    "bitnet-b1.58-2b4t": {"model_type": "bitnet", "tie_word_embeddings": True},
    "qwen3-0.6b": {
        "model_type": "qwen3", "hidden_size": 1024, "intermediate_size": 3072,
        "num_hidden_layers": 28, "num_attention_heads": 16, "num_key_value_heads": 8,
        "tie_word_embeddings": True,
    },
    "smollm2-135m": {
        "model_type": "llama", "hidden_size": 576, "intermediate_size": 1536,
        "num_hidden_layers": 30, "num_attention_heads": 9, "num_key_value_heads": 3,
        "vocab_size": 49152, "tie_word_embeddings": True,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", BUILT)
def test_totals_of_models_that_transformers_builds(name: str) -> None:
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    config = transformers.CONFIG_MAPPING[BUILT[name]["model_type"]].from_dict(dict(BUILT[name]))
    with torch.device("meta"):
        model = transformers.AutoModelForCausalLM.from_config(config)
    assert load_model(name).total_parameters == sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("name", catalogue.names("models"))
def test_every_entry_is_named_after_its_file_and_has_a_source(name: str) -> None:
    model = load_model(name)
    assert model.name == name
    assert len(model.source) > 20


@pytest.mark.parametrize(
    ("name", "hidden", "layers", "heads"),
    # Table 5 of arXiv 2310.11453
    [
        ("bitnet-125m", 768, 12, 12), ("bitnet-350m", 1024, 24, 16), ("bitnet-760m", 1536, 24, 16),
        ("bitnet-1.3b", 2048, 24, 32), ("bitnet-2.7b", 2560, 32, 32), ("bitnet-6.7b", 4096, 32, 32),
        ("bitnet-13b", 5120, 40, 40), ("bitnet-30b", 7168, 48, 56),
    ],
)  # fmt: skip
def test_bitnet_sizes(name: str, hidden: int, layers: int, heads: int) -> None:
    model = load_model(name)
    shape = (model.hidden_size, model.num_hidden_layers, model.num_attention_heads)
    assert shape == (hidden, layers, heads)
    assert model.linear_parameters == 12 * hidden**2 * layers


@pytest.mark.parametrize("size", ["1.3b", "3b", "7b", "13b", "70b"])
def test_shapes_behind_figure_3(size: str) -> None:
    model = load_model(f"b1.58-fig3-{size}")
    assert model.linear_parameters == 12 * model.hidden_size**2 * model.num_hidden_layers


def test_absent_fields_follow_from_the_given_ones() -> None:
    model = ModelSpec.model_validate(SMALL)
    assert (model.num_key_value_heads, model.head_dim, model.embedding_size) == (4, 16, 64)
    assert model.layer_windows == ((None, 3),)
    windowed = ModelSpec.model_validate(SMALL | {"sliding_window": 8})
    assert windowed.layer_windows == ((8, 3),)
    mixed = ModelSpec.model_validate(SMALL | {"sliding_window": 8, "sliding_window_layers": 2})
    assert mixed.layer_windows == ((8, 2), (None, 1))


@given(
    st.integers(1, 8), st.integers(1, 8), st.integers(1, 64), st.integers(1, 99), st.integers(1, 9),
    st.booleans(), st.booleans(),
)  # fmt: skip
def test_parts_add_up_matrix_by_matrix(
    groups: int, per_group: int, head_dim: int, ffn: int, layers: int, gated: bool, tied: bool
) -> None:
    heads, hidden = groups * per_group, 24
    model = ModelSpec.model_validate(
        SMALL
        | {
            "hidden_size": hidden, "num_attention_heads": heads, "num_key_value_heads": groups,
            "head_dim": head_dim, "intermediate_size": ffn, "num_hidden_layers": layers,
            "gated": gated, "tie_word_embeddings": tied,
        }
    )  # fmt: skip
    query, key = (hidden, heads * head_dim), (hidden, groups * head_dim)
    matrices = [query, key, key, query[::-1], (hidden, ffn), (ffn, hidden)]
    matrices += [(hidden, ffn)] * gated
    weights = sum(n * p for n, p in matrices) * layers
    assert model.linear_parameters == weights
    norms = (2 * layers + 1) * hidden
    vocabularies = 1 if tied else 2
    assert model.total_parameters == weights + norms + vocabularies * 100 * hidden


@pytest.mark.parametrize(
    ("change", "key", "words"),
    [
        ({"num_attention_heads": 5}, "num_attention_heads", "do not divide"),
        ({"num_key_value_heads": 3}, "num_key_value_heads", "does not divide"),
        ({"hidden_size": 0}, "hidden_size", "must be greater than 0"),
        ({"hidden_size": -64}, "hidden_size", "must be greater than 0"),
        ({"hidden_size": 10**9}, "hidden_size", "must be at most 1048576"),
        ({"num_hidden_layers": 10**6}, "num_hidden_layers", "must be at most 10000"),
        ({"hidden_size": 64.0}, "hidden_size", "must be an integer"),
        ({"hidden_size": "64"}, "hidden_size", "must be an integer"),
        ({"gated": 1}, "gated", "must be true or false"),
        ({"activation": "tanh"}, "activation", "must be one of 'silu', 'gelu', "),
        ({"rotary_fraction": 0.0}, "rotary_fraction", "must be greater than 0"),
        ({"positions": "learned"}, "positions", "max_position_embeddings"),
        ({"sliding_window_layers": 2}, "sliding_window_layers", "sliding_window"),
        ({"sliding_window": 8, "sliding_window_layers": 9}, "sliding_window_layers", "exceeds"),
        ({"num_atention_heads": 4}, "num_atention_heads", "did you mean 'num_attention_heads'?"),
        ({"name": ""}, "name", "must not be empty"),
    ],
)
def test_a_bad_value_is_named_with_its_line(
    tmp_path: Path, change: dict[str, Any], key: str, words: str
) -> None:
    path = tmp_path / "mine.yaml"
    data = SMALL | change
    path.write_text(yaml.safe_dump(data, sort_keys=False))
    with pytest.raises(InputError) as caught:
        load_model(path)
    line = list(data).index(key) + 1
    assert f"mine.yaml:{line}: " in str(caught.value)
    assert key in str(caught.value)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_names_and_paths_that_are_not_models_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="did you mean 'llama-7b'"):
        load_model("llama-7")
    with pytest.raises(InputError, match="no such file"):
        load_model("absent/config.json")
    with pytest.raises(InputError, match=r"no config\.json"):
        load_model(tmp_path)


def test_a_model_without_a_name_takes_that_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 200 + ".yaml")
    path.write_text(yaml.safe_dump({k: v for k, v in SMALL.items() if k != "name"}))
    assert load_model(path).name == "x" * 120


def test_a_model_does_not_change() -> None:
    model = ModelSpec.model_validate(SMALL)
    with pytest.raises(AttributeError, match=r"replace\(hidden_size=...\) returns a changed copy"):
        model.hidden_size = 3  # type: ignore[misc]  # what is asserted
