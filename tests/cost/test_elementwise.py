"""Elementwise functions, evaluated on numbers that count their operations."""

from __future__ import annotations

import math
from collections import Counter
from typing import ClassVar

import pytest

from bitnet_hw.inputs.elementwise import elementwise_functions


class _Counted:
    """A number that counts the operations applied to it."""

    seen: ClassVar[Counter[str]] = Counter()

    @classmethod
    def _step(cls, what: str) -> _Counted:
        cls.seen[what] += 1
        return cls()

    def __add__(self, _other: object) -> _Counted:
        return self._step("add")

    __radd__ = __sub__ = __rsub__ = __add__

    def __mul__(self, _other: object) -> _Counted:
        return self._step("mul")

    __rmul__ = __mul__

    def __truediv__(self, _other: object) -> _Counted:
        return self._step("div")

    __rtruediv__ = __truediv__

    def top(self, _other: object) -> _Counted:
        return self._step("compare")

    def exp(self) -> _Counted:
        return self._step("exp")

    def rsqrt(self) -> _Counted:
        return self._step("rsqrt")

    def round(self) -> _Counted:
        return self._step("round")


Vector = list[_Counted]


def _sum(values: Vector) -> _Counted:
    total = _Counted()  # an accumulator that starts at zero
    for value in values:
        total = total + value
    return total


def _tanh_from_twice(twice: _Counted) -> _Counted:
    return 1 - 2 / (twice.exp() + 1)


def _rmsnorm(x: Vector) -> None:
    root = (_sum([v * v for v in x]) * (1 / len(x)) + 1e-5).rsqrt()
    [v * root * _Counted() for v in x]


def _layernorm(x: Vector) -> None:
    mean = _sum(x) * (1 / len(x))
    centred = [v - mean for v in x]
    root = (_sum([v * v for v in centred]) * (1 / len(x)) + 1e-5).rsqrt()
    [v * root * _Counted() + _Counted() for v in centred]


def _softmax(x: Vector) -> None:
    scaled = [v * 0.125 for v in x]
    top = _Counted()
    for v in scaled:
        top = top.top(v)
    powers = [(v - top).exp() for v in scaled]
    inverse = 1 / _sum(powers)
    [power * inverse for power in powers]


def _softcap(x: Vector) -> None:
    [_tanh_from_twice(v * (1 / 50) * 2) * 50 for v in x]


def _rope(x: Vector) -> None:
    pairs = [(x[i], x[i + len(x) // 2]) for i in range(len(x) // 2)]
    cos, sin = _Counted(), _Counted()
    [(a * cos - b * sin, b * cos + a * sin) for a, b in pairs]


def _gelu(x: Vector) -> None:
    for v in x:
        twice = (v + 0.044715 * (v * v * v)) * (2 * math.sqrt(2 / math.pi))
        v * (1 + _tanh_from_twice(twice)) * 0.5


def _absmax(x: Vector, keep: bool = False) -> None:
    top = _Counted()
    for v in x:
        top = top.top(v)
    scale = 127 / top
    for v in x:
        ((v * scale).round()).top(-128).top(127)
        if keep:
            v.top(_Counted())


def _absmean(x: Vector) -> None:
    scale = math.sqrt(7) / (_sum(x) * (1 / len(x)))
    for v in x:
        ((v * scale).round()).top(-8).top(7)


def _rescale(x: Vector) -> None:
    scale = _Counted() * _Counted()
    [v.round() * scale for v in x]


FUNCTIONS = {
    "rmsnorm": _rmsnorm,
    "layernorm": _layernorm,
    "softmax": _softmax,
    "softcap": _softcap,
    "tanh": lambda x: [_tanh_from_twice(v * 2) for v in x],
    "sigmoid": lambda x: [1 / (1 + v.exp()) for v in x],
    "rope": _rope,
    "residual": lambda x: [v + _Counted() for v in x],
    "bias": lambda x: [v + _Counted() for v in x],
    "position": lambda x: [v + _Counted() for v in x],
    "gate": lambda x: [v * _Counted() for v in x],
    "silu": lambda x: [v / (1 + v.exp()) for v in x],
    "gelu": _gelu,
    "relu": lambda x: [v.top(0) for v in x],
    "relu2": lambda x: [v.top(0) * v for v in x],
    "none": lambda _x: None,
    "absmax": _absmax,
    "absmean": _absmean,
    "absmax-topk": lambda x: _absmax(x, keep=True),
    "rescale": _rescale,
    "rescale-group": lambda x: [v.round() * _Counted() + _Counted() for v in x],
    "narrow": lambda x: [v.round() for v in x],
    "dequantize": lambda x: [(v - _Counted()) * _Counted() for v in x],
    "dequantize-symmetric": lambda x: [v * _Counted() for v in x],
}


def test_every_elementwise_function_is_tested() -> None:
    assert set(FUNCTIONS) == set(elementwise_functions().functions)


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("width", [2, 6, 128])
def test_elementwise_steps_equal_the_function_run_on_counting_numbers(
    name: str, width: int
) -> None:
    _Counted.seen = Counter()
    FUNCTIONS[name]([_Counted() for _ in range(width)])
    steps = elementwise_functions().functions[name]
    listed = Counter({op: each * width for op, each in steps.element.items()})
    listed.update(steps.vector)
    assert listed == _Counted.seen
