"""HQ's database as one file, for commands that read all of it in several processes: its own, or a mirror of it.

Each run has a mirror of its own, and holds the lock beside it while it lives. Whoever dies leaves both, and the next
run takes them away.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from hub.cli.options import run_async
from hub.cli.progress import progress

if TYPE_CHECKING:
    from hub.hq.folder import HubFolder

_LOCK: Final = re.compile(r"(mirror\.[0-9a-f]{16})\.lock")


@contextmanager
def ledger_file(where: HubFolder, *, shown: bool) -> Iterator[Path]:
    """Yield a SQLite file with all of the hub's database; one that is at a server is copied first, as of now.

    The copy is in the data directory while it is read, and takes about as much room as the server's.
    Errors: Retriable, Fatal, UsageError.
    """
    place = where.place()
    if isinstance(place, Path):
        yield place
        return
    from hub.base.lock import held
    from hub.store.copying import mirror

    remove_left(where.data_dir)
    name = f"mirror.{secrets.token_hex(8)}"
    path = where.data_dir / f"{name}.sqlite3"
    with held(where.data_dir / f"{name}.lock"):
        try:
            with Told(shown=shown) as told:
                run_async(mirror(place, path, lambda table, rows: told("copied", table, rows)))
            yield path
        finally:
            _remove(where.data_dir, name)


def remove_left(folder: Path) -> None:
    """Remove the mirrors of runs that have died; those of the living stay. What can't be removed is passed over."""
    from hub.base import files
    from hub.base.lock import find_holder

    with suppress(OSError):
        for entry in files.entries(folder):
            found = _LOCK.fullmatch(entry.name)
            if found and find_holder(Path(entry.path)) is None:
                with suppress(OSError):
                    _remove(folder, found[1])


def _remove(folder: Path, name: str) -> None:
    from hub.base import files
    from hub.store.copying import remove_file

    for end in (".sqlite3", ".sqlite3.part", ".sqlite3.cohub-lock"):
        remove_file(folder / f"{name}{end}")
    files.remove(folder / f"{name}.lock")  # last: without it, nobody would find the rest


class Told:
    """Shows how far a copy is, where a person looks."""

    def __init__(self, *, shown: bool) -> None:
        self._progress = progress("rows", shown=shown)

    def __enter__(self) -> Callable[[str, str, int], None]:
        """Return what is told of each page: what is done, of which table, how many of its rows."""
        bar = self._progress.__enter__()
        done: dict[tuple[str, str], int] = {}

        def told(what: str, table: str, rows: int) -> None:
            bar.tick(rows - done.get((what, table), 0))
            done[what, table] = rows

        return told

    def __exit__(self, *raised: object) -> None:
        """Take the bar away."""
        self._progress.__exit__(None, None, None)
