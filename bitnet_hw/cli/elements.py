"""Options for a processing element, derived from the family of elements.

Importing the family loads Amaranth. The options are therefore built when a command is parsed or
prints its help, and not when its module is imported.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Collection, Iterable
from dataclasses import Field, fields
from typing import Any

import click


class ElementCommand(click.Command):
    """A command with ``--pe`` and an option for each parameter of each processing element.

    The callback receives the parameters as keyword arguments; None means that the option is absent.

    Parameters
    ----------
    without : collection of str
        Parameters that get no option here; the command may define its own.
    """

    def __init__(self, *args: Any, without: Collection[str] = (), **settings: Any) -> None:  # noqa: ANN401  click's own
        super().__init__(*args, **settings)
        self._without = frozenset(without)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the options of the element, then those of the command."""
        return [*_element_options(self._without), *super().get_params(ctx)]


def _element_options(without: Collection[str]) -> Iterable[click.Option]:
    from ..rtl.family import FAMILY

    yield click.Option(
        ["--pe"],
        default="ternary",
        help=f"Processing element: {listing(FAMILY)}. Default: ternary.",
    )
    takers: dict[str, dict[str, Field[Any]]] = {}
    hints: dict[str, Any] = {}
    for name, spec in FAMILY.items():
        for parameter in fields(spec):
            if parameter.name not in without:
                takers.setdefault(parameter.name, {})[name] = parameter
                hints[parameter.name] = typing.get_type_hints(spec)[parameter.name]
    for parameter_name, of in takers.items():
        yield _option(parameter_name, hints[parameter_name], of, len(of) == len(FAMILY))


def _option(name: str, hint: object, of: dict[str, Field[Any]], everywhere: bool) -> click.Option:
    """Return the option for a parameter; `of` maps the elements that have it to their fields."""
    kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    kind = next(each for each in kinds if each is not type(None))
    text = next((entry.metadata["help"] for entry in of.values() if "help" in entry.metadata), "")
    if not everywhere:
        text += f" Only with --pe {listing(of)}."
    flag = f"--{name.replace('_', '-')}"
    if kind is bool:
        return click.Option([flag], is_flag=True, default=None, help=text)
    usual, *_ = defaults = [entry.default for entry in of.values()]
    if usual is not None:
        odd = [
            f", or {default} for {element}"
            for element, default in zip(of, defaults, strict=True)
            if default != usual
        ]
        text += f" Default: {usual}{''.join(odd)}."
    return click.Option([flag], type=kind, help=text)


def listing(names: Iterable[str]) -> str:
    """Return names as a phrase, such as ``ternary, binary or fp16``."""
    *most, last = names
    return f"{', '.join(most)} or {last}" if most else last
