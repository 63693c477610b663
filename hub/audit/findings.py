"""What an audit may find: a closed list of names, each with a sentence, and the place of each finding.

docs/audit.md lists the names; a test holds the two together. A finding is never the end of an audit: what could not be
read or is not as it must be is told, and the audit goes on behind it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any, Final

DETAIL_MAX: Final = 300


class What(StrEnum):
    """What is wrong."""

    # What can't be read at all
    UNREADABLE = "UNREADABLE"
    ARCHIVE = "ARCHIVE"
    # Lanes and the ledger
    LANE_ROW = "LANE_ROW"
    LEDGER_GAP = "LEDGER_GAP"
    LEDGER_STRAY = "LEDGER_STRAY"
    LEDGER_BYTES = "LEDGER_BYTES"
    LEDGER_DIGEST = "LEDGER_DIGEST"
    WRONG_PLACE = "WRONG_PLACE"
    VERDICT = "VERDICT"
    HISTORY = "HISTORY"
    # Receipts and seals
    RECEIPT_GAP = "RECEIPT_GAP"
    RECEIPT_STRAY = "RECEIPT_STRAY"
    RECEIPT_NOTE = "RECEIPT_NOTE"
    RECEIPT_ROW = "RECEIPT_ROW"
    RECEIPT_ROOT = "RECEIPT_ROOT"
    RECEIPT_LINE = "RECEIPT_LINE"
    SEAL = "SEAL"
    SEAL_KEY = "SEAL_KEY"
    BASIS = "BASIS"
    STATE_DIGEST = "STATE_DIGEST"
    # HQ's log
    LOG_GAP = "LOG_GAP"
    LOG_LEAF = "LOG_LEAF"
    LOG_MISSING = "LOG_MISSING"
    LOG_TILE = "LOG_TILE"
    CHECKPOINT_NOTE = "CHECKPOINT_NOTE"
    CHECKPOINT_ROOT = "CHECKPOINT_ROOT"
    CHECKPOINT_ROW = "CHECKPOINT_ROW"
    COSIGNATURE = "COSIGNATURE"
    # What follows from the ledger
    ENTITY = "ENTITY"
    MEASURE = "MEASURE"
    # Beside the ledger
    QUARANTINE = "QUARANTINE"
    EVIDENCE = "EVIDENCE"


TEXTS: Final[Mapping[What, str]] = MappingProxyType(
    {
        What.UNREADABLE: "the database does not give this back; what depends on it was not checked",
        What.ARCHIVE: "a segment of the archive is missing, damaged, out of order, or differs from the database",
        What.LANE_ROW: "a lane's row is not what its receipts, events and neighbours say",
        What.LEDGER_GAP: "an event is missing",
        What.LEDGER_STRAY: "a row is in no lane, or lies beyond its lane's end",
        What.LEDGER_BYTES: "an event's bytes are not those that the lane's tree has: they were changed",
        What.LEDGER_DIGEST: "the digest column is not the digest of the event's bytes",
        What.WRONG_PLACE: "an event's own headers say another lane or sequence than its row",
        What.VERDICT: "judging the event again, under its basis and time, gives another row",
        What.HISTORY: "the link to the entity's event before is not what the fold gives",
        What.RECEIPT_GAP: "events are covered by no receipt, or by two",
        What.RECEIPT_STRAY: "a receipt is in no lane, or lies beyond its lane's end",
        What.RECEIPT_NOTE: "the receipt's note is not signed by a receipts key of the trust file, or does not read",
        What.RECEIPT_ROW: "the columns beside a receipt's note say something else than the note",
        What.RECEIPT_ROOT: "the receipt's root is not that of the events up to it",
        What.RECEIPT_LINE: "the receipt tells another verdict than the ledger",
        What.SEAL: "the seal is not over these events: another origin, size or root, or it does not read",
        What.SEAL_KEY: "the seal is not signed by a key that was good for this center under the receipt's basis",
        What.BASIS: "the receipt names a basis that the hq lane never had, or had left long before",
        What.STATE_DIGEST: "the state after these events has another digest",
        What.LOG_GAP: "a leaf of HQ's log is missing",
        What.LOG_LEAF: "a leaf is not the receipt that it stands for, or for none, or it is out of order",
        What.LOG_MISSING: "a receipt that the log should have is no leaf of it",
        What.LOG_TILE: "a stored tile is not made of the log's leaves, or is missing",
        What.CHECKPOINT_NOTE: "a checkpoint is not signed by the log's keys, or does not read",
        What.CHECKPOINT_ROOT: "a checkpoint has another root than the log's leaves",
        What.CHECKPOINT_ROW: "the columns beside a checkpoint say something else than the note and the leaves",
        What.COSIGNATURE: "a cosignature is not good, or not by a witness key that the center had then",
        What.ENTITY: "an entity's row is not what the ledger folds to",
        What.MEASURE: "a measure is not what the ledger adds up to",
        What.QUARANTINE: "a quarantined record's bytes are not those of its digest",
        What.EVIDENCE: "a proof of a fork is none: its notes are not two good seals of one size with two roots",
    }
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not as it must be.

    Shapes: `table` is where it was found; `lane` the lane's origin, `#<id>` where it has none; `first` to `last` the
            sequences, or the leaf's index, the checkpoint's size; `key` what else names the row.
    """

    what: What
    table: str
    lane: str = ""
    first: int | None = None
    last: int | None = None
    key: str = ""
    detail: str = ""

    @property
    def where(self) -> str:
        """The place, in one line."""
        parts = [self.lane]
        if self.first is not None:
            parts.append(str(self.first) if self.last in (None, self.first) else f"{self.first}-{self.last}")
        parts.append(self.key)
        return " ".join([self.table, *filter(None, parts)])

    def to_json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {
            "what": str(self.what),
            "table": self.table,
            "lane": self.lane or None,
            "first": self.first,
            "last": self.last if self.last is not None else self.first,
            "key": self.key or None,
            "detail": self.detail,
        }

    def order(self) -> tuple[Any, ...]:
        """Return what findings are sorted by: the same for any number of processes."""
        return (self.table, self.lane, self.first if self.first is not None else -1, self.key, self.what, self.detail)


# What hundreds of times follows from one byte or one file elsewhere.
_CONSEQUENCES: Final = frozenset({What.HISTORY, What.STATE_DIGEST, What.ENTITY, What.MEASURE})


class Findings:
    """The findings of one part of an audit. Neighbours that differ only in their number become one."""

    def __init__(self) -> None:
        self._found: list[Finding] = []

    def add(
        self,
        what: What,
        table: str,
        lane: str = "",
        first: int | None = None,
        last: int | None = None,
        *,
        key: str = "",
        detail: object = "",
    ) -> None:
        """Tell one finding."""
        found = Finding(what, table, readable(lane), first, last, readable(key), readable(detail))
        before = self._found[-1] if self._found else None
        if (
            before is not None
            and first is not None
            and before.first is not None
            and (before.what, before.table, before.lane, before.key, before.detail)
            == (found.what, found.table, found.lane, found.key, found.detail)
            and (before.last if before.last is not None else before.first) == first - 1
        ):
            self._found[-1] = Finding(
                what, table, lane, before.first, last if last is not None else first, key, found.detail
            )
            return
        self._found.append(found)

    def extend(self, found: Iterable[Finding]) -> None:
        """Take over what another part has found."""
        self._found.extend(found)

    @contextmanager
    def unheard(self) -> Iterator[None]:
        """Forget what is told inside: it was told before, or is not asked for."""
        kept, self._found = self._found, []
        try:
            yield
        finally:
            self._found = kept

    def has(self, what: What, lane: str, first: int) -> bool:
        """Return whether this was told of that place just now."""
        return any((f.what, f.lane, f.first) == (what, lane, first) for f in self._found[-8:])

    def __len__(self) -> int:
        return len(self._found)

    def sorted(self) -> list[Finding]:
        """Return all of them, by their place."""
        return sorted(self._found, key=Finding.order)


def causes_first(found: Iterable[Finding]) -> list[Finding]:
    """Return findings as a person reads them: what may have led to the others stands before them."""
    return sorted(found, key=lambda finding: finding.what in _CONSEQUENCES)


def readable(value: object) -> str:
    """Return something found in a damaged database as text that any terminal and JSON can hold."""
    text = value if isinstance(value, str) else str(value)
    clean = "".join(
        c if c.isprintable() and not "\ud800" <= c <= "\udfff" else "\N{REPLACEMENT CHARACTER}" for c in text
    )
    return clean if len(clean) <= DETAIL_MAX else clean[: DETAIL_MAX - 1] + "…"
