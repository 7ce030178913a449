"""The quantizers of BitNet in numpy, and the LayerNorm before them.

Two papers and one family of released models define different arithmetic:

* **b1** (Wang et al., BitNet, arXiv 2310.11453, eq. 1 to 12): binary weights, LayerNorm before
  the quantizer.
* **b1.58, paper form** (Ma et al., arXiv 2402.17764): ternary weights, activations scaled to
  plus or minus ``2**(bits - 1)``.
* **b1.58, released form** (the published checkpoints and Hugging Face ``transformers``): the
  scales are ``1 / mean|W|`` and ``127 / max|x|``, with each denominator at least 1e-5.

All floating-point values are float32. A quantizer returns integer codes and their multiplier, so
that ``real = codes / multiplier`` and one division rescales a product.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ..errors import InputError

Int8Array = NDArray[np.int8]
Float32Array = NDArray[np.float32]
Form = Literal["paper", "released"]
Granularity = Literal["token", "tensor"]

#: Prevents division by zero. The released models use this value; the papers only say "a small
#: number".
EPSILON = np.float32(1e-5)


@dataclass(frozen=True)
class Quantized:
    """Integer codes and their scale.

    Attributes
    ----------
    codes : numpy.ndarray
        int8, with the shape of the quantized array.
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
        Real, any shape; one scale for the whole array.

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
        Real, any shape; one scale for the whole array.
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
        uses the same). The paper does not specify the rounding; here it is to the nearest integer
        inside that interval, half to even. ``released``: ``x * (Q - 1) / max(gamma, eps)``, rounded
        half to even, clamped to -Q and Q - 1.
    per : {"token", "tensor"}
        One scale per vector of length K, or one for all of them (b1 in training).

    Returns
    -------
    Quantized
        Codes with the shape of `activations`; multiplier with shape (..., 1) or ().

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
    # torch divides a scalar by a tensor through the reciprocal; this gives the same bits.
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
