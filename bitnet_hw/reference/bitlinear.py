"""BitLinear in numpy: quantize, multiply exactly in integers, rescale.

Two papers and one family of released models define the arithmetic, and they differ:

* **b1** (Wang et al., BitNet, arXiv 2310.11453, eq. 1 to 12): binary weights, LayerNorm before
  the quantizer.
* **b1.58, paper form** (Ma et al., arXiv 2402.17764): ternary weights, activations scaled to
  plus or minus ``2**(bits - 1)``.
* **b1.58, released form** (the published checkpoints and Hugging Face ``transformers``): the
  scales are ``1 / mean|W|`` and ``127 / max|x|``, each denominator held above 1e-5.

All floating-point values are float32. A quantizer returns integer codes and their multiplier, so
that ``real = codes / multiplier`` and one division rescales a product.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError

Int8Array = NDArray[np.int8]
Float32Array = NDArray[np.float32]
Form = Literal["paper", "released"]
Granularity = Literal["token", "tensor"]

#: Keeps a denominator from zero. The released models use this value; the papers write only "a
#: small number".
EPSILON = np.float32(1e-5)

#: float32 holds every integer up to this one. A BLAS product of integers is exact if the sum of the
#: magnitudes of its terms stays below.
_EXACT_FLOAT32 = 1 << 24


@dataclass(frozen=True)
class Quantized:
    """Integer codes with their scale.

    Attributes
    ----------
    codes : numpy.ndarray
        int8, of the shape of the quantized array.
    multiplier : numpy.ndarray
        float32; ``codes / multiplier`` approximates the real values. Shape ``()`` for one scale
        per tensor, ``(..., 1)`` for one scale per token.
    """

    codes: Int8Array
    multiplier: Float32Array


def quantize_weights_b1(weights: ArrayLike) -> Quantized:
    """Binarise weights about their mean.

    ``Sign(W - mean(W))``, where a value that is not positive maps to -1, with the scale
    ``beta = mean|W|`` (arXiv 2310.11453, eq. 1 to 3 and 12).

    Parameters
    ----------
    weights : array_like
        Real, any shape; one scale covers all of it.

    Returns
    -------
    Quantized
        Codes -1 and +1; multiplier ``1 / beta``.

    Raises
    ------
    InputError
        If the weights are empty or not finite.

    Examples
    --------
    >>> quantize_weights_b1([[0.5, -1.5], [2.0, 0.0]])
    Quantized(codes=array([[ 1, -1],
           [ 1, -1]], dtype=int8), multiplier=array(1., dtype=float32))
    """
    real = _as_real(weights, "weights")
    codes = np.where(real - real.mean() > 0, np.int8(1), np.int8(-1))
    return Quantized(codes, _reciprocal(np.abs(real).mean()))


def quantize_weights_b158(weights: ArrayLike, form: Form = "released") -> Quantized:
    """Quantize weights to -1, 0 and +1 by their mean magnitude ``gamma = mean|W|``.

    Parameters
    ----------
    weights : array_like
        Real, any shape; one scale covers all of it.
    form : {"paper", "released"}
        ``paper``: ``RoundClip(W / (gamma + eps), -1, 1)`` and the scale gamma (arXiv 2402.17764,
        eq. 1 to 3). ``released``: ``round(W * s)`` clamped to -1 and 1, with
        ``s = 1 / max(gamma, eps)``, which is also the scale. Both round half to even.

    Returns
    -------
    Quantized
        Codes -1, 0 and +1; multiplier ``s``.

    Raises
    ------
    InputError
        If the form is unknown, or the weights are empty or not finite.

    Examples
    --------
    >>> quantize_weights_b158([0.1, -0.6, 0.9, 0.4])
    Quantized(codes=array([ 0, -1,  1,  1], dtype=int8), multiplier=array(2., dtype=float32))
    """
    _check_form(form)
    real = _as_real(weights, "weights")
    gamma = np.abs(real).mean()
    multiplier = _reciprocal(gamma)
    scaled = real / (gamma + EPSILON) if form == "paper" else real * multiplier
    return Quantized(np.clip(np.rint(scaled), -1, 1).astype(np.int8), multiplier)


def quantize_activations(
    activations: ArrayLike,
    *,
    bits: int = 8,
    form: Form = "released",
    per: Granularity = "token",
) -> Quantized:
    """Quantize activations symmetrically by their largest magnitude, without a zero point.

    Parameters
    ----------
    activations : array_like
        Real, shape (..., K).
    bits : int
        Width of a code, 2 to 8.
    form : {"paper", "released"}
        With ``Q = 2**(bits - 1)`` and ``gamma = max|x|``. ``paper``: ``x * Q / gamma`` clipped
        to the open interval between -Q and Q (arXiv 2310.11453, eq. 4 and 5; arXiv 2402.17764
        takes it over). The paper names no rounding; here it is to the nearest integer inside
        that interval, half to even. ``released``: ``x * (Q - 1) / max(gamma, eps)``, rounded
        half to even, clamped to -Q and Q - 1.
    per : {"token", "tensor"}
        One scale per vector of length K, or one for all of them (b1 in training).

    Returns
    -------
    Quantized
        Codes of the shape of `activations`; multiplier of shape (..., 1) or ().

    Raises
    ------
    InputError
        If an argument is out of range, or the activations are empty or not finite.

    Examples
    --------
    >>> quantize_activations([[2.0, -1.0, 0.5], [0.25, 0.5, 0.0]]).codes
    array([[127, -64,  32],
           [ 64, 127,   0]], dtype=int8)
    """
    _check_form(form)
    if not 2 <= bits <= 8:
        raise InputError(f"activation bits must be 2 to 8, found {bits}")
    if per not in ("token", "tensor"):
        raise InputError(f"per must be 'token' or 'tensor', found {per!r}")
    real = _as_real(activations, "activations")
    if real.ndim == 0:
        raise InputError("activations must have at least one axis, found a scalar")
    magnitude = np.abs(real)
    gamma = magnitude.max(axis=-1, keepdims=True) if per == "token" else magnitude.max()
    q = 1 << (bits - 1)
    top, low = (q, 1 - q) if form == "paper" else (q - 1, -q)
    # The reciprocal first, as torch divides a scalar by a tensor: the released models' own bits.
    multiplier = np.asarray(np.float32(top) * _reciprocal(gamma), dtype=np.float32)
    codes = np.clip(np.rint(real * multiplier), low, q - 1)
    return Quantized(codes.astype(np.int8), multiplier)


def layer_norm(activations: ArrayLike, epsilon: float = 1e-5) -> Float32Array:
    """Normalise each vector along the last axis to mean 0 and variance 1, without parameters.

    The SubLN of b1 (arXiv 2310.11453, eq. 11).

    Parameters
    ----------
    activations : array_like
        Real, shape (..., K).
    epsilon : float
        Added to the variance.

    Returns
    -------
    numpy.ndarray
        float32, shape (..., K).

    Raises
    ------
    InputError
        If the activations are empty or not finite.

    Examples
    --------
    >>> layer_norm([1.0, 3.0], epsilon=0.0)
    array([-1.,  1.], dtype=float32)
    """
    real = _as_real(activations, "activations")
    centred = real - real.mean(axis=-1, keepdims=True)
    variance = np.square(centred).mean(axis=-1, keepdims=True)
    return np.asarray(centred / np.sqrt(variance + np.float32(epsilon)), dtype=np.float32)


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
        """N, the number of rows."""
        return int(self.codes.shape[0])

    @property
    def inputs(self) -> int:
        """K, the reduction length."""
        return int(self.codes.shape[1])


def integer_gemm(
    activations: NDArray[np.integer], weights: PreparedWeights | NDArray[np.integer]
) -> NDArray[np.integer]:
    """Multiply integers exactly: ``activations @ weights.T``.

    A float32 BLAS product of integers is exact as long as no partial sum can exceed 2**24. K is
    split so that each part stays below; ternary or binary weights with int8 activations need no
    split up to K = 131072.

    Parameters
    ----------
    activations : numpy.ndarray
        Integers, shape (..., K).
    weights : PreparedWeights or numpy.ndarray
        Integers, shape (N, K). Prepare weights that are used more than once: their conversion
        takes ten times as long as a product with one vector.

    Returns
    -------
    numpy.ndarray
        Shape (..., N); int32, or int64 where the sum of magnitudes could pass int32.

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
    # int8 activations need no search for their maximum: 128 bounds them.
    magnitude = 128 if activations.dtype == np.int8 else _max_magnitude(activations)
    term = magnitude * prepared._max_magnitude
    if term > _EXACT_FLOAT32:
        raise InputError(f"one product may reach {term}, above the exact limit of 2**24")
    part = _EXACT_FLOAT32 // max(term, 1)
    dtype = np.int32 if term * k < 1 << 31 else np.int64

    leading = activations.shape[:-1]
    flat = activations.reshape(-1, k).astype(np.float32)
    # A single token takes the matrix-vector routine, which reads the weights in order.
    left = flat[0] if flat.shape[0] == 1 else flat
    # Vector kernels also compute on padding beyond the operands, and some BLAS builds then raise
    # flags for values outside the result. The results are finite integers below 2**24.
    with np.errstate(all="ignore"):
        product = (left[..., :part] @ prepared._float32[:, :part].T).astype(dtype)
        for start in range(part, k, part):
            stop = start + part
            product += (left[..., start:stop] @ prepared._float32[:, start:stop].T).astype(dtype)
    return np.asarray(product.reshape(*leading, prepared.outputs))


def rescale(
    product: NDArray[np.integer], activations: Quantized, weight_multiplier: Float32Array
) -> Float32Array:
    """Turn integer sums back into real outputs, with one float32 division per output.

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
        Of the activation quantizer.
    normalise : bool
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
    normalise: bool = False

    @classmethod
    def b1(cls, weights: ArrayLike, *, bits: int = 8) -> BitLinear:
        """Build the binary layer of arXiv 2310.11453 from real weights of shape (N, K)."""
        quantized = quantize_weights_b1(weights)
        prepared = PreparedWeights(quantized.codes)
        return cls(prepared, quantized.multiplier, bits, form="paper", normalise=True)

    @classmethod
    def b158(cls, weights: ArrayLike, *, form: Form = "released", bits: int = 8) -> BitLinear:
        """Build a ternary layer, in the paper's or the released form, from (N, K) weights."""
        quantized = quantize_weights_b158(weights, form)
        return cls(PreparedWeights(quantized.codes), quantized.multiplier, bits, form=form)

    def quantize(self, activations: ArrayLike) -> Quantized:
        """Return the codes and multiplier of activations; shapes (..., K) and (..., 1)."""
        real = layer_norm(activations) if self.normalise else activations
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


def _as_real(values: ArrayLike, what: str) -> Float32Array:
    real = np.asarray(values, dtype=np.float32)
    if real.size == 0:
        raise InputError(f"{what} are empty, shape {real.shape}")
    if not np.isfinite(real).all():
        raise InputError(f"{what} contain NaN or infinity")
    return real


def _reciprocal(gamma: Float32Array | np.float32) -> Float32Array:
    return np.asarray(np.float32(1) / np.maximum(gamma, EPSILON), dtype=np.float32)


def _check_form(form: str) -> None:
    if form not in ("paper", "released"):
        raise InputError(f"form must be 'paper' or 'released', found {form!r}")


def _max_magnitude(codes: NDArray[np.integer]) -> int:
    return max(abs(int(codes.max())), abs(int(codes.min()))) if codes.size else 0
