"""IEEE 754 multiplication and addition as combinational logic.

Results are rounded to nearest, ties to even. Subnormals and infinities are supported. Every NaN
becomes the same quiet NaN. There are no exception flags and no traps.
"""

from __future__ import annotations

from dataclasses import dataclass

from amaranth import Cat, Const, Module, Mux, Signal, Value


@dataclass(frozen=True)
class FloatFormat:
    """A binary interchange format.

    Attributes
    ----------
    exponent, mantissa : int
        Widths of the two fields, which follow one sign bit.
    """

    exponent: int
    mantissa: int

    @property
    def width(self) -> int:
        """Width in bits."""
        return 1 + self.exponent + self.mantissa

    @property
    def bias(self) -> int:
        """Bias of the exponent field."""
        return (1 << (self.exponent - 1)) - 1

    @property
    def top(self) -> int:
        """Exponent field of infinities and NaN."""
        return (1 << self.exponent) - 1

    @property
    def infinity(self) -> int:
        """Bit pattern of +infinity."""
        return self.top << self.mantissa

    @property
    def nan(self) -> int:
        """Bit pattern of the quiet, positive NaN that arithmetic returns."""
        return self.infinity | 1 << (self.mantissa - 1)


FP16 = FloatFormat(5, 10)
FP32 = FloatFormat(8, 23)


class _Unpacked:
    """Fields and classification of one operand."""

    def __init__(self, m: Module, value: Value, form: FloatFormat, name: str) -> None:
        mantissa = value[: form.mantissa]
        field = value[form.mantissa : -1]
        self.sign = value[-1]
        self.significand = Signal(form.mantissa + 1, name=f"{name}_sig")
        # A subnormal has the exponent of the smallest normal and no hidden one.
        self.exponent = Signal(form.exponent, name=f"{name}_exp")
        self.infinite = Signal(name=f"{name}_inf")
        self.nan = Signal(name=f"{name}_nan")
        normal = field.any()
        m.d.comb += [
            self.significand.eq(Cat(mantissa, normal)),
            self.exponent.eq(Mux(normal, field, 1)),
            self.infinite.eq(field.all() & ~mantissa.any()),
            self.nan.eq(field.all() & mantissa.any()),
        ]

    @property
    def zero(self) -> Value:
        return ~self.significand.any()


def multiply(
    m: Module, a: Value, b: Value, source: FloatFormat, target: FloatFormat, name: str
) -> Value:
    """Multiply two numbers of one format, rounding once to the same or a wider format.

    If the target has twice the mantissa and a wider exponent, as FP32 has for FP16, the product is
    exact and no rounding logic is built.
    """
    x = _Unpacked(m, a, source, f"{name}_x")
    y = _Unpacked(m, b, source, f"{name}_y")
    width = 2 * (source.mantissa + 1)
    sign = Signal(name=f"{name}_sign")
    product = Signal(width, name=f"{name}_product")
    m.d.comb += [sign.eq(x.sign ^ y.sign), product.eq(x.significand * y.significand)]
    normal, zeros = _normalise(m, product, name)
    # Exponent of the product's leading one, with the target's bias.
    biased = x.exponent + y.exponent + (target.bias - 2 * source.bias + 1) - zeros
    exponent = Signal(biased.shape(), name=f"{name}_exp")
    m.d.comb += exponent.eq(biased)
    if target.mantissa + 1 >= width and target.exponent > source.exponent:
        fraction = Cat(Const(0, target.mantissa + 1 - width), normal[:-1])
        finite = Mux(product.any(), Cat(fraction, exponent[: target.exponent]), 0)
        overflow: Value = Const(0, 1)
    else:
        finite, overflow = _round(m, normal, exponent, target, name)
    nan = x.nan | y.nan | (x.infinite & y.zero) | (x.zero & y.infinite)
    infinite = x.infinite | y.infinite | overflow
    return _select(m, sign, finite, infinite, nan, target, name)


def add(m: Module, a: Value, b: Value, form: FloatFormat, name: str) -> Value:
    """Add two numbers of one format, rounding once."""
    precision = form.mantissa + 1
    swap = a[:-1] < b[:-1]
    big = Signal(form.width, name=f"{name}_big")
    small = Signal(form.width, name=f"{name}_small")
    m.d.comb += [big.eq(Mux(swap, b, a)), small.eq(Mux(swap, a, b))]
    x = _Unpacked(m, big, form, f"{name}_x")
    y = _Unpacked(m, small, form, f"{name}_y")
    # Below the last place, rounding needs only the guard, round and sticky positions.
    distance = Signal(form.exponent, name=f"{name}_distance")
    m.d.comb += distance.eq(x.exponent - y.exponent)
    aligned, sticky = _shift_right(m, Cat(Const(0, 3), y.significand), distance, f"{name}_align")
    low = Cat(aligned[0] | sticky, aligned[1:])
    subtract = Signal(name=f"{name}_subtract")
    width = precision + 4
    total = Signal(width, name=f"{name}_total")
    m.d.comb += [
        subtract.eq(x.sign ^ y.sign),
        total.eq(
            Cat(Const(0, 3), x.significand)
            + (Cat(low, Const(0, 1)) ^ subtract.replicate(width))
            + subtract
        ),
    ]
    _, zeros = _normalise(m, total, name)
    # Shifting stops when the exponent reaches that of subnormals.
    shift = Signal(range(width), name=f"{name}_shift")
    m.d.comb += shift.eq(Mux(zeros < x.exponent, zeros, x.exponent))
    shifted = Signal(width, name=f"{name}_shifted")
    exponent = Signal(form.exponent + 1, name=f"{name}_exp")
    m.d.comb += [
        shifted.eq(total << shift),
        exponent.eq(Mux(shifted[-1], x.exponent + 1 - shift, 0)),
    ]
    finite, overflow = _round_up(m, shifted, exponent, Const(0, 1), form, name)
    sign = Signal(name=f"{name}_sign")
    m.d.comb += sign.eq(Mux(total.any(), x.sign, x.sign & y.sign))
    nan = x.nan | y.nan | (x.infinite & y.infinite & subtract)
    return _select(m, sign, finite, x.infinite | overflow, nan, form, name)


def _round(
    m: Module, normal: Value, exponent: Value, form: FloatFormat, name: str
) -> tuple[Value, Value]:
    """Round a normalised significand whose exponent may be that of a subnormal, or lower."""
    shift = Signal(len(exponent), name=f"{name}_denormal")
    field = Signal(form.exponent + 1, name=f"{name}_field")
    with m.If(exponent > 0):
        m.d.comb += field.eq(exponent)
    with m.Else():
        m.d.comb += shift.eq(1 - exponent)
    shifted, sticky = _shift_right(m, normal, shift, f"{name}_down")
    return _round_up(m, shifted, field, sticky, form, name)


def _round_up(
    m: Module, value: Value, exponent: Value, sticky: Value, form: FloatFormat, name: str
) -> tuple[Value, Value]:
    """Round the top bits of `value` half to even; a carry propagates into the exponent."""
    cut = len(value) - (form.mantissa + 1)
    rest = value[: cut - 1].any() | sticky
    up = value[cut - 1] & (rest | value[cut])
    packed = Signal(form.mantissa + len(exponent), name=f"{name}_packed")
    m.d.comb += packed.eq(Cat(value[cut:-1], exponent) + up)
    return packed[: form.width - 1], packed[form.mantissa :] >= form.top


def _select(
    m: Module,
    sign: Value,
    finite: Value,
    infinite: Value,
    nan: Value,
    form: FloatFormat,
    name: str,
) -> Value:
    result = Signal(form.width, name=f"{name}_result")
    magnitude = Mux(infinite, form.infinity, finite)
    m.d.comb += result.eq(Mux(nan, form.nan, Cat(magnitude[: form.width - 1], sign)))
    return result


def _normalise(m: Module, value: Value, name: str) -> tuple[Value, Value]:
    """Shift the leading one to the top; return the result and the number of leading zeros."""
    width = len(value)
    zeros: list[Value] = []
    for k in reversed(range((width - 1).bit_length())):
        step = 1 << k
        empty = Signal(name=f"{name}_empty_{step}")
        shifted = Signal(width, name=f"{name}_normal_{step}")
        m.d.comb += [
            empty.eq(~value[-step:].any()),
            shifted.eq(Mux(empty, value << step, value)),
        ]
        zeros.insert(0, empty)
        value = shifted
    return value, Cat(*zeros)


def _shift_right(m: Module, value: Value, amount: Value, name: str) -> tuple[Value, Value]:
    """Shift right by any amount; return the result and whether a one was shifted out."""
    width = len(value)
    stages = (width - 1).bit_length()
    sticky: Value = Const(0, 1)
    for k in range(stages):
        step = 1 << k
        shifted = Signal(width, name=f"{name}_{step}")
        lost = Signal(name=f"{name}_lost_{step}")
        m.d.comb += [
            shifted.eq(Mux(amount[k], value[step:], value)),
            lost.eq(sticky | (amount[k] & value[:step].any())),
        ]
        value, sticky = shifted, lost
    beyond = amount[stages:].any()
    return Mux(beyond, 0, value)[:width], sticky | (beyond & value.any())
