"""The hot write in PostgreSQL: what most fetches come to, in one statement, which is one round trip and no BEGIN.

The statement is fenced by the intake's row: whose term is not there any more writes nothing at all of it. A step with
anything rarer (a new lane, records in quarantine, what a center says of itself) is written as on any engine.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from hub.ledger.step import Step
from hub.protocol.moment import to_us
from hub.store.database import Database
from hub.store.postgres_connection import PostgresConnection, lists
from hub.store.rows import StoredEntity, StoredEvent, StoredReceipt, entity_row, ledger_rows, receipt_row
from hub.store.sql_commit import MEASURE_FORM
from hub.store.sql_entities import CHANGED
from hub.store.store import FencedError

_LEDGER: Final = ("lane_id", *StoredEvent._fields)
_MEASURE: Final = ("lane_id", "key", "value")

_OWN: Final = 11  # values before the lists: the intake's and the lane's
_UPDATES: Final = """
WITH fence AS (
    UPDATE intake SET next_offset = $3, read_upto = $4, lane_id = $5, duplicates = duplicates + $6,
        strangers = strangers + $7
    WHERE center = $1 AND term = $2 RETURNING 1
), moved AS (
    UPDATE lane SET size = $8, edge = $9, state_digest = $10, recorded_at_us = $11
    WHERE id = $5 AND EXISTS (SELECT 1 FROM fence)
)"""


def _statement() -> str:
    ledger, at = lists("ledger", _LEDGER, _OWN)
    receipt, at = lists("receipt", StoredReceipt._fields, at)
    entity, at = lists("entity", StoredEntity._fields, at)
    measure, at = lists("measure", _MEASURE, at)
    added = "CAST(CAST(measure.value AS numeric) + CAST(excluded.value AS numeric) AS text)"
    summed = f"ON CONFLICT(lane_id, key) DO UPDATE SET value = {added} WHERE measure.value ~ '^{MEASURE_FORM}$'"
    parts = (
        _UPDATES,
        _insert("said", "ledger", _LEDGER, ledger),
        _insert("answered", "receipt", StoredReceipt._fields, receipt),
        _insert("changed", "entity", StoredEntity._fields, entity, CHANGED),
        _insert("counted", "measure", _MEASURE, measure, summed),
    )
    return f"{', '.join(parts)} SELECT count(*) FROM fence"  # noqa: S608 - names of ours


def _insert(name: str, table: str, names: Sequence[str], rows: str, upon: str = "") -> str:
    """Return the part that inserts rows, if the fence lets it."""
    return f"{name} AS (INSERT INTO {table}({', '.join(names)}) SELECT u.* FROM fence, {rows} AS u {upon})"  # noqa: S608


def is_usual(step: Step) -> bool:
    """Return whether a step is written by the one statement: events of an open lane, and nothing beside them."""
    heard, lane = step.heard, step.reading.intake.lane
    return (
        bool(step.commits)
        and lane is not None
        and all(
            commit.receipt.first > 1 and commit.stretch.closes is None and commit.lane.origin == lane.origin
            for commit in step.commits
        )
        and not (step.quarantine or step.cosignatures or heard.presences or heard.alarms or step.restates)
    )


class UsualCommit:
    """Writes steps that `is_usual`."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._sql = _statement()

    def write(self, db: PostgresConnection, step: Step, term: int) -> None:
        """Write all of `step`, or nothing. Errors: FencedError; those of the driver."""
        lane_id, intake, lane = self._database.lane_id, step.reading.intake, step.commits[-1].lane
        number = lane_id(lane.origin)
        origins = {row.previous[0] for commit in step.commits for row in commit.rows if row.previous is not None}
        origins.update(known.record_origin for known in step.entities.values())
        self._database.remember_lanes(origins)
        values: list[Any] = [
            intake.center, term, intake.offset, intake.read_upto, number, step.heard.duplicates, step.heard.strangers,
            lane.size, lane.edge.to_bytes(), lane.state_digest, to_us(lane.recorded_at),
        ]  # fmt: skip
        values += _columns(
            _LEDGER, [row for commit in step.commits for row in ledger_rows(number, commit.rows, lane_id)]
        )
        values += _columns(StoredReceipt._fields, [receipt_row(number, commit) for commit in step.commits])
        values += _columns(StoredEntity._fields, [entity_row(known, lane_id) for known in step.entities.values()])
        measures = [(lane_id(origin), key, format(change, "f")) for (origin, key), change in step.measures.items()]
        values += _columns(_MEASURE, sorted(measures))
        if db.run(self._sql, values).fetchone()[0] != 1:
            raise FencedError(f"intake {intake.center}: another worker has taken it over")


def _columns(names: tuple[str, ...], rows: list[tuple[Any, ...]]) -> list[Any]:
    """Return rows as a list a column."""
    return list(zip(*rows, strict=True)) if rows else [[] for _ in names]
