"""Progress on a terminal; nothing in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def stages(title: str) -> Iterator[Callable[[str], None]]:
    """Show the stage that a long command has reached, if standard error is a terminal.

    Yields
    ------
    callable
        Function to call with a few words at the beginning of each stage.
    """
    if not sys.stderr.isatty():
        yield lambda _text: None
        return
    from rich.console import Console

    with Console(stderr=True).status(title) as status:
        yield lambda text: status.update(f"{title}: {text}")


@contextmanager
def steps(title: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show how many of a number of steps are done, if standard error is a terminal.

    Yields
    ------
    callable
        Function to call with the number of steps done so far.
    """
    if not sys.stderr.isatty():
        yield lambda _done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=total)
        yield lambda done: bar.update(task, completed=done)


@contextmanager
def tensors(title: str) -> Iterator[Callable[[str, int, int], None]]:
    """Show how much of a checkpoint has been read, if standard error is a terminal.

    Yields
    ------
    callable
        Function to call with a tensor's name, the bytes read so far, and the total in bytes.
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
