"""The type of options and arguments that are paths."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import click

from ..errors import InputError
from .usage import name_of

#: What a path may lead to, in words.
Wanted = Literal["a file", "a folder", "a file or a folder"]


class GivenPath(click.Path):
    """A path that is not empty.

    ``Path("")`` would be the current folder, but an empty path is more likely a mistake, such as a
    shell variable that is not set.

    Parameters
    ----------
    wanted : str
        What the path leads to.
    exists : bool
        Whether it must exist.
    """

    def __init__(self, wanted: Wanted, *, exists: bool = False) -> None:
        super().__init__(exists=exists, dir_okay=wanted != "a file", path_type=Path)
        self.wanted = wanted

    def convert(
        self,
        value: str | os.PathLike[str],
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:  # noqa: ANN401  as click has it
        """Return the path.

        Raises
        ------
        InputError
            If it is empty, or a folder where a file is wanted.
        """
        if not str(value).strip():
            raise InputError(f"{name_of(param)} is empty; give {self.wanted}")
        if isinstance(param, click.Argument) and not self.dir_okay and Path(value).is_dir():
            # The general message names the argument alone, not the path that was given.
            raise InputError(f"{value}: is a folder; a file was expected")
        return super().convert(value, param, ctx)
