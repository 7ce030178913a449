"""BitLinear in numpy: quantize, multiply exactly in integers, rescale.

The module `quantizers` describes the two forms of the arithmetic. All floating-point values are
float32.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError
from .quantizers import (
    Float32Array,
    Form,
    Quantized,
    layer_norm,
    quantize_activations,
    quantize_weights_b1,
    quantize_weights_b158,
)

#: float32 can represent every integer up to this one. A BLAS product of integers is exact if the
#: sum of the magnitudes of its terms does not exceed it.
_EXACT_FLOAT32 = 1 << 24


@dataclass(frozen=True)
class PreparedWeights:
    """An integer weight matrix, converted once for exact products at BLAS speed.

    Attributes
    ----------
    codes : numpy.ndarray
        Integers, shape (N, K).

    Raises
    ------
    InputError
        If the codes are not a matrix of integers, or are empty.
    """

    codes: NDArray[np.integer]
    _float32: Float32Array = field(init=False, repr=False, compare=False)
    _max_magnitude: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        codes = self.codes
        if codes.ndim != 2 or not np.issubdtype(codes.dtype, np.integer) or codes.size == 0:
            raise InputError(
                "weights must be an integer matrix of shape (N, K), "
                f"found {codes.dtype} of shape {codes.shape}"
            )
        object.__setattr__(self, "_max_magnitude", _max_magnitude(codes))
        object.__setattr__(self, "_float32", np.ascontiguousarray(codes, dtype=np.float32))

    @property
    def outputs(self) -> int:
        """Number of rows N."""
        return int(self.codes.shape[0])

    @property
    def inputs(self) -> int:
        """Reduction length K."""
        return int(self.codes.shape[1])


def integer_gemm(
    activations: NDArray[np.integer], weights: PreparedWeights | NDArray[np.integer]
) -> NDArray[np.integer]:
    """Multiply integers exactly: ``activations @ weights.T``.

    A float32 BLAS product of integers is exact if no partial sum can exceed 2**24. K is split into
    parts that meet this bound; ternary or binary weights with int8 activations need no split up
    to K = 131072.

    Parameters
    ----------
    activations : numpy.ndarray
        Integers, shape (..., K).
    weights : PreparedWeights or numpy.ndarray
        Integers, shape (N, K). Prepare weights that are used more than once, because converting
        them takes ten times as long as a product with one vector.

    Returns
    -------
    numpy.ndarray
        Shape (..., N); int32, or int64 if the sum of magnitudes could exceed the range of int32.

    Raises
    ------
    InputError
        If a dtype is not integer, the lengths K differ, or a single product exceeds 2**24.

    Examples
    --------
    >>> integer_gemm(np.array([[127, -128]], np.int8), np.array([[1, -1], [0, 1]], np.int8))
    array([[ 255, -128]], dtype=int32)
    """
    prepared = weights if isinstance(weights, PreparedWeights) else PreparedWeights(weights)
    if not np.issubdtype(activations.dtype, np.integer):
        raise InputError(f"activations must be integers, found {activations.dtype}")
    if activations.ndim == 0 or activations.shape[-1] != prepared.inputs:
        raise InputError(
            f"activations of shape {activations.shape} do not fit weights of shape "
            f"{prepared.codes.shape}: the last axes must be equal"
        )
    k = prepared.inputs
    # int8 activations need no search for their largest magnitude, which is at most 128.
    magnitude = 128 if activations.dtype == np.int8 else _max_magnitude(activations)
    term = magnitude * prepared._max_magnitude
    if term > _EXACT_FLOAT32:
        raise InputError(f"one product may reach {term}, above the exact limit of 2**24")
    part = _EXACT_FLOAT32 // max(term, 1)
    dtype = np.int32 if term * k < 1 << 31 else np.int64

    leading = activations.shape[:-1]
    flat = activations.reshape(-1, k).astype(np.float32)
    # A single token uses the matrix-vector routine, which reads the weights in order.
    left = flat[0] if flat.shape[0] == 1 else flat
    # Vector kernels also compute on padding beyond the operands, for which some BLAS builds raise
    # floating-point flags. The results themselves are finite integers up to 2**24.
    with np.errstate(all="ignore"):
        product = (left[..., :part] @ prepared._float32[:, :part].T).astype(dtype)
        for start in range(part, k, part):
            stop = start + part
            product += (left[..., start:stop] @ prepared._float32[:, start:stop].T).astype(dtype)
    return np.asarray(product.reshape(*leading, prepared.outputs))


def rescale(
    product: NDArray[np.integer], activations: Quantized, weight_multiplier: Float32Array
) -> Float32Array:
    """Convert integer sums to real outputs, with one float32 division per output.

    Parameters
    ----------
    product : numpy.ndarray
        Integer sums, shape (..., N).
    activations : Quantized
        The left operand of the product; its multiplier has shape (..., 1) or ().
    weight_multiplier : numpy.ndarray
        float32, shape ().

    Returns
    -------
    numpy.ndarray
        float32, shape (..., N).

    Examples
    --------
    >>> x = Quantized(np.array([[127, -64]], np.int8), np.array([[63.5]], np.float32))
    >>> rescale(np.array([[191]]), x, np.float32(2.0))
    array([[1.503937]], dtype=float32)
    """
    divisor = activations.multiplier * weight_multiplier
    return np.asarray(product.astype(np.float32) / divisor, dtype=np.float32)


@dataclass(frozen=True)
class BitLinear:
    """A linear layer of BitNet at inference.

    Build one with `b1` or `b158` from real weights, or directly from the codes of a checkpoint.

    Attributes
    ----------
    weights : PreparedWeights
        Codes of shape (N, K).
    multiplier : numpy.ndarray
        float32, shape (): ``codes / multiplier`` approximates the real weights.
    bits : int
        Width of the activation codes.
    form : {"paper", "released"}
        Form of the activation quantizer.
    normalize : bool
        Whether a parameter-free LayerNorm precedes the quantizer, as in b1.

    Examples
    --------
    >>> layer = BitLinear.b158([[0.5, -0.5, 0.0, 1.0]])
    >>> layer.weights.codes
    array([[ 1, -1,  0,  1]], dtype=int8)
    >>> layer([1.0, -1.0, 1.0, 2.0])
    array([2.007874], dtype=float32)
    """

    weights: PreparedWeights
    multiplier: Float32Array
    bits: int = 8
    form: Form = "released"
    normalize: bool = False

    @classmethod
    def b1(cls, weights: ArrayLike, *, bits: int = 8) -> BitLinear:
        """Build the binary layer of arXiv 2310.11453 from real weights of shape (N, K)."""
        quantized = quantize_weights_b1(weights)
        prepared = PreparedWeights(quantized.codes)
        return cls(prepared, quantized.multiplier, bits, form="paper", normalize=True)

    @classmethod
    def b158(cls, weights: ArrayLike, *, form: Form = "released", bits: int = 8) -> BitLinear:
        """Build a ternary layer, in the paper's or the released form, from (N, K) weights."""
        quantized = quantize_weights_b158(weights, form)
        return cls(PreparedWeights(quantized.codes), quantized.multiplier, bits, form=form)

    def quantize(self, activations: ArrayLike) -> Quantized:
        """Return the codes and multiplier of activations; shapes (..., K) and (..., 1)."""
        real = layer_norm(activations) if self.normalize else activations
        return quantize_activations(real, bits=self.bits, form=self.form)

    def __call__(self, activations: ArrayLike) -> Float32Array:
        """Apply the layer.

        Parameters
        ----------
        activations : array_like
            Real, shape (..., K).

        Returns
        -------
        numpy.ndarray
            float32, shape (..., N).

        Raises
        ------
        InputError
            If the last axis is not K.
        """
        quantized = self.quantize(activations)
        product = integer_gemm(quantized.codes, self.weights)
        return rescale(product, quantized, self.multiplier)


def _max_magnitude(codes: NDArray[np.integer]) -> int:
    return max(abs(int(codes.max())), abs(int(codes.min()))) if codes.size else 0
