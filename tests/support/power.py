"""What the power leaves of an SQLite file: its folder as it is at each statement of a piece of work."""

from __future__ import annotations

import os
import shutil
import sqlite3
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tests.support.cut import fork


def cut_at_each_statement(work: Callable[[], object], folder: Path, copies: Path) -> list[Path]:
    """Do `work` in a child process; return a copy of `folder` from before each statement of its connections.

    A copy is what a kill leaves: what SQLite still holds in memory is not in it.
    """
    copies.mkdir()
    child = fork()
    if child == 0:
        _cut(work, folder, copies)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    return sorted(copies.iterdir())


def _cut(work: Callable[[], object], folder: Path, copies: Path) -> None:
    """Do the work with connections that can be looked into, and end this process, which nothing else may go on in."""
    code = 1

    def copy(_statement: str) -> None:
        shutil.copytree(folder, copies / f"{len(list(copies.iterdir())):04d}")

    class Traced(sqlite3.Connection):
        def __init__(self, *values: Any, **named: Any) -> None:
            super().__init__(*values, **named)
            self.set_trace_callback(copy)

    try:
        sqlite3.connect = partial(sqlite3.connect, factory=Traced)  # type: ignore[assignment]
        work()
        code = 0
    except BaseException:  # noqa: BLE001  the parent sees the exit code
        traceback.print_exc()
    finally:
        os._exit(code)
