"""Progress on a terminal, silence in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def stages(title: str) -> Iterator[Callable[[str], None]]:
    """Show what a long command is doing, on standard error where that is a terminal.

    Yields
    ------
    callable
        To be called with a few words as each stage begins.
    """
    if not sys.stderr.isatty():
        yield lambda _text: None
        return
    from rich.console import Console

    with Console(stderr=True).status(title) as status:
        yield lambda text: status.update(f"{title}: {text}")
