"""Files and their rows: what each row was when it was last taken, and which wanted state was planned for."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

import orjson

from connectors.reconcile.belief import OwnState, RowState, Verdict, row_state, row_verdict
from connectors.runtime.outbox.beliefs import files_of, load_all, save
from connectors.runtime.outbox.database import Database
from hub.protocol.value import value_class

_PAGE_ROWS: Final = 500
# Rows with their entities, and how they stand to each other: what `reconcile.belief` makes a row's verdict of.
_ROWS: Final = "row LEFT JOIN entity ON entity.id = row.entity"
_STANDING: Final = "entity.fingerprint IS row.fingerprint, entity.file IS row.file, entity.state"
_COUNTS: Final = f"SELECT row.file, row.state, {_STANDING}, count(*) FROM {_ROWS} GROUP BY 1, 2, 3, 4, 5"  # noqa: S608  constants
_VERDICTS: Final = (
    "SELECT number, key, entity, problems, row.state, row.code, row.field, row.params, "  # noqa: S608  constants
    f"entity.code, entity.field, entity.params, {_STANDING} "
    f"FROM {_ROWS} WHERE row.file=? AND number>? ORDER BY number LIMIT ?"
)


class FileState(StrEnum):
    """What became of a file when it was last looked at."""

    TAKEN = "taken"
    WAITING = "waiting"  # too much changed at once: `connector approve`
    REFUSED = "refused"  # no rows can be had from it; the message says why
    VANISHED = "vanished"
    LOCKED = "locked"  # somebody has it open, or we may not read it
    TOO_LARGE = "too_large"
    UNMAPPED = "unmapped"  # no mapping is for its name


_ASIDE: Final = (FileState.LOCKED, FileState.TOO_LARGE, FileState.UNMAPPED)


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a file is not taken: the sentence for the log and for `status`, and for people its code and values.

    Shapes: `params` are told by their names in schemas/words/notices.toml; a code of '' is told by the file's state.
    """

    message: str
    code: str = ""
    params: Mapping[str, str] = field(default_factory=dict)


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
        """Return, by key, the wanted states that were planned for the rows of `file` as it was last taken."""
        return dict(
            self._database.read(
                "SELECT key, entity.fingerprint FROM row JOIN entity ON entity.id = row.entity "
                "WHERE row.file=? AND entity.fingerprint IS NOT NULL",
                (file,),
            )
        )

    def entities_of(self, file: str) -> frozenset[str]:
        """Return the entities that the rows of `file` name; none if the file is gone."""
        found = self._database.read(
            "SELECT entity FROM file JOIN row ON row.file = file.name "
            "WHERE name=? AND file.state NOT IN (?, ?) AND entity IS NOT NULL",
            (file, FileState.VANISHED, FileState.UNMAPPED),
        )
        return frozenset(entity for (entity,) in found)

    def begin(self, file: str) -> int:
        """Return the number under which the rows of one reading of `file` are put."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO file VALUES (?, ?, '', 1, 0, NULL, NULL, '', '') "
                "ON CONFLICT (name) DO UPDATE SET generation = generation + 1",
                (file, FileState.TAKEN),
            )
            return int(connection.execute("SELECT generation FROM file WHERE name=?", (file,)).fetchone()[0])

    def finish(self, file: str, generation: int, blank: int) -> None:
        """Forget the rows that the reading `generation` did not have; those with a key are reported as vanished."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO vanished SELECT file, key FROM row WHERE file=?1 AND generation<>?2 AND entity "
                "IS NOT NULL AND key NOT IN (SELECT key FROM row WHERE file=?1 AND generation=?2)",
                (file, generation),
            )
            connection.execute("DELETE FROM row WHERE file=? AND generation<>?", (file, generation))
            connection.execute(
                "DELETE FROM vanished WHERE file=?1 AND key IN (SELECT key FROM row WHERE file=?1)", (file,)
            )
            connection.execute(
                "UPDATE file SET state=?, message='', code='', params='', blank=?, waiting=NULL, approved=NULL "
                "WHERE name=?",
                (FileState.TAKEN, blank, file),
            )

    def set_file(self, file: str, state: FileState, reason: Reason, waiting: bytes | None = None) -> None:
        """Remember that `file` is not to be taken as it is now. Its rows stay as they were; an approval is spent."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO file VALUES (?1, ?2, ?3, 0, 0, ?4, NULL, ?5, ?6) "
                "ON CONFLICT (name) DO UPDATE SET "
                "state=?2, message=?3, waiting=?4, approved=NULL, code=?5, params=?6",
                (file, state, reason.message, waiting, reason.code, _params_text(reason)),
            )

    def set_aside(self, file: str, state: FileState, reason: Reason) -> None:
        """Remember why `file` is not read for now. Its rows and an approval stay as they were."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO file VALUES (?1, ?2, ?3, 0, 0, NULL, NULL, ?4, ?5) "
                "ON CONFLICT (name) DO UPDATE SET state=?2, message=?3, code=?4, params=?5",
                (file, state, reason.message, reason.code, _params_text(reason)),
            )

    def aside(self) -> dict[str, FileState]:
        """Return the files that were set aside, and why."""
        found = self._database.read("SELECT name, state FROM file WHERE state IN (?, ?, ?)", _ASIDE)
        return {name: FileState(state) for name, state in found}

    def drop(self, file: str) -> None:
        """Forget a file that was set aside and is gone; with rows from a time before, it has vanished."""
        with self._database.transaction() as connection:
            connection.execute(
                "DELETE FROM file WHERE name=?1 AND NOT EXISTS (SELECT 1 FROM row WHERE row.file=?1)", (file,)
            )
            connection.execute(
                "UPDATE file SET state=?, code='', params='', message='the file is gone; nothing was withdrawn' "
                "WHERE name=?",
                (FileState.VANISHED, file),
            )

    def forget_held(self) -> set[str]:
        """Forget which records HQ holds, for another outbox told it more; return the files to be planned again.

        The statuses stay as we know them: where they are wrong, HQ's verdict tells.
        """
        files = set()
        with self._database.transaction() as connection:
            for beliefs in load_all(connection, "status IS NOT NULL"):
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
        vanished = self._database.read("SELECT file, 'vanished', count(*) FROM vanished GROUP BY file")
        for name, state, count in (*count_rows(self._database), *vanished):
            if name in files:
                counts = files[name].counts
                counts[state] = counts.get(state, 0) + count
        return list(files.values())

    def vanished(self, file: str) -> list[str]:
        """Return the keys of rows that `file` had once and has no more."""
        return [key for (key,) in self._database.read("SELECT key FROM vanished WHERE file=? ORDER BY key", (file,))]

    def verdicts(self, file: str) -> Iterator[RowVerdict]:
        """Yield the rows of `file`, in the order of the sheet, and what became of each."""
        at = -1
        while found := self._database.read(_VERDICTS, (file, at, _PAGE_ROWS)):
            yield from (_judge(*row) for row in found)
            at = found[-1][0]


def _params_text(reason: Reason) -> str:
    return orjson.dumps(dict(reason.params)).decode() if reason.params else ""


def count_rows(database: Database) -> Iterator[tuple[str, RowState, int]]:
    """Yield how many rows of a file are in a state: its name, the state, the count. A state may come more than once."""
    for file, own, is_planned, is_same_file, state, count in database.read(_COUNTS):
        yield file, row_state(own, state, is_planned=is_planned, is_same_file=is_same_file), count


def _judge(number: int, key: str, entity: str | None, problems: str, own: OwnState, *standing: Any) -> RowVerdict:
    """Return a row as its columns, and those of its entity, have it."""
    *texts, is_planned, is_same_file, state = standing
    refusal, rejection = Verdict(*texts[:3]), Verdict(*texts[3:])
    found = row_verdict(own, refusal, rejection, is_planned=bool(is_planned))
    became = row_state(own, state, is_planned=bool(is_planned), is_same_file=bool(is_same_file))
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
