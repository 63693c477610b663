"""Files and their rows: what each row was when it was last taken, and which wanted state was planned for."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

import orjson

from connectors.mapping.problem import LocalCode
from connectors.reconcile.belief import OwnState, RowState, Verdict, row_state, row_verdict
from connectors.runtime.outbox.beliefs import files_of, load_all, save
from connectors.runtime.outbox.database import Database
from connectors.runtime.outbox.meta import Meta
from connectors.runtime.outbox.orphans import LEFT, Orphans, release
from hub.protocol.moment import write_time
from hub.protocol.value import value_class

_PAGE_ROWS: Final = 500
_PARAMS_CHARS_MAX: Final = 100
# How rows stand to their entities: what `reconcile.belief` makes a row's verdict of.
_STANDING: Final = "entity.fingerprint IS row.fingerprint, entity.file IS NULL OR entity.file = row.file, entity.state"
# Of each file the rows of one reading are shown: those of the newest that has come to its end.
_SHOWN: Final = "file JOIN row ON row.file = file.name AND row.generation = file.shown"
_COUNTS: Final = (
    "SELECT row.file, row.state, row.code, {standing}, count(*) FROM {rows} "
    "LEFT JOIN entity ON entity.id = row.entity{where} GROUP BY 1, 2, 3, 4, 5, 6"
)
_VERDICTS: Final = (
    "SELECT number, key, entity, problems, row.state, row.code, row.field, row.params, "  # noqa: S608  constants
    f"entity.code, entity.field, entity.params, entity.file, {_STANDING} FROM {_SHOWN} "
    "LEFT JOIN entity ON entity.id = row.entity WHERE file.name=? AND number>? ORDER BY number LIMIT ?"
)
_FORGET_ROWS: Final = 5_000  # rows of older readings that are forgotten in one transaction
KEEP_VANISHED: Final = timedelta(days=30)  # how long a file that is gone is known, so that it may come back


class FileState(StrEnum):
    """What became of a file when it was last looked at."""

    TAKEN = "taken"
    WAITING = "waiting"  # too much changed at once: `connector approve`
    REFUSED = "refused"  # no rows can be had from it; the message says why
    VANISHED = "vanished"
    LOCKED = "locked"  # somebody has it open, or we may not read it
    TOO_LARGE = "too_large"
    UNMAPPED = "unmapped"  # no mapping is for its name


ASIDE: Final = (FileState.LOCKED, FileState.TOO_LARGE, FileState.UNMAPPED)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a file is not taken: the sentence for the log and for `status`, and for people its code and values.

    Shapes: `params` are told by their names in schemas/words/notices.toml; a code of '' is told by the file's state.
    """

    message: str
    code: str = ""
    params: Mapping[str, str] = field(default_factory=dict)


GONE: Final = Reason("the file is gone; nothing was withdrawn")


@dataclass(frozen=True, slots=True)
class FileSummary:
    """One file and how many rows are in each state; `reason` is why it is not taken.

    The count `generation` rises with every reading, so equal summaries mean equal rows.
    """

    name: str
    state: str
    reason: Reason
    counts: dict[str, int]


@value_class
class StoredRow:
    """One row of a file. `state` is refused, blank or unchanged, or '' where the entity says what became of it."""

    number: int
    key: str
    entity: str | None
    fingerprint: bytes | None
    state: OwnState
    code: str = ""
    field: str = ""
    params: str = ""
    problems: str = ""  # JSON: [[column, field, code, params], ...] of a refused row, and remarks on any other


@dataclass(frozen=True, slots=True)
class RowVerdict:
    """One row and what became of it: accepted, refused, rejected, unchanged, blank or pending."""

    number: int
    key: str
    entity: str | None
    state: RowState
    code: str
    field: str
    params: str
    problems: str


class Rows:
    """The rows of every file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def known(self, file: str) -> dict[str, bytes]:
        """Return, by key, the wanted states that were planned for the rows of `file` that it owns, as last taken."""
        return dict(
            self._database.read(
                f"SELECT key, entity.fingerprint FROM {_SHOWN} JOIN entity ON entity.id = row.entity "  # noqa: S608  constants
                "WHERE file.name=? AND entity.file = file.name AND entity.fingerprint IS NOT NULL",
                (file,),
            )
        )

    def entities_of(self, file: str) -> frozenset[str]:
        """Return the entities that the rows of `file` name; none if the file is gone."""
        found = self._database.read(
            f"SELECT entity FROM {_SHOWN} WHERE name=? AND file.state NOT IN {LEFT} AND entity IS NOT NULL",  # noqa: S608  constants
            (file,),
        )
        return frozenset(entity for (entity,) in found)

    def present(self) -> frozenset[str]:
        """Return the files that were there when they were last looked for."""
        found = self._database.read(f"SELECT name FROM file WHERE state NOT IN {LEFT}")  # noqa: S608  constants
        return frozenset(name for (name,) in found)

    def begin(self, file: str) -> int:
        """Return the number under which the rows of one reading of `file` are put.

        Until it is finished, the rows of the last one that was are shown; of a file that is new, those of this one.
        """
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO file (name, state, message, generation, blank, shown) VALUES (?, ?, '', 1, 0, 1) "
                "ON CONFLICT (name) DO UPDATE SET generation = generation + 1, shown = max(shown, generation = 0)",
                (file, FileState.TAKEN),
            )
            return int(connection.execute("SELECT generation FROM file WHERE name=?", (file,)).fetchone()[0])

    def finish(self, file: str, generation: int, blank: int, now: datetime) -> set[str]:
        """Show the rows of the reading `generation`, forget all others; return the files that are to be read again.

        What no row of the file names any more is looked for among the rows of all older readings, wherever they stood.
        """
        with self._database.transaction() as connection:
            again = release(connection, file, generation, now)
            connection.execute(
                "UPDATE file SET state=?, message='', code='', params='', blank=?, waiting=NULL, approved=NULL, "
                "shown=?, since=NULL WHERE name=?",
                (FileState.TAKEN, blank, generation, file),
            )
        # Durable from here: rows of older readings are shown no more. A crash leaves them to the next reading's end.
        self._forget_rows(file, generation)
        return again

    def _forget_rows(self, file: str, generation: int) -> None:
        """Delete the rows of readings before `generation`, some at a time, so that nobody waits for it."""
        more = True
        while more:
            with self._database.transaction() as connection:
                found = connection.execute(
                    "SELECT generation, number FROM row WHERE file=? AND generation<? ORDER BY generation, number "
                    "LIMIT 1 OFFSET ?",
                    (file, generation, _FORGET_ROWS),
                ).fetchone()
                more = found is not None
                connection.execute(
                    "DELETE FROM row WHERE file=? AND (generation, number) < (?, ?)",
                    (file, *(found or (generation, -1))),
                )

    def set_file(self, file: str, state: FileState, reason: Reason, waiting: bytes | None = None) -> None:
        """Remember that `file` is not to be taken as it is now. Its rows stay as they were; an approval is spent."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO file (name, state, message, generation, blank, waiting, code, params) "
                "VALUES (?1, ?2, ?3, 0, 0, ?4, ?5, ?6) ON CONFLICT (name) DO UPDATE SET "
                "state=?2, message=?3, waiting=?4, approved=NULL, code=?5, params=?6",
                (file, state, reason.message, waiting, reason.code, _params_text(reason)),
            )

    def set_aside(self, file: str, state: FileState, reason: Reason) -> None:
        """Remember why `file` is not read for now. Its rows and an approval stay as they were."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO file (name, state, message, generation, blank, code, params) "
                "VALUES (?1, ?2, ?3, 0, 0, ?4, ?5) ON CONFLICT (name) DO UPDATE SET "
                "state=?2, message=?3, code=?4, params=?5",
                (file, state, reason.message, reason.code, _params_text(reason)),
            )

    def aside(self) -> dict[str, FileState]:
        """Return the files that were set aside, and why."""
        marks = ", ".join("?" * len(ASIDE))
        found = self._database.read(f"SELECT name, state FROM file WHERE state IN ({marks})", ASIDE)  # noqa: S608  constants
        return {name: FileState(state) for name, state in found}

    def leave(self, file: str, state: FileState, reason: Reason, now: datetime) -> set[str]:
        """Note that `file` names nothing any more, for it is gone or nobody may read it; return whom to read again.

        Shapes: state is VANISHED or UNMAPPED. What HQ holds of its rows stays: nothing is withdrawn. A file without
                rows that is gone is forgotten.
        """
        with self._database.transaction() as connection:
            again = release(connection, file, -1, now)
            has_rows = connection.execute("SELECT 1 FROM row WHERE file=? LIMIT 1", (file,)).fetchone()
            if state is FileState.VANISHED and not has_rows:
                connection.execute("DELETE FROM file WHERE name=?", (file,))
            else:
                connection.execute(
                    "INSERT INTO file (name, state, message, generation, blank, code, params, since) "
                    "VALUES (?1, ?2, ?3, 0, 0, ?4, ?5, ?6) ON CONFLICT (name) DO UPDATE SET "
                    "state=?2, message=?3, waiting=NULL, approved=NULL, code=?4, params=?5, since=?6",
                    (file, state, reason.message, reason.code, _params_text(reason), write_time(now)),
                )
        return again

    def forget_vanished(self, now: datetime) -> None:
        """Forget the files that are gone for long, and of which no entity is an orphan."""
        found = self._database.read(
            "SELECT name, generation FROM file WHERE state=? AND coalesce(since, '') < ?",
            (FileState.VANISHED, write_time(now - KEEP_VANISHED)),
        )
        needed = Orphans(self._database).counts() if found else {}
        for name, generation in found:
            if name in needed:
                continue
            self._forget_rows(name, generation + 1)
            with self._database.transaction() as connection:
                connection.execute("DELETE FROM file WHERE name=?", (name,))

    def forget_held(self) -> set[str]:
        """Forget which records HQ holds, for another outbox told it more; return the files to be planned again.

        The statuses stay as we know them: where they are wrong, HQ's verdict tells. Of what was never told from here,
        now or later, it is not known whether HQ has it.
        """
        files = set()
        with self._database.transaction() as connection:
            self._database.set_meta(Meta.TOLD_ELSEWHERE, "yes")
            for beliefs in load_all(connection, "true"):
                changed = {entity: belief.forget() for entity, belief in beliefs.items()}
                files |= files_of(changed)
                save(connection, changed)
        return files

    def waiting(self) -> list[str]:
        """Return the files that wait for `connector approve`."""
        found = self._database.read("SELECT name FROM file WHERE state=? ORDER BY name", (FileState.WAITING,))
        return [row[0] for row in found]

    def approve(self, file: str) -> bool:
        """Let `file` be taken with the content that it has waited with; return whether it waited at all."""
        with self._database.transaction() as connection:
            done = connection.execute(
                "UPDATE file SET approved=waiting WHERE name=? AND state=? AND waiting IS NOT NULL",
                (file, FileState.WAITING),
            )
            return done.rowcount > 0

    def approvals(self) -> dict[str, bytes]:
        """Return the contents that were approved and not yet taken, by file."""
        return dict(self._database.read("SELECT name, approved FROM file WHERE approved IS NOT NULL"))

    def summaries(self) -> list[FileSummary]:
        """Return every file that we know of, by name."""
        found = self._database.read("SELECT name, state, message, code, params, generation FROM file ORDER BY name")
        files = {
            name: FileSummary(
                name, state, Reason(message, code, orjson.loads(params) if params else {}), {"generation": generation}
            )
            for name, state, message, code, params, generation in found
        }
        vanished = [(file, "vanished", count) for file, count in Orphans(self._database).counts().items()]
        counted = ((name, state, count) for name, state, _, count in count_rows(self._database))
        for name, state, count in (*counted, *vanished):
            if name in files:
                counts = files[name].counts
                counts[state] = counts.get(state, 0) + count
        return list(files.values())

    def verdicts(self, file: str) -> Iterator[RowVerdict]:
        """Yield the rows of `file`, in the order of the sheet, and what became of each."""
        at = -1
        while found := self._database.read(_VERDICTS, (file, at, _PAGE_ROWS)):
            yield from (_judge(*row) for row in found)
            at = found[-1][0]


def _params_text(reason: Reason) -> str:
    return orjson.dumps(dict(reason.params)).decode() if reason.params else ""


def count_rows(database: Database, file: str | None = None) -> Iterator[tuple[str, RowState, str, int]]:
    """Yield how many rows are in a state: the file's name, the state, the code of refused ones, the count.

    A state may come more than once. Of all files, or of one.
    """
    rows = _SHOWN if database.is_current else "row"  # an older release had one reading of each file
    sql = _COUNTS.format(standing=_STANDING, rows=rows, where="" if file is None else " WHERE file.name = ?")
    for name, own, code, is_planned, is_owner, state, count in database.read(sql, () if file is None else (file,)):
        became = row_state(own, state, is_planned=is_planned, is_owner=is_owner)
        refused_for = (code or LocalCode.DUPLICATE_KEY) if became == "refused" else ""
        yield name, became, str(refused_for), count


def count_refusals(database: Database, file: str) -> dict[str, int]:
    """Return how many rows of a file are refused for which code first."""
    codes: Counter[str] = Counter()
    for _, state, code, count in count_rows(database, file):
        if state == "refused":
            codes[code] += count
    return dict(codes)


def _judge(number: int, key: str, entity: str | None, problems: str, own: OwnState, *standing: Any) -> RowVerdict:
    """Return a row as its columns, and those of its entity, have it."""
    *texts, owner, is_planned, is_owner, state = standing
    became = row_state(own, state, is_planned=bool(is_planned), is_owner=bool(is_owner))
    refusal, rejection = Verdict(*texts[:3]), Verdict(*texts[3:])
    if became == "refused" and not own:
        refusal = Verdict(LocalCode.DUPLICATE_KEY, "", f"file={owner}"[:_PARAMS_CHARS_MAX])
        told = orjson.loads(problems) if problems else []
        problems = orjson.dumps([["", "", refusal.code, refusal.params], *told]).decode()
        return RowVerdict(number, key, entity, became, refusal.code, "", refusal.params, problems)
    found = row_verdict(own, refusal, rejection, is_planned=bool(is_planned))
    return RowVerdict(number, key, entity, became, found.code, found.field, found.params, problems)


def put_rows(connection: sqlite3.Connection, file: str, generation: int, rows: Sequence[StoredRow]) -> None:
    """Store `rows` inside the caller's transaction."""
    connection.executemany(
        "INSERT OR REPLACE INTO row VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (file, r.number, generation, r.key, r.entity, r.fingerprint, r.state, r.code, r.field, r.params, r.problems)
            for r in rows
        ),
    )
