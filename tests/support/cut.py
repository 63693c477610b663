"""Cuts a program off after any of its SQL statements, by an error or by killing its process; starts several at once."""

from __future__ import annotations

import os
import signal
import sqlite3
import sqlite3.dbapi2
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest.mock import patch


class CutOffError(Exception):
    """The program ends here."""


class _Statements:
    """How many statements have run since the counting began, one inside another counted once."""

    def __init__(self, nth: int, end: Callable[[], None]) -> None:
        self.ran = [0]
        self._nth = nth
        self._end = end
        self._depth = 0

    def run(self, statement: Callable[..., Any], *words: Any) -> Any:
        self._depth += 1
        try:
            found = statement(*words)
        finally:
            self._depth -= 1
        if not self._depth:
            self.ran[0] += 1
            if self.ran[0] == self._nth:
                self._end()
        return found


def _counting(statements: _Statements) -> type[sqlite3.Connection]:
    """Return a kind of connection whose statements are counted, those of its cursors included."""

    class Cursor(sqlite3.Cursor):
        def execute(self, *words: Any) -> Any:
            return statements.run(super().execute, *words)

        def executemany(self, *words: Any) -> Any:
            return statements.run(super().executemany, *words)

        def executescript(self, *words: Any) -> Any:
            return statements.run(super().executescript, *words)

    class Connection(sqlite3.Connection):
        def cursor(self, factory: Any = Cursor) -> Any:
            return super().cursor(factory)

        def execute(self, *words: Any) -> Any:
            return statements.run(super().execute, *words)

        def executemany(self, *words: Any) -> Any:
            return statements.run(super().executemany, *words)

        def executescript(self, *words: Any) -> Any:
            return statements.run(super().executescript, *words)

        def commit(self) -> None:
            statements.run(super().commit)

    return Connection


@contextmanager
def cut_off(nth: int, end: Callable[[], None]) -> Iterator[list[int]]:
    """Call `end` when the `nth` statement of connections from now on has run; yield how many have run."""
    statements = _Statements(nth, end)
    kind, connect = _counting(statements), sqlite3.connect

    def counted(*words: Any, **settings: Any) -> sqlite3.Connection:
        found: sqlite3.Connection = connect(*words, **{"factory": kind, **settings})
        return found

    with ExitStack() as stack:
        for module in (sqlite3, sqlite3.dbapi2):
            stack.enter_context(patch.object(module, "connect", counted))
        yield statements.ran


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
