"""Orphans: what HQ has of this office that no sheet names any more. Nothing is withdrawn by itself; a person is told.

An entity is *owned* by the file that names it: by the first one, until that names it no more. Then the next file that
names it owns it, and where there is none it is an orphan, of which stands where and until when it was named. The owner
alone says what becomes of an entity; what another file wants of it otherwise is a duplicate.

All that writes happens inside the caller's transaction.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from connectors.reconcile.ending import endings
from connectors.runtime.outbox.database import Database
from connectors.source.copy import is_copy
from hub.domain.catalogue import STREAMS
from hub.protocol.moment import read_time, write_time

LEFT: Final = ("vanished", "unmapped")  # the states in which a file names nothing: it is gone, or nobody may read it
_ENDED: Final = ", ".join(f"'{name}/{status}'" for name, stream in STREAMS.items() for status in endings(stream))
# What HQ will hold, as far as it does not hold it yet, and what was ended needs nobody.
_LIVE: Final = (
    "coalesce(entity.presumed_status, entity.status) IS NOT NULL AND "
    "substr(entity.id, 1, instr(entity.id, '/')) || coalesce(entity.presumed_status, entity.status) "
    f"NOT IN ({_ENDED})"
)
_MADE: Final = "CREATE TEMP TABLE IF NOT EXISTS gone (entity TEXT PRIMARY KEY, number INTEGER NOT NULL) WITHOUT ROWID"
# The order of the loops is given: other files are gone through once, for mostly few entities.
_HEIRS: Final = (
    "SELECT row.entity, row.file, row.fingerprint IS entity.fingerprint FROM file "  # noqa: S608  constants
    "CROSS JOIN row ON row.file = file.name AND row.generation = file.shown "
    "CROSS JOIN temp.gone ON gone.entity = row.entity CROSS JOIN entity ON entity.id = row.entity "
    f"WHERE file.name <> ?1 AND file.state NOT IN {LEFT} AND entity.file = ?1"
)


@dataclass(frozen=True, slots=True)
class Orphan:
    """An entity at HQ that no sheet names any more.

    Shapes: id is `<stream>/<center>:<key>`; status is what HQ has, or will have, '' where it is not known whether it
            has any; file and number say where it was named last, since when it is not; None where nobody noted it.
            file_state is that of the file, None if it left.
    """

    id: str
    status: str
    file: str
    number: int | None
    since: datetime | None
    file_state: str | None

    @property
    def stream(self) -> str:
        """The stream's name."""
        return self.id.partition("/")[0]

    @property
    def subject(self) -> str:
        """The entity's id at HQ."""
        return self.id.partition("/")[2]

    @property
    def key(self) -> str:
        """The key as the sheet had it."""
        return self.id.partition(":")[2]


def release(connection: sqlite3.Connection, file: str, generation: int, now: datetime) -> set[str]:
    """Have `file` own no longer what its reading `generation` does not name; return the files to be read again.

    Shapes: generation is -1 where the file names nothing any more. What another file names is that one's from now on,
            and it is to be read again if it wants something else; all others are orphans.
    """
    connection.execute(_MADE)
    connection.execute("DELETE FROM temp.gone")
    connection.execute(
        "INSERT INTO temp.gone SELECT entity, min(number) FROM row WHERE file=?1 AND generation<>?2 AND entity IS NOT "
        "NULL AND entity NOT IN (SELECT entity FROM row WHERE file=?1 AND generation=?2 AND entity IS NOT NULL) "
        "GROUP BY entity",
        (file, generation),
    )
    if not connection.execute("SELECT 1 FROM temp.gone LIMIT 1").fetchone():
        return set()
    heirs: dict[str, tuple[bool, str, bool]] = {}
    for entity, other, is_planned in connection.execute(_HEIRS, (file,)):
        heir = (is_copy(other), other, bool(is_planned))
        heirs[entity] = min(heir, heirs.get(entity, heir))
    connection.executemany(
        "UPDATE entity SET file=? WHERE id=?", [(other, entity) for entity, (_, other, _) in heirs.items()]
    )
    connection.execute(
        "INSERT INTO orphan SELECT gone.entity, ?1, gone.number, ?2 FROM temp.gone "
        "JOIN entity ON entity.id = gone.entity WHERE entity.file=?1 ON CONFLICT DO NOTHING",
        (file, write_time(now)),
    )
    return {other for _, other, is_planned in heirs.values() if not is_planned}


def name(connection: sqlite3.Connection, entities: Sequence[str]) -> None:
    """Note that rows name these entities: they are no orphans."""
    connection.executemany("DELETE FROM orphan WHERE entity=?", ((entity,) for entity in entities))


class Orphans:
    """What HQ has of this office that no sheet names any more."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def is_empty(self) -> bool:
        """Whether no entity is an orphan, ended ones included."""
        return not self._database.read("SELECT 1 FROM orphan LIMIT 1")

    def all(self) -> list[Orphan]:
        """Return all of them that need a person, by file, row and id; what was ended does not."""
        found = self._database.read(
            "SELECT entity.id, coalesce(entity.presumed_status, entity.status), orphan.file, number, orphan.since, "  # noqa: S608  constants
            "file.state FROM orphan JOIN entity ON entity.id = orphan.entity "
            f"LEFT JOIN file ON file.name = orphan.file WHERE {_LIVE} ORDER BY orphan.file, number, entity.id"
        )
        return [
            Orphan(entity, status, file, number, None if since is None else read_time(since), state)
            for entity, status, file, number, since, state in found
        ]

    def counts(self) -> dict[str, int]:
        """Return how many there are by the file that named them last."""
        return dict(
            self._database.read(
                "SELECT orphan.file, count(*) FROM orphan JOIN entity ON entity.id = orphan.entity "  # noqa: S608  constants
                f"WHERE {_LIVE} GROUP BY orphan.file"
            )
        )

    def marks(self, start: str) -> dict[str, bytes]:
        """Return, by key, the wanted states that were planned for those whose id begins with `start`."""
        found = self._database.read(
            "SELECT entity.id, entity.fingerprint FROM orphan JOIN entity ON entity.id = orphan.entity "
            "WHERE entity.fingerprint IS NOT NULL AND substr(entity.id, 1, length(?1)) = ?1",
            (start,),
        )
        return {entity.partition(":")[2]: mark for entity, mark in found}
