"""How far the broker has HQ's topics, and what is said again."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Final

from hub.ledger.derived import Again, Partition, Reach, is_place
from hub.protocol.errors import Malformed
from hub.protocol.moment import from_us, to_us
from hub.store.database import Connection, Database, OnDatabase, suspends
from hub.store.rows import UNREADABLE, StoredEntity, columns, is_count, is_text, known_of
from hub.store.sql_lease import follow, lead
from hub.store.sql_publication import SqlPublication, write_reach
from hub.store.store import Damaged
from hub.store.topic_store import StatesPage

KEEPER: Final = "keeper"
EDITED: Final = "what the database had of it could not be read"
_NUMBERS: Final = re.compile(r"[0-9]{1,9}(,[0-9]{1,9})*")
_PARTITIONS: Final = re.compile(rf"({_NUMBERS.pattern})?")


class SqlTopics(OnDatabase):
    """A TopicStore on the connection of a SqlStore."""

    def __init__(self, database: Database, publication: SqlPublication) -> None:
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
        rows = self._database.lenient("SELECT topic, partition, first_offset, next_offset, upto FROM said")
        # One that can't be read is passed over: the keeper's next look, or a record that goes out, notes it anew.
        return {
            (topic, partition): Reach(first, after, upto)
            for topic, partition, first, after, upto in rows
            if is_text(topic) and all(map(is_count, (partition, first, after, upto)))
        }

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
            self._database.alone(db, "said_again")
            for topic, asked in sorted(topics.items()):
                self._ask(db, topic, asked, why, now)

    @staticmethod
    def _ask(db: Connection, topic: str, asked: Collection[int], why: str, now: datetime) -> None:
        before = db.execute(
            "SELECT CAST(partitions AS BLOB) FROM said_again WHERE topic = ? AND finished_at_us IS NULL", (topic,)
        ).fetchone()
        under_way = set() if before is None else _numbers(before[0].decode("utf-8", "replace"))
        # What is asked for as a whole, or can't be read, is said as a whole.
        wanted = set(asked) | under_way if asked and (before is None or under_way) else set()
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
        rows = self._database.lenient(
            "SELECT topic, partitions, why, asked_at_us, place, done, missing, finished_at_us FROM said_again"
            " ORDER BY asked_at_us, topic"
        )
        read = [_again(*row) for row in rows]
        return [again for again in read if again is not None]

    @suspends
    async def begin_anew(self, now: datetime) -> list[str]:
        """See TopicStore."""
        begun = []
        rows = self._database.lenient(
            "SELECT rowid, topic, partitions, why, asked_at_us, place, done, missing, finished_at_us FROM said_again"
        )
        damaged = [(number, row[0]) for number, *row in rows if _again(*row) is None]
        if damaged:
            with self._database.writing() as db:
                self._database.alone(db, "said_again")
                for number, topic in damaged:
                    db.execute("DELETE FROM said_again WHERE rowid = ?", (number,))
                    if is_text(topic):
                        self._ask(db, topic, (), EDITED, now)
                        begun.append(topic)
        return begun

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
    async def states(self, stream: str, after: str, limit: int) -> StatesPage:
        """See TopicStore."""
        rows = self._database.lenient(
            f"SELECT {columns(StoredEntity)} FROM entity WHERE stream = ? AND id > ? AND typeof(id) = 'text'"  # noqa: S608
            " ORDER BY id LIMIT ?",
            (stream, after, limit),
        )
        found, last, missing, behind = [], None, 0, 0
        for row in rows:
            try:
                known = self._publication.with_value(known_of(row, self._database.origin))
                if not all(is_text(column) for column in row if isinstance(column, str)):
                    raise Malformed(f"a text of {stream} is no UTF-8")
                found.append(known)
            except (*UNREADABLE, Malformed, Damaged):
                behind += 1
            if is_text(row[1]):  # else no place can be named by it
                last, missing, behind = row[1], missing + behind, 0
        return StatesPage(found, last, missing if last is not None else behind)


def _again(
    topic: object,
    partitions: object,
    why: object,
    asked_at_us: object,
    place: object,
    done: object,
    missing: object,
    finished_at_us: object,
) -> Again | None:
    """Return what a row says, None for one that no release of ours has written."""
    if not (
        isinstance(topic, str)
        and isinstance(partitions, str)
        and isinstance(why, str)
        and isinstance(place, str)
        and isinstance(asked_at_us, int)
        and isinstance(done, int)
        and isinstance(missing, int)
        and isinstance(finished_at_us, int | None)
        and all(map(is_text, (topic, why, place)))
        and _PARTITIONS.fullmatch(partitions)
        and done >= 0
        and missing >= 0
        and is_place(topic, place)
    ):
        return None
    try:
        asked_at, finished_at = from_us(asked_at_us), None if finished_at_us is None else from_us(finished_at_us)
    except OverflowError:
        return None
    return Again(topic, frozenset(_numbers(partitions)), why, asked_at, place, done, missing, finished_at)


def _numbers(partitions: str) -> set[int]:
    return {int(number) for number in partitions.split(",")} if _NUMBERS.fullmatch(partitions) else set()
