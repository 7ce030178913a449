"""Break the design in one place at a time and check that the usual checks fail.

A mutant is the source of a module with one fragment replaced. The checks are those of the other
tests: simulation against the reference, with and without stalls, and the counters.
"""

from __future__ import annotations

import inspect
from types import ModuleType

import numpy as np
import pytest

from bitnet_hw.rtl import adder_tree, element, floating, multiply, ternary
from bitnet_hw.rtl.family import make_spec
from bitnet_hw.rtl.pe import PESpec
from bitnet_hw.rtl.simulate import simulate
from bitnet_hw.rtl.stimulus import Stalls

T = "ternary"
#: Name of the fault, module, fragment, replacement, and the element that shows the fault.
MUTANTS = [
    ("sign decode", ternary, "masked ^ code.neg.replicate(bits)", "masked", T),
    ("zero decode", ternary, "& code.nz.replicate(bits)", "", T),
    ("carry of a lane", ternary, 'f"term_{lane}"), code.neg', 'f"term_{lane}"), code.nz', T),
    ("binary sign", ternary, "sign = wgt[0]", "sign = ~wgt[0]", "binary"),
    ("carry into the tree", adder_tree, "b = Cat(carry, ", "b = Cat(Const(0, 1), ", T),
    ("carry delay", adder_tree, 'register_all(m, spare, advance, f"carry_{stage}")', "spare", T),
    ("odd lane of a level", adder_tree, "nodes[2 * len(merged) :]", "nodes[: len(nodes) % 2]", T),
    ("first mark", element, "with m.If(marks[-2][0] & marks[-2][1]):", "with m.If(0):", T),
    ("last mark", element, "self.o.valid.eq(valid & last)", "self.o.valid.eq(valid & first)", T),
    ("last mark on the sum", element, "with m.If(last):", "with m.If(~last):", T),
    ("bubbles", element, "with m.If(valid):", "with m.If(1):", T),
    ("stall handling", element, "advance.eq(~self.o.valid | self.o.ready)", "advance.eq(1)", T),
    ("stall of the input", element, "self.i.ready.eq(advance)", "self.i.ready.eq(1)", T),
    ("guard too early", element, "count.eq(start + 1)", "count.eq(start + 2)", T),
    ("slot counter", element, "slots + self.spec.lanes", "slots + 1", T),
    ("non-zero counter", element, "nonzero + counts[0]", "nonzero + 1", T),
    (
        "signed product",
        multiply,
        "act.as_signed() * wgt.as_signed()",
        "act.as_unsigned() * wgt.as_signed()",
        "int8",
    ),
    ("gated product", multiply, "Mux(live, exact, 0)", "exact", "int8-gated"),
    ("round to even", floating, "(rest | value[cut])", "Const(1, 1)", "fp16"),
    ("sticky bit", floating, "aligned[0] | sticky", "aligned[0]", "fp16"),
    ("subtraction", floating, "subtract.eq(x.sign ^ y.sign)", "subtract.eq(0)", "fp16"),
]


def spec_of(name: str) -> PESpec:
    kind, _, gated = name.partition("-")
    parameters: dict[str, object] = {"accumulate": "fp16"} if kind == "fp16" else {}
    return make_spec(
        kind, lanes=5, k_max=45, counters=True, zero_gating=bool(gated) or None, **parameters
    )


def noticed(spec: PESpec) -> bool:
    """Return whether any of the usual checks fails."""
    rng = np.random.default_rng(3)
    for k, stalls in ((45, 0.0), (13, 0.4), (5, 0.4)):
        act, wgt = spec.random_operands(rng, 12, k)
        if not simulate(spec, act, wgt, stalls=Stalls(stalls, 9)).passed:
            return True
    return False


@pytest.fixture
def mutated(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace the functions of a module with those of its mutant."""
    _, module, old, new, _ = request.param
    mutant = mutate(module, old, new)
    for name, own in vars(module).items():
        if getattr(own, "__module__", None) != module.__name__:
            continue
        if inspect.isclass(own):
            for attribute, value in vars(vars(mutant)[name]).items():
                # A method that calls super() is bound to its own class, so it is kept.
                if inspect.isfunction(value) and not value.__code__.co_freevars:
                    monkeypatch.setattr(own, attribute, value)
        elif inspect.isfunction(own):
            # Other modules hold the function itself: give it the mutant's body.
            monkeypatch.setattr(own, "__code__", vars(mutant)[name].__code__)


def mutate(module: ModuleType, old: str, new: str) -> ModuleType:
    source = inspect.getsource(module)
    assert source.count(old) == 1, f"{old!r} occurs {source.count(old)} times"
    mutant = ModuleType(module.__name__)
    mutant.__package__ = module.__package__
    exec(compile(source.replace(old, new), str(module.__file__), "exec"), vars(mutant))  # noqa: S102  our own source
    return mutant


@pytest.mark.parametrize("mutated", MUTANTS, indirect=True, ids=[m[0] for m in MUTANTS])
@pytest.mark.usefixtures("mutated")
def test_a_broken_design_is_noticed(request: pytest.FixtureRequest) -> None:
    name = request.node.callspec.params["mutated"][4]
    assert noticed(spec_of(name))


@pytest.mark.parametrize("name", ["ternary", "binary", "int8", "int8-gated", "fp16"])
def test_the_unbroken_design_passes(name: str) -> None:
    assert not noticed(spec_of(name))
