"""What Python cannot say and a processor can do, in LLVM's terms, which suit any processor."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

# ruff: noqa: ANN401, ARG001  numba's own signatures

#: Bytes that `bits_above` and `add_bits` take at a time: a bit of a word each.
VECTOR = 64

_BYTE, _WORD = ir.IntType(8), ir.IntType(64)
_BYTES = ir.VectorType(_BYTE, VECTOR)
_BITS = ir.VectorType(ir.IntType(1), VECTOR)


@intrinsic
def ones(typing: Any, word: Any) -> Any:
    """Return the number of bits set: the instruction, which numpy's function is not compiled to."""

    def build(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctpop(arguments[0])

    return types.int64(types.uint64), build


@intrinsic
def copy_bytes(typing: Any, to: Any, there: Any, source: Any, here: Any, size: Any) -> Any:
    """Copy bytes between arrays: an instruction or two, where so many are known when compiling."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        target = _place(context, builder, signature, arguments, 0)
        origin = _place(context, builder, signature, arguments, 2)
        cgutils.raw_memcpy(builder, target, origin, arguments[4], 1)
        return context.get_dummy_value()

    return types.void(to, types.intp, source, types.intp, types.intp), build


@intrinsic
def bits_above(typing: Any, data: Any, at: Any, factor: Any, limit: Any) -> Any:
    """Return which of 64 bytes, each times a factor modulo 256, are above a limit: a bit each."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _place(context, builder, signature, arguments, 0)
        there = builder.load(builder.bitcast(place, _BYTES.as_pointer()), align=1)
        product = builder.mul(there, _everywhere(builder, arguments[2]))
        above = builder.icmp_unsigned(">", product, _everywhere(builder, arguments[3]))
        return builder.bitcast(above, _WORD)

    return types.uint64(data, types.intp, types.intp, types.intp), build


@intrinsic
def add_bits(typing: Any, lanes: Any, at: Any, bits: Any) -> Any:
    """Add 64 bits to as many bytes."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = _place(context, builder, signature, arguments, 0)
        place = builder.bitcast(place, _BYTES.as_pointer())
        more = builder.zext(builder.bitcast(arguments[2], _BITS), _BYTES)
        builder.store(builder.add(builder.load(place, align=1), more), place, align=1)
        return context.get_dummy_value()

    return types.void(lanes, types.intp, types.uint64), build


def _place(context: Any, builder: Any, signature: Any, arguments: Any, array: int) -> Any:
    """Return the address of a byte of an array: arguments are the array, then the byte."""
    data = context.make_array(signature.args[array])(context, builder, arguments[array]).data
    return builder.gep(builder.bitcast(data, cgutils.voidptr_t), [arguments[array + 1]])


def _everywhere(builder: Any, number: Any) -> Any:
    """Return a vector of the low byte of a number."""
    nothing = ir.Constant(_BYTES, ir.Undefined)
    first = ir.Constant(ir.IntType(32), 0)
    one = builder.insert_element(nothing, builder.trunc(number, _BYTE), first)
    everywhere = ir.Constant(ir.VectorType(ir.IntType(32), VECTOR), [0] * VECTOR)
    return builder.shuffle_vector(one, nothing, everywhere)
