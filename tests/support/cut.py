"""Cuts a program off after any of its SQL statements, by an error or by killing its process; starts several at once."""

from __future__ import annotations

import os
import signal
import sqlite3
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

_STATEMENTS = {"execute", "executemany", "executescript", "commit"}


class CutOffError(Exception):
    """The program ends here."""


@contextmanager
def cut_off(nth: int, end: Callable[[], None]) -> Iterator[list[int]]:
    """Call `end` when the `nth` statement from now has run, whichever connection ran it; yield how many have run."""
    ran = [0]

    def seen(_frame: Any, event: str, function: Any) -> None:
        if event != "c_return" or getattr(function, "__name__", "") not in _STATEMENTS:
            return
        if isinstance(getattr(function, "__self__", None), (sqlite3.Connection, sqlite3.Cursor)):
            ran[0] += 1
            if ran[0] == nth:
                sys.setprofile(None)
                end()

    sys.setprofile(seen)
    try:
        yield ran
    finally:
        sys.setprofile(None)


def raised(nth: int, work: Callable[[], None]) -> bool:
    """Do `work`, cut off by an error after its `nth` statement; return whether it was."""

    def end() -> None:
        raise CutOffError

    try:
        with cut_off(nth, end):
            work()
    except CutOffError:
        return True
    return False


def killed(nth: int, work: Callable[[], None]) -> bool:
    """Do `work` in a process that is killed after its `nth` statement; return whether it was."""

    def cut() -> None:
        with cut_off(nth, lambda: os.kill(os.getpid(), signal.SIGKILL)):
            work()

    _, status = os.waitpid(_started(cut), 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def together(count: int, work: Callable[[], None]) -> list[int]:
    """Do `work` in so many processes that begin at one moment; return how each of them ended, 0 for well."""
    gate, opens = os.pipe()

    def waiting() -> None:
        os.close(opens)
        os.read(gate, 1)  # ends when nobody holds the other side any more
        work()

    processes = [_started(waiting) for _ in range(count)]
    os.close(gate)
    os.close(opens)
    return [os.waitpid(process, 0)[1] for process in processes]


def fork() -> int:
    """Return 0 in a copy of this process, and here the copy's process id.

    A process of pytest-xdist has a thread that reads its orders, and Python warns of any thread from 3.12 on. This one
    is not in the copy, and holds nothing that the copy needs.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


def _started(work: Callable[[], None]) -> int:
    process = fork()
    if process == 0:
        try:
            work()
        except BaseException:  # noqa: BLE001 - nothing of the test's own process may go on here
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return process
