"""Tracing a user's PyTorch models: unchanged values, and counts from shapes and weights."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed")
F = torch.nn.functional

import bitnet_hw  # noqa: E402  torch may be missing
from bitnet_hw.cost.pricing import price_tally  # noqa: E402
from bitnet_hw.prices.loading import load_table  # noqa: E402

TOKENS, HIDDEN, WIDTH = 3, 64, 96


class BitLinear(torch.nn.Linear):
    """A straight-through BitLinear, as users write it for training."""

    def forward(self, x: Any) -> Any:
        scale = self.weight.abs().mean().clamp(min=1e-5)
        ternary = (self.weight / scale).round().clamp(-1, 1) * scale
        step = x.abs().amax(dim=-1, keepdim=True).clamp(min=1e-5) / 127
        integers = (x / step).round().clamp(-128, 127) * step
        weight = self.weight + (ternary - self.weight).detach()
        return F.linear(x + (integers - x).detach(), weight, self.bias)

    def non_zeros(self) -> Any:
        weight = self.weight.detach()
        return ((weight / weight.abs().mean()).round().clamp(-1, 1) != 0).sum(dim=1)


class Attention(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.q_proj = BitLinear(HIDDEN, HIDDEN, bias=False)
        self.o_proj = torch.nn.Linear(HIDDEN, HIDDEN)

    def forward(self, x: Any) -> Any:
        q = self.q_proj(x).reshape(1, TOKENS, 4, 16).transpose(1, 2)
        y = F.scaled_dot_product_attention(q, q, q, is_causal=True)
        return self.o_proj(y.transpose(1, 2).reshape(1, TOKENS, HIDDEN))


@pytest.fixture
def x() -> Any:
    torch.manual_seed(5)
    return torch.randn(1, TOKENS, HIDDEN)


def traced(model: Any, *inputs: Any, **options: Any) -> Any:
    """Trace a strict pass, and compare its result with that of an untraced one, bit for bit."""
    with torch.no_grad():
        expected = model(*inputs)
        with bitnet_hw.trace(model, **{"strict": True, **options}) as tally:
            found = model(*inputs)
    if expected.device.type != "meta":
        assert torch.equal(found, expected)
    return tally


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(
    "mode", [torch.enable_grad, torch.no_grad, torch.inference_mode], ids=lambda mode: mode.__name__
)
def test_a_bitlinear_written_by_a_user(x: Any, dtype: Any, mode: Callable[[], Any]) -> None:
    model = torch.nn.Sequential(BitLinear(HIDDEN, WIDTH), torch.nn.ReLU(), BitLinear(WIDTH, 8))
    model.to(dtype)
    x = x.to(dtype)
    with mode():
        expected = model(x)
        with bitnet_hw.trace(model, strict=True) as tally:
            found = model(x)
    assert torch.equal(found, expected)
    assert tally.macs == TOKENS * (HIDDEN * WIDTH + WIDTH * 8)
    non_zeros = [model[i].non_zeros() for i in (0, 2)]
    assert tally.add_only.non_zero_terms == TOKENS * sum(int(n.sum()) for n in non_zeros)
    additions = {key.scope: n for key, n in tally.counts.items() if key.operation == "ternary-add"}
    assert additions == {
        str(2 * i): TOKENS * int((n - 1).clamp(min=0).sum()) for i, n in enumerate(non_zeros)
    }
    assert {(mac.activation, mac.weight) for mac in tally.mac_counts} == {("int8", "ternary")}
    assert tally.total("mul") > 0  # by scales, not in the products
    assert not [key for key in tally.counts if key.role == "linear" and key.operation == "mul"]


def test_the_operations_of_a_bitlinear_by_role(x: Any) -> None:
    tally = traced(torch.nn.Sequential(BitLinear(HIDDEN, WIDTH, bias=False)), x)
    counts = tally.by("role", "operation")
    elements = TOKENS * HIDDEN
    assert counts["quantize", "round"] == elements
    # The magnitudes' maximum, the floor under the step, and both ends of the clip.
    assert counts["quantize", "compare"] == TOKENS * (HIDDEN - 1) + TOKENS + 2 * elements
    assert tally.weight_work.total("round") == HIDDEN * WIDTH
    assert {key.side for key in tally.weight_work.counts} == {"weight"}
    assert {key.side for key in tally.counts} == {"token"}
    both = tally.with_weight_work()
    assert both.total() == tally.total() + tally.weight_work.total()


def test_fused_attention_counts_on_the_cpu(x: Any) -> None:
    tally = traced(Attention(), x)
    pairs = 4 * TOKENS * TOKENS
    assert tally.macs_by_role() == {
        "qkv": TOKENS * HIDDEN * HIDDEN,
        "attention-score": pairs * 16,
        "attention-value": pairs * 16,
        "attention-out": TOKENS * HIDDEN * HIDDEN,
    }
    assert tally.by("role", "operation")["softmax", "exp"] == pairs
    assert {key.scope for key in tally.counts} == {"Attention", "q_proj", "o_proj"}


def test_attention_in_separate_operators_counts_like_the_kernel(x: Any) -> None:
    class WrittenAttention(Attention):
        def forward(self, x: Any) -> Any:
            q = self.q_proj(x).reshape(1, TOKENS, 4, 16).transpose(1, 2)
            p = (q @ q.transpose(-1, -2) * 0.25).softmax(dim=-1)
            return self.o_proj((p @ q).transpose(1, 2).reshape(1, TOKENS, HIDDEN))

    plain, fused = WrittenAttention(), Attention()
    fused.load_state_dict(plain.state_dict())
    found = [traced(model, x).by("role", "operation", "format") for model in (plain, fused)]
    # The scaling is a separate operator, which a trace cannot assign to the softmax.
    scaling = found[0].pop(("elementwise", "mul", "fp32"))
    assert scaling == 4 * TOKENS * TOKENS
    found[1]["softmax", "mul", "fp32"] -= scaling
    assert found[0] == found[1]


def test_a_buffer_written_from_the_input_depends_on_it(x: Any) -> None:
    class Cache(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = torch.nn.Buffer(torch.ones(HIDDEN))
            self.kept = torch.nn.Buffer(torch.zeros(8, HIDDEN))

        def forward(self, x: Any) -> Any:
            weights = self.table.exp()  # the same for every input
            self.kept[2 : 2 + TOKENS] = x[0]
            return self.kept[2:].exp() * weights

    tally = traced(Cache(), x)
    assert tally.total("exp") == 6 * HIDDEN
    assert tally.weight_work.total("exp") == HIDDEN


def test_a_weight_that_changes_is_read_again(x: Any) -> None:
    model = torch.nn.Linear(HIDDEN, WIDTH, bias=False)
    with torch.no_grad(), bitnet_hw.trace(model) as tally:
        model(x)
        assert not tally.add_only.non_zero_terms
        model.weight.copy_(torch.eye(WIDTH, HIDDEN))
        model(x)
        assert tally.add_only.non_zero_terms == TOKENS * HIDDEN
        model.weight.mul_(torch.tensor([0.5, -0.5]).repeat(HIDDEN // 2))
        model(x)
    assert tally.add_only.non_zero_terms == 2 * TOKENS * HIDDEN


def test_inputs_made_within_the_block_are_inputs() -> None:
    model = torch.nn.Linear(HIDDEN, WIDTH)
    with torch.no_grad(), bitnet_hw.trace(model) as tally:
        model(torch.ones(1, HIDDEN))
        model(torch.tensor([[1.0] * HIDDEN]))
    assert tally.macs == 2 * HIDDEN * WIDTH
    assert not tally.weight_work.macs


def test_constants_that_a_module_makes_are_stored() -> None:
    class Masked(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            mask = torch.arange(4) >= torch.tensor([2, 1, 2, 3])
            return torch.where(mask, x, 0.0) + 1.0

    tally = traced(Masked(), torch.ones(4))
    assert tally.weight_work.by("operation", "format") == {("compare", "int64"): 4}
    assert tally.by("operation", "format") == {("add", "fp32"): 4}


def test_reused_memory_is_classified_again(x: Any) -> None:
    class Loop(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.codes = torch.nn.Buffer(torch.eye(HIDDEN))
            self.dense = torch.nn.Parameter(torch.randn(HIDDEN, HIDDEN))

        def forward(self, x: Any) -> Any:
            for i in range(20):
                weight = (self.codes if i % 2 else self.dense) * 1.0  # freed, and its memory reused
                x = x @ weight
                del weight
            return x

    tally = traced(Loop(), x)
    assert tally.add_only.executed_adder_slots == 10 * TOKENS * HIDDEN * HIDDEN
    assert tally.macs == 20 * TOKENS * HIDDEN * HIDDEN


def test_unregistered_tensors_of_a_module_are_stored_too(x: Any) -> None:
    class Plain(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.hidden = torch.eye(HIDDEN)

        def forward(self, x: Any) -> Any:
            return x @ self.hidden

    assert traced(Plain(), x).add_only.non_zero_terms == TOKENS * HIDDEN


def test_convolutions(x: Any) -> None:
    model = torch.nn.Conv1d(TOKENS, 12, 5, padding=2)
    with torch.no_grad():
        model.weight.copy_(torch.randint(-1, 2, model.weight.shape) * 0.5)
    tally = traced(model, x)
    assert tally.macs == 12 * HIDDEN * TOKENS * 5
    assert tally.add_only.non_zero_terms == HIDDEN * int((model.weight != 0).sum())


def test_operators_without_a_formula() -> None:
    class Odd(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return torch.special.i0(x).log()

    model = torch.nn.Sequential(Odd())
    data = torch.ones(4)
    with bitnet_hw.trace(model) as tally:
        model(data)
    assert (
        dict(tally.unknown)
        == {
            ("0", "aten.special_i0.default"): 1,
            ("0", "aten.log.default"): 1,
        }
        or ("0", "aten.i0.default") in tally.unknown
    )
    with (
        pytest.raises(bitnet_hw.InputError, match=r"aten\.log\.default \(first in 0\)"),
        bitnet_hw.trace(model, strict=True),
    ):
        model(data)


def test_an_exception_leaves_nothing_behind(x: Any) -> None:
    class Fails(torch.nn.Module):
        def forward(self, _: Any) -> Any:
            raise ArithmeticError

    model = torch.nn.Sequential(torch.nn.Linear(HIDDEN, 4), Fails())
    with bitnet_hw.trace(model) as tally:
        with pytest.raises(ArithmeticError):
            model(x)
        model[0](x)
    assert {key.scope for key in tally.counts} == {"0"}
    before = tally.total()
    with pytest.raises(ArithmeticError), bitnet_hw.trace(model):
        model(x)
    model[0](x)
    assert tally.total() == before


def test_nested_traces_count_the_same(x: Any) -> None:
    model = torch.nn.Linear(HIDDEN, WIDTH)
    with bitnet_hw.trace(model) as outer, bitnet_hw.trace(model) as inner:
        model(x)
    assert outer.counts == inner.counts != {}


def test_declared_zeros_on_meta(x: Any) -> None:
    model = torch.nn.ModuleDict({"down_proj": torch.nn.Linear(HIDDEN, WIDTH, bias=False)})
    model.forward = lambda x: model["down_proj"](x)
    model, x = model.to("meta"), x.to("meta")
    assert traced(model, x).undeclared == {"down_proj"}
    tally = traced(model, x, weight_zeros={"*_proj": 0.25}, activations={"*": "int8"})
    assert tally.add_only.non_zero_terms == TOKENS * WIDTH * HIDDEN * 0.75
    assert tally.total("ternary-add") == TOKENS * WIDTH * (HIDDEN * 0.75 - 1)
    (mac,) = tally.mac_counts
    assert (mac.activation, mac.weight, mac.accumulator) == ("int8", "ternary", "int14")
    assert not tally.undeclared


def test_a_traced_tally_can_be_priced(x: Any) -> None:
    tally = traced(Attention(), x)
    assert price_tally(tally, load_table("7nm"))


def test_bad_arguments_of_a_trace_are_refused(x: Any) -> None:
    with pytest.raises(bitnet_hw.InputError, match=r"takes a torch\.nn\.Module, found ndarray"):
        bitnet_hw.trace(x.numpy())
    model = torch.nn.Identity()
    with (
        pytest.raises(bitnet_hw.InputError, match="give a fraction"),
        bitnet_hw.trace(model, weight_zeros={"*": 1.5}),
    ):
        pass
    with (
        pytest.raises(bitnet_hw.InputError, match="number format"),
        bitnet_hw.trace(model, activations={"*": "int88"}),
    ):
        pass


def test_a_compiled_function_is_traced_operator_by_operator(x: Any) -> None:
    class Compiled(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.eye(HIDDEN))
            with warnings.catch_warnings():
                # PyTorch's compiler imports modules that warn of their own deprecation.
                warnings.simplefilter("ignore")
                self.product = torch.compile(lambda x, w: (x @ w).relu())

        def forward(self, x: Any) -> Any:
            return self.product(x, self.weight)

    model = Compiled()
    with torch.no_grad(), bitnet_hw.trace(model, strict=True) as tally:
        model(x)
    assert tally.add_only.non_zero_terms == TOKENS * HIDDEN
    assert tally.total("compare") == TOKENS * HIDDEN


def test_a_model_may_hold_tensors_without_strides(x: Any) -> None:
    model = torch.nn.Sequential(torch.nn.Linear(HIDDEN, WIDTH))
    model.register_buffer("adjacency", torch.eye(16).to_sparse())
    assert traced(model, x).macs == TOKENS * HIDDEN * WIDTH


@pytest.mark.parametrize(
    ("exponent", "counts"),
    [
        (4, {"mul": 2}),  # (x x) (x x)
        (3, {"mul": 2}),
        (-0.5, {"rsqrt": 1}),
        (0.5, {"rsqrt": 1, "mul": 1}),
        (-1, {"div": 1}),
        (1, {}),
    ],
)
def test_powers(exponent: float, counts: dict[str, int]) -> None:
    class Power(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return x**exponent

    found = traced(Power(), torch.full((6,), 2.0)).by("operation")
    assert found == {(name,): 6 * each for name, each in counts.items()}


@pytest.mark.parametrize("exponent", [2.7, 0, -2, torch.full((6,), 3.0)])
def test_a_power_without_a_formula_is_listed(exponent: Any) -> None:
    class Power(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return torch.pow(x, exponent)

    tally = traced(Power(), torch.full((6,), 2.0), strict=False)
    assert tally.total() == 0
    ((scope, operator),) = tally.unknown
    assert scope == "Power"
    assert operator.startswith("aten.pow.Tensor")
    assert operator.endswith(("to the 2.7", "to the 0", "to the -2", "to the power of a tensor"))


def test_traces_are_equal_if_they_count_the_same(x: Any) -> None:
    model = torch.nn.Sequential(BitLinear(HIDDEN, WIDTH))
    assert traced(model, x) == traced(model, x)
    assert traced(model, x) != traced(model, x[:, :1])
    odd = traced(torch.nn.Hardswish(), x, strict=False)
    assert odd.unknown
    assert "calls without a formula" in repr(odd)
