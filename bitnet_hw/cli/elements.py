"""Options for a processing element, derived from the family of elements.

Importing the family loads Amaranth. The options are therefore built when a command is parsed or
prints its help, and not when its module is imported.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Collection, Iterable, Mapping
from dataclasses import Field, fields
from typing import Any

import click

#: Value of an option that takes every choice of a parameter in turn.
BOTH = "both"


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
        return [*self._element_options(), *super().get_params(ctx)]

    def _element_options(self) -> Iterable[click.Option]:
        from ..rtl.family import FAMILY

        yield self._pe_option(FAMILY)
        takers: dict[str, dict[str, Field[Any]]] = {}
        hints: dict[str, Any] = {}
        for name, spec in FAMILY.items():
            for parameter in fields(spec):
                if parameter.name not in self._without:
                    takers.setdefault(parameter.name, {})[name] = parameter
                    hints[parameter.name] = typing.get_type_hints(spec)[parameter.name]
        for parameter_name, of in takers.items():
            yield self._option(parameter_name, hints[parameter_name], of, len(of) == len(FAMILY))

    def _pe_option(self, known: Iterable[str]) -> click.Option:
        return click.Option(
            ["--pe"],
            default="ternary",
            help=f"Processing element: {listing(known)}. Default: ternary.",
        )

    def _option(
        self, name: str, hint: object, of: Mapping[str, Field[Any]], everywhere: bool
    ) -> click.Option:
        text = _help(of)
        if not everywhere:
            text += f" Only with --pe {listing(of)}."
        return _option(name, hint, of, text)


class ComparisonCommand(ElementCommand):
    """A command that compares processing elements: ``--pe`` takes several.

    A parameter with choices takes them all by default, as `BOTH`.

    Parameters
    ----------
    elements : sequence of str
        Default of ``--pe``.
    lanes : int
        Default of ``--lanes``.
    """

    def __init__(self, *args: Any, elements: Iterable[str], lanes: int, **settings: Any) -> None:  # noqa: ANN401  click's own
        super().__init__(*args, **settings)
        self._elements = ",".join(elements)
        self._lanes = lanes

    def _pe_option(self, known: Iterable[str]) -> click.Option:
        return click.Option(
            ["--pe"],
            default=self._elements,
            help=f"Processing elements, separated by commas: {listing(known)}. "
            f"Default: {self._elements}.",
        )

    def _option(
        self, name: str, hint: object, of: Mapping[str, Field[Any]], everywhere: bool
    ) -> click.Option:
        text = _help(of)
        if not everywhere:
            text += f" Applies to {listing(of, 'and')} only."
        choices = next(iter(of.values())).metadata.get("choices")
        if choices:
            kind = click.Choice([*choices, BOTH])
            return click.Option(
                [_flag(name)], type=kind, default=BOTH, help=f"{text} Default: {BOTH}."
            )
        if name == "lanes":
            text += f" Default: {self._lanes}."
            return click.Option([_flag(name)], type=int, default=self._lanes, help=text)
        return _option(name, hint, of, text)


def _help(of: Mapping[str, Field[Any]]) -> str:
    return next((entry.metadata["help"] for entry in of.values() if "help" in entry.metadata), "")


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _option(name: str, hint: object, of: Mapping[str, Field[Any]], text: str) -> click.Option:
    """Make the option of one parameter, with the default that its elements have.

    Parameters
    ----------
    name : str
        Name of the parameter.
    hint : type
        Type of the parameter, or its union with None.
    of : mapping
        Element -> its field, for every element that has the parameter.
    text : str
        Help text without the default.
    """
    kinds = typing.get_args(hint) if isinstance(hint, types.UnionType) else (hint,)
    kind = next(each for each in kinds if each is not type(None))
    flag = _flag(name)
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


def listing(names: Iterable[str], conjunction: str = "or") -> str:
    """Return names as a phrase: ``ternary, binary or fp16``."""
    *most, last = names
    return f"{', '.join(most)} {conjunction} {last}" if most else last
