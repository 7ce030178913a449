"""Counts of what really runs: the tally of a PyTorch model or of numpy code.

Neither PyTorch nor numpy is loaded before a trace begins.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from ..errors import InputError, ToolMissingError

if TYPE_CHECKING:
    import torch

    from .arrays import ArrayTally
    from .record import TracedTally


def trace(
    model: torch.nn.Module,
    *,
    strict: bool = False,
    weight_zeros: Mapping[str, float] | None = None,
    activations: Mapping[str, str] | None = None,
) -> AbstractContextManager[TracedTally]:
    """Count what a PyTorch model computes within a block, operator by operator.

    >>> with bitnet_hw.trace(model) as tally:  # doctest: +SKIP
    ...     model(tokens)
    >>> tally.total("ternary-add"), tally.macs  # doctest: +SKIP

    The model runs as it is and its outputs are the same to the last bit. See docs/tracing.md for
    what each operator counts.

    Parameters
    ----------
    model : torch.nn.Module
        On a device with values (CPU), or on the meta device.
    strict : bool
        Whether an operator without a formula is an error at the end of the block; it is listed in
        the tally's `unknown` otherwise.
    weight_zeros : mapping of str to float, optional
        Pattern of module path (``model.layers.*``) -> fraction of zeros: the stored weights of
        products there are ternary. For weights without values, that is on the meta device, alone.
    activations : mapping of str to str, optional
        Pattern of module path -> number format of what meets such weights, ``int8`` for instance.

    Returns
    -------
    context manager of TracedTally
        The tally, which grows while the block runs.

    Raises
    ------
    ToolMissingError
        If PyTorch is not installed.
    InputError
        If `model` is no module, a declared fraction or format makes no sense, or a strict trace
        meets operators without a formula.
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
    from .pytorch import trace_model

    return trace_model(model, strict, weight_zeros or {}, activations or {})


def trace_numpy(*, strict: bool = False) -> AbstractContextManager[ArrayTally]:
    """Count what numpy code computes on the arrays that a block marks as its inputs.

    >>> with bitnet_hw.trace_numpy() as tally:  # doctest: +SKIP
    ...     y = layer(tally.input(x))

    Parameters
    ----------
    strict : bool
        Whether a function without a formula is an error at the end of the block.

    Returns
    -------
    context manager of ArrayTally
        The tally; its `input` and `weight` mark arrays, its `scope` names what follows.

    Raises
    ------
    InputError
        If a strict trace meets functions without a formula.
    """
    from .arrays import trace_arrays

    return trace_arrays(strict)
