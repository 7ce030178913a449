"""Traces of a model that a function ``module:callable`` returns together with its inputs."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ...errors import BitnetHwError, InputError
from .. import trace

if TYPE_CHECKING:
    from ..record import TracedTally


class TracedCall(NamedTuple):
    """A traced forward pass.

    Attributes
    ----------
    model : str
        Class of the model.
    tally : TracedTally
        The operations of the pass.
    """

    model: str
    tally: TracedTally


def find_callable(reference: str) -> Callable[[], Any]:
    """Return a function by its reference ``module:callable``.

    The working folder comes first in the search for the module, as with ``python -m``.

    Raises
    ------
    InputError
        If the reference has another form, there is no such module or callable, or importing the
        module fails.
    """
    module_name, colon, attribute = reference.partition(":")
    if not (colon and module_name and attribute):
        raise InputError(f"give module:callable, such as my_model:build, found {reference!r}")
    folder = str(Path.cwd())
    if folder not in sys.path:
        sys.path.insert(0, folder)
    importlib.invalidate_caches()
    try:
        module = importlib.import_module(module_name)
    except BitnetHwError:
        raise
    except Exception as error:  # whatever the user's module raises
        raise InputError(f"importing {module_name}: {_say(error)}") from error
    found: Any = module
    for part in attribute.split("."):
        if not hasattr(found, part):
            raise InputError(f"{module_name} has no {attribute!r}")
        found = getattr(found, part)
    if not callable(found):
        kind = type(found).__name__
        raise InputError(f"{reference}: expected a function, found an object of type {kind}")
    function: Callable[[], Any] = found
    return function


def trace_callable(
    reference: str,
    *,
    strict: bool = False,
    weight_zeros: Mapping[str, float] | None = None,
    activations: Mapping[str, str] | None = None,
) -> TracedCall:
    """Trace one forward pass of a model that a function returns together with its inputs.

    Parameters
    ----------
    reference : str
        ``module:callable``. The function takes no arguments and returns (model, inputs). The inputs
        are a tuple or list of positional arguments, a mapping of named arguments, or a single
        argument.
    strict, weight_zeros, activations
        As in `bitnet_hw.trace`.

    Raises
    ------
    ToolMissingError
        If PyTorch is not installed.
    InputError
        If there is no such function, it fails or returns something else, or the model fails on
        its inputs.
    """
    function = find_callable(reference)
    try:
        made = function()
    except BitnetHwError:
        raise
    except Exception as error:  # whatever the user's function raises
        raise InputError(f"{reference}: the function raised {_say(error)}") from error
    if not isinstance(made, tuple) or len(made) != 2:
        raise InputError(
            f"{reference}: the function must return (model, inputs), found {_describe(made)}"
        )
    model, inputs = made
    traced = trace(model, strict=strict, weight_zeros=weight_zeros, activations=activations)
    import torch  # `trace` has checked that it is installed

    with torch.no_grad(), traced as tally:
        try:
            if isinstance(inputs, Mapping):
                model(**inputs)
            elif isinstance(inputs, tuple | list):
                model(*inputs)
            else:
                model(inputs)
        except Exception as error:  # whatever the user's model raises
            raise InputError(f"{reference}: the model raised {_say(error)}") from error
    return TracedCall(type(model).__name__, tally)


def _say(error: Exception) -> str:
    lines = str(error).split("\n")
    return f"{type(error).__name__}: {lines[0][:300]}"


def _describe(value: object) -> str:
    if isinstance(value, tuple):
        return f"a tuple of {len(value)}"
    return type(value).__name__
