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


@contextmanager
def tensors(title: str) -> Iterator[Callable[[str, int, int], None]]:
    """Show how far a checkpoint is read, on standard error where that is a terminal.

    Yields
    ------
    callable
        To be called with a tensor's name, the bytes done and the bytes to do.
    """
    if not sys.stderr.isatty():
        yield lambda _name, _done, _all: None
        return
    from rich.console import Console
    from rich.markup import escape
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    bar = Progress(
        TextColumn(title), BarColumn(), DownloadColumn(), TimeRemainingColumn(),
        TextColumn("{task.description}"), console=Console(stderr=True), transient=True,
    )  # fmt: skip
    with bar:
        task = bar.add_task("", total=None)
        yield lambda name, done, every: bar.update(
            task, description=escape(name), completed=done, total=every
        )
