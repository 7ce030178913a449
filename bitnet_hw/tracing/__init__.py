"""Tallies of running code, a PyTorch model or numpy code.

`torch_models` and `numpy_code` are the two front ends. Both fill a `record.TracedTally`, using the
tables in `formulas` and the formats that `values` detects. PyTorch and numpy are not loaded before
a trace begins.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from ..errors import InputError, ToolMissingError

if TYPE_CHECKING:
    import torch

    from .numpy_code.arrays import ArrayTally
    from .record import TracedTally


def trace(
    model: torch.nn.Module,
    *,
    strict: bool = False,
    weight_zeros: Mapping[str, float] | None = None,
    activations: Mapping[str, str] | None = None,
) -> AbstractContextManager[TracedTally]:
    """Count the operations of a PyTorch model within a block, operator by operator.

    The model runs unchanged, and its outputs are the same to the last bit. docs/tracing.md lists
    the counts of each operator.

    Parameters
    ----------
    model : torch.nn.Module
        On a device with values (CPU), or on the meta device.
    strict : bool
        Whether an operator without a formula is an error at the end of the block. Default: the
        tally lists it in `unknown`.
    weight_zeros : mapping of str to float, optional
        Pattern of module path (``model.layers.*``) -> fraction of zeros. Declares the weights of
        matching modules ternary if they have no values, as on the meta device.
    activations : mapping of str to str, optional
        Pattern of module path -> number format of the activations that these weights multiply,
        for example ``int8``.

    Returns
    -------
    context manager of TracedTally
        The tally, which grows while the block runs.

    Raises
    ------
    ToolMissingError
        If PyTorch is not installed.
    InputError
        If `model` is not a module, a declared fraction or format is invalid, or a strict trace
        meets operators without a formula.

    Examples
    --------
    >>> import bitnet_hw, torch  # doctest: +SKIP
    >>> model = torch.nn.Linear(64, 32, bias=False)  # doctest: +SKIP
    >>> with bitnet_hw.trace(model) as tally:  # doctest: +SKIP
    ...     model(torch.ones(2, 64))
    >>> tally.macs  # doctest: +SKIP
    4096
    """
    try:
        import torch
    except ImportError:
        raise ToolMissingError(
            "tracing a PyTorch model needs PyTorch: pip install 'bitnet-hw[torch]'"
        ) from None
    if not isinstance(model, torch.nn.Module):
        hint = "; trace_numpy traces numpy code" if not isinstance(model, type) else ""
        raise InputError(f"trace takes a torch.nn.Module, found {type(model).__name__}{hint}")
    from .torch_models.tracer import trace_model

    return trace_model(model, strict, weight_zeros or {}, activations or {})


def trace_numpy(*, strict: bool = False) -> AbstractContextManager[ArrayTally]:
    """Count the operations of numpy code on the arrays that a block marks as its inputs.

    Parameters
    ----------
    strict : bool
        Whether a function without a formula is an error at the end of the block.

    Returns
    -------
    context manager of ArrayTally
        The tally. Its methods `input` and `weight` mark arrays, and `scope` names a block of code.

    Raises
    ------
    InputError
        If a strict trace meets functions without a formula.

    Examples
    --------
    Four dot products with three non-zero weights each take two additions each:

    >>> import numpy as np
    >>> weights = np.array([[1.0, -1.0, 0.0, 1.0]] * 4)
    >>> with trace_numpy() as tally, tally.scope("layers.0.q_proj"):
    ...     y = weights @ tally.input(np.ones(4))
    >>> tally.macs_by_role(), tally.total("ternary-add"), tally.total("mul")
    ({'qkv': 16}, 8, 0)
    """
    from .numpy_code.arrays import trace_arrays

    return trace_arrays(strict)
