"""How far the broker has HQ's topics, and what is said again, in SQLite."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final

from hub.ledger.derived import Again, Partition, Reach
from hub.ledger.step import KnownEntity
from hub.protocol.moment import from_us, to_us
from hub.store.rows import StoredEntity, columns, known_of
from hub.store.sqlite_database import OnDatabase, SqliteDatabase, suspends
from hub.store.sqlite_lease import follow, lead
from hub.store.sqlite_publication import SqlitePublication, write_reach

KEEPER: Final = "keeper"


class SqliteTopics(OnDatabase):
    """A TopicStore on the connection of a SqliteStore."""

    def __init__(self, database: SqliteDatabase, publication: SqlitePublication) -> None:
        super().__init__(database)
        self._publication = publication

    @suspends
    async def lead(self, owner: str, now: datetime, until: datetime) -> bool:
        """See TopicStore."""
        with self._database.writing() as db:
            return lead(db, KEEPER, owner, now, until)

    @suspends
    async def follow(self, owner: str) -> None:
        """See TopicStore."""
        with self._database.writing() as db:
            follow(db, KEEPER, owner)

    @suspends
    async def reaches(self) -> dict[Partition, Reach]:
        """See TopicStore."""
        rows = self._database.connection.execute("SELECT topic, partition, first_offset, next_offset, upto FROM said")
        return {(topic, partition): Reach(first, after, upto) for topic, partition, first, after, upto in rows}

    @suspends
    async def acknowledged(self, reaches: Mapping[Partition, Reach]) -> None:
        """See TopicStore."""
        with self._database.writing() as db:
            write_reach(db, reaches)

    @suspends
    async def forget(self, reaches: Mapping[Partition, Reach]) -> None:
        """See TopicStore."""
        with self._database.writing() as db:
            db.executemany(
                "INSERT INTO said(topic, partition, first_offset, next_offset, upto) VALUES (?, ?, ?, ?, ?)"
                " ON CONFLICT(topic, partition) DO UPDATE SET first_offset = excluded.first_offset,"
                " next_offset = excluded.next_offset, upto = excluded.upto",
                [(*at, reach.first, reach.next, reach.upto) for at, reach in sorted(reaches.items())],
            )

    @suspends
    async def ask(self, topics: Mapping[str, Collection[int]], why: str, now: datetime) -> None:
        """See TopicStore."""
        with self._database.writing() as db:
            for topic, asked in sorted(topics.items()):
                before = db.execute(
                    "SELECT partitions FROM said_again WHERE topic = ? AND finished_at_us IS NULL", (topic,)
                ).fetchone()
                wanted = set(asked) if before is None or (asked and before[0]) else set()
                if before is not None and wanted:
                    wanted |= _numbers(before[0])
                db.execute(
                    "INSERT INTO said_again(topic, partitions, why, asked_at_us, place, done, missing)"
                    " VALUES (?, ?, ?, ?, '', 0, 0) ON CONFLICT(topic) DO UPDATE SET partitions = excluded.partitions,"
                    " why = excluded.why, asked_at_us = excluded.asked_at_us, place = '', done = 0, missing = 0,"
                    " finished_at_us = NULL",
                    (topic, ",".join(map(str, sorted(wanted))), why, to_us(now)),
                )

    @suspends
    async def agains(self) -> list[Again]:
        """See TopicStore."""
        rows = self._database.connection.execute(
            "SELECT topic, partitions, why, asked_at_us, place, done, missing, finished_at_us FROM said_again"
            " ORDER BY asked_at_us, topic"
        )
        return [
            Again(
                topic,
                frozenset(_numbers(partitions)),
                why,
                from_us(asked),
                place,
                done,
                missing,
                None if finished is None else from_us(finished),
            )
            for topic, partitions, why, asked, place, done, missing, finished in rows
        ]

    @suspends
    async def advance(self, again: Again) -> bool:
        """See TopicStore."""
        with self._database.writing() as db:
            done = db.execute(
                "UPDATE said_again SET place = ?, done = ?, missing = ?, finished_at_us = ?"
                " WHERE topic = ? AND asked_at_us = ? AND finished_at_us IS NULL",
                (
                    again.place,
                    again.done,
                    again.missing,
                    None if again.finished_at is None else to_us(again.finished_at),
                    again.topic,
                    to_us(again.asked_at),
                ),
            )
            return done.rowcount == 1

    @suspends
    async def states(self, stream: str, after: str, limit: int) -> list[KnownEntity]:
        """See TopicStore."""
        rows = self._database.connection.execute(
            f"SELECT {columns(StoredEntity)} FROM entity WHERE stream = ? AND id > ? ORDER BY id LIMIT ?",  # noqa: S608
            (stream, after, limit),
        ).fetchall()
        return [self._publication.with_value(known_of(row, self._database.origin)) for row in rows]


def _numbers(text: str) -> set[int]:
    return {int(number) for number in text.split(",") if number}
