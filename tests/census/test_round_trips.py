"""Round trips through the libraries that write these files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bitnet_hw.census import take_census
from bitnet_hw.inputs.model import load_model


@pytest.fixture(scope="module")
def bitnet_module() -> Any:
    """Return transformers' packing module, with its functions left uncompiled."""
    torch = pytest.importorskip("torch")
    before = os.environ.get("TORCHDYNAMO_DISABLE")
    os.environ["TORCHDYNAMO_DISABLE"] = "1"
    torch.compiler.reset()
    pytest.importorskip("transformers")
    import transformers.integrations.bitnet as module

    yield module
    if before is None:
        del os.environ["TORCHDYNAMO_DISABLE"]
    else:
        os.environ["TORCHDYNAMO_DISABLE"] = before


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("rows", "columns"), [(4, 8), (1, 7), (2, 9), (5, 3), (6, 40), (7, 1), (9, 64), (640, 256)]
)
def test_transformers_packing(
    bitnet_module: Any, formats: Any, tmp_path: Path, rows: int, columns: int
) -> None:
    import torch
    from safetensors.torch import save_file

    weights = formats.ternary(rows, columns, seed=rows)
    packed = bitnet_module.pack_weights(torch.tensor(weights.astype(np.float32)))
    unpack = bitnet_module.unpack_weights
    unpacked = getattr(unpack, "_torchdynamo_orig_callable", unpack)(packed, torch.float32)
    assert np.array_equal(unpacked.numpy()[:rows], weights)
    scale = torch.tensor([0.5], dtype=torch.bfloat16)
    name = "model.layers.0.self_attn.q_proj"
    save_file({f"{name}.weight": packed, f"{name}.weight_scale": scale}, tmp_path / "m.safetensors")
    model = load_model("bitnet-b1.58-2b4t").replace(
        num_attention_heads=rows, num_key_value_heads=rows, head_dim=1
    )
    census = take_census(tmp_path / "m.safetensors", model=model)
    (found,) = (matrix for matrix in census.matrices if matrix.ternary)
    kept = unpacked[:rows]
    assert found.shape == (rows, columns)
    assert (found.zeros, found.plus, found.minus) == tuple(
        int((kept == value).sum()) for value in (0, 1, -1)
    )
    assert found.scale is not None
    assert found.scale.high == 0.5
    assert found.columns is not None
    assert found.columns.most == pytest.approx(float((kept == 0).double().mean(0).max()))


@pytest.mark.parametrize("kind", ["TQ1_0", "TQ2_0"])
@pytest.mark.parametrize("shape", [(1, 256), (3, 512), (200, 2560), (5, 4, 256)])
def test_gguf_quantizers(formats: Any, tmp_path: Path, kind: str, shape: tuple[int, ...]) -> None:
    gguf = pytest.importorskip("gguf")
    quantization = gguf.GGMLQuantizationType[kind]
    columns = shape[-1]
    weights = formats.ternary(int(np.prod(shape[:-1])), columns).astype(np.float32)
    # One scale per block of 256, which the quantizer finds.
    blocks = weights.reshape(-1, 256) * np.linspace(0.25, 4, weights.size // 256)[:, None]
    data = gguf.quants.quantize(blocks.astype(np.float32).reshape(shape), quantization)
    writer = gguf.GGUFWriter(str(tmp_path / "m.gguf"), "bitnet")
    writer.add_array("tokenizer.ggml.tokens", ["<s>", "a", "bc"])
    writer.add_float32("some.number", 1.5)
    writer.add_tensor("blk.0.ffn_up.weight", data, raw_dtype=quantization)
    writer.add_tensor("output_norm.weight", np.ones(columns, np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    dense = gguf.quants.dequantize(data, quantization).reshape(-1, columns)
    census = take_census(tmp_path / "m.gguf")
    found, norm = census.matrices
    assert census.warnings == ()
    assert found.shape == shape
    assert (found.zeros, found.plus, found.minus) == (
        int((dense == 0).sum()), int((dense > 0).sum()), int((dense < 0).sum()),
    )  # fmt: skip
    assert found.bytes == data.nbytes
    assert found.scale is not None
    assert found.scale.low == np.float16(0.25)
    is_zero = dense == 0
    assert found.rows is not None
    assert found.columns is not None
    assert found.rows.least == pytest.approx(is_zero.mean(1).min())
    assert found.columns.median == pytest.approx(np.median(is_zero.mean(0)))
    assert not norm.ternary
    assert census.zeros_by_role() == {"ffn-up": found.zeros / found.weights}


def test_every_byte_of_tq1_0_decodes_as_gguf_py_decodes_it(formats: Any, tmp_path: Path) -> None:
    quants = pytest.importorskip("gguf.quants")
    gguf = pytest.importorskip("gguf")
    data = np.zeros((64, 54), np.uint8)
    data[:, :52] = np.resize(np.arange(256, dtype=np.uint8), (64, 52))
    data[:, 52:] = np.array([1.0], np.float16).view(np.uint8)
    dense = quants.dequantize(data, gguf.GGMLQuantizationType.TQ1_0)
    path = tmp_path / "m.gguf"
    path.write_bytes(formats.gguf({"a.weight": formats.tensor((64, 256), 34, data.tobytes())}))
    census = take_census(path)
    found = census.matrices[0]
    assert (found.zeros, found.plus) == ((dense == 0).sum(), (dense > 0).sum())
    assert found.columns is not None
    assert found.columns.most == pytest.approx((dense == 0).mean(0).max())
    # 13 of 256 bytes encode no five trits, and 175 no four.
    fives, fours = census.warnings
    assert "no group of five trits produces, the first one here" in fives
    odd = [b for b in range(256) if b not in {-(-v * 256 // 243) for v in range(243)}]
    assert len(odd) == 13
    assert ", ".join(map(str, odd[:8])) in fives
    assert f"{np.isin(data[:, :48], odd).sum()} bytes" in fives
    assert "four trits" in fours
