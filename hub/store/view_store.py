"""Views in SQL: what holds now, what has held, how far each lane was taken, once for both engines (docs/adr/0043).

In SQLite views have a file of their own, so that nothing that is written here ever keeps a worker waiting; at a server
they stand beside the hub's tables. None of it is the hub's: it can be dropped at any time, and is built again.

A view is kept in *builds*: tables of its own, and cursors. The build that is asked is `live`; another one catches up
beside it, takes its place in one transaction, and the old one is dropped.

What is true if the process dies right after
    reading changes        nothing happened
    `take`                 facts, groups and cursors are those of all these changes, once: one transaction
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import AsyncIterator, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Final

import orjson

from hub.base import files
from hub.protocol.errors import Conflict, Fatal
from hub.store.database import Connection, Database, OnDatabase, suspends
from hub.store.opener import Place
from hub.views.table import FOREVER, Column, Fact, FactTable, GroupTable, Held, Table, sorting
from hub.views.view import Facts, Span, View, course, groups_of, told_in

VIEWS_FILE: Final = "views.sqlite3"
PAGE: Final = 1_000
_TABLES: Final = (
    (
        "CREATE TABLE IF NOT EXISTS view_build(build BIGINT PRIMARY KEY, name {text} NOT NULL, version BIGINT NOT NULL,"
        " is_live BIGINT NOT NULL)"
    ),
    (
        "CREATE TABLE IF NOT EXISTS view_cursor(build BIGINT NOT NULL, lane_id BIGINT NOT NULL, upto BIGINT NOT NULL,"
        " PRIMARY KEY(build, lane_id))"
    ),
    # By their names they are dropped, whatever release has made them.
    "CREATE TABLE IF NOT EXISTS view_table(name {text} PRIMARY KEY, build BIGINT NOT NULL)",
)
_AMONG: Final = "(SELECT value FROM json_each(?))"


class Overtaken(Conflict):
    """Somebody else has taken changes for this build meanwhile, or dropped it: begin again from its cursors."""


@dataclass(frozen=True, slots=True)
class Build:
    """One building of a view: its tables are named by its number."""

    number: int
    view: View
    is_live: bool

    def table(self, table: Table, end: str = "") -> str:
        """Return what a table of it is called in SQL."""
        return f"v{self.number}_{table.name}{end}"


@dataclass(frozen=True, slots=True)
class Work:
    """Changes to be taken together.

    Shapes: by entity (`key_of`) the moments with all that it says from then on, in their order; `cursors` are by lane
            from where to where it was read, as events taken.
    """

    said: Mapping[str, Sequence[tuple[int, Facts]]]
    cursors: Mapping[int, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class _Dialect:
    """What an engine's tables are declared with: texts in the order of their code points, rows where their key is."""

    text: str
    keyed: str


_SQLITE: Final = _Dialect("TEXT", " WITHOUT ROWID")
_POSTGRES: Final = _Dialect('TEXT COLLATE "C"', "")


def open_views(place: Place) -> ViewStore:
    """Open the views of the hub whose database is there. Errors: Fatal; OSError; Retriable at the first call."""
    if isinstance(place, Path):
        return open_views_at(place.with_name(VIEWS_FILE))
    from hub.store.postgres_database import PostgresDatabase  # noqa: PLC0415 - each engine brings its own drivers

    return ViewStore(PostgresDatabase(place), _POSTGRES)


def open_views_at(path: Path) -> ViewStore:
    """Open views in a SQLite file, which is made where there is none. Errors: Fatal; OSError."""
    from hub.store.sqlite_database import SqliteDatabase  # noqa: PLC0415

    files.settle_database(path)
    try:
        connection = sqlite3.connect(path, isolation_level=None, cached_statements=512)
        connection.execute("PRAGMA journal_mode=WAL")
        # A power cut may take the last transactions; their cursors go with them, and they are taken again.
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA cache_size=-64000")
    except sqlite3.Error as exc:
        raise Fatal(f"{path}: cannot be opened: {exc}; it may be removed, and is built again") from exc
    return ViewStore(SqliteDatabase(path, connection), _SQLITE)


class ViewStore(OnDatabase):
    """Views on a Database, which is its own. Errors: as a Store's, of every method."""

    def __init__(self, database: Database, dialect: _Dialect) -> None:
        super().__init__(database)
        self._dialect = dialect

    async def close(self) -> None:
        """Close every connection. Idempotent."""
        await self._database.close()

    @suspends
    async def settle(self) -> None:
        """Make what lists builds, where it is not there."""
        with self._database.writing() as db:
            for statement in _TABLES:
                db.execute(statement.format(text=self._dialect.text))

    @suspends
    async def builds(self, views: Collection[View]) -> list[Build]:
        """Return the builds of these views at their versions, by number; of each at most one is live."""
        by_name = {(view.name, view.version): view for view in views}
        rows = self._database.connection.execute("SELECT build, name, version, is_live FROM view_build ORDER BY build")
        return [
            Build(number, view, bool(is_live))
            for number, name, version, is_live in rows
            if (view := by_name.get((name, version))) is not None
        ]

    @suspends
    async def begin(self, view: View) -> Build:
        """Begin another build of a view, at nothing. What was begun before and is not live is dropped."""
        with self._database.writing() as db:
            self._database.alone(db, "view_build")
            rows = db.execute("SELECT build, version, is_live FROM view_build WHERE name = ?", (view.name,)).fetchall()
            for number, _version, is_live in rows:
                if not is_live:
                    self._drop(db, number)
            (last,) = db.execute("SELECT coalesce(max(build), 0) FROM view_build").fetchone()
            build = Build(last + 1, view, is_live=False)
            db.execute(
                "INSERT INTO view_build(build, name, version, is_live) VALUES (?, ?, ?, 0)",
                (build.number, view.name, view.version),
            )
            for table in view.facts:
                self._make_facts(db, build, table)
            for group in view.groups:
                self._make_group(db, build, group)
        return build

    @suspends
    async def make_live(self, build: Build) -> Build:
        """Let a build be the one that is asked, and drop all others of its view. Errors: Overtaken."""
        with self._database.writing() as db:
            self._database.alone(db, "view_build")
            self._require(db, build)
            rows = db.execute("SELECT build FROM view_build WHERE name = ?", (build.view.name,)).fetchall()
            for (number,) in rows:
                if number != build.number:
                    self._drop(db, number)
            db.execute("UPDATE view_build SET is_live = 1 WHERE build = ?", (build.number,))
        return Build(build.number, build.view, is_live=True)

    @suspends
    async def drop(self, build: Build) -> None:
        """Drop a build with its tables. Idempotent."""
        with self._database.writing() as db:
            self._database.alone(db, "view_build")
            self._drop(db, build.number)

    @suspends
    async def cursors(self, build: Build) -> dict[int, int]:
        """Return how far each lane was taken for a build."""
        rows = self._database.connection.execute(
            "SELECT lane_id, upto FROM view_cursor WHERE build = ?", (build.number,)
        )
        return {int(lane_id): int(upto) for lane_id, upto in rows}

    @suspends
    async def take(self, build: Build, work: Work) -> None:
        """Take changes: facts, groups and cursors, in one transaction. Errors: Overtaken, and nothing was done."""
        with self._database.writing() as db:
            self._require(db, build)
            self._move(db, build, work.cursors)
            touched: dict[str, set[Fact]] = {}
            for table in build.view.facts:
                touched[table.name] = self._write_facts(db, build, table, work.said)
            for group in build.view.groups:
                keys = {key for of, _ in group.of for key in groups_of(group, of, touched[of.name])}
                touched[group.name] = self._derive(db, build, group, keys) if keys else set()

    @suspends
    async def holding(
        self, build: Build, table: Table, column: str, values: Collection[str], at_us: int | None = None
    ) -> list[Held]:
        """Return the rows of a table that have one of these values in a column, sorted: now, or as known at a moment.

        Shapes: `column` is `entity`, or one of the table's.
        Errors: ValueError for a moment of a group: it is derived of its facts of then (`derived`).
        """
        with self._database.snapshot():
            return self._holding(self._database.connection, build, table, column, values, at_us)

    async def every(self, build: Build, table: GroupTable) -> AsyncIterator[Fact]:
        """Yield the rows of a group's table as it is, by its key, a page at a time."""
        after: Fact = ()
        while rows := await self.page(build, table, after):
            for row in rows:
                yield row
            after = rows[-1][: len(table.key)]

    @suspends
    async def page(self, build: Build, table: GroupTable, after: Fact = (), limit: int = PAGE) -> list[Fact]:
        """Return up to `limit` rows of a group's table, by its key, behind the key `after`; empty: from the first."""
        where = f" WHERE ({', '.join(table.key)}) > ({', '.join('?' * len(table.key))})" if after else ""
        rows = self._database.connection.execute(
            f"SELECT {', '.join(table.names)} FROM {build.table(table)}{where}"  # noqa: S608
            f" ORDER BY {', '.join(table.key)} LIMIT {limit}",
            after,
        )
        return [tuple(row) for row in rows]

    @suspends
    async def known_at(self, build: Build, table: FactTable, at_us: int) -> list[Held]:
        """Return all facts of a table as known at a moment, in microseconds since 1970."""
        asked = f"SELECT entity, {', '.join(table.names)} FROM"
        rows = self._database.connection.execute(
            f"{asked} {build.table(table)} WHERE since_us <= ?"
            f" UNION ALL {asked} {build.table(table, '_past')} WHERE since_us <= ? AND until_us > ?",
            (at_us, at_us, at_us),
        )
        return [Held(str(entity), tuple(row)) for entity, *row in rows]

    @suspends
    async def digest(self, build: Build) -> str:
        """Return the SHA-256 of all that a build holds, as hex: two builds of the same changes have the same."""
        found = sha256()
        with self._database.snapshot():
            for table in build.view.tables:
                for end in ("", "_past") if isinstance(table, FactTable) else ("",):
                    found.update(f"\n{table.name}{end}\n".encode())
                    for row in self._every(build, table, end):
                        found.update(orjson.dumps(row) + b"\n")
        return found.hexdigest()

    # -- one transaction's parts ------------------------------------------------------------------------------------

    def _make_facts(self, db: Connection, build: Build, table: FactTable) -> None:
        columns = ", ".join(self._declared(column) for column in table.columns)
        key = ", ".join(table.key)
        for end, until in (("", ""), ("_past", ", until_us BIGINT NOT NULL")):
            name = build.table(table, end)
            primary = f"entity, {key}" if not end else f"entity, {key}, since_us"
            db.execute(
                f"CREATE TABLE {name}(entity {self._dialect.text} NOT NULL, {columns}, since_us BIGINT NOT NULL{until},"
                f" PRIMARY KEY({primary})){self._dialect.keyed}"
            )
            self._note(db, build, name, table.indexes)

    def _make_group(self, db: Connection, build: Build, table: GroupTable) -> None:
        columns = ", ".join(self._declared(column) for column in table.columns)
        name = build.table(table)
        db.execute(f"CREATE TABLE {name}({columns}, PRIMARY KEY({', '.join(table.key)})){self._dialect.keyed}")
        self._note(db, build, name, table.indexes)

    @staticmethod
    def _note(db: Connection, build: Build, name: str, indexes: Sequence[str]) -> None:
        db.execute("INSERT INTO view_table(name, build) VALUES (?, ?)", (name, build.number))
        for column in indexes:
            db.execute(f"CREATE INDEX {name}_by_{column} ON {name}({column})")

    def _declared(self, column: Column) -> str:
        kind = self._dialect.text if column.kind == "TEXT" else "BIGINT"
        return f"{column.name} {kind}{'' if column.may_lack else ' NOT NULL'}"

    @staticmethod
    def _drop(db: Connection, number: int) -> None:
        for (name,) in db.execute("SELECT name FROM view_table WHERE build = ?", (number,)).fetchall():
            db.execute(f"DROP TABLE {name}")
        for table in ("view_table", "view_cursor", "view_build"):
            db.execute(f"DELETE FROM {table} WHERE build = ?", (number,))  # noqa: S608

    @staticmethod
    def _require(db: Connection, build: Build) -> None:
        if db.execute("SELECT 1 FROM view_build WHERE build = ?", (build.number,)).fetchone() is None:
            raise Overtaken(f"build {build.number} of {build.view.name} was dropped meanwhile")

    @staticmethod
    def _move(db: Connection, build: Build, cursors: Mapping[int, tuple[int, int]]) -> None:
        for lane_id, (before, after) in sorted(cursors.items()):
            moved = db.execute(
                "INSERT INTO view_cursor(build, lane_id, upto) VALUES (?, ?, ?) ON CONFLICT(build, lane_id)"
                " DO UPDATE SET upto = excluded.upto WHERE view_cursor.upto = ?",
                (build.number, lane_id, after, before),
            )
            if moved.rowcount != 1:
                raise Overtaken(
                    f"lane {lane_id} of build {build.number} of {build.view.name} is not at {before} any more"
                )

    def _write_facts(
        self, db: Connection, build: Build, table: FactTable, said: Mapping[str, Sequence[tuple[int, Facts]]]
    ) -> set[Fact]:
        """Write what entities say to one table; return the facts that have ended or begun to hold."""
        held: dict[str, list[Span]] = {}
        names = ", ".join(table.names)
        for entity, since_us, *fact in db.execute(
            f"SELECT entity, since_us, {names} FROM {build.table(table)} WHERE entity IN {_AMONG}",  # noqa: S608
            (json.dumps(list(said)),),
        ):
            held.setdefault(str(entity), []).append(Span(tuple(fact), since_us, FOREVER))
        gone, past, begun = list[Fact](), list[Fact](), list[Fact]()
        touched: set[Fact] = set()
        for entity, moments in said.items():
            found = course(table, held.get(entity, ()), [(at_us, facts.get(table, ())) for at_us, facts in moments])
            gone += [(entity, *span.fact[: len(table.key)]) for span in found.ended]
            for span in (*found.ended, *found.begun):
                touched.add(span.fact)
                if span.until_us == FOREVER:
                    begun.append((entity, *span.fact, span.since_us))
                elif span.until_us > span.since_us:
                    past.append((entity, *span.fact, span.since_us, span.until_us))
        is_key = " AND ".join(f"{name} = ?" for name in ("entity", *table.key))
        db.executemany(f"DELETE FROM {build.table(table)} WHERE {is_key}", gone)  # noqa: S608
        _insert(db, build.table(table, "_past"), past)
        _insert(db, build.table(table), begun)
        return touched

    def _derive(self, db: Connection, build: Build, group: GroupTable, keys: Collection[str]) -> set[Fact]:
        """Write the rows of groups anew; return those that are gone or new."""
        rows = {of.name: self._holding(db, build, of, column, keys) for of, column in group.of}
        told = told_in(group, rows)
        first = group.names[0]
        before = {held.row for held in self._holding(db, build, group, first, keys)}
        now = {tuple(row) for key in told for row in group.derive(key, told[key])}
        width = len(group.key)
        is_key = " AND ".join(f"{name} = ?" for name in group.key)
        db.executemany(
            f"DELETE FROM {build.table(group)} WHERE {is_key}",  # noqa: S608
            [row[:width] for row in sorted(before - now, key=sorting)],
        )
        _insert(db, build.table(group), sorted(now - before, key=sorting))
        return before ^ now

    @staticmethod
    def _holding(
        db: Connection, build: Build, table: Table, column: str, values: Collection[str], at_us: int | None = None
    ) -> list[Held]:
        if column != "entity":
            table.place(column)
        names, is_group = ", ".join(table.names), isinstance(table, GroupTable)
        if is_group and at_us is not None:
            raise ValueError(f"{table.name}: a group is derived of its facts of then")
        entity = "''" if is_group else "entity"
        asked, listed = f"SELECT {entity}, {names} FROM", json.dumps(list(values))
        given: list[object] = [listed]
        where = f"WHERE {column} IN {_AMONG}"
        sql = f"{asked} {build.table(table)} {where}"
        if at_us is not None:
            past = f"{asked} {build.table(table, '_past')} {where} AND since_us <= ? AND until_us > ?"
            sql = f"{sql} AND since_us <= ? UNION ALL {past}"
            given += [at_us, listed, at_us, at_us]
        found = [Held(str(entity), tuple(row)) for entity, *row in db.execute(sql, given)]
        return sorted(found, key=lambda held: (held.entity, sorting(held.row)))

    def _every(self, build: Build, table: Table, end: str) -> Iterator[list[object]]:
        names = list(table.names)
        key = list(table.key)
        if isinstance(table, FactTable):
            names, key = ["entity", *names, "since_us"], ["entity", *key]
        if end:
            names, key = [*names, "until_us"], [*key, "since_us"]
        for row in self._database.questions.each(
            f"SELECT {', '.join(names)} FROM {build.table(table, end)} ORDER BY {', '.join(key)}"  # noqa: S608
        ):
            yield list(row)


def _insert(db: Connection, table: str, rows: Sequence[Fact]) -> None:
    if rows:
        marks = ", ".join("?" * len(rows[0]))
        db.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)  # noqa: S608
