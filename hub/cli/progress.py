"""The progress bar of long commands: on a terminal, on stderr, and nowhere else."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

Jobs = Annotated[
    int,
    typer.Option(
        "--jobs", min=1, max=256, help=f"Processes, center by center. This machine has {os.cpu_count()} cores."
    ),
]


class Bar:
    """A bar that may be shown."""

    def __init__(self, bar: Progress | None = None, what: str = "") -> None:
        self._bar = bar
        self._task: TaskID | None = bar.add_task(what, total=None) if bar else None

    def begin(self, total: int, done: int = 0) -> None:
        """Say how much there is to do, and how much of it is done."""
        if self._bar is not None and self._task is not None:
            self._bar.update(self._task, total=total, completed=done)

    def tick(self, done: int) -> None:
        """Say how much more is done."""
        if self._bar is not None and self._task is not None:
            self._bar.advance(self._task, done)


@contextmanager
def progress(what: str, *, shown: bool = True) -> Iterator[Bar]:
    """Yield a bar, drawn where stderr is a terminal."""
    if not shown or not sys.stderr.isatty():
        yield Bar()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        yield Bar(bar, what)
