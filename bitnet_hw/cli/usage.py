"""Messages for mistakes in arguments and options, by the class of click's exception."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from ..errors import InputError, UnknownNameError, nearest


def explain(error: click.ClickException, args: Sequence[str]) -> str:
    """Return the message for a mistake that click found.

    Parameters
    ----------
    error : click.ClickException
        Exception that click raised.
    args : sequence of str
        Arguments as the user wrote them, among which the wrong value is looked up.
    """
    context = error.ctx if isinstance(error, click.UsageError) else None
    if isinstance(error, click.NoSuchOption):
        names = {name.lstrip("-"): name for name in _option_names(context)}
        near = nearest(error.option_name.lstrip("-"), names)
        hint = f"did you mean {names[near]!r}?" if near else _see_help(context)
        return f"unknown option {error.option_name!r}; {hint}"
    if isinstance(error, click.MissingParameter):
        return f"{name_of(error.param)} is missing; {_see_help(context)}"
    if isinstance(error, click.BadParameter):
        return _bad_value(error.param, args)
    if isinstance(error, click.BadOptionUsage):
        name = error.option_name  # this exception has no context in which to look up the option
        has_value = any(arg.startswith(f"{name}=") for arg in args)
        return f"{name} takes no value" if has_value else f"{name} needs a value"
    if isinstance(error, click.FileError):
        return f"{error.ui_filename}: cannot be opened"
    if context is not None:
        pieces = " ".join(context.command.collect_usage_pieces(context))
        return f"unexpected arguments; usage: {context.command_path} {pieces}"
    return "the arguments cannot be understood; see `bitnet-hw --help`"


def explain_unknown(error: UnknownNameError) -> str:
    """Return the message for an unknown name: that of the error, but no long list."""
    if error.what != "model" or nearest(error.name, error.known) is not None:
        return str(error)
    return f"unknown model {error.name!r}; see `bitnet-hw models`"


def refuse_without(needed: str, *names: str) -> None:
    """Refuse options of the running command that have no effect without another one.

    Parameters
    ----------
    needed : str
        The option that was not given: ``--testbench``.
    *names : str
        Options that need it, by parameter name.

    Raises
    ------
    InputError
        If the user gave one of them.
    """
    context = click.get_current_context()
    for param in context.command.get_params(context):
        name = param.name or ""
        written = context.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE
        if name in names and written:
            raise InputError(f"{name_of(param)} applies only with {needed}")


def _option_names(context: click.Context | None) -> list[str]:
    params = [] if context is None else context.command.get_params(context)
    options = (param for param in params if isinstance(param, click.Option))
    return [name for option in options for name in (*option.opts, *option.secondary_opts)]


def _see_help(context: click.Context | None) -> str:
    path = "bitnet-hw" if context is None else context.command_path
    return f"see `{path} --help`"


def name_of(param: click.Parameter | None) -> str:
    """Return the name of an option or argument as users know it: ``--output``, ``CONFIG``."""
    if param is None:
        return "an argument"
    if isinstance(param, click.Option):
        return max(param.opts, key=len)
    return (param.name or "an argument").upper()


def _bad_value(param: click.Parameter | None, args: Sequence[str]) -> str:
    if param is None:
        return "an argument has a wrong value"
    value = _given(param, args)
    place = name_of(param) if value is None else f"{name_of(param)} {value}"
    kind = param.type
    if isinstance(kind, click.Choice):
        known = [str(choice) for choice in kind.choices]
        if value and "," in value and {*map(str.strip, value.split(","))} <= {*known}:
            return f"{place}: give one {(param.metavar or 'of them').lower()}"
        near = nearest(value or "", known)
        hint = f"; did you mean {near!r}?" if near else ""
        return f"{place}: must be one of {', '.join(known)}{hint}"
    if isinstance(kind, click.Path):
        return f"{place}: {_path_problem(kind, value)}"
    return f"{place}: must be {_wanted(param)}"


def _given(param: click.Parameter, args: Sequence[str]) -> str | None:
    """Return the value of an option as the user wrote it; None for an argument."""
    for i, arg in enumerate(args):
        name, equals, value = arg.partition("=")
        if name in param.opts:
            if equals:
                return value
            return args[i + 1] if i + 1 < len(args) else None
    return None


def _wanted(param: click.Parameter) -> str:
    kind = param.type
    if isinstance(kind, (click.IntRange, click.FloatRange)):
        number = "an integer" if isinstance(kind, click.IntRange) else "a number"
        low = f"{'greater than' if kind.min_open else 'at least'} {kind.min}"
        high = f"{'less than' if kind.max_open else 'at most'} {kind.max}"
        bounds = [low] * (kind.min is not None) + [high] * (kind.max is not None)
        return " ".join((number, " and ".join(bounds)))
    named = {"integer": "an integer", "float": "a number", "boolean": "true or false"}
    return named.get(kind.name, "another value")


def _path_problem(kind: click.Path, value: str | None) -> str:
    path = Path(value or "")
    if path.is_dir() and not kind.dir_okay:
        return "is a folder; a file was expected"
    if path.is_file() and not kind.file_okay:
        return "is a file; a folder was expected"
    if not path.exists():
        return "no such file" if kind.file_okay else "no such folder"
    return "cannot be read or written"
