"""How rows are written that every event has: as Python's sqlite3 binds them soonest, and many by one statement."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

from hub.store.database import Connection
from hub.store.rows import Bound

# sqlite3 takes int, float, str and bytearray as they are, and asks its adapters what to do with each bytes and None,
# which is half a microsecond. The statement makes NULL of what stands for no key and no place.
BOUND: Final = Bound(bytearray, "", 0)
_NO_PLACE: Final = f"nullif(?, {BOUND.no_place})"
_NULLS: Final = {"key": f"nullif(?, '{BOUND.no_key}')", "previous_lane_id": _NO_PLACE, "previous": _NO_PLACE}

ROWS_AT_ONCE: Final = 32  # by one statement: what it costs beside its rows is a fifth of all, and is paid once


class SqliteInsert:
    """Inserts rows of one kind into a table.

    Shapes: `names` are the columns; `upon` is what is done with a row that is there already.
    """

    def __init__(self, table: str, names: Sequence[str], upon: str = "") -> None:
        head = f"INSERT INTO {table}({', '.join(names)}) VALUES "  # noqa: S608
        values = f"({', '.join(_NULLS.get(name, '?') for name in names)})"
        self._one = f"{head}{values} {upon}"
        self._some = f"{head}{', '.join([values] * ROWS_AT_ONCE)} {upon}"

    def write(self, db: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Write rows in their order, inside the caller's transaction `db`."""
        whole = len(rows) - len(rows) % ROWS_AT_ONCE
        some = (rows[at : at + ROWS_AT_ONCE] for at in range(0, whole, ROWS_AT_ONCE))
        db.executemany(self._some, [tuple(chain.from_iterable(each)) for each in some])
        db.executemany(self._one, rows[whole:])
