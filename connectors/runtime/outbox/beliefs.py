"""Beliefs in the table `entity`: loaded for a few hundred entities at once, changed by their own moves, saved at once.

All of it happens inside the caller's transaction. Nothing is decided here: `connectors.reconcile.belief` does that.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from itertools import starmap
from typing import Any, Final

from connectors.reconcile.belief import UNKNOWN_DIGEST, Belief, Held, Verdict
from connectors.reconcile.story import RejectedEvent

IN_MAX: Final = 500  # SQLite's own limit was 999 for long

_COLUMNS: Final = (
    "id, status, digest, presumed_status, presumed_digest, decided, record_decided, inflight, plan, shaken, "
    "fingerprint, file, state, code, field, params, rejected_event, story"
)
_MARKS: Final = ", ".join("?" for _ in _COLUMNS.split(","))
_SAVE: Final = f"INSERT OR REPLACE INTO entity ({_COLUMNS}) VALUES ({_MARKS})"  # noqa: S608  constants
# What an acceptance changes. Of a plan and of a verdict it changes nothing, and each column costs its share to write.
_ACCEPTED: Final = (
    "UPDATE entity SET status=?, digest=?, presumed_status=?, presumed_digest=?, decided=?, record_decided=?, "
    "inflight=?, shaken=?, state=? WHERE id=?"
)
_PRESUMED: Final = "SELECT id, presumed_status, presumed_digest FROM entity WHERE presumed_status IS NOT NULL"


def load(connection: sqlite3.Connection, ids: Sequence[str]) -> dict[str, Belief]:
    """Return, by id, what is believed of those of the entities of which anything is."""
    found: dict[str, Belief] = {}
    for where, part in _parts(ids):
        found |= _select(connection, where, part)
    return found


def load_all(connection: sqlite3.Connection, where: str, values: Sequence[Any] = ()) -> Iterator[dict[str, Belief]]:
    """Yield the beliefs that a condition on `entity` selects, a few hundred at a time; each may be saved meanwhile."""
    last = ""
    while found := _select(connection, f"id > ? AND ({where}) ORDER BY id LIMIT {IN_MAX}", (last, *values)):
        yield found
        last = max(found)


def save(connection: sqlite3.Connection, beliefs: Mapping[str, Belief]) -> None:
    """Save beliefs by id."""
    connection.executemany(_SAVE, starmap(_to_columns, beliefs.items()))


def save_accepted(connection: sqlite3.Connection, beliefs: Mapping[str, Belief]) -> None:
    """Save beliefs that are there already, and to which nothing happened but `accept`."""
    connection.executemany(
        _ACCEPTED,
        [
            (
                (held := belief.held) and held.status, held and held.digest,
                (presumed := belief.presumed) and presumed.status, presumed and presumed.digest,
                belief.decided, belief.record_decided, belief.inflight, belief.shaken, belief.state, entity,
            )
            for entity, belief in beliefs.items()
        ],
    )  # fmt: skip


def files_of(beliefs: Mapping[str, Belief]) -> set[str]:
    """Return the files whose rows these entities were planned for."""
    return {belief.file for belief in beliefs.values() if belief.file is not None}


def presumed(connection: sqlite3.Connection, ids: Sequence[str]) -> dict[str, Held]:
    """Return what HQ will hold of those of the entities of which it will hold anything.

    It is for those who only look, also into an outbox of an older release.
    """
    found: dict[str, Held] = {}
    for where, part in _parts(ids):
        rows = connection.execute(f"{_PRESUMED} AND {where}", part)
        found |= {entity: Held(status, digest or UNKNOWN_DIGEST) for entity, status, digest in rows}
    return found


def _parts(ids: Sequence[str]) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield a condition and its values for a few hundred ids at a time."""
    for start in range(0, len(ids), IN_MAX):
        part = ids[start : start + IN_MAX]
        yield f"id IN ({','.join('?' * len(part))})", part


def _select(connection: sqlite3.Connection, where: str, values: Sequence[Any]) -> dict[str, Belief]:
    found: dict[str, Belief] = {}
    rows = connection.execute(f"SELECT {_COLUMNS} FROM entity WHERE {where}", values)  # noqa: S608  constants, marks
    for (
        entity, status, digest, presumed_status, presumed_digest, decided, record_decided, inflight, plan, shaken,
        fingerprint, file, state, code, field, params, rejected_event, story,
    ) in rows:  # fmt: skip
        found[entity] = Belief(
            None if status is None else Held(status, digest or UNKNOWN_DIGEST),
            None if presumed_status is None else Held(presumed_status, presumed_digest or UNKNOWN_DIGEST),
            decided,
            record_decided,
            inflight,
            plan,
            shaken == 1,
            fingerprint,
            file,
            state,
            Verdict(code, field, params) if code else None,
            None if rejected_event is None else RejectedEvent(rejected_event, story),
        )
    return found


def _to_columns(entity: str, belief: Belief) -> tuple[Any, ...]:
    held, presumed, verdict, rejected = belief.held, belief.presumed, belief.verdict, belief.rejected
    code, field, params = ("", "", "") if verdict is None else (verdict.code, verdict.field, verdict.params)
    return (
        entity, held and held.status, held and held.digest, presumed and presumed.status, presumed and presumed.digest,
        belief.decided, belief.record_decided, belief.inflight, belief.plan, belief.shaken, belief.fingerprint,
        belief.file, belief.state, code, field, params, rejected and rejected.id, rejected and rejected.story,
    )  # fmt: skip
